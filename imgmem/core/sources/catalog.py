"""The entries of a source in scratch space: listed once, read as often as needed.

They spill to disk, so that memory does not grow with their number.
"""

import marshal
import os
from collections.abc import Iterable, Iterator

from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.sources.base import Entry
from imgmem.core.sources.scratch import explained, scratch_database

_BATCH = 256
REPORT_EVERY = 4096


class Catalog:
    """Entries in the order in which they were added."""

    def __init__(self) -> None:
        self._database = scratch_database("CREATE TABLE entries (name BLOB, record BLOB)")
        self._waiting: list[tuple[bytes, bytes]] = []
        self.count = 0

    def add(self, entry: Entry) -> None:
        """Append an entry. Raises ResourceError where scratch space is full."""
        name, *facts = entry
        self._waiting.append((os.fsencode(name), marshal.dumps(facts)))
        self.count += 1
        if len(self._waiting) == _BATCH:
            self._write()

    def _write(self) -> None:
        with explained(None):
            self._database.executemany("INSERT INTO entries VALUES (?, ?)", self._waiting)
        self._waiting = []

    def __iter__(self) -> Iterator[Entry]:
        self._write()
        with explained(None):
            for name, record in self._database.execute("SELECT * FROM entries ORDER BY rowid"):
                yield Entry(os.fsdecode(name), *marshal.loads(record))

    def first_repeated(self) -> str | None:
        """A name that was added more than once, or None."""
        self._write()
        query = "SELECT name FROM entries GROUP BY name HAVING COUNT(*) > 1 LIMIT 1"
        with explained(None):
            found = self._database.execute(query).fetchone()
        return None if found is None else os.fsdecode(found[0])

    def close(self) -> None:
        self._database.close()


class Catalogs:
    """The catalogs of one source, which closes them with itself."""

    def __init__(self) -> None:
        self._open: list[Catalog] = []

    def filled(self, entries: Iterable[Entry], progress: ProgressCallback) -> Catalog:
        """A catalog of all `entries`."""
        catalog = Catalog()
        self._open.append(catalog)
        for entry in entries:
            catalog.add(entry)
            if catalog.count % REPORT_EVERY == 0:
                progress(Progress("list", catalog.count, 0, "images"))
        progress(Progress("list", catalog.count, 0, "images"))
        return catalog

    def close(self) -> None:
        while self._open:
            self._open.pop().close()
