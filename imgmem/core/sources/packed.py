"""Files that hold many images next to some image files, which would be taken alone: the images of
a readme next to Parquet files or shards."""

import os
from collections.abc import Sequence

from imgmem.core.errors import ImgmemError
from imgmem.core.sources.base import Listing
from imgmem.core.sources.below import paths_below
from imgmem.core.sources.grammar import as_texts
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.names import ARCHIVE_EXTENSIONS
from imgmem.core.sources.parquet.columns import image_columns
from imgmem.core.sources.parquet.files import EXTENSION, facts_of
from imgmem.core.sources.selection import Selection
from imgmem.core.sources.spool import ARCHIVES
from imgmem.core.specs import LabelSpec
from imgmem.core.text import counted


def packed_doubt(path: str, spec: LabelSpec, listing: Listing, images: int) -> Doubt | None:
    """A doubt where a folder holds Parquet files of images too, or no fewer archives than images.

    images: how many image files are listed.
    """
    if listing.ignored.get(f"{EXTENSION} file"):
        found = _selected(path, EXTENSION, spec)
        if found and _hold_images(os.path.join(path, found[0])):
            return _doubt(found, (EXTENSION,), "Parquet files of images", spec, images)
    if any(listing.ignored.get(f".{extension} file") for extension in ARCHIVE_EXTENSIONS):
        found = _selected(path, ARCHIVES, spec)
        if len(found) >= max(images, 2):
            extensions = [each for each in ARCHIVES if any(n.lower().endswith(each) for n in found)]
            return _doubt(found, extensions, "archives", spec, images)
    return None


def _selected(path: str, extensions: str | tuple[str, ...], spec: LabelSpec) -> list[str]:
    selection = Selection(spec.include, spec.exclude)
    return [each for each in paths_below(path, extensions) if selection.takes(each)]


def _hold_images(path: str) -> bool:
    """Also where that cannot be found out."""
    try:
        return bool(image_columns(facts_of(path).schema))
    except ImgmemError:
        return True


def _doubt(
    found: Sequence[str], extensions: Sequence[str], what: str, spec: LabelSpec, images: int
) -> Doubt:
    globs = tuple(f"**/*{extension}" for extension in extensions)
    more = ", …" if len(found) > 1 else ""
    evidence = f"there are {what} ({found[0]}{more}) next to {counted(images, 'image file')}"
    packed = Remedy({"include": globs}, "only the images in them")
    files = Remedy({"exclude": (*as_texts(spec.exclude), *globs)}, "only the image files")
    return Doubt("packed-images", evidence, (packed, files))
