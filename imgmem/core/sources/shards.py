"""A folder of archives, each of which is a shard: tar, zip, or compressed tar.

An archive is opened for each read: there may be more of them than files may be open. Compressed
ones are decompressed once, one behind the other, into one nameless scratch file.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO

from imgmem.core.errors import RejectedImage
from imgmem.core.sources.base import Address, Container, Locator, Member
from imgmem.core.sources.blob import Blob, BlobPart, open_blob
from imgmem.core.sources.files import open_regular, persistent, rejection
from imgmem.core.sources.scratch import scratch_file
from imgmem.core.sources.spool import ARCHIVES, compressed_extension, decompress
from imgmem.core.sources.tars import TarContainer
from imgmem.core.sources.zips import ZipContainer


class ShardsContainer:
    """The archives `shards` in the folder at `path`.

    A locator is that of the archive's own container, then the shard and its mtime_ns as listed.
    """

    def __init__(self, path: str, shards: list[str], *, spool: str | None = None) -> None:
        """Raises InputError for an archive that is damaged, ResourceError without space."""
        self._path = path
        self._shards = shards
        compressed = [shard for shard in shards if compressed_extension(shard)]
        self._spool = _Spool(path, compressed, spool) if compressed else None
        self.spool_bytes = self._spool.size if self._spool else 0
        self.address = None if compressed else Address("shards", os.path.abspath(path))

    def members(self) -> Iterator[Member]:
        for shard in self._shards:
            blob = open_blob(os.path.join(self._path, shard))
            container = self._container(shard, blob)
            try:
                for member in container.members():
                    locator = (*member.locator, shard, blob.mtime_ns)
                    name = f"{shard}/{member.path}"
                    yield member._replace(name=name, mtime_ns=blob.mtime_ns, locator=locator)
            finally:
                container.close()

    def read(self, locator: Locator, length: int | None) -> bytes:
        *inner, shard, mtime_ns = locator
        path = os.path.join(self._path, str(shard))
        try:
            blob = Blob(persistent(lambda: open_regular(path))[0], path)
        except OSError as error:
            raise rejection(error) from None
        container = self._container(str(shard), blob)
        try:
            if blob.mtime_ns != mtime_ns:
                raise RejectedImage("changed", f"{shard} changed since it was listed")
            return container.read(tuple(inner), length)
        finally:
            container.close()

    def _container(self, shard: str, blob: Blob) -> Container:
        """What reads an open archive; closing it closes `blob`."""
        if self._spool and compressed_extension(shard):
            blob.close()
            return TarContainer(self._spool.region(shard))
        return ZipContainer(blob) if shard.lower().endswith(".zip") else TarContainer(blob)

    def close(self) -> None:
        if self._spool:
            self._spool.close()


class _Spool:
    """Several compressed archives, decompressed into one scratch file."""

    def __init__(self, path: str, shards: list[str], directory: str | None) -> None:
        self._parts: dict[str, tuple[int, int]] = {}
        self._path = path
        with scratch_file(directory) as file:
            for shard in shards:
                self._append(shard, file, directory)
            self._blob = Blob(os.dup(file.fileno()), path)
        self.size = self._blob.size

    def _append(self, shard: str, file: BinaryIO, directory: str | None) -> None:
        archive = open_blob(os.path.join(self._path, shard))
        try:
            start = file.tell()
            decompress(archive, str(compressed_extension(shard)), file, directory)
            self._parts[shard] = start, file.tell() - start
        finally:
            archive.close()

    def region(self, shard: str) -> BlobPart:
        start, size = self._parts[shard]
        return BlobPart(self._blob, os.path.join(self._path, shard), start, size)

    def close(self) -> None:
        self._blob.close()


def shards_in(folder: str) -> list[str]:
    """The names of the archives right in a folder, sorted by their bytes."""
    with os.scandir(folder) as items:
        archives = [item.name for item in items if item.name.lower().endswith(ARCHIVES)]
    visible = [name for name in archives if not name.startswith(".")]
    return sorted(visible, key=os.fsencode)
