"""Archives that can mean two things: one per class, or archives inside an archive."""

import re
from collections.abc import Sequence

from imgmem.core.sources.base import Listing
from imgmem.core.sources.grammar import as_texts
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.names import ARCHIVE_EXTENSIONS
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import is_part, split_meant
from imgmem.core.specs import LabelSpec

_CLASS_OF_ARCHIVE = r"path:^([^/]+?)(?:\.tar)?\.[A-Za-z0-9]+/"
"""The label rule for a folder of archives, one per class."""


def archive_doubts(listing: Listing, archives: Sequence[str], spec: LabelSpec) -> tuple[Doubt, ...]:
    """The doubts about a listing of one archive, or of a folder of `archives`."""
    if archives and not listing.labeled and _are_classes(archives):
        return (_one_per_class(archives),)
    inside = sorted(
        kind for each in ARCHIVE_EXTENSIONS if (kind := f".{each} file") in listing.ignored
    )
    holds_images = any(True for _ in listing.entries)
    return (_inside(inside, listing, spec),) if inside and holds_images else ()


def _are_classes(archives: Sequence[str]) -> bool:
    """Whether archives are called neither like shards (numbered on) nor like splits."""
    stems = [name.partition(".")[0] for name in archives]
    if len(stems) < 2 or all(is_part(stem) or split_meant(stem) for stem in stems):
        return False
    numbers = sorted({int(found[0]) for stem in stems if (found := re.findall(r"\d+", stem)[-1:])})
    return len(numbers) < len(stems) or numbers[-1] - numbers[0] >= 4 * len(numbers)


def _one_per_class(archives: Sequence[str]) -> Doubt:
    classes = Remedy({"labels": _CLASS_OF_ARCHIVE}, "every archive is a class")
    unlabeled = Remedy({"labels": "none"}, "images without labels")
    evidence = f"the {len(archives)} archives {listed(archives)} look like one per class"
    return Doubt("archive-per-class", evidence, (classes, unlabeled))


def _inside(kinds: Sequence[str], listing: Listing, spec: LabelSpec) -> Doubt:
    globs = tuple(f"*{kind.removesuffix(' file')}" for kind in kinds)
    numbers = [(listing.ignored[kind], kind) for kind in kinds]
    counts = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for count, kind in numbers)
    return Doubt(
        "archives-inside",
        f"there are archives inside the archive, which are not read ({counts})",
        (Remedy({"exclude": (*as_texts(spec.exclude), *globs)}, "without them"),),
    )
