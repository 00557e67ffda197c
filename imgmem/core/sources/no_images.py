"""Sources without images: what they hold instead, and what to do with it."""

import os
from collections.abc import Mapping

from imgmem.core.decode.foreign import UNREAD
from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.paths import is_address
from imgmem.core.sources.arrays.foreign import conversion_error
from imgmem.core.sources.base import Listing
from imgmem.core.sources.labeling import Labeling
from imgmem.core.sources.names import ARCHIVE_EXTENSIONS
from imgmem.core.sources.selection import FOLDER_NOT_SELECTED, NOT_SELECTED
from imgmem.core.sources.settle import CLASS_DROPPED, SPLIT_DROPPED
from imgmem.core.sources.spool import ARCHIVES
from imgmem.core.storage import durable
from imgmem.core.text import counted


def require_images(path: str, listing: Listing, labeling: Labeling) -> None:
    """Raises InputError, with what there is instead, where a source holds no images."""
    if labeling.images:
        return
    if durable.is_directory(path) and (error := conversion_error(path)):
        raise error
    held = [_kind(reason, count) for reason, count in sorted(listing.ignored.items()) if count]
    raise InputError(
        f"no images found in {path}" + (f"; it holds {', '.join(held)}" if held else ""),
        hint=_to_copy(path, listing.ignored)
        or _to_join(listing.ignored)
        or _to_unpack(path, listing.ignored)
        or _to_convert(listing.ignored)
        or _remedy(listing.ignored),
        ignored=dict(listing.ignored),
    )


def _to_copy(path: str, ignored: Mapping[str, int]) -> str:
    """What to do where a store has what is only read locally; "" where it has not."""
    if is_address(path) and any(ignored.get(reason) for reason in _LOCAL):
        return (
            "Arrays, Parquet files and datasets are read locally only: copy them to a local disk."
        )
    return ""


def _to_unpack(path: str, ignored: Mapping[str, int]) -> str:
    """What to do with archives that are not read where they are; "" where there are none."""
    held = [f".{each}" for each in ARCHIVE_EXTENSIONS if ignored.get(f".{each} file")]
    unread = [each for each in held if not any(known.endswith(each) for known in ARCHIVES)]
    if unread:
        return f"Unpack it, and build from the folder: {', '.join(unread)} archives are not read."
    if held and os.path.isfile(path):
        return "Unpack it, and build from the folder: archives inside an archive are not read."
    return ""


def _to_join(ignored: Mapping[str, int]) -> str:
    """What to do with an archive in parts; "" where there is none."""
    if ignored.get(".z01 file"):
        return "Join the parts of the archive first: zip -s 0 NAME.zip -O WHOLE.zip."
    if ignored.get(".001 file"):
        return "Join the parts of the archive first: cat NAME.001 NAME.002 … > NAME."
    return ""


def _to_convert(ignored: Mapping[str, int]) -> str:
    """What makes images of files of formats that are not read; "" where there are none."""
    for reason in sorted(ignored):
        _, unread, remedy = reason.partition(UNREAD)
        if unread:
            return f"{remedy[0].upper()}{remedy[1:]}."
        if what := _CONTAINERS.get(reason):
            return f"{what}."
    return ""


def _remedy(ignored: Mapping[str, int]) -> str:
    """What to change where all is ignored."""
    if any(ignored.get(reason) for reason in _ARCHIVES):
        other = ignored.get(".gz file")
        gunzip = " Unpack a .gz file that is not a .tar.gz first, with gunzip." if other else ""
        return f"Give one archive as the source, or the folder that directly contains them.{gunzip}"
    if any(ignored.get(f".{each} file") for each in ("npy", "npz")):
        return (
            "Arrays of many images (N, H, W) are read from one folder: give the folders that hold "
            "them as several SOURCEs; images that are a file each have to be stacked first."
        )
    options = [
        name for reason in _BY_OPTION if ignored.get(reason) for name in _BY_OPTION[reason][1]
    ]
    if options:
        named = " or ".join(map(option, dict.fromkeys(options)))
        return f"Change {named}: what may be an image is left out."
    return "Image files have an extension such as .jpg, .png or .webp, or none."


_RECORDS = "are not read: write their images to files, in a folder for each class"
_CONTAINERS = {
    ".arrow file": "Make Parquet of an Arrow file, and build from that: "
    "datasets.Dataset.from_file('FILE.arrow').to_parquet('FILE.parquet')",
    ".mdb file": f"LMDB databases {_RECORDS}",
    ".rec file": f"RecordIO files {_RECORDS}",
    ".tfrec file": f"TFRecord files {_RECORDS}",
    ".tfrecord file": f"TFRecord files {_RECORDS}",
    ".tfrecords file": f"TFRecord files {_RECORDS}",
}
"""What to do with files that hold many images, by why they are passed over."""
_LOCAL = (".npz file", ".npy file", ".parquet file")
_ARCHIVES = frozenset(f".{extension} file" for extension in ARCHIVE_EXTENSIONS)


_BY_OPTION = {
    NOT_SELECTED: (("file", NOT_SELECTED), ("include", "exclude")),
    FOLDER_NOT_SELECTED: (("folder", "left out by exclude"), ("exclude",)),
    CLASS_DROPPED: (("image", "of a class that class_map drops"), ("class_map",)),
    SPLIT_DROPPED: (("image", "of a split that split_map drops"), ("split_map",)),
}
"""What was left out for a reason, and by which options."""


def _kind(reason: str, count: int) -> str:
    """`2 .zip archives`, `1 hidden file`, `2 files left out by include or exclude`."""
    if reason in _BY_OPTION:
        (noun, rest), _ = _BY_OPTION[reason]
        return f"{counted(count, noun)} {rest}"
    if reason in _ARCHIVES:
        reason = reason.replace(" file", " archive")
    name, unread, _ = reason.partition(UNREAD)
    if unread:
        return f"{counted(count, 'file')} of a format that is not read ({name})"
    return f"{count} {reason}{'s' if count > 1 and reason.endswith(('file', 'archive')) else ''}"
