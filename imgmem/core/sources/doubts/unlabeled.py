"""Images that have no label yet, next to class folders."""

from __future__ import annotations

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt, looking
from imgmem.core.sources.grammar import as_glob
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import is_unlabeled


def unlabeled_folder(evidence: Evidence) -> Doubt | None:
    """labeled/cat and labeled/dog next to unlabeled/; two plain folders may be classes."""
    reading = evidence.reading
    named = sorted(filter(is_unlabeled, reading.kids))
    others = sorted(reading.kids.keys() - set(named))
    nested = any(folder.kids for name in others for folder in reading.kids[name])
    if not named or not others or (len(others) == 1 and not nested):
        return None
    globs = named if reading.splits else [as_glob(reading.path(name)) for name in named]
    return doubt(
        f"{looking(named)} like images without a label, next to {listed(others)}",
        evidence.excluding(*globs),
        by_level(reading.class_level, f"the classes are {listed(reading.kids)}"),
    )
