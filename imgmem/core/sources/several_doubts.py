"""What is doubtful about several sources together, and the splits that their names give."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from imgmem.core.sources.datasets import is_dataset
from imgmem.core.sources.grammar import as_glob, label_rule
from imgmem.core.sources.labeling import Doubt, Remedy, Value
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import is_series, splits_meant
from imgmem.core.specs import LabelSpec


@dataclass(frozen=True, kw_only=True)
class Given:
    """One of several sources. path: as it was given. splits: of its images, None for none.
    doubts: about it alone."""

    path: str
    labeled: bool
    splits: frozenset[str | None]
    doubts: tuple[Doubt, ...]

    @property
    def name(self) -> str:
        return os.path.basename(os.path.abspath(self.path))


def several_doubts(sources: Sequence[Given], spec: LabelSpec) -> tuple[Doubt, ...]:
    """The doubts about each source, each kind once; or the first about all of them."""
    own: dict[tuple[str, str], Doubt] = {}
    for source in sources:
        for doubt in source.doubts:
            said = replace(doubt, evidence=f"{source.path}: {doubt.evidence}")
            own.setdefault((doubt.name, str(doubt.remedies)), said)
    if own:
        return tuple(own.values())
    automatic = label_rule(spec.labels).kind == "folder"
    detectors = (_sub_folders, _partly_labeled) if automatic else ()
    for detector in (*detectors, _partly_split):
        if doubt := detector(sources, spec):
            return (doubt,)
    return ()


def splits_by_name(sources: Sequence[Given], spec: LabelSpec) -> tuple[str, ...]:
    """The split of each source, where all are named like one, train among them, and none holds
    another; else ()."""
    if not spec.auto_split or spec.split_from is not None:
        return ()
    splits = splits_meant(source.name for source in sources)
    pairs = zip(sources, splits, strict=False)
    alone = all(source.splits <= {None, split} for source, split in pairs)
    return splits if alone else ()


def _sub_folders(sources: Sequence[Given], spec: LabelSpec) -> Doubt | None:
    """Sub-folders of one folder, given one by one, that may be its classes or its splits."""
    parents = {os.path.dirname(os.path.abspath(source.path)) for source in sources}
    if len(parents) > 1 or not all(os.path.isdir(source.path) for source in sources):
        return None
    if any(is_dataset(source.path) for source in sources):
        return None
    flat = any(not source.labeled for source in sources)
    splits = splits_by_name(sources, spec)
    if not splits and (not flat or all(is_series(source.name) for source in sources)):
        return None
    folder = os.path.dirname(os.path.normpath(sources[0].path)) or "."
    what = "splits" if splits else "classes"
    evidence = (
        f"the SOURCEs {listed(source.path for source in sources)} are sub-folders of one folder: "
        f"are they {what}?"
    )
    return Doubt(
        "sub-folders", evidence, (_the_folder(folder, sources, what), _as_they_are(splits))
    )


def _the_folder(folder: str, sources: Sequence[Given], what: str) -> Remedy:
    """Their folder as the source, less what was not given."""
    names = {source.name for source in sources}
    with os.scandir(folder) as items:
        others = any(item.name not in names and not item.name.startswith(".") for item in items)
    options: dict[str, Value] = {"source": folder}
    if others:
        options["include"] = tuple(as_glob(name) for name in sorted(names))
    elsewhere = "; OUT has to be in another folder" if folder == "." else ""
    return Remedy(options, f"they are {what}{elsewhere}")


def _as_they_are(splits: Sequence[str]) -> Remedy:
    if splits:
        return Remedy({"auto_split": False}, "they are merged")
    return Remedy({"labels": "none"}, "images without labels")


def _partly_labeled(sources: Sequence[Given], spec: LabelSpec) -> Doubt | None:
    """Sources with labels next to others without."""
    labeled = [source.path for source in sources if source.labeled]
    rest = [source.path for source in sources if not source.labeled]
    if not labeled or not rest:
        return None
    evidence = f"{listed(labeled)} {_have(labeled)} labels, and {listed(rest)} {_have(rest)} none"
    return Doubt(
        "partly-labeled", evidence, (Remedy({"labels": "none"}, "all images without labels"),)
    )


def _partly_split(sources: Sequence[Given], spec: LabelSpec) -> Doubt | None:
    """Sources that are split next to others that are not."""
    divided = [source.path for source in sources if source.splits - {None}]
    rest = [source.path for source in sources if None in source.splits]
    if not divided or not rest or splits_by_name(sources, spec):
        return None
    evidence = f"{listed(divided)} {_have(divided)} splits, and {listed(rest)} {_have(rest)} none"
    merged = Remedy({"auto_split": False}, "all images without these splits")
    return Doubt("partly-split", evidence, (merged,) if spec.auto_split else ())


def _have(paths: Sequence[str]) -> str:
    return "has" if len(paths) == 1 else "have"
