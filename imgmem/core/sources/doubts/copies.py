"""The same tree once more inside itself, and small copies of images next to them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt, looking
from imgmem.core.sources.grammar import as_glob
from imgmem.core.sources.labeling import UNLABELED, Doubt
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.tree import Folder
from imgmem.core.sources.words import is_thumbnails

_COMPARED = 1000
"""Thumbnails of which there must be the image."""


def nested_copy(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    tops: list[tuple[tuple[str, ...], Folder]] = [((), reading.root)]
    tops += [((name,), reading.root.children[name]) for name in reading.splits]
    for path, folder in tops:
        kids = folder.kids
        for name, child in kids.items():
            again = kids.keys() & child.kids.keys() - {name}
            if len(again) >= 2 and len(again) >= len(kids) / 2:
                where = reading.path(*path, name)
                return doubt(
                    f"{where}/ holds the folders next to it once more ({listed(again)})",
                    evidence.excluding(as_glob(where)),
                    by_level(reading.class_level, f"{name} is a class of its own"),
                )
    return None


def thumbnails(evidence: Evidence) -> Doubt | None:
    """thumbnails/ anywhere, with files that are called like those of other folders."""
    reading = evidence.reading
    found = {path[-1] for path, _ in reading.root.walk() if path and is_thumbnails(path[-1])}
    if not found:
        return None
    small = set(islice(_stems(evidence, small=True), _COMPARED))
    missing = set(small)
    for stem in _stems(evidence, small=False):
        missing.discard(stem)
    if not small or missing:
        return None
    other = by_level(reading.class_level, "they are images of their own")
    return doubt(
        f"{looking(found)} like small copies: the files are called like those of other folders",
        evidence.excluding(*sorted(found)),
        other if reading.kids else UNLABELED,
    )


def _stems(evidence: Evidence, *, small: bool) -> Iterator[str]:
    """The base names, less extension, of images in folders of thumbnails or of all others."""
    for folders, name in evidence.paths():
        if any(map(is_thumbnails, folders)) == small:
            yield name.rpartition(".")[0]
