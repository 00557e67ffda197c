"""The same tree once more inside itself."""

from __future__ import annotations

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt
from imgmem.core.sources.grammar import as_glob
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.tree import Folder


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
