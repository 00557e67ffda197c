"""Archives right under an address, each of which is a shard: read one after the other, each once
from its first byte to its last, into one scratch file."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import BinaryIO

from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.sources.archive import ArchiveSource
from imgmem.core.sources.base import Locator, Member
from imgmem.core.sources.remote.archive import StoredArchive
from imgmem.core.sources.remote.download import append, download, latest_ns, require_space
from imgmem.core.sources.remote.source import StoreSource
from imgmem.core.sources.remote.store import StoredObject
from imgmem.core.sources.shards import container_of, in_shard
from imgmem.core.sources.spool import Spooled, compressed_extension, decompress
from imgmem.core.specs import LabelSpec
from imgmem.core.text import counted
from imgmem.core.units import format_bytes


class StoredShards(StoredArchive):
    """The images in the archives `stored`, which are right under the address `path`."""

    def __init__(
        self,
        path: str,
        stored: tuple[StoredObject, ...],
        spec: LabelSpec = LabelSpec(),
        *,
        spool: str | None = None,
    ) -> None:
        """Raises UsageError for an address that cannot be used. Sends no request."""
        super().__init__(path, spec, spool=spool)
        self.stored = stored
        self._fetched = 0
        self._shards = {each.key.rpartition("/")[2]: each for each in stored}

    def _what(self) -> str:
        return f"{counted(len(self.stored), 'archive')} ({format_bytes(self._bytes())})"

    def _downloaded(self, progress: ProgressCallback) -> ArchiveSource:
        self._announce(progress)
        spooled = Spooled(self.path, self._shards, partial(self._fetch, progress), self._spool)
        container = SpooledShards(self._shards, spooled)
        return ArchiveSource(self.path, container, self._spec, archives=tuple(self._shards))

    def _fetch(self, progress: ProgressCallback, shard: str, file: BinaryIO) -> None:
        """Append the bytes of a shard, decompressed, to a scratch file."""
        found, address = self._shards[shard], f"{self.path}/{shard}"
        before, total = self._fetched, self._bytes()
        if not before:
            require_space(file, total, self.path)

        def report(done: Progress) -> None:
            progress(replace(done, done=before + done.done, total=total))

        if extension := compressed_extension(shard):
            blob = download(self._store, found, address, self._spool, report)
            try:
                decompress(blob, extension, file, self._spool)
            finally:
                blob.close()
        else:
            append(self._store, found, address, file, self._spool, report)
        self._fetched += found.size


class SpooledShards:
    """Archives in scratch space, one behind the other."""

    address = None

    def __init__(self, stored: Mapping[str, StoredObject], spooled: Spooled) -> None:
        """Take over the scratch space, which is closed with this."""
        self._stored = stored
        self._spooled = spooled
        self.spool_bytes = spooled.size

    def members(self) -> Iterator[Member]:
        for shard, found in self._stored.items():
            version = found.etag, found.size
            for member in container_of(self._spooled.region(shard)).members():
                yield in_shard(member, shard, latest_ns(found), version)

    def read(self, locator: Locator, length: int | None) -> bytes:
        *inner, shard = locator[3:]
        return container_of(self._spooled.region(str(shard))).read(tuple(inner), length)

    def close(self) -> None:
        self._spooled.close()


def archives_under(address: str) -> tuple[StoredObject, ...]:
    """The archives right under an address, sorted by their names; () where there are images."""
    source, found = StoreSource(address), list[StoredObject]()
    for page in source.pages():
        if source.holds_candidates(page):
            return ()
        found += [stored for stored in page if source.is_shard(stored)]
    return tuple(sorted(found, key=lambda stored: os.fsencode(stored.key)))
