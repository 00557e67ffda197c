"""Which kind of source a path is, and which one an address is of: one line here for each."""

import os
import stat
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from imgmem.core.errors import InputError
from imgmem.core.paths import is_address
from imgmem.core.sources.archive import ArchiveSource
from imgmem.core.sources.arrays.foreign import conversion_error
from imgmem.core.sources.arrays.found import arrays_at, is_array_file
from imgmem.core.sources.arrays.source import ArraySource
from imgmem.core.sources.base import STORE, Address, Container, Source
from imgmem.core.sources.blob import open_blob
from imgmem.core.sources.datasets import DatasetSource, is_dataset
from imgmem.core.sources.files import unusable
from imgmem.core.sources.folder import FolderSource
from imgmem.core.sources.labeled import ListSource, TableSpec
from imgmem.core.sources.packed import packed_doubt
from imgmem.core.sources.parquet.files import has_files
from imgmem.core.sources.parquet.source import open_parquet
from imgmem.core.sources.remote.choose import open_remote
from imgmem.core.sources.remote.source import StoreSource
from imgmem.core.sources.selection import Selection
from imgmem.core.sources.several import SeveralSources
from imgmem.core.sources.shards import ShardsContainer, shards_in
from imgmem.core.sources.spool import OPENERS
from imgmem.core.sources.tables.reader import EXTENSIONS, is_table
from imgmem.core.sources.tars import TarContainer, open_tar
from imgmem.core.sources.walk import holds_candidates
from imgmem.core.sources.zips import ZipContainer
from imgmem.core.specs import LabelSpec


class Opening(NamedTuple):
    """How sources are to be opened; see `open_source`."""

    spec: LabelSpec
    spool: str | None
    sizes: bool
    budget: int | None


def has_columns(path: str) -> bool:
    """Whether a source has columns, or arrays, of its own to take labels from."""
    if is_address(path):
        return False
    if not stat.S_ISREG(_mode(path)):
        return not is_dataset(path) and (arrays_at(path) is not None or has_files(path))
    return is_table(path) or is_array_file(path)


def open_one(path: str, how: Opening) -> Source:
    """The source at one path, by what is there."""
    spec = how.spec
    if is_address(path):
        return open_remote(path, spec, spool=how.spool)
    mode, lowered = _mode(path), path.lower()
    if stat.S_ISDIR(mode):
        return _open_folder(path, how)
    if stat.S_ISREG(mode) and (source := _parquet(path, how)):
        return source
    if stat.S_ISREG(mode) and is_table(path):
        if error := conversion_error(path):
            raise error
        return ListSource(
            path, TableSpec.of(spec), labels=spec.labels == "folder", auto_split=spec.auto_split
        )
    if stat.S_ISREG(mode) and is_array_file(path):
        return ArraySource(path, spec, spool=how.spool)
    container: Container
    if stat.S_ISREG(mode) and lowered.endswith((".tar", *OPENERS)):
        container = open_tar(path, spool=how.spool)
    elif stat.S_ISREG(mode) and lowered.endswith(".zip"):
        container = ZipContainer(open_blob(path))
    else:
        raise conversion_error(path) or InputError(
            f"{path} is not a folder, a .tar, a .zip, an .npz or a label table "
            f"({', '.join(sorted(EXTENSIONS))})",
            hint="Give the folder of the images; unpack other archives first.",
            path=path,
        )
    return ArchiveSource(path, container, spec)


def _open_folder(path: str, how: Opening) -> Source:
    spec = how.spec
    if is_dataset(path):
        return DatasetSource(path, labels=spec.labels == "folder", auto_split=spec.auto_split)
    beside = partial(packed_doubt, path, spec)
    source = FolderSource(path, spec, sizes=how.sizes, beside=beside)  # raises what listing does
    selection = Selection(spec.include, spec.exclude)
    if holds_candidates(path, selection):  # as a rule: no other look at the folder is needed
        return source
    arrays, shards = arrays_at(path), shards_in(path, selection)
    parquet = None if arrays or shards or not has_files(path) else _parquet(path, how)
    if not (arrays or shards or parquet):
        return source
    source.close()
    if parquet:
        return parquet
    if arrays:
        return ArraySource(arrays, spec, spool=how.spool)
    container = ShardsContainer(path, shards, spool=how.spool)
    return ArchiveSource(path, container, spec, archives=tuple(shards))


def _parquet(path: str, how: Opening) -> Source | None:
    return open_parquet(path, how.spec, spool=how.spool, budget=how.budget)


def open_address(address: Address) -> Source:
    """The source at an address, to read the images that another process has listed.

    Raises InputError if it is not there, or is not as it was.
    """
    for each in (address, *(part for _, part in address.parts)):
        if each.size and _stamp(each.path) != (each.size, each.mtime_ns):
            raise InputError(
                f"{each.path} changed during the build",
                hint="Make sure that nothing writes to the source.",
                path=each.path,
            )
    if address.kind == "several":
        return SeveralSources({prefix: open_address(part) for prefix, part in address.parts})
    return _READERS[address.kind](address.path)


_READERS: dict[str, Callable[[str], Source]] = {
    "folder": FolderSource,
    "arrays": ArraySource,
    STORE: StoreSource,
    "dataset": DatasetSource,
    "tar": lambda path: ArchiveSource(path, TarContainer(open_blob(path))),
    "shards": lambda path: ArchiveSource(path, ShardsContainer(path, [])),
    "zip": lambda path: ArchiveSource(path, ZipContainer(open_blob(path))),
}
"""How to open each kind of address."""


def _stamp(path: str) -> tuple[int, int]:
    try:
        facts = os.stat(path)
    except OSError:
        return 0, 0
    return facts.st_size, facts.st_mtime_ns


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError as error:
        raise unusable(error, f"there is no source at {path}", path, "Check the path.") from None
