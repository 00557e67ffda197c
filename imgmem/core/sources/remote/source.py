"""A prefix of an object store as a source: its objects are read like the files of a folder."""

from collections import Counter
from collections.abc import Iterable, Iterator

from imgmem.core.errors import InputError, RejectedImage, ResourceError
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.arrange import arranged
from imgmem.core.sources.base import CLOCK_SKEW_NS, OBJECT, STORE, Address, Listing, Locator
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.concurrently import concurrently
from imgmem.core.sources.gather import gathered
from imgmem.core.sources.names import (
    HEAD_BYTES,
    NO_EXTENSION,
    TO_LOOK_AT,
    ignored_file,
    ignored_folder,
)
from imgmem.core.sources.remote.store import Store, StoredObject, StorePlace
from imgmem.core.sources.selection import FOLDER_NOT_SELECTED, NOT_SELECTED, Selection
from imgmem.core.sources.spool import ARCHIVES
from imgmem.core.sources.tree import Tree
from imgmem.core.sources.walk import Candidate, Passed
from imgmem.core.specs import LabelSpec

EMPTY_OBJECT = "empty object without an extension"
"""Most are markers of folders, which the consoles of stores leave."""

Found = Candidate | Passed


class StoreSource:
    """The images under the address `path`; `spec` says which, and what their labels are."""

    spool_bytes = 0
    remote = True

    def __init__(self, path: str, spec: LabelSpec = LabelSpec()) -> None:
        """Raises UsageError for an address that cannot be used. Sends no request."""
        self.path = path.rstrip("/")
        root, key = StorePlace.of(path)
        self._prefix = f"{key}/" if key else ""
        self._store = Store(root)
        self._spec = spec
        self._selection = Selection(spec.include, spec.exclude)
        self._catalogs = Catalogs()
        self._folder = ""
        self._left_out: tuple[str, Passed] | None = None

    @property
    def address(self) -> Address:
        return Address(STORE, self.path)

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        tree, ignored = Tree(), Counter[str]()
        heads = _Heads(self)
        entries = gathered(self._found(heads), tree, ignored, heads.take)
        raw = self._catalogs.filled(entries, progress)
        listing = arranged(raw, tree, self._spec, ignored=ignored)
        return self._selection.noted(listing, self.path)

    def pages(self) -> Iterator[list[StoredObject]]:
        """All objects under the address; see `Store.pages`."""
        return self._store.pages(self._prefix.rstrip("/"))

    def holds_candidates(self, page: Iterable[StoredObject]) -> bool:
        """Whether one of some objects may be an image; those without an extension do not count."""
        found = (each for each in self._found_in(page) if isinstance(each, Candidate))
        return any(each.look != NO_EXTENSION for each in found)

    def is_shard(self, stored: StoredObject) -> bool:
        """Whether an object is an archive right under the address."""
        name = stored.key.removeprefix(self._prefix)
        return "/" not in name and name[0] != "." and name.lower().endswith(ARCHIVES)

    def _found(self, heads: "_Heads") -> Iterator[Found]:
        """What is in the store one by one; what has to be looked at is, a page at once."""
        count = 0
        self._folder, self._left_out = "", None
        for page in self.pages():
            found = list(self._found_in(page))
            heads.read([each for each in found if isinstance(each, Candidate) and each.look])
            yield from found
            count += len(page)
        if not count:
            raise InputError(
                f"there is nothing under {self.path}",
                hint="Check the address: it must be a prefix (a folder) or an archive. Copy other "
                "files to a local disk.",
                path=self.path,
            )

    def _found_in(self, page: Iterable[StoredObject]) -> Iterator[Found]:
        """What a listed page holds; a folder that is passed over is found once."""
        for stored in page:
            path = stored.key.removeprefix(self._prefix)
            folder, _, name = path.rpartition("/")
            if folder != self._folder:
                self._folder, left_out = folder, self._left_out
                self._left_out = self._passed_folder(folder)
                if self._left_out and self._left_out != left_out:
                    yield self._left_out[1]
            if not self._left_out:
                yield self._candidate(f"{folder}/" if folder else "", name, stored)

    def _passed_folder(self, folder: str) -> tuple[str, Passed] | None:
        """The highest folder of a path that is passed over with all that it holds, and why."""
        above = ""
        for name in folder.split("/") if folder else ():
            path = above + name
            if reason := ignored_folder(name):
                self._selection.see(path)
                return path, Passed(above, reason)
            if self._selection.leaves_out(path):
                return path, Passed(above, FOLDER_NOT_SELECTED)
            above = f"{path}/"
        return None

    def _candidate(self, folder: str, name: str, stored: StoredObject) -> Found:
        reason = ignored_file(name) or ""
        if reason == NO_EXTENSION and not stored.size:
            return Passed(folder, EMPTY_OBJECT)
        if reason and reason not in TO_LOOK_AT:
            self._selection.see(folder + name)
            return Passed(folder, reason)
        if not self._selection.takes(folder + name):
            return Passed(folder, NOT_SELECTED)
        locator = OBJECT, stored.etag, stored.size
        latest = stored.modified_ns + CLOCK_SKEW_NS
        return Candidate(folder, name, stored.size, latest, look=reason, locator=locator)

    def read(self, name: str, locator: Locator) -> bytes:
        files.require_usable(locator)
        _, etag, size = locator
        data = self._store.read(self._prefix + name, str(etag)) if size else b""
        if len(data) != size:
            raise ResourceError(
                f"the store sent {len(data)} of the {size} bytes of {name}",
                hint="Check the network and the store, then run the same command again to resume.",
                path=name,
            )
        return data

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        files.require_usable(locator)
        _, etag, size = locator
        wanted = min(length, int(size))
        return self._store.read(self._prefix + name, str(etag), length=wanted) if wanted else b""

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return 0  # the time that a store lists cannot be set

    def close(self) -> None:
        self._catalogs.close()


class _Heads:
    """First bytes of objects, requested many at once."""

    def __init__(self, source: StoreSource) -> None:
        self._source = source
        self._heads: dict[str, bytes | None] = {}

    def read(self, candidates: Iterable[Candidate]) -> None:
        names = {each.folder + each.name: each for each in candidates}
        heads = concurrently(self._source, self._head, names.values())
        self._heads = dict(zip(names, heads, strict=True))

    def _head(self, found: Candidate) -> bytes | None:
        try:
            return self._source.read_head(found.folder + found.name, found.locator, HEAD_BYTES)
        except RejectedImage:
            return None

    def take(self, found: Candidate) -> bytes:
        head = self._heads.pop(found.folder + found.name)
        if head is None:
            raise RejectedImage(files.UNREADABLE, "it is no longer in the store")
        return head
