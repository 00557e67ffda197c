"""Archives in a folder or below, each of which is a shard: tar, zip, or compressed tar.

An archive is opened for each read: there may be more of them than files may be open. Compressed
ones are decompressed once, one behind the other, into one unnamed scratch file.
"""

import os
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.messages import option
from imgmem.core.sources.base import OBJECT, Address, Container, Locator, Member
from imgmem.core.sources.below import paths_below
from imgmem.core.sources.blob import Blob, open_blob
from imgmem.core.sources.files import open_regular, persistent, rejection
from imgmem.core.sources.selection import Selection
from imgmem.core.sources.spool import ARCHIVES, Spooled, compressed_extension, decompress
from imgmem.core.sources.tars import TarContainer
from imgmem.core.sources.zips import ZipContainer


class ShardsContainer:
    """The archives `shards`, by their paths in the folder at `path`.

    A locator says which version of a shard it is of, then where its own container finds the
    bytes, and the shard.
    """

    def __init__(self, path: str, shards: list[str], *, spool: str | None = None) -> None:
        """Raises InputError for an archive that is damaged, ResourceError without space."""
        self._path = path
        self._shards = shards
        compressed = [shard for shard in shards if compressed_extension(shard)]
        write = partial(_decompress, path, spool)
        self._spool = Spooled(path, compressed, write, spool) if compressed else None
        self.spool_bytes = self._spool.size if self._spool else 0
        self.address = None if compressed else Address("shards", os.path.abspath(path))

    def members(self) -> Iterator[Member]:
        for shard in self._shards:
            blob = open_blob(os.path.join(self._path, shard))
            container = self._container(shard, blob)
            try:
                for member in container.members():
                    yield in_shard(member, shard, blob.mtime_ns, (blob.mtime_ns, blob.size))
            finally:
                container.close()

    def read(self, locator: Locator, length: int | None) -> bytes:
        _, mtime_ns, size, *inner, shard = locator
        path = os.path.join(self._path, str(shard))
        try:
            blob = Blob(persistent(lambda: open_regular(path))[0], path)
        except OSError as error:
            raise rejection(error) from None
        container = self._container(str(shard), blob)
        try:
            if (blob.mtime_ns, blob.size) != (mtime_ns, size):
                raise RejectedImage("changed", f"{shard} changed since it was listed")
            return container.read(tuple(inner), length)
        finally:
            container.close()

    def _container(self, shard: str, blob: Blob) -> Container:
        """What reads an open archive; closing it closes `blob`."""
        if self._spool and compressed_extension(shard):
            blob.close()
            return TarContainer(self._spool.region(shard))
        return container_of(blob)

    def close(self) -> None:
        if self._spool:
            self._spool.close()


def in_shard(member: Member, shard: str, mtime_ns: int, version: tuple[int | str, int]) -> Member:
    """A member of one archive as one of several: `shard`, of a version and with a time."""
    locator = (OBJECT, *version, *member.locator, shard)
    return member._replace(name=f"{shard}/{member.path}", mtime_ns=mtime_ns, locator=locator)


def container_of(blob: Blob) -> TarContainer | ZipContainer:
    """What reads an archive that is not compressed as a whole; closing it closes `blob`."""
    return ZipContainer(blob) if blob.path.lower().endswith(".zip") else TarContainer(blob)


def _decompress(path: str, directory: str | None, shard: str, file: BinaryIO) -> None:
    archive = open_blob(os.path.join(path, shard))
    try:
        decompress(archive, str(compressed_extension(shard)), file, directory)
    finally:
        archive.close()


def shards_in(folder: str, selection: Selection) -> list[str]:
    """The paths of the archives in a folder and below, sorted by their bytes.

    Raises InputError where they lie at different depths: what their folders say is not clear.
    """
    found = paths_below(folder, ARCHIVES)
    shards = [each for each in found if not selection.leaves_out(each)]
    by_depth = {shard.count("/"): shard for shard in reversed(shards)}
    if len(by_depth) > 1:
        raise InputError(
            f"the archives in {folder} lie at different depths: "
            + ", ".join(by_depth[depth] for depth in sorted(by_depth)),
            hint=f"Leave some of them out ({option('exclude', 'GLOB')}), or give their folders one "
            "by one, as several SOURCEs.",
            path=folder,
        )
    return shards
