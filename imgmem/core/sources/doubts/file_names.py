"""Labels in the names of files."""

from __future__ import annotations

from imgmem.core.sources.doubts.evidence import Evidence, doubt, unlabeled
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import (
    NUMBERED_PATTERN,
    shared_prefixes,
)


def prefixes(evidence: Evidence) -> Doubt | None:
    kids = evidence.reading.root.kids
    flat = not evidence.reading.kids or (len(kids) == 1 and not next(iter(kids.values())).kids)
    if not flat or not (prefixes := shared_prefixes(evidence.names())):
        return None
    return doubt(
        f"there are no class folders, but the names of images share a few prefixes "
        f"({listed(prefixes)})",
        Remedy({"labels": NUMBERED_PATTERN}, f"the classes are {listed(prefixes)}"),
        unlabeled(),
    )
