"""Archives at an address: downloaded once to scratch space, then read like local ones.

All names have to be known before the first row is written, so an archive has to be kept that is
not to be read from the store twice.
"""

from dataclasses import replace

from imgmem.core.progress import Progress, ProgressCallback, no_progress
from imgmem.core.sources.archive import ArchiveSource
from imgmem.core.sources.base import Container, Listing, Locator
from imgmem.core.sources.blob import Blob
from imgmem.core.sources.remote.download import download, there
from imgmem.core.sources.remote.store import Store, StoredObject, StorePlace
from imgmem.core.sources.shards import container_of
from imgmem.core.sources.spool import compressed_extension, decompressed
from imgmem.core.specs import LabelSpec
from imgmem.core.units import format_bytes


class StoredArchive:
    """The images in the archive at the address `path`; other processes cannot read it.

    stored: what the store said of it when it was downloaded, () before that.
    spool: the directory that it is downloaded to, None for where scratch data goes.
    """

    address = None
    remote = False

    def __init__(
        self, path: str, spec: LabelSpec = LabelSpec(), *, spool: str | None = None
    ) -> None:
        """Raises UsageError for an address that cannot be used. Sends no request."""
        self.path = path
        self._spec = spec
        self._spool = spool
        self._archive: ArchiveSource | None = None
        self.stored: tuple[StoredObject, ...] = ()
        root, self._key = StorePlace.of(path)
        self._store = Store(root)

    @property
    def spool_bytes(self) -> int:
        return self._archive.spool_bytes if self._archive else 0

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        listing = self._opened(progress).listing(progress)
        return replace(
            listing, notes=(*listing.notes, f"downloaded {self._what()} to scratch space")
        )

    def _what(self) -> str:
        """What is downloaded."""
        return f"{self.path} ({format_bytes(self._bytes())})"

    def _bytes(self) -> int:
        return sum(each.size for each in self.stored)

    def _announce(self, progress: ProgressCallback) -> None:
        note = f"downloading {self._what()} to scratch space"
        progress(Progress("download", 0, self._bytes(), "B", note=note))

    def _opened(self, progress: ProgressCallback = no_progress) -> ArchiveSource:
        if self._archive is None:
            self._archive = self._downloaded(progress)
        return self._archive

    def _downloaded(self, progress: ProgressCallback) -> ArchiveSource:
        found = there(self._store, self._key, self.path)
        self.stored = (found,)
        self._announce(progress)
        blob = download(self._store, found, self.path, self._spool, progress)
        return ArchiveSource(self.path, _container(blob, self._spool), self._spec)

    def read(self, name: str, locator: Locator) -> bytes:
        return self._opened().read(name, locator)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self._opened().read_head(name, locator, length)

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return 0  # the time that a store lists cannot be set

    def close(self) -> None:
        if self._archive:
            self._archive.close()


def _container(blob: Blob, spool: str | None) -> Container:
    """What reads a downloaded archive; closing it closes `blob`."""
    extension = compressed_extension(blob.path)
    plain = decompressed(blob, extension, spool) if extension else blob
    container = container_of(plain)
    container.address = None
    container.spool_bytes = plain.size
    return container
