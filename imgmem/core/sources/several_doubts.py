"""What is doubtful about several sources together, and the splits that their names give."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from imgmem.core.sources.archive_doubts import looks_like_classes, one_per_class
from imgmem.core.sources.datasets import is_dataset
from imgmem.core.sources.grammar import as_glob, label_rule
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy, Value
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import is_series, splits_meant
from imgmem.core.specs import LabelSpec

_SUB_FOLDERS, _MERGED = "sub-folders", "they are merged"
_EACH_A_CLASS = Remedy({"labels": "path:^([^/]+)/"}, "each SOURCE is a class")
_OF_FILES = ("array", "parquet", "pairs")
"""Rules of folders that hold files of many images."""
_DEEPEST = 4
"""Levels of folders in which splits are looked for."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """One of several sources. path: as it was given. rule: as its listing has it. splits, classes:
    of its images, None for none. folders: those of a number that its images are in. doubts: about
    it alone."""

    path: str
    labeled: bool
    rule: str
    splits: frozenset[str | None]
    classes: frozenset[str | None]
    folders: Callable[[int], frozenset[str | None]]
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
    detectors = (_sub_folders, _archives, _one_class, _partly_labeled) if automatic else ()
    for detector in (_partly_split, *detectors):
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
    files = any(source.rule in _OF_FILES or is_dataset(source.path) for source in sources)
    if files or _are_splits(sources):  # the folder of files of many images would not be a source
        return None
    flat = any(not source.labeled for source in sources)
    splits = splits_by_name(sources, spec)
    if not splits and (not flat or all(is_series(source.name) for source in sources)):
        return None
    if splits and os.path.realpath(parents.pop()) == os.path.realpath(os.curdir):
        return None  # the folder would hold OUT, as a rule
    what = "splits" if splits else "classes"
    evidence = (
        f"the SOURCEs {listed(source.path for source in sources)} are sub-folders of one folder: "
        f"are they {what}?"
    )
    folder = _the_folder(sources, what)
    if splits:
        return Doubt(_SUB_FOLDERS, evidence, (folder, Remedy({"auto_split": False}, _MERGED)))
    each = replace(_EACH_A_CLASS, meaning=folder.meaning)
    return Doubt(_SUB_FOLDERS, evidence, (folder, each, UNLABELED))


def _are_splits(sources: Sequence[Given]) -> bool:
    """Whether each holds one split, not all the same."""
    found = {source.splits for source in sources}
    return len(found) > 1 and all(len(splits) == 1 and None not in splits for splits in found)


def _the_folder(sources: Sequence[Given], what: str) -> Remedy:
    """Their folder as the source, less what was not given."""
    folder = os.path.dirname(os.path.normpath(sources[0].path)) or "."
    names = {source.name for source in sources}
    with os.scandir(folder) as items:
        others = any(item.name not in names and not item.name.startswith(".") for item in items)
    options: dict[str, Value] = {"source": folder}
    if others:
        options["include"] = tuple(as_glob(name) for name in sorted(names))
    return Remedy(options, f"they are {what}")


def _archives(sources: Sequence[Given], spec: LabelSpec) -> Doubt | None:
    """Archives without labels, called neither like splits nor like parts: they may be classes."""
    stems = {source.name.partition(".")[0] for source in sources}
    files = all(os.path.isfile(source.path) and not source.labeled for source in sources)
    if not files or len(stems) < len(sources) or not looks_like_classes(stems):
        return None
    names = [source.path for source in sources]
    return one_per_class(f"the SOURCEs {listed(names)} look like one per class", "SOURCE")


def _one_class(sources: Sequence[Given], spec: LabelSpec) -> Doubt | None:
    """Sources with one folder each, of one name, which would be the only class: their own names
    may be the classes."""
    classes = {name for source in sources for name in source.classes}
    (rule, *others) = {source.rule for source in sources}
    if len(classes) != 1 or others or not rule.startswith("folder:"):
        return None
    if splits_by_name(sources, spec) or all(
        is_series(source.name) or source.name in classes for source in sources
    ):
        return None
    name = listed(map(str, classes))
    evidence = (
        f"the images of the SOURCEs {listed(source.path for source in sources)} are all of one "
        f"class, {name}: are the SOURCEs the classes?"
    )
    return Doubt(
        "one-class", evidence,
        (_EACH_A_CLASS, Remedy({"labels": rule}, f"all are of the class {name}")),
    )  # fmt: skip


def _partly_labeled(sources: Sequence[Given], spec: LabelSpec) -> Doubt | None:
    """Sources with labels next to others without."""
    labeled = [source.path for source in sources if source.labeled]
    rest = [source.path for source in sources if not source.labeled]
    if not labeled or not rest:
        return None
    evidence = f"{listed(labeled)} {_have(labeled)} labels, and {listed(rest)} {_have(rest)} none"
    alone = (Remedy({"source": labeled[0]}, "only that one"),) if len(labeled) == 1 else ()
    unlabeled = Remedy({"labels": "none"}, "all images without labels")
    return Doubt("partly-labeled", evidence, (*alone, unlabeled))


def _partly_split(sources: Sequence[Given], spec: LabelSpec) -> Doubt | None:
    """Sources that are split next to others that are not."""
    divided = [source.path for source in sources if source.splits - {None}]
    rest = [source.path for source in sources if None in source.splits]
    if not divided or not rest or splits_by_name(sources, spec):
        return None
    evidence = f"{listed(divided)} {_have(divided)} splits, and {listed(rest)} {_have(rest)} none"
    merged = Remedy({"auto_split": False}, "all images without these splits")
    remedies = (*_by_folder(sources), merged) if spec.auto_split else ()
    return Doubt("partly-split", evidence, remedies)


def _by_folder(sources: Sequence[Given]) -> Iterator[Remedy]:
    """The first folder that names a split in all sources: `a/train`, `b/test`."""
    for number in range(1, _DEEPEST + 1):
        found = [name for source in sources for name in source.folders(number)]
        names = {name for name in found if name is not None and split_name(name)}
        if names.issuperset(found):
            yield Remedy({"split": f"folder:{number}"}, f"the folders {listed(names)} are splits")
            return


def _have(paths: Sequence[str]) -> str:
    return "has" if len(paths) == 1 else "have"
