"""A folder as a source: class folders, a flat folder, or the author's splits."""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.arrange import arranged
from imgmem.core.sources.base import Address, Listing, Locator
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.changed import changed_below
from imgmem.core.sources.gather import gathered
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.names import HEAD_BYTES
from imgmem.core.sources.selection import Selection
from imgmem.core.sources.tree import Tree
from imgmem.core.sources.walk import Candidate, walk
from imgmem.core.specs import LabelSpec


class FolderSource:
    """The images in the folder `path`; `spec` says which, and what their labels are."""

    spool_bytes = 0
    remote = False

    def __init__(
        self,
        path: str,
        spec: LabelSpec = LabelSpec(),
        *,
        sizes: bool = True,
        beside: Callable[[Listing, int], Doubt | None] | None = None,
    ) -> None:
        """sizes: whether the listing has the sizes of files; else `Listing.size_of` finds them.
        beside: finds a doubt about other files than images, given the listing and how many images
        there are.

        Raises InputError if there is no readable folder at `path`."""
        self.path = os.path.abspath(path)
        self._spec = spec
        self._sizes = sizes
        self._beside = beside
        self._selection = Selection(spec.include, spec.exclude)
        self._catalogs = Catalogs()
        try:
            os.scandir(self.path).close()
            self._fd = _open_folder(self.path)
        except OSError as error:
            message = f"the folder {path} cannot be opened"
            raise files.unusable(error, message, path) from None

    @property
    def address(self) -> Address:
        return Address("folder", self.path)

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        tree, ignored = Tree(), Counter[str]()
        found = walk(self.path, self._selection, sizes=self._sizes)
        entries = gathered(found, tree, ignored, self._head)
        raw = self._catalogs.filled(entries, progress)
        listing = arranged(raw, tree, self._spec, ignored=ignored)
        if self._beside and (doubt := self._beside(listing, tree.root.total)):
            listing = replace(listing, doubts=(doubt,))
        if not self._sizes:
            listing = replace(listing, size_of=self._size_of)
        return self._selection.noted(listing, self.path)

    def _head(self, found: Candidate) -> bytes:
        return self._read(found.folder + found.name, (), HEAD_BYTES)

    def read(self, name: str, locator: Locator) -> bytes:
        return self._read(name, locator, None)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self._read(name, locator, length)

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return changed_below(self.path, name, folders=folders)

    def _size_of(self, name: str) -> int:
        try:
            path = self._found(name)
            return files.persistent(lambda: os.stat(path, dir_fd=self._fd)).st_size
        except OSError as error:
            raise files.rejection(error) from None

    def _read(self, name: str, locator: Locator, length: int | None) -> bytes:
        files.require_usable(locator)
        return files.read_regular(self._found(name), dir_fd=self._fd, length=length)

    def _found(self, name: str) -> str:
        """The path of a file, relative to `_fd` if there is that."""
        return name if self._fd is not None else os.path.join(self.path, name)

    def close(self) -> None:
        self._catalogs.close()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _open_folder(path: str) -> int | None:
    """A descriptor that names may be relative to, which saves the way there each time."""
    if os.open not in os.supports_dir_fd:
        return None
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
