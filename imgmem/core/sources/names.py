"""Which names are candidates for images, why others are passed over, what a path may be."""

import re

_IMAGES = """
    jpg jpeg jpe jfif pjpeg png apng webp gif bmp dib tif tiff avif
    jp2 j2k j2c jpc jpf jpx ppm pgm pbm pnm
    heic heif hif jxl jxr wdp tga ico psd exr hdr pcx qoi pfm pam
"""
IMAGE_ENDINGS = frozenset(_IMAGES.split())
"""Endings that make a file a candidate, in lower case; so does having no ending at all.

Those of the last line are not decoded: such files are rejected by name, not passed over.
"""

_OTHERS = """
    txt md rst csv tsv json jsonl xml html htm yaml yml toml ini cfg log py ipynb sh js css
    pdf doc docx xls xlsx ppt pptx zip tar gz tgz bz2 xz zst 7z rar npy npz pkl pt pth h5 hdf5
    mat parquet arrow db sqlite mp4 mov avi mkv webm mpg mpeg wmv m4v mp3 wav flac ogg
    svg ai eps cls lnk url exe dll tmp part crdownload
    dng cr2 cr3 nef arw orf rw2 raf raw
"""
OTHER_ENDINGS = frozenset(_OTHERS.split())
"""Endings that are passed over, each counted by itself. Camera raw files (the last line) are
among them, because a TIFF reader finds a thumbnail in many."""

SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
SYSTEM_FOLDERS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information"})
_TEXTS = """
    license license copying notice readme authors contributors changelog changes makefile
    dockerfile md5sums sha1sums sha256sums checksums version
"""
TEXT_FILES = frozenset(_TEXTS.split())
"""Names without an ending that are documents by custom."""

UNKNOWN_ENDING = "unknown ending"


def ignored_file(name: str) -> str | None:
    """Why a file of this base name is passed over, or None for a candidate."""
    if name[0] == ".":
        return "hidden file"
    if name[-1] == "~":
        return "backup file"
    stem, dot, ending = name.rpartition(".")
    lowered = ending.lower()
    if dot and lowered in IMAGE_ENDINGS:
        return None
    if name.lower() in SYSTEM_FILES:
        return "system file"
    if not dot or not ending or not stem:
        return "text file" if lowered in TEXT_FILES else None
    return f".{lowered} file" if lowered in OTHER_ENDINGS else UNKNOWN_ENDING


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
        raise ValueError(f"{path!r} leads upwards, which is never followed")
    if not parts or "\0" in path:
        raise ValueError(f"{path!r} is no path")
    return "/".join(parts)
