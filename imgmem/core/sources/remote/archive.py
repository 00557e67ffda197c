"""One archive at an address: downloaded once to scratch space, then read like a local one."""

from dataclasses import replace

from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources.archive import ArchiveSource
from imgmem.core.sources.base import Container, Listing, Locator
from imgmem.core.sources.blob import Blob
from imgmem.core.sources.remote.download import download, there
from imgmem.core.sources.remote.store import Store, StoredObject, StorePlace
from imgmem.core.sources.spool import compressed_extension, decompressed
from imgmem.core.sources.tars import TarContainer
from imgmem.core.sources.zips import ZipContainer
from imgmem.core.specs import LabelSpec
from imgmem.core.units import format_bytes


class StoredArchive:
    """The images in the archive at the address `path`; other processes cannot read it.

    stored: what the store said of it when it was downloaded, None before that.
    spool: the directory that it is downloaded to, None for where scratch data goes.
    """

    address = None

    def __init__(
        self, path: str, spec: LabelSpec = LabelSpec(), *, spool: str | None = None
    ) -> None:
        """Raises UsageError for an address that cannot be used. Sends no request."""
        self.path = path
        self._spec = spec
        self._spool = spool
        self._archive: ArchiveSource | None = None
        self.stored: StoredObject | None = None
        root, self._key = StorePlace.of(path)
        self._store = Store(root)

    @property
    def spool_bytes(self) -> int:
        return self._archive.spool_bytes if self._archive else 0

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        listing = self._opened(progress).listing(progress)
        size = self.stored.size if self.stored else 0
        note = f"downloaded {self.path} ({format_bytes(size)}) to scratch space"
        return replace(listing, notes=(*listing.notes, note))

    def _opened(self, progress: ProgressCallback = no_progress) -> ArchiveSource:
        if self._archive is None:
            self.stored = there(self._store, self._key, self.path)
            blob = download(self._store, self.stored, self.path, self._spool, progress)
            self._archive = ArchiveSource(self.path, _container(blob, self._spool), self._spec)
        return self._archive

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
    is_zip = blob.path.lower().endswith(".zip")
    container = ZipContainer(plain) if is_zip else TarContainer(plain)
    container.address = None
    container.spool_bytes = plain.size
    return container
