"""What folders, tables and options say about labels, as a value: rule, classes, doubts, notes.

A doubt is a source that can mean two things. It carries its evidence and the changed options
that settle it, as data: the command line prints them as commands, the API as keyword arguments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from imgmem.core.errors import InputError
from imgmem.core.storage.targets import CLASS

Value = str | int | float | bool | None | tuple[str, ...]
"""What a remedy may set an option to."""


@dataclass(frozen=True)
class Remedy:
    """One way to settle a doubt.

    options: the options to change, by their Python names, with their complete new values.
    meaning: what the images then are, in a few words.
    """

    options: Mapping[str, Value]
    meaning: str


UNLABELED = Remedy({"labels": "none"}, "images without labels")


@dataclass(frozen=True)
class Doubt:
    """A source that can mean two things, one of which would be silently wrong.

    name: of the detector. evidence: what was seen, as a sentence without its period.
    remedies: the ways to settle it, the likeliest first.
    """

    name: str
    evidence: str
    remedies: tuple[Remedy, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Labeling:
    """What a source means.

    rule: how labels are found, as the option `labels` would say it ("folder:1", "none"), or
    "table", "pairs", "dataset". classes: names by number, None if unlabeled. counts: images by
    class name (None: no label), then by split name (None: no split); one with several labels is
    counted in each of its classes, and in `images` (by split) once. target: what labels are, one
    of TARGETS; target_names: of the numbers, which have no classes and no counts.
    examples: the first paths of each class. splits: names that the source itself gives.
    total_bytes: of all files together.
    """

    rule: str
    target: str = CLASS
    target_names: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    images: Mapping[str | None, int] = field(default_factory=dict)
    counts: Mapping[str | None, Mapping[str | None, int]] = field(default_factory=dict)
    examples: Mapping[str | None, tuple[str, ...]] = field(default_factory=dict)
    splits: tuple[str, ...] = ()
    total_bytes: int = 0
    doubts: tuple[Doubt, ...] = ()
    notes: tuple[str, ...] = ()


def class_counts(labeling: Labeling) -> dict[str, int] | None:
    """Images of each class, by number; None without labels."""
    if labeling.classes is None:
        return None
    return {name: sum(labeling.counts.get(name, {}).values()) for name in labeling.classes}


def split_counts(labeling: Labeling) -> dict[str, int]:
    """Images of each split that the source itself has."""
    return {split: labeling.images.get(split, 0) for split in labeling.splits}


def require_certain(doubts: Iterable[Doubt]) -> None:
    """Raises InputError with every doubt as a fact ("doubts") where there is one."""
    found = tuple(doubts)
    if not found:
        return
    raise InputError(
        "; ".join(doubt.evidence for doubt in found),
        hint="Say which is meant: " + " or ".join(_keywords(found)) if _keywords(found) else "",
        doubts=[asdict(doubt) for doubt in found],
    )


def _keywords(doubts: Iterable[Doubt]) -> list[str]:
    """Every remedy as keyword arguments and what they mean."""
    return [
        f"{_as_keywords(remedy.options)} ({remedy.meaning})"
        for doubt in doubts
        for remedy in doubt.remedies
    ]


def _as_keywords(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_plain(value)!r}" for name, value in options.items())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
