"""Archives that can mean two things: one per class, or archives inside an archive."""

import os
import re
from collections.abc import Collection, Sequence

from imgmem.core.sources.base import Listing
from imgmem.core.sources.grammar import as_glob, as_texts
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy
from imgmem.core.sources.layout import SHOWN
from imgmem.core.sources.names import ARCHIVE_EXTENSIONS
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import is_part, is_series, split_meant
from imgmem.core.specs import LabelSpec
from imgmem.core.text import counted

_ARCHIVE = r"([^/]+?)(?:\.tar)?\.[A-Za-z0-9]+/"
"""In a label rule, the name of an archive, for one per class."""


def archive_doubts(listing: Listing, archives: Sequence[str], spec: LabelSpec) -> tuple[Doubt, ...]:
    """The doubts about a listing of one archive, or of a folder of `archives`."""
    if archives and not listing.labeled and (doubt := _classes_doubt(archives)):
        return (doubt,)
    if doubt := _some_are_splits(archives, spec):
        return (doubt,)
    inside = sorted(
        kind for each in ARCHIVE_EXTENSIONS if (kind := f".{each} file") in listing.ignored
    )
    holds_images = any(True for _ in listing.entries)
    return (_inside(inside, listing, spec),) if inside and holds_images else ()


def pairs_doubt(listing: Listing) -> Doubt | None:
    """A doubt where there are files of classes, as WebDataset has them, apart from their images."""
    count = listing.ignored.get(".cls file", 0)
    if not count or listing.labeled:
        return None
    evidence = (
        f"{counted(count, '.cls file')} with classes are not next to their images in the archive "
        "(x.jpg, then x.cls), so that they cannot be paired"
    )
    return Doubt("cls-apart", evidence, (UNLABELED,))


def several_images(names: Sequence[str], spec: LabelSpec) -> tuple[Doubt, ...]:
    """A doubt where one sample with a class has several images: x.jpg, x.seg.png, x.cls."""
    if len(names) < 2 or spec.include:
        return ()
    ends = sorted({name.rpartition("/")[2].partition(".")[2] for name in names}, key=_by_dots)
    remedies = [_only(end, ends, spec) for end in ends]
    every = tuple(dict.fromkeys(f"*.{end.rpartition('.')[2]}" for end in ends))
    remedies.append(Remedy({"include": every}, "all of them are images of the class"))
    evidence = f"a sample has several images for one class: {', '.join(names[:SHOWN])}"
    return (Doubt("sample-images", evidence, tuple(remedies)),)


def _by_dots(end: str) -> tuple[int, str]:
    return end.count("."), end


def _only(end: str, ends: Sequence[str], spec: LabelSpec) -> Remedy:
    """Without the images of a sample that end in another way."""
    if "." in end:
        return Remedy({"include": (f"*.{end}",)}, f"only .{end}")
    others = tuple(f"*.{other}" for other in ends if other != end)
    return Remedy({"exclude": (*as_texts(spec.exclude), *others)}, f"only .{end}")


def _some_are_splits(archives: Sequence[str], spec: LabelSpec) -> Doubt | None:
    """A doubt where some archives are named like val or test, and others like no split: these may
    be train."""
    meant = {path: split_meant(re.sub(r"\.[^/]*$", "", path)) for path in archives}
    named = [path for path, split in meant.items() if split in ("val", "test")]
    others = [path for path, split in meant.items() if split is None]
    if not named or not others or not spec.auto_split or spec.split_from is not None:
        return None
    without = (*as_texts(spec.exclude), *map(as_glob, named))
    return Doubt(
        "archive-splits",
        f"the archives {listed(named)} look like splits, next to {listed(others)}",
        (Remedy({"exclude": without}, f"without {listed(named)}"),
         Remedy({"auto_split": False}, "all images without splits")),
    )  # fmt: skip


def _classes_doubt(archives: Sequence[str]) -> Doubt | None:
    """A doubt where archives without labels, or the folders that they are in, look like classes."""
    *folders, _ = archives[0].split("/")
    if looks_like_classes({os.path.basename(path).partition(".")[0] for path in archives}):
        what = f"the {len(archives)} archives {listed(archives)} look like one per class"
        return one_per_class(what, "archive", len(folders))
    names = {path.split("/")[-2] for path in archives if folders}
    if len(names) < 2 or all(split_meant(name) or is_series(name) for name in names):
        return None
    what = f"the folders {listed(names)}, with archives in them, look like classes"
    return _are_they_classes("archive-folders", what, "folder", len(folders) - 1, "([^/]+)/")


def one_per_class(evidence: str, what: str, above: int = 0) -> Doubt:
    """A doubt whose likelier remedy makes each archive a class.

    what: what an archive is called. above: how many folders are above it.
    """
    return _are_they_classes("archive-per-class", evidence, what, above, _ARCHIVE)


def looks_like_classes(stems: Collection[str]) -> bool:
    """Whether archives are called neither like shards (numbered on) nor like splits."""
    if len(stems) < 2 or all(is_part(stem) or split_meant(stem) for stem in stems):
        return False
    numbers = sorted({int(found[0]) for stem in stems if (found := re.findall(r"\d+", stem)[-1:])})
    return len(numbers) < len(stems) or numbers[-1] - numbers[0] >= 4 * len(numbers)


def _are_they_classes(name: str, evidence: str, what: str, above: int, pattern: str) -> Doubt:
    """above: how many folders are above what may be the class."""
    skipped = f"(?:[^/]+/){{{above}}}" if above else ""
    classes = Remedy({"labels": f"path:^{skipped}{pattern}"}, f"every {what} is a class")
    return Doubt(name, evidence, (classes, UNLABELED))


def _inside(kinds: Sequence[str], listing: Listing, spec: LabelSpec) -> Doubt:
    globs = tuple(f"*{kind.removesuffix(' file')}" for kind in kinds)
    numbers = [(listing.ignored[kind], kind) for kind in kinds]
    counts = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for count, kind in numbers)
    return Doubt(
        "archives-inside",
        f"there are archives inside the archive, which are not read ({counts})",
        (Remedy({"exclude": (*as_texts(spec.exclude), *globs)}, "without them"),),
    )
