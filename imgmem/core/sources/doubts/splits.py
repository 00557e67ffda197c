"""Splits under other names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt
from imgmem.core.sources.grammar import as_glob, as_pair, as_texts, mapping
from imgmem.core.sources.labeling import Doubt, Remedy, Value
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.tree import Folder
from imgmem.core.sources.words import (
    SPLIT_WORDS,
    beyond_split,
    is_masks,
    pattern_of_names,
    split_meant,
    tokens,
)
from imgmem.core.specs import TRAIN, LabelSpec

_SPLIT = f"(?P<split>(?i:{'|'.join(SPLIT_WORDS)}))"
_SHAPES = (
    re.compile(f"{_SPLIT}[ ._-]*(?P<label>.+)"),
    re.compile(f"(?P<label>.+?)[ ._-]*{_SPLIT}"),
)
"""Names that are a split and a class, in both orders."""


def hidden_splits(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    if reading.splits or evidence.without_loose().splits:
        return None
    kids = reading.root.kids
    meant = {
        name: split for name in sorted(kids) if (split := split_meant(name)) and not is_masks(name)
    }
    others = sorted(kids.keys() - meant.keys())
    nouns = {word for name in meant for word in beyond_split(name)}
    if any(nouns & set(tokens(name)) for name in others):  # train_station next to bus_station
        return None
    if len(set(meant.values())) < 2 or len(others) > max(2, len(meant)):
        return None
    crossed = None if others else _class_and_split(evidence, meant)
    return doubt(
        f"the folders {listed(meant)} look like splits"
        + (f", next to {listed(others)}" if others else ""),
        *([crossed] if crossed else _as_splits(evidence, meant, others)),
        by_level(reading.class_level, "they are the classes"),
    )


def lone_split(evidence: Evidence) -> Doubt | None:
    """train/cat and train/dog next to samples/, which holds no class folders."""
    reading = evidence.reading
    kids = reading.root.kids
    named = [name for name in kids if split_meant(name) and not beyond_split(name)]
    others = sorted(kids.keys() - set(named))
    if (
        reading.splits
        or evidence.without_loose().splits
        or len(named) != 1
        or not 1 <= len(others) <= 2
    ):
        return None
    if not _has_classes(kids[named[0]]) or any(_has_classes(kids[name]) for name in others):
        return None
    below = _folders_to_classes([kids[named[0]]])
    without = evidence.excluding(*(as_glob(reading.path(name)) for name in others))
    level = {"labels": f"folder:{reading.class_level + below}"}
    classes = listed(_names_at(kids[named[0]], below))
    return doubt(
        f"{reading.path(named[0])}/ is called like a split and holds folders ({classes}), "
        f"next to {listed(others)}",
        Remedy({**level, **without.options}, f"the classes are {classes}"),
        by_level(reading.class_level, f"the classes are {listed(kids)}"),
    )


def _class_and_split(evidence: Evidence, meant: dict[str, str]) -> Remedy | None:
    """The remedy for cat_train, cat_test, dog_train, dog_test: each name is a class and a split."""
    for shape in _SHAPES:
        found = {name: match for name in meant if (match := shape.fullmatch(name))}
        classes = Counter(match["label"] for match in found.values())
        if len(found) < len(meant) or len(classes) < 2 or max(classes.values()) < 2:
            continue
        words = "|".join(sorted({re.escape(match["split"]) for match in found.values()}))
        top = "".join(f"{re.escape(folder)}/" for folder in evidence.reading.base)
        before = shape.pattern.startswith("(?P<split>")
        rule = f"(?:{words})[ ._-]*([^/]+?)" if before else f"([^/]+?)[ ._-]*(?:{words})"
        options: dict[str, Value] = {
            "labels": f"path:^{top}{rule}/",
            "split": f"folder:{evidence.reading.class_level}",
            "split_map": tuple(as_pair(name, split) for name, split in meant.items()),
        }
        splits = listed(set(meant.values()))
        return Remedy(options, f"the classes are {listed(classes)}, the splits {splits}")
    return None


def _as_splits(evidence: Evidence, meant: dict[str, str], others: list[str]) -> Iterator[Remedy]:
    """The remedy that takes folders for splits, with the classes inside them if there are any."""
    reading = evidence.reading
    kids, number = reading.root.kids, reading.class_level
    nested = [name for name in meant if kids[name].kids]
    if not any(_has_classes(kids[name]) for name in nested):
        nested = []
    options: dict[str, object] = {"labels": "none"}
    dropped = set[str]()
    if nested:
        options, dropped = _classes_inside(evidence, meant, nested)
    elif rules := _rules_in(evidence, meant):
        options["labels"] = next(iter(rules.values()))
        dropped = {name for name in meant if rules.get(name) != options["labels"]}
    names = _names_of_splits(meant, dropped)
    options["split"] = f"folder:{number}"
    if names:
        options["split_map"] = tuple(as_pair(name, split) for name, split in names.items())
    if others:
        globs = (as_glob(reading.path(name)) for name in others)
        options["exclude"] = (*as_texts(evidence.spec.exclude), *globs)
    yield Remedy(options, "they are the splits")  # type: ignore[arg-type]


def _classes_inside(
    evidence: Evidence, meant: dict[str, str], nested: list[str]
) -> tuple[dict[str, object], set[str]]:
    """The options that take the folders inside those of splits for classes, with those that only
    other splits than train have; and the folders of splits that do not reach so deep."""
    kids = evidence.reading.root.kids
    first = [name for name in nested if meant[name] == TRAIN] or nested
    below = _folders_to_classes([kids[name] for name in first])
    options: dict[str, object] = {"labels": f"folder:{evidence.reading.class_level + below}"}
    dropped = {name for name in meant if not _reaches(kids[name], below)}
    train = {name for each in first for name in _names_at(kids[each], below)}
    rest = (kids[name] for name in meant if name not in dropped)
    new = sorted({name for folder in rest for name in _names_at(folder, below)} - train)
    if new and train and not _settled(evidence.spec, new):
        options["class_map"] = (*as_texts(evidence.spec.class_map), *(as_pair(n, n) for n in new))
    return options, dropped


def _settled(spec: LabelSpec, names: Iterable[str]) -> bool:
    """Whether the user has said something about all these classes."""
    return mapping(spec.class_map, "class_map").keys() >= set(names)


def _has_classes(folder: Folder) -> bool:
    """Whether a folder holds folders that are more than one that wraps the images."""
    while not folder.images and len(folder.kids) == 1:
        folder = next(iter(folder.kids.values()))
        if not folder.kids:
            return False
    return bool(folder.kids)


def _names_at(folder: Folder, depth: int) -> set[str]:
    """The names of the folders `depth` levels down."""
    if depth == 1:
        return set(folder.kids)
    return {name for child in folder.kids.values() for name in _names_at(child, depth - 1)}


def _folders_to_classes(folders: list[Folder]) -> int:
    """How far down classes are: 1 unless a folder in each of `folders` wraps all the others."""
    number = 1
    while all(not folder.images and len(folder.kids) == 1 for folder in folders):
        folders = [next(iter(folder.kids.values())) for folder in folders]
        if any(not folder.kids for folder in folders):
            break
        number += 1
    return number


def _reaches(folder: Folder, depth: int) -> bool:
    """Whether there are images `depth` folders further down."""
    return depth == 0 or any(_reaches(child, depth - 1) for child in folder.kids.values())


def _rules_in(evidence: Evidence, meant: dict[str, str]) -> dict[str, str]:
    """The folders whose images' names share a few words (`cat.0.jpg`, `dog.0.jpg`), with the
    label rule for that."""
    start = len(evidence.reading.base) + evidence.skip
    found = {
        name: pattern_of_names(
            entry.name.rpartition("/")[2]
            for entry in evidence.entries
            if entry.name.split("/")[start] == name
        )
        for name in meant
    }
    return {name: pattern.rule for name, pattern in found.items() if pattern}


def _names_of_splits(meant: dict[str, str], dropped: set[str]) -> dict[str, str]:
    """Folder → split where the names differ; "" for what is dropped."""
    kept = [name for name in meant if name not in dropped]
    counts = Counter(meant[name] for name in kept)
    renamed = {name: meant[name] for name in kept if counts[meant[name]] == 1}
    return {
        name: split
        for name, split in (dict.fromkeys(dropped, "") | renamed).items()
        if (split_name(name) or name) != split
    }
