"""Labels in the names of files."""

from __future__ import annotations

from imgmem.core.sources.doubts.evidence import Evidence, doubt
from imgmem.core.sources.grammar import as_name_glob
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy, Value
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import NamePattern, pattern_of_names


def prefixes(evidence: Evidence) -> Doubt | None:
    kids = evidence.reading.root.kids
    flat = not evidence.reading.kids or (len(kids) == 1 and not next(iter(kids.values())).kids)
    if not flat or not (found := pattern_of_names(evidence.names())):
        return None
    options: dict[str, Value] = {"labels": found.rule, **_without_others(evidence, found)}
    return doubt(
        "there are no class folders, but the names of images share a few words "
        f"({listed(found.words)})",
        Remedy(options, f"the classes are {listed(found.words)}"),
        UNLABELED,
    )


def _without_others(evidence: Evidence, found: NamePattern) -> dict[str, Value]:
    """The option that leaves out the images whose names have no such word."""
    if not found.missing:
        return {}
    if found.missing > len(found.others):
        return {"on_error": "skip"}
    return dict(evidence.excluding(*map(as_name_glob, found.others)).options)
