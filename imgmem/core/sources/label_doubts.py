"""Labels that can mean two things, wherever they are from: found in the counts of images.

As for trees, detectors are a table; a class that the user names in `class_map` is settled.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from imgmem.core.sources.grammar import as_pair, as_texts
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy
from imgmem.core.sources.resolve import listed
from imgmem.core.specs import TRAIN, LabelSpec
from imgmem.core.text import is_whole_number


@dataclass(frozen=True, kw_only=True)
class LabelCounts:
    """Labels as they were counted.

    counts: images by class (None: no label) and by split of the source's own (None: no split).
    missing: those of them, by class, that a label table names and the source does not have.
    class_map: what the user renamed. pinned: whether the user gave the classes.
    """

    rule: str
    counts: Mapping[str | None, Counter[str | None]]
    class_map: Mapping[str, str]
    missing: Mapping[str | None, int] = field(default_factory=dict)
    pinned: bool = False

    @property
    def names(self) -> list[str]:
        return [name for name in self.counts if name is not None]

    @property
    def settled(self) -> set[str]:
        """Names that the user has said something about."""
        return {*self.class_map, *self.class_map.values()}


MISSING_IN_TRAIN = "missing-in-train"

Detector = Callable[[LabelCounts, LabelSpec], Doubt | None]


def label_doubts(labels: LabelCounts, spec: LabelSpec) -> tuple[Doubt, ...]:
    """The doubt of the first detector that has one."""
    for name, detector in LABEL_DETECTORS.items():
        if doubt := detector(labels, spec):
            return (replace(doubt, name=name),)
    return ()


def _mapped(spec: LabelSpec, pairs: Mapping[str, str], meaning: str) -> Remedy:
    """The remedy that maps further classes."""
    texts = tuple(as_pair(name, to) for name, to in pairs.items())
    return Remedy({"class_map": (*as_texts(spec.class_map), *texts)}, meaning)


def _alike(labels: LabelCounts, spec: LabelSpec) -> Doubt | None:
    """Names that differ only by case, blanks or Unicode form."""
    if labels.pinned:
        return None
    groups: dict[str, list[str]] = {}
    for name in labels.names:
        groups.setdefault(_key(name), []).append(name)
    same = [
        names for names in groups.values() if len(names) > 1 and not labels.settled >= set(names)
    ]
    if not same:
        return None
    return _of_groups(labels, spec, same, "differ only by case, blanks or Unicode form")


def _copies(labels: LabelCounts, spec: LabelSpec) -> Doubt | None:
    """`cat (copy)`, `cat - Copy` or `cat (1)` next to `cat`, as file managers and downloads call
    copies."""
    if labels.pinned:
        return None
    groups: dict[str, list[str]] = {}
    for name in labels.names:
        groups.setdefault(_COPY.sub("", name), []).append(name)
    same = [
        names
        for base, names in groups.items()
        if len(names) > 1 and base in names and not labels.settled >= set(names)
    ]
    return _of_groups(labels, spec, same, "look like copies of one folder") if same else None


_COPY = re.compile(r"( - copy| copy| \(copy\)| ?\([0-9]\))+$", re.IGNORECASE)


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _same_number(labels: LabelCounts, spec: LabelSpec) -> Doubt | None:
    """`7` next to `007`."""
    groups: dict[int, list[str]] = {}
    for name in labels.names:
        if is_whole_number(name):
            groups.setdefault(int(name), []).append(name)
    same = [
        names for names in groups.values() if len(names) > 1 and not labels.settled >= set(names)
    ]
    if not same or labels.pinned:
        return None
    return _of_groups(labels, spec, same, "are the same number")


def _of_groups(labels: LabelCounts, spec: LabelSpec, groups: list[list[str]], what: str) -> Doubt:
    joined, kept = {}, {}
    for names in groups:
        most = max(sorted(names), key=lambda name: sum(labels.counts[name].values()))
        joined.update({name: most for name in sorted(names) if name != most})
        kept.update({name: name for name in sorted(names)})
    first = ", ".join(map(repr, sorted(groups[0])))
    return Doubt(
        "",
        f"the classes {first} {what}",
        (_mapped(spec, joined, "they are one class"), _mapped(spec, kept, "they are different")),
    )


def _missing_in_train(labels: LabelCounts, spec: LabelSpec) -> Doubt | None:
    """A class that the author's val or test has and train lacks."""
    splits = {split for counts in labels.counts.values() for split in counts}
    if TRAIN not in splits or labels.pinned:
        return None
    train = {name for name in labels.names if labels.counts[name].get(TRAIN)}
    new = [
        name
        for name in labels.names
        if name not in train and name not in labels.settled and any(labels.counts[name])
    ]
    if not new or not train:
        return None
    where = sorted({str(split) for name in new for split in labels.counts[name]})
    classes = "class" if len(new) == 1 else "classes"
    have = "has" if len(where) == 1 else "have"
    evidence = f"train lacks the {classes} {listed(new)}, which {' and '.join(where)} {have}"
    return Doubt("", evidence, _remedies_for_new(labels, spec, new, train, where))


def _remedies_for_new(
    labels: LabelCounts, spec: LabelSpec, new: list[str], train: set[str], where: list[str]
) -> tuple[Remedy, ...]:
    """Without the splits that share no class with train; or with the likely names, or as is."""
    kept = _mapped(spec, {name: name for name in sorted(new)}, "they are classes")
    foreign = [split for split in where if not any(labels.counts[n].get(split) for n in train)]
    if foreign == where:
        return (
            dropped_splits(spec, foreign),
            kept,
            *([UNLABELED] if spec.labels == "folder" else []),
        )
    close = {name: get_close_matches(name, sorted(train), 1) for name in sorted(new)}
    if all(close.values()):
        return _mapped(spec, {n: c[0] for n, c in close.items()}, "they are misspelled"), kept
    return kept, _mapped(spec, dict.fromkeys(sorted(new), ""), "without their images")


def _vanished(labels: LabelCounts, spec: LabelSpec) -> Doubt | None:
    """Classes of a label table of which the source has no image."""
    gone = [
        name
        for name in labels.names
        if name not in labels.settled
        and labels.missing.get(name) == sum(labels.counts[name].values())
    ]
    if not gone:
        return None
    lines = sum(labels.missing[name] for name in gone)
    return Doubt(
        "",
        f"the source has no image of {listed(gone)} (lines of the label table: {lines})",
        (
            _mapped(spec, dict.fromkeys(sorted(gone), ""), "without these classes"),
            _mapped(spec, {name: name for name in sorted(gone)}, "they are classes without rows"),
        ),
    )


def dropped_splits(spec: LabelSpec, splits: list[str]) -> Remedy:
    """To leave out all images of these splits."""
    dropped = tuple(as_pair(split, "") for split in splits)
    options = {"split_map": (*as_texts(spec.split_map), *dropped)}
    return Remedy(options, f"without {listed(splits)}")


LABEL_DETECTORS: dict[str, Detector] = {
    "alike": _alike,
    "copies": _copies,
    "same-number": _same_number,
    MISSING_IN_TRAIN: _missing_in_train,
    "no-image": _vanished,
}
"""What may be wrong with labels, by name."""
