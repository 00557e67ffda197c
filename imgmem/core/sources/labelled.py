"""Sources that a label file rules: `--labels FILE` over any source, or a manifest alone.

The lines go to a SQLite scratch database, which spills to disk: memory does not grow.
"""

import json
import os
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any

from imgmem.core.errors import InputError
from imgmem.core.sources.base import Entry, Locator, Source
from imgmem.core.sources.files import UNREADABLE
from imgmem.core.sources.folder import FolderSource
from imgmem.core.sources.layout import SHOWN
from imgmem.core.sources.table import LabelFile, Line
from imgmem.core.sources.walk import explain

NOT_NAMED = "image that the label file does not name"
MISSING = "line of the label file without an image"
REPEATED = "line of the label file that repeats another"

_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192;
CREATE TABLE lines (path BLOB PRIMARY KEY, facts TEXT, taken INTEGER);
"""


class Lines:
    """The lines of a label file, to be found by path."""

    def __init__(self, file: LabelFile, ignored: Counter[str]) -> None:
        """Raises InputError for a path that is named twice, unless the lines are equal."""
        self._file = file
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.executescript(_SCHEMA)
        for line in file.lines():
            if not self._insert(line):
                ignored[REPEATED] += 1

    def _insert(self, line: Line) -> bool:
        path, facts = os.fsencode(line.path), json.dumps((line.label, line.split, line.extra))
        insert = "INSERT OR IGNORE INTO lines VALUES (?, ?, 0)"
        if self._database.execute(insert, (path, facts)).rowcount:
            return True
        if self._facts(path) == facts:
            return False
        raise InputError(
            f"{self._file.path}, line {line.number}: {line.path} has another line that differs",
            hint="Give every image one line, with its one label.",
            path=self._file.path,
            line=line.number,
        )

    def _facts(self, path: bytes) -> str | None:
        query = "SELECT facts FROM lines WHERE path = ?"
        found = self._database.execute(query, (path,)).fetchone()
        return None if found is None else str(found[0])

    def take(self, path: str) -> dict[str, Any] | None:
        """label, split and extra of a path, which counts as found from now on; None if absent."""
        key = os.fsencode(path)
        facts = self._facts(key)
        if facts is None:
            return None
        self._database.execute("UPDATE lines SET taken = 1 WHERE path = ?", (key,))
        return _unpacked(facts)

    def all(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(path, {label, split, extra}) of every line."""
        for path, facts in self._database.execute("SELECT path, facts FROM lines"):
            yield os.fsdecode(path), _unpacked(facts)

    def untaken(self) -> tuple[int, list[str]]:
        """How many paths were never taken, and the first of them."""
        where = "FROM lines WHERE NOT taken"
        count = self._database.execute(f"SELECT COUNT(*) {where}").fetchone()[0]
        first = self._database.execute(f"SELECT path {where} ORDER BY path LIMIT {SHOWN}")
        return int(count), [os.fsdecode(path) for (path,) in first]

    def close(self) -> None:
        self._database.close()


def _unpacked(facts: str) -> dict[str, Any]:
    label, split, extra = json.loads(facts)
    return {"label": label, "split": split, "extra": tuple(extra)}


class _Ruled:
    """What both kinds share: the file, its lines, and what is said about its columns."""

    class_names: tuple[str, ...] = ()

    def __init__(self, path: str, source: Source, *, labels: bool, auto_split: bool) -> None:
        self._source = source
        self._file = LabelFile(path, labels=labels)
        self._auto_split = auto_split
        self.ignored = source.ignored
        self.notes = source.notes
        self.labelled = labels
        self.extra_columns = self._file.columns.extra_names

    @property
    def spool_bytes(self) -> int:
        return self._source.spool_bytes

    @cached_property
    def _lines(self) -> Lines:
        if dropped := self._file.columns.dropped:
            columns = ", ".join(dropped)
            self.notes.append(f"left out the columns {columns}: rows.csv has its own")
        return Lines(self._file, self.ignored)

    def read(self, name: str, locator: Locator) -> bytes:
        return self._source.read(name, locator)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self._source.read_head(name, locator, length)

    def close(self) -> None:
        if "_lines" in self.__dict__:
            self._lines.close()
        self._source.close()


class LabelledSource(_Ruled):
    """Another source's images with the labels of a file; those it does not name are left out."""

    def __init__(self, source: Source, path: str, *, auto_split: bool = True) -> None:
        """Raises InputError if the label file is not right."""
        super().__init__(path, source, labels=True, auto_split=auto_split)

    def entries(self) -> Iterator[Entry]:
        found, unnamed = 0, list[str]()
        for entry in self._source.entries():
            facts = self._lines.take(entry.name)
            if facts is not None:
                found += 1
                yield self._ruled(entry, facts)
                continue
            self.ignored[NOT_NAMED] += 1
            if len(unnamed) < SHOWN:
                unnamed.append(entry.name)
        self._report(found, unnamed)

    def _ruled(self, entry: Entry, facts: dict[str, Any]) -> Entry:
        split = entry.split if self._file.columns.split is None else facts["split"]
        return replace(entry, **facts | {"split": split if self._auto_split else None})

    def _report(self, found: int, unnamed: list[str]) -> None:
        missing, names = self._lines.untaken()
        if not found and missing:
            raise InputError(
                f"no line of {self._file.path} names an image of the source: it has "
                f"{names[0]!r}, the source {unnamed[0] if unnamed else 'no image'!r}",
                hint="Give paths relative to the source, with their endings.",
                path=self._file.path,
            )
        if missing:
            self.ignored[MISSING] += missing
            self.notes.append(f"{MISSING}: {', '.join(names)}{' …' if missing > SHOWN else ''}")
        if unnamed:
            more = " …" if self.ignored[NOT_NAMED] > SHOWN else ""
            self.notes.append(f"{NOT_NAMED}: {', '.join(sorted(unnamed))}{more}")


class ManifestSource(_Ruled):
    """The images that a label file names, relative to the folder that it lies in.

    Every line is an entry: a file that is missing is rejected when it is read.
    """

    def __init__(self, path: str, *, labels: bool = True, auto_split: bool = True) -> None:
        """Raises InputError if the manifest is not right."""
        self._top = os.path.dirname(os.path.abspath(path))
        super().__init__(path, FolderSource(self._top), labels=labels, auto_split=auto_split)

    def entries(self) -> Iterator[Entry]:
        for path, facts in self._lines.all():
            if not self._auto_split:
                facts["split"] = None
            yield self._entry(path, facts)

    def _entry(self, path: str, facts: dict[str, Any]) -> Entry:
        try:
            found = os.stat(os.path.join(self._top, path))
        except OSError as error:
            return Entry(path, 0, 0, **facts, locator=(UNREADABLE, explain(error)))
        if not stat.S_ISREG(found.st_mode):
            return Entry(path, 0, 0, **facts, locator=(UNREADABLE, "not a regular file"))
        return Entry(path, found.st_size, found.st_mtime_ns, **facts)
