"""Where images come from: folders, label files, archives, and datasets themselves."""

import os

from imgmem.core.errors import InputError
from imgmem.core.sources.base import Entry, Locator, Source
from imgmem.core.sources.folder import FolderSource

__all__ = ["Entry", "Locator", "Source", "open_source"]


def open_source(
    path: str, *, labels: str = "folder", auto_split: bool = True, spool: str | None = None
) -> Source:
    """The source at `path`: a folder of class folders or of images.

    labels: "folder", "none", or the path of a CSV file.
    auto_split: take `train`, `val` and `test` folders as splits.
    spool: directory for scratch files; the caller's to remove.
    Raises InputError if there is nothing usable.
    """
    if not os.path.lexists(path):
        raise InputError(f"there is nothing at {path}", hint="Check the path.", path=path)
    return FolderSource(path, labels=labels != "none", auto_split=auto_split)
