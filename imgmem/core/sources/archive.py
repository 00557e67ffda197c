"""An archive as a source: read in place, its members never unpacked to files.

The members are listed once into scratch space, for what folders mean shows only at the end
of a list; then they are entries, labeled by WebDataset pairs or else by folders.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby, islice

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.archive_doubts import archive_doubts, pairs_doubt, several_images
from imgmem.core.sources.archive_splits import split_by_archive
from imgmem.core.sources.arrange import DOUBTFUL, arranged
from imgmem.core.sources.base import Address, Container, Entry, Listing, Locator, Member
from imgmem.core.sources.catalog import Catalog, Catalogs
from imgmem.core.sources.changed import changed_inside
from imgmem.core.sources.grammar import label_rule
from imgmem.core.sources.layout import SHOWN
from imgmem.core.sources.names import (
    HEAD_BYTES,
    NO_EXTENSION,
    TO_LOOK_AT,
    confirmed,
    ignored_path,
)
from imgmem.core.sources.pairs import is_label, label_of, sample_key
from imgmem.core.sources.selection import NOT_SELECTED, Selection
from imgmem.core.sources.tree import Tree
from imgmem.core.specs import LabelSpec

SAMPLE_MEMBERS = 64
"""Neighbors of one key that are looked at together; a WebDataset sample has a handful."""


class ArchiveSource:
    """The images in a container; `spec` says which, and what their labels are.

    archives: the archives that the container reads, by their paths in a folder, () for one
    archive; the names of their members begin with them.
    """

    remote = False

    def __init__(
        self,
        path: str,
        container: Container,
        spec: LabelSpec = LabelSpec(),
        *,
        archives: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self._catalogs = Catalogs()
        self._container = container
        self._spec = spec
        self._selection = Selection(spec.include, spec.exclude)
        self._archives = archives

    @property
    def spool_bytes(self) -> int:
        return self._container.spool_bytes

    @property
    def address(self) -> Address | None:
        return self._container.address

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        automatic = label_rule(self._spec.labels).kind == "folder"
        members = _Members(self.path, self._container, self._selection, pairs=automatic)
        raw = self._catalogs.filled(members.entries(), progress)
        self._require_unique(raw)
        members.require_all_or_none_paired()
        spec = replace(self._spec, labels="none") if members.paired else self._spec
        skip = self._archives[0].count("/") + 1 if self._archives else 0
        listing = arranged(raw, members.tree, spec, ignored=members.ignored, skip=skip)
        listing = self._selection.noted(listing, self.path)
        listing = split_by_archive(listing, self._archives, self._spec)
        if members.paired:
            note = "classes from the .cls or .json next to each image"
            doubts = several_images(members.several, self._spec)
            listing = replace(listing, rule="pairs", labeled=True, doubts=doubts)
            return replace(listing, notes=(*listing.notes, note))
        if automatic and (doubt := pairs_doubt(listing)):
            return replace(listing, doubts=(doubt,))
        if automatic and not listing.doubts:
            return replace(listing, doubts=archive_doubts(listing, self._archives, self._spec))
        return listing

    def _require_unique(self, raw: Catalog) -> None:
        if (name := raw.first_repeated()) is not None:
            raise InputError(
                f"{self.path} holds {name} more than once",
                hint="Repack the archive with only one of them.",
                path=self.path,
            )

    def read(self, name: str, locator: Locator) -> bytes:
        files.require_usable(locator)
        return self._container.read(locator, None)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        files.require_usable(locator)
        return self._container.read(locator, length)

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return changed_inside(self.path)

    def close(self) -> None:
        self._catalogs.close()
        self._container.close()


def _samples(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Neighboring members of one key, as WebDataset writes a sample."""
    for _, group in groupby(members, key=lambda member: sample_key(member.path)):
        while sample := list(islice(group, SAMPLE_MEMBERS)):
            yield sample


class _Members:
    """The members of an archive while they are listed, and what they say together.

    paired: images whose class is in a .cls or .json next to them. several: the images of the
    first sample that has a class and more than one of them.
    """

    def __init__(
        self, path: str, container: Container, selection: Selection, *, pairs: bool
    ) -> None:
        self.tree = Tree()
        self.ignored: Counter[str] = Counter()
        self.paired = 0
        self.several: list[str] = []
        self._path = path
        self._container = container
        self._selection = selection
        self._pairs = pairs
        self._unpaired: list[str] = []

    def entries(self) -> Iterator[Entry]:
        """Every candidate, with the label that its pair has."""
        for sample in _samples(self._container.members()):
            label = label_of(sample, self._container, self._path) if self._pairs else None
            found = [entry for member in sample if (entry := self._entry(member, label))]
            if label is not None and len(found) > 1 and not self.several:
                self.several = [entry.name for entry in found]
            yield from found

    def _entry(self, member: Member, label: str | None) -> Entry | None:
        *folder, name = member.path.split("/")
        reason = ignored_path(member.path)
        if not self._selection.takes(member.name):
            reason = NOT_SELECTED
        elif reason in TO_LOOK_AT:
            reason = confirmed(reason, name, partial(self._head, member))
        locator = tuple(member.locator)
        if reason == NO_EXTENSION:
            self.tree.folder(folder).doubtful += 1
            return Entry(member.name, member.size, member.mtime_ns, None, None, locator, DOUBTFUL)
        if reason:
            if label is None or not is_label(member.path):
                self.ignored[reason] += 1
                self.tree.folder(folder).add_other(reason)
            return None
        self.tree.folder(folder).add_image(name, bare="." not in name)
        self._count_pair(member.name, label)
        return Entry(member.name, member.size, member.mtime_ns, label, None, locator)

    def _head(self, member: Member) -> bytes:
        return self._container.read(member.locator, HEAD_BYTES)

    def _count_pair(self, name: str, label: str | None) -> None:
        if label is not None:
            self.paired += 1
        elif len(self._unpaired) < SHOWN:
            self._unpaired.append(name)

    def require_all_or_none_paired(self) -> None:
        """Raises InputError where only some images have their class next to them."""
        if self.paired and self._unpaired:
            raise InputError(
                f"{self._path}: some images have a .cls or .json with their class next to them, "
                f"others have none: {', '.join(self._unpaired)}",
                hint="Put x.jpg and x.cls next to each other in the archive, or use "
                f"{option('labels', 'none')}.",
                path=self._path,
            )
