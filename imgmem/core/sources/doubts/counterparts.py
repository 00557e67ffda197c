"""Several images of one thing, each in a folder of its own: HR/ and LR/, left/ and right/."""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt
from imgmem.core.sources.grammar import as_glob
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.resolve import Reading, listed
from imgmem.core.sources.words import is_view, without_view

_MOST_FOLDERS = 4
_COMPARED = 1000
"""Names of the first folder that the others are searched for."""
_SAME = 0.9
_ENOUGH = 20
"""Files that must have the same names where the folders' names say nothing."""
_NUMBER = re.compile(r"(.*?)\(?([0-9]+)\)?")


def counterparts(evidence: Evidence) -> Doubt | None:
    """Folders whose files have the same names, other than 1, 2, 3 … or in folders of views."""
    reading = evidence.reading
    names = sorted(reading.kids)
    totals = {sum(folder.total for folder in same) for same in reading.kids.values()}
    views = all(map(is_view, names))
    if not 2 <= len(names) <= _MOST_FOLDERS or (len(totals) > 1 and not views):
        return None
    named = _Named(evidence, views)
    first = {name for _, name in islice((one for one in named if one[0] == names[0]), _COMPARED)}
    if not views and (len(first) < _ENOUGH or _are_numbered(first, reading)):
        return None
    found = Counter(folder for folder, name in named if name in first)
    if min(found[name] for name in names) < _SAME * len(first):
        return None
    others = [path for name in names[1:] for path in _paths(reading, name)]
    options = {**evidence.excluding(*map(as_glob, others)).options, "labels": "none"}
    return doubt(
        f"the folders {listed(names)} hold files of the same names, like several images of one "
        "thing",
        Remedy(options, f"only the images in {names[0]}, without labels"),
        by_level(reading.class_level, "they are the classes"),
    )


class _Named:
    """(class folder, what stands for the image in it) of every image: the rest of its path without
    extension; of views the name less the word for a view."""

    def __init__(self, evidence: Evidence, views: bool) -> None:
        self._evidence = evidence
        self._views = views

    def __iter__(self) -> Iterator[tuple[str, str]]:
        at = self._evidence.skip + self._evidence.reading.class_level - 1
        for entry in self._evidence.entries:
            parts = entry.name.split("/")
            if at < len(parts) - 1:
                yield parts[at], self._rest(parts[:at], parts[at + 1 :])

    def _rest(self, above: list[str], below: list[str]) -> str:
        stem = os.path.splitext(below[-1])[0]
        rest = [without_view(stem)] if self._views else [*below[:-1], stem]
        return "/".join((*above, *rest))


def _are_numbered(names: set[str], reading: Reading) -> bool:
    """Whether files are numbered from 0 or 1, as those of any class may be: `train.17`."""
    count = max(folder.total for same in reading.kids.values() for folder in same)
    found = [_NUMBER.fullmatch(name.rpartition("/")[2]) for name in names]
    numbers = [match for match in found if match and int(match[2]) <= count]
    before = {match[1] for match in numbers}
    return len(numbers) == len(found) and len(before) <= max(1, len(reading.splits))


def _paths(reading: Reading, name: str) -> Iterator[str]:
    """The folders of a class, in every split."""
    for split in reading.splits or [""]:
        yield reading.path(*filter(None, (split, name)))
