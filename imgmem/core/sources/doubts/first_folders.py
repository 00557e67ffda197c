"""First folders that are hardly classes: parts, patients, domains, initials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt
from imgmem.core.sources.grammar import as_glob, as_pair
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.resolve import Reading, listed, parents
from imgmem.core.sources.tree import Folder
from imgmem.core.sources.words import (
    is_date,
    is_part,
    is_person,
    is_series,
    split_meant,
)
from imgmem.core.specs import TRAIN

_ALIKE = 0.5
"""Share of the folders that must hold a sub-folder, and of the sub-folders that must be held so
often, for all to be called the same."""
_MOST = 0.8
"""Share of folders that must be called like patients."""


def parts(evidence: Evidence) -> Doubt | None:
    kids = evidence.reading.kids
    if len(kids) < 2 or not (all(map(is_part, kids)) or all(map(is_date, kids))):
        return None
    return _first_folders(evidence, "look like parts of one set, not like classes")


def initials(evidence: Evidence) -> Doubt | None:
    """a/airfield, b/bar: the first folders are the initials of the second."""
    kids = evidence.reading.kids
    if not all(len(name) == 1 and name.isalpha() for name in kids) or not kids:
        return None
    below = {name for folders in kids.values() for each in folders for name in each.kids}
    first = {name[0].lower() for name in below}
    if not below or first != {name.lower() for name in kids}:
        return None
    level = evidence.reading.class_level
    return doubt(
        f"the folders {listed(kids)} are the initials of those in them ({listed(below)})",
        by_level(level + 1, f"the classes are {listed(below)}"),
        by_level(level, f"the classes are {listed(kids)}"),
    )


def splits_in_one(evidence: Evidence) -> Doubt | None:
    """Splits inside one of several folders."""
    reading = evidence.reading
    if reading.splits or len(reading.kids) < 2:
        return None
    for name, folder in reading.root.kids.items():
        _, inner = _unwrapped(folder)
        named = {split_name(each) for each in inner.kids} - {None}
        if len(named) >= 2 and all(map(split_meant, inner.kids)):
            others = sorted(reading.kids.keys() - {name})
            globs = (as_glob(reading.path(each)) for each in others)
            return doubt(
                f"{reading.path(name)}/ holds splits ({listed(inner.kids)}), "
                f"next to {listed(others)}",
                evidence.excluding(*globs),
                by_level(reading.class_level, f"the classes are {listed(reading.kids)}"),
            )
    return None


def people(evidence: Evidence) -> Doubt | None:
    kids = evidence.reading.kids
    if len(kids) < 2 or sum(map(is_person, kids)) < _MOST * len(kids):
        return None
    return _first_folders(evidence, "look like one folder per patient, video or subject")


def _first_folders(evidence: Evidence, what: str) -> Doubt:
    """Folders that are hardly classes: those below them are, or there are none."""
    reading = evidence.reading
    rule, below = _shared_below(reading)
    inner = Remedy({"labels": rule}, f"the classes are {listed(_taken(reading, rule, below))}")
    deeper = inner if below else UNLABELED
    return doubt(
        f"the folders {listed(reading.kids)} {what}",
        deeper,
        by_level(reading.class_level, "they are the classes"),
    )


def same_folders(evidence: Evidence) -> Doubt | None:
    """Domains, patients, angles: every first folder holds the same sub-folders."""
    reading = evidence.reading
    rule, below = _shared_below(reading)
    if len(reading.kids) < 2 or not below or all(map(is_series, below)):
        return None
    splits = len({split_meant(name) for name in below} - {None}) >= 2
    first = by_level(reading.class_level, f"the classes are {listed(reading.kids)}")
    inner = Remedy({"labels": rule}, f"the classes are {listed(_taken(reading, rule, below))}")
    if named := _one_is_a_split(list(reading.kids)):
        pairs = tuple(as_pair(name, split) for name, split in named.items())
        options = {**inner.options, "split": f"folder:{reading.class_level}", "split_map": pairs}
        inner = Remedy(options, f"{inner.meaning}, and the splits {listed(named.values())}")
    if splits and rule != "parent" and all(split_meant(name) for name in below):
        number = {"split": rule}
        if deeper := _below_splits(reading):
            inside = {"labels": f"folder:{int(rule.partition(':')[2]) + 1}", **number}
            return doubt(
                f"the folders {listed(reading.kids)} {_shared(reading)}",
                Remedy(inside, f"the classes are {listed(deeper)}, the splits {listed(below)}"),
                Remedy({**first.options, **number}, f"{first.meaning}, the splits {listed(below)}"),
            )
        first = Remedy({**first.options, **number}, f"{first.meaning}, the splits {listed(below)}")
        inner, first = first, inner
    return doubt(
        f"the folders {listed(reading.kids)} {_shared(reading)}",
        inner,
        first,
    )


def _below_splits(reading: Reading) -> set[str]:
    """The folders that all splits in the first folders hold: amazon/train/bike; none if some hold
    none."""
    inner = [split for _, folder in _inner(reading) for split in folder.kids.values()]
    held = [set(split.kids) for split in inner]
    return set().union(*held) if all(held) and not any(split.images for split in inner) else set()


def _one_is_a_split(names: list[str]) -> dict[str, str]:
    """Both splits, where one of two names hints at val or test and the other at nothing."""
    meant = {name: split_meant(name) for name in names}
    if len(names) != 2 or set(meant.values()) not in ({None, "val"}, {None, "test"}):
        return {}
    return {name: split or TRAIN for name, split in meant.items()}


def _shared_below(reading: Reading) -> tuple[str, list[str]]:
    """The rule for, and the names of, the sub-folders that the first folders share; no names if
    they do not. Folders that wrap all others in one of them do not count."""
    unwrapped = _inner(reading)
    depths = {depth for depth, _ in unwrapped}
    rule = f"folder:{reading.class_level + 1 + min(depths)}" if len(depths) == 1 else "parent"
    folders = [folder for _, folder in unwrapped]
    held = Counter(name for names in _held(reading) for name in names)
    common = [n for n, times in held.items() if times >= max(2, _ALIKE * len(reading.kids))]
    shared = len(common) >= 2 and len(common) >= _ALIKE * len(held)
    loose = any(folder.images for folder in folders)
    return rule, sorted(held) if shared and not loose else []


def _taken(reading: Reading, rule: str, below: Collection[str]) -> Collection[str]:
    """The classes by a rule for the sub-folders `below`: others by `parent`, if there are more."""
    return parents(reading) if rule == "parent" else below


def _shared(reading: Reading) -> str:
    """How far the first folders hold the same sub-folders."""
    inner = _held(reading)
    held = Counter(name for names in inner for name in names)
    if all(times == len(inner) for times in held.values()):
        return f"all hold the same sub-folders ({listed(held)})"
    return f"share the sub-folders {listed(name for name, times in held.items() if times > 1)}"


def _held(reading: Reading) -> list[set[str]]:
    """The sub-folders of each first folder, those of all splits together."""
    return [
        {name for folder in same for name in _unwrapped(folder)[1].kids}
        for same in reading.kids.values()
    ]


def _inner(reading: Reading) -> list[tuple[int, Folder]]:
    """The first folders of all splits, each less those that wrap all others in it."""
    return [_unwrapped(folder) for same in reading.kids.values() for folder in same]


def _unwrapped(folder: Folder) -> tuple[int, Folder]:
    """The folder below those that wrap all others, and how far down it is."""
    depth = 0
    while not folder.images and len(folder.kids) == 1:
        below = next(iter(folder.kids.values()))
        if not below.kids:
            break
        folder, depth = below, depth + 1
    return depth, folder
