"""The entries of a source in scratch space: listed once, read as often as needed.

They spill to disk, so that memory does not grow with their number.
"""

import marshal
import os
from collections.abc import Iterable, Iterator
from typing import Any

from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.sources.base import Entry, as_entry
from imgmem.core.sources.scratch import scratch_database

_BATCH = 256
REPORT_EVERY = 4096


class Catalog:
    """Entries in the order in which they were added."""

    def __init__(self) -> None:
        self._database = scratch_database("CREATE TABLE batches (entries BLOB)")
        self._waiting: list[tuple[Any, ...]] = []
        self.count = 0

    def add(self, entry: Entry) -> None:
        """Append an entry. Raises ResourceError where scratch space is full."""
        self._waiting.append(tuple(entry))
        self.count += 1
        if len(self._waiting) == _BATCH:
            self._write()

    def _write(self) -> None:
        """Write what waits, in one piece: a row for each entry takes twice the time."""
        if self._waiting:
            self._database.execute(
                "INSERT INTO batches VALUES (?)", (marshal.dumps(self._waiting),)
            )
        self._waiting = []

    def __iter__(self) -> Iterator[Entry]:
        self._write()
        for (batch,) in self._database.execute("SELECT entries FROM batches ORDER BY rowid"):
            yield from map(as_entry, marshal.loads(batch))

    def first_repeated(self) -> str | None:
        """A name that was added more than once, or None."""
        self._database.execute("CREATE TABLE names (name BLOB)")
        names = ((os.fsencode(entry.name),) for entry in self)
        self._database.executemany("INSERT INTO names VALUES (?)", names)
        query = "SELECT name FROM names GROUP BY name HAVING COUNT(*) > 1 LIMIT 1"
        found = self._database.execute(query).fetchone()
        self._database.execute("DROP TABLE names")
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
