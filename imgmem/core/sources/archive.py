"""An archive as a source: read in place, its members never unpacked to files.

The members are listed once into scratch space, for what folders mean shows only at the end
of a list; then they are entries, labeled by WebDataset pairs or else by folders.
"""

import marshal
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby, islice

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources.base import Container, Entry, Listing, Locator, Member
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.layout import SHOWN, Layout, decide
from imgmem.core.sources.names import ignored_path
from imgmem.core.sources.pairs import is_label, label_of, sample_key
from imgmem.core.sources.scratch import explained, scratch_database
from imgmem.core.sources.survey import Surveyor

SAMPLE_MEMBERS = 64
"""Neighbors of one key that are looked at together; a WebDataset sample has a handful."""


class ArchiveSource:
    """The images in a container, labeled by pairs or class folders if `labels`."""

    def __init__(
        self,
        path: str,
        container: Container,
        *,
        labels: bool = True,
        auto_split: bool = True,
    ) -> None:
        self.path = path
        self._catalogs = Catalogs()
        self._container = container
        self._labels = labels
        self._auto_split = auto_split

    @property
    def spool_bytes(self) -> int:
        return self._container.spool_bytes

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        members = _Members()
        try:
            self._fill(members)
            entries = self._catalogs.filled(members.entries(), progress)
        finally:
            members.close()
        return Listing(
            entries=entries,
            rule=members.rule,
            labeled=members.labeled,
            ignored=members.ignored,
            notes=tuple(members.notes),
        )

    def _fill(self, members: "_Members") -> None:
        for sample in _samples(self._container.members()):
            label = label_of(sample, self._container, self.path) if self._labels else None
            for member in sample:
                members.add(member, label)
        members.finish(self.path, labels=self._labels, auto_split=self._auto_split)

    def read(self, name: str, locator: Locator) -> bytes:
        return self._container.read(locator, None)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self._container.read(locator, length)

    def close(self) -> None:
        self._catalogs.close()
        self._container.close()


def _samples(members: Iterable[Member]) -> Iterator[list[Member]]:
    """Neighboring members of one key, as WebDataset writes a sample."""
    for _, group in groupby(members, key=lambda member: sample_key(member.path)):
        while sample := list(islice(group, SAMPLE_MEMBERS)):
            yield sample


class _Members:
    """The candidates of an archive on disk, and what their folders and pairs mean."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.ignored: Counter[str] = Counter()
        self._database = scratch_database("CREATE TABLE members (name BLOB, record BLOB)")
        self._surveyor = Surveyor()
        self._paired = 0
        self._unpaired: list[str] = []
        self._layout = Layout()

    @property
    def labeled(self) -> bool:
        return self._paired > 0 or self._layout.labeled

    @property
    def rule(self) -> str:
        if self._paired:
            return "pairs"
        return "folder" if self._layout.labeled else "none"

    def add(self, member: Member, label: str | None) -> None:
        """Take one member down, with the label that its pair gives."""
        reason = ignored_path(member.path)
        if reason is None:
            *folder, name = member.path.split("/")
            self._surveyor.add(folder, name)
            self._count_pair(member.name, label)
            record = (*member[:-1], tuple(member.locator), label)  # marshal takes plain tuples only
            row = os.fsencode(member.name), marshal.dumps(record)
            with explained(None):
                self._database.execute("INSERT INTO members VALUES (?, ?)", row)
        elif label is None or not is_label(member.path):
            self.ignored[reason] += 1

    def _count_pair(self, name: str, label: str | None) -> None:
        if label is not None:
            self._paired += 1
        elif len(self._unpaired) < SHOWN:
            self._unpaired.append(name)

    def finish(self, path: str, *, labels: bool, auto_split: bool) -> None:
        """Decide what it all means. Raises InputError where that cannot be."""
        if self._paired and self._unpaired:
            raise InputError(
                f"{path}: some images have a .cls or .json with their class beside them, "
                f"others have none: {', '.join(self._unpaired)}",
                hint="Put x.jpg and x.cls next to each other in the archive, or use "
                f"{option('labels', 'none')}.",
                path=path,
            )
        survey = self._surveyor.survey()
        self._layout = decide(survey, labels=labels and not self._paired, auto_split=auto_split)
        self.notes = self._layout.notes()
        if self._paired:
            self.notes.append("took the classes from the .cls or .json beside each image")
        self._require_unique(path)

    def _require_unique(self, path: str) -> None:
        query = "SELECT name FROM members GROUP BY name HAVING COUNT(*) > 1 LIMIT 1"
        with explained(None):
            twice = self._database.execute(query).fetchone()
        if twice is not None:
            raise InputError(
                f"{path} holds {os.fsdecode(twice[0])} more than once",
                hint="Pack it again with the one that counts.",
                path=path,
            )

    def entries(self) -> Iterator[Entry]:
        folder, place = "", self._layout.place(())
        for member, paired in self._records():
            above = member.path.rpartition("/")[0]
            if above != folder:
                folder, place = above, self._layout.place(above.split("/"))
            if place.ignored:
                self.ignored[place.ignored] += 1
                continue
            label = place.label if paired is None else paired
            name, _, size, mtime_ns, locator = member
            yield Entry(name, size, mtime_ns, label, place.split, locator)

    def _records(self) -> Iterator[tuple[Member, str | None]]:
        for (record,) in self._database.execute("SELECT record FROM members ORDER BY rowid"):
            *member, label = marshal.loads(record)
            yield Member(*member), label

    def close(self) -> None:
        self._database.close()
