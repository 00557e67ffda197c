"""Images and class folders side by side."""

from __future__ import annotations

from heapq import nsmallest

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt
from imgmem.core.sources.grammar import as_glob
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy
from imgmem.core.sources.resolve import listed


def loose_images(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    if not reading.kids:
        return None
    if reading.root.images and not reading.splits:
        return _loose(evidence, (), _next_to(evidence))
    for name in reading.splits:
        folder = reading.root.children[name]
        if folder.images and name not in reading.left_out:
            classes = listed(folder.kids) or "those of other splits"
            return _loose(evidence, (name,), f"class folders ({classes})")
    only = next(iter(reading.root.kids.items()))
    if len(reading.root.kids) == 1 and only[1].images and only[1].kids:
        return _loose(evidence, (only[0],), f"class folders ({listed(only[1].kids)})", wraps=True)
    return None


def _next_to(evidence: Evidence) -> str:
    """What the tree is once the images right in its root are left out."""
    rest = evidence.without_loose()
    if rest.splits and not rest.kids:
        return f"splits ({listed(rest.splits)})"
    return f"class folders ({listed(rest.kids or evidence.reading.kids)})"


def _loose(evidence: Evidence, path: tuple[str, ...], beside: str, *, wraps: bool = False) -> Doubt:
    reading = evidence.reading
    folder, where = reading.root.find(path), reading.path(*path)
    names = _loose_names(evidence, where)
    inside = "/".join(part for part in (where, "*", "**") if part)
    assert folder is not None
    globs = [as_glob(f"{where}/{name}" if where else name) for name in names]
    few = folder.images <= len(names)
    if reading.splits and not folder.kids:
        without = evidence.excluding(as_glob(where))
    elif few:
        without = evidence.excluding(*globs)
    else:
        include = Remedy({"include": (inside,)}, "only the images in folders")
        without = include
    other = by_level(reading.class_level, f"{path[0]} is the class") if wraps else UNLABELED
    return doubt(
        f"images lie loose in {where or 'the source'}{'/' if where else ''} "
        f"({', '.join(names)}{', …' if not few else ''}) next to {beside}",
        without,
        other,
    )


def _loose_names(evidence: Evidence, where: str) -> list[str]:
    """The first three images right in a folder."""
    names = (name for folders, name in evidence.paths() if "/".join(folders) == where)
    return nsmallest(3, names)
