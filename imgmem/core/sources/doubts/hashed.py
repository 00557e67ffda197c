"""Folders that only spread many files: 0a/0a1f….jpg, called like the beginnings of random names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt
from imgmem.core.sources.labeling import UNLABELED, Doubt
from imgmem.core.sources.resolve import listed

_COMPARED = 10_000
"""Images whose names are looked at."""
_SHORT = re.compile(r"[0-9a-fA-F]{1,4}")
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[a-fA-F])[0-9a-fA-F-]{8,}")


def hashed_folders(evidence: Evidence) -> Doubt | None:
    """Hexadecimal folders whose files are called like random numbers that begin with theirs."""
    kids = evidence.reading.kids
    if len(kids) < 2 or not all(map(_SHORT.fullmatch, kids)):
        return None
    names = list(islice(_names(evidence), _COMPARED))
    random = sum(bool(_RANDOM.fullmatch(stem)) for _, stem in names)
    if not all(stem.startswith(folder) for folder, stem in names) or 2 * random < len(names):
        return None
    if len({len(stem) for _, stem in names}) > 1:
        return None
    return doubt(
        f"the folders {listed(kids)} are what the names of the files in them begin with, "
        "like folders that only spread many files",
        UNLABELED,
        by_level(evidence.reading.class_level, f"the classes are {listed(kids)}"),
    )


def _names(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """(class folder, base name less extension) of the images that are in one."""
    at = evidence.reading.class_level - 1
    for folders, name in evidence.paths():
        if at < len(folders):
            yield folders[at], name.rpartition(".")[0]
