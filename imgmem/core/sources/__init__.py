"""Where images come from: folders, label files, archives, and datasets themselves."""

import os
import stat

from imgmem.core.errors import InputError
from imgmem.core.sources.archive import ArchiveSource
from imgmem.core.sources.base import Container, Entry, Listing, Locator, Source
from imgmem.core.sources.datasets import DatasetSource, is_dataset
from imgmem.core.sources.folder import FolderSource
from imgmem.core.sources.labeled import AS_FOUND, LabeledSource, ListSource, TableSpec
from imgmem.core.sources.spool import OPENERS
from imgmem.core.sources.tables.reader import EXTENSIONS, is_table
from imgmem.core.sources.tars import ShardsContainer, TarContainer, shards_in
from imgmem.core.sources.walk import has_images
from imgmem.core.sources.zips import ZipContainer

__all__ = ["Entry", "Listing", "Locator", "Source", "TableSpec", "open_source"]


def open_source(
    path: str,
    *,
    labels: str = "folder",
    table: TableSpec = AS_FOUND,
    auto_split: bool = True,
    spool: str | None = None,
) -> Source:
    """The source at `path`: a folder, a label table, a tar or zip archive, a folder of tar
    shards, or a dataset.

    labels: "folder" (by class folders, or what the source itself says), "none", or the path
    of a label table. table: how that, or the one at `path`, is to be read.
    auto_split: take `train`, `val` and `test` folders, or what a table says, as splits.
    spool: the directory that a compressed tar is decompressed to (None: where temporary files
    go); nothing stays there.
    Raises InputError if there is nothing usable, ResourceError without space for scratch.
    """
    if labels in ("folder", "none"):
        return _open(
            path, labels=labels == "folder", table=table, auto_split=auto_split, spool=spool
        )
    source = _open(path, labels=False, table=table, auto_split=auto_split, spool=spool)
    try:
        return LabeledSource(source, labels, table, auto_split=auto_split)
    except BaseException:
        source.close()
        raise


def _open(
    path: str, *, labels: bool, table: TableSpec, auto_split: bool, spool: str | None
) -> Source:
    mode, lowered = _mode(path), path.lower()
    if stat.S_ISDIR(mode):
        return _open_folder(path, labels=labels, auto_split=auto_split)
    if stat.S_ISREG(mode) and is_table(path):
        return ListSource(path, table, labels=labels, auto_split=auto_split)
    container: Container
    if stat.S_ISREG(mode) and lowered.endswith((".tar", *OPENERS)):
        container = TarContainer(path, spool=spool)
    elif stat.S_ISREG(mode) and lowered.endswith(".zip"):
        container = ZipContainer(path)
    else:
        raise InputError(
            f"{path} is not a folder, a .tar, a .zip or a label table "
            f"({', '.join(sorted(EXTENSIONS))})",
            hint="Give the folder that the images are in (unpack an archive of another kind).",
            path=path,
        )
    return ArchiveSource(path, container, labels=labels, auto_split=auto_split)


def _open_folder(path: str, *, labels: bool, auto_split: bool) -> Source:
    if is_dataset(path):
        return DatasetSource(path, labels=labels, auto_split=auto_split)
    if not has_images(path, "") and (shards := shards_in(path)):
        container = ShardsContainer(path, shards)
        return ArchiveSource(path, container, labels=labels, auto_split=auto_split)
    return FolderSource(path, labels=labels, auto_split=auto_split)


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError as error:
        raise InputError(
            f"there is no source at {path}: {error.strerror}", hint="Check the path.", path=path
        ) from None
