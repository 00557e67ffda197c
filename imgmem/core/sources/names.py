"""Which names are candidates for images, why others are passed over, what a path may be."""

import re
from collections.abc import Callable

from imgmem.core.decode.foreign import remedy_for
from imgmem.core.errors import RejectedImage

_IMAGES = """
    jpg jpeg jpe jfif pjpeg png apng webp gif bmp dib tif tiff avif
    jp2 j2k j2c jpc jpf jpx ppm pgm pbm pnm
    heic heif hif jxl jxr wdp tga ico psd exr hdr pcx qoi pfm pam
"""
IMAGE_EXTENSIONS = frozenset(_IMAGES.split())
"""Extensions that make a file a candidate, in lower case.

Those of the last line are not decoded: such files are rejected by name, not passed over.
"""

_OTHERS = """
    txt md rst csv tsv json jsonl xml html htm yaml yml toml ini cfg log py ipynb sh js css
    pdf doc docx xls xlsx ppt pptx zip tar gz tgz bz2 xz zst 7z rar npy npz pkl pt pth h5 hdf5
    mat parquet arrow db sqlite mp4 mov avi mkv webm mpg mpeg wmv m4v mp3 wav flac ogg
    svg ai eps cls lnk idx1-ubyte idx3-ubyte url exe dll tmp part crdownload
"""
OTHER_EXTENSIONS = frozenset(_OTHERS.split())
"""Extensions that are passed over, each counted by itself; so are those that `remedy_for` knows
and that are not in IMAGE_EXTENSIONS, such as camera raw files: a TIFF reader finds a thumbnail in
many."""

ARCHIVE_EXTENSIONS = ("zip", "tar", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar")
"""Those of them that are of archives, which are not read where they are in a source."""

SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_SYSTEM = "__macosx, __pycache__, @eadir, $recycle.bin, system volume information, lost+found"
SYSTEM_FOLDERS = frozenset(_SYSTEM.split(", "))
_TEXTS = """
    license license copying notice readme authors contributors changelog changes makefile
    dockerfile md5sums sha1sums sha256sums checksums version
"""
TEXT_FILES = frozenset(_TEXTS.split())
"""Names without an extension that are documents by custom."""

UNKNOWN_EXTENSION = "unknown extension"
NO_EXTENSION = "file without an extension that is not an image"
TO_LOOK_AT = frozenset({UNKNOWN_EXTENSION, NO_EXTENSION})
"""Reasons that only stand if the first bytes of the file agree."""

HEAD_BYTES = 512
"""First bytes that tell whether a file is an image."""
_EXTENSION = re.compile(r"[a-z0-9_+-]{1,12}")


def ignored_file(name: str) -> str | None:
    """Why a file of this base name is passed over, or None for a candidate.

    Reasons in TO_LOOK_AT are to be confirmed by `confirmed`.
    """
    if name[0] == ".":
        return "hidden file"
    if name[-1] == "~":
        return "backup file"
    stem, dot, extension = name.rpartition(".")
    lowered = extension.lower()
    if dot and lowered in IMAGE_EXTENSIONS:
        return None
    if name.lower() in SYSTEM_FILES:
        return "system file"
    if not dot or not extension or not stem:
        return "text file" if lowered in TEXT_FILES else NO_EXTENSION
    known = f".{lowered} file" if lowered in OTHER_EXTENSIONS else UNKNOWN_EXTENSION
    return remedy_for(name) or known


def confirmed(reason: str, name: str, head: Callable[[], bytes]) -> str | None:
    """A reason in TO_LOOK_AT after a look at the first bytes; None for what is an image.

    Files without an extension count as images of formats that are not read, too, and so do files
    whose `head` cannot be had: they are rejected by name, not passed over.
    """
    from imgmem.core.decode.formats import sniff

    try:
        data = head()
    except RejectedImage:
        return None
    try:
        sniff(data)
    except RejectedImage as reject:
        if reason == NO_EXTENSION:
            return None if reject.reason == "unsupported" else reason
        extension = name.rpartition(".")[2].lower()
        return f".{extension} file" if _EXTENSION.fullmatch(extension) else reason
    return None


def may_be_image(path: str) -> bool:
    """Whether a file of this path may be an image, by its name alone."""
    reason = ignored_path(path)
    return reason is None or reason in TO_LOOK_AT


def ignored_folder(name: str) -> str | None:
    """Why a folder of this base name is passed over with all that it holds, or None."""
    if name[0] == ".":
        return "hidden folder"
    return "system folder" if name.lower() in SYSTEM_FOLDERS else None


def ignored_path(path: str) -> str | None:
    """Why a member of this "/"-separated path is passed over, or None for a candidate."""
    *folders, name = path.split("/")
    for folder in folders:
        if reason := ignored_folder(folder):
            return reason
    return ignored_file(name)


def inner_path(path: str) -> str:
    """A path from a label file or an archive as names are written: relative, no ".", "//".

    Raises ValueError for one that is absolute, has a "..", or is none.
    """
    if path.startswith("/") or re.match(r"[A-Za-z]:[\\/]", path):
        raise ValueError(f"{path!r} is absolute; it must be relative")
    parts = [part for part in path.split("/") if part not in {"", "."}]
    if ".." in parts:
        raise ValueError(f"{path!r} contains .., which is never followed")
    if not parts or "\0" in path:
        raise ValueError(f"{path!r} is not a valid path")
    return "/".join(parts)
