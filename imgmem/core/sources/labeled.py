"""Sources that a label file rules: `--labels FILE` over any source, or a manifest alone.

The lines go to a SQLite scratch database, which spills to disk: memory does not grow.
"""

import json
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from imgmem.core.errors import InputError
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources.base import Entry, Listing, Locator, Source
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.files import UNREADABLE
from imgmem.core.sources.folder import FolderSource
from imgmem.core.sources.layout import SHOWN
from imgmem.core.sources.scratch import explained, scratch_database
from imgmem.core.sources.table import LabelFile, Line
from imgmem.core.sources.walk import explain

NOT_NAMED = "image that the label file does not name"
MISSING = "line of the label file without an image"
REPEATED = "line of the label file that repeats another"

_REPEATED = """
CREATE TEMP TABLE repeated AS
    SELECT path, MIN(rowid) AS first FROM lines GROUP BY path HAVING COUNT(*) > 1"""
_DIFFERENT = """
SELECT number, path FROM lines JOIN repeated USING (path)
WHERE facts != (SELECT facts FROM lines AS other WHERE other.rowid = first)
ORDER BY number LIMIT 1"""
_DROP = """
DELETE FROM lines WHERE rowid IN
    (SELECT lines.rowid FROM lines JOIN repeated USING (path) WHERE lines.rowid != first)"""


class Lines:
    """The lines of a label file, to be found by path; they cost a byte of memory each."""

    def __init__(self, file: LabelFile, ignored: Counter[str]) -> None:
        """Raises InputError for a path that is named twice, unless the lines are equal."""
        self._database = scratch_database(
            "CREATE TABLE lines (number INTEGER, path BLOB, facts TEXT)"
        )
        insert = "INSERT INTO lines VALUES (?, ?, ?)"
        with explained(None):
            self._database.executemany(insert, map(_packed, file.lines()))
            self._database.execute("CREATE INDEX by_path ON lines (path)")  # one sort, at the end
            self._database.execute(_REPEATED)
            self._require_equal(file.path)
            repeated = self._database.execute(_DROP).rowcount
        ignored.update({REPEATED: repeated} if repeated else {})
        self._taken = bytearray(1 + (self._one("SELECT MAX(rowid) FROM lines") or 0))

    def _require_equal(self, file: str) -> None:
        different = self._database.execute(_DIFFERENT).fetchone()
        if different is not None:
            number, path = different
            raise InputError(
                f"{file}, line {number}: {os.fsdecode(path)} has an earlier line that differs",
                hint="Give every image one line, with its one label.",
                path=file,
                line=number,
            )

    def _one(self, query: str) -> Any:
        return self._database.execute(query).fetchone()[0]

    def take(self, path: str) -> dict[str, Any] | None:
        """label, split and extra of a path, which counts as found from now on; None if absent."""
        query = "SELECT rowid, facts FROM lines WHERE path = ?"
        found = self._database.execute(query, (os.fsencode(path),)).fetchone()
        if found is None:
            return None
        self._taken[found[0]] = 1
        return _unpacked(found[1])

    def all(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(path, {label, split, extra}) of every line."""
        for path, facts in self._database.execute("SELECT path, facts FROM lines"):
            yield os.fsdecode(path), _unpacked(facts)

    def untaken(self) -> tuple[int, list[str]]:
        """How many paths were never taken, and the first of them."""
        count = self._one("SELECT COUNT(*) FROM lines") - self._taken.count(1)
        lines = self._database.execute("SELECT rowid, path FROM lines ORDER BY rowid")
        missing = (os.fsdecode(path) for row, path in lines if not self._taken[row])
        return count, list(islice(missing, min(count, SHOWN)))

    def close(self) -> None:
        self._database.close()


def _packed(line: Line) -> tuple[int, bytes, str]:
    facts = json.dumps((line.label, line.split, line.extra))
    return line.number, os.fsencode(line.path), facts


def _unpacked(facts: str) -> dict[str, Any]:
    label, split, extra = json.loads(facts)
    return {"label": label, "split": split, "extra": tuple(extra)}


class _Ruled:
    """What both kinds share: the file, its lines, and what is said about its columns."""

    def __init__(self, file: LabelFile, source: Source, *, auto_split: bool) -> None:
        self._file = file
        self._source = source
        self._auto_split = auto_split
        self._catalogs = Catalogs()

    @property
    def spool_bytes(self) -> int:
        return self._source.spool_bytes

    def _listing(
        self, entries: Iterable[Entry], ignored: Counter[str], notes: Sequence[str]
    ) -> Listing:
        """The listing of `entries`, which are in a catalog."""
        labeled = self._file.columns.label is not None
        dropped = ", ".join(self._file.columns.dropped)
        said = [f"left out the columns {dropped}: rows.csv has its own"] if dropped else []
        return Listing(
            entries=entries,
            rule="table" if labeled else "none",
            labeled=labeled,
            extra_columns=self._file.columns.extra_names,
            ignored=ignored,
            notes=(*said, *notes),
        )

    def read(self, name: str, locator: Locator) -> bytes:
        return self._source.read(name, locator)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self._source.read_head(name, locator, length)

    def close(self) -> None:
        self._catalogs.close()
        self._source.close()


class LabeledSource(_Ruled):
    """Another source's images with the labels of a file; those it does not name are left out."""

    def __init__(self, source: Source, path: str, *, auto_split: bool = True) -> None:
        """Raises InputError if the label file is not right."""
        super().__init__(LabelFile(path), source, auto_split=auto_split)

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        listed = self._source.listing(progress)
        ignored, unnamed = Counter(listed.ignored), list[str]()
        lines = Lines(self._file, ignored)
        try:
            ruled = self._entries(listed.entries, lines, ignored, unnamed)
            catalog = self._catalogs.filled(ruled, progress)
            notes = self._report(catalog.count, lines, ignored, unnamed)
        finally:
            lines.close()
        return self._listing(catalog, ignored, (*listed.notes, *notes))

    def _entries(
        self, listed: Iterable[Entry], lines: Lines, ignored: Counter[str], unnamed: list[str]
    ) -> Iterator[Entry]:
        for entry in listed:
            facts = lines.take(entry.name)
            if facts is not None:
                yield self._ruled(entry, facts)
                continue
            ignored[NOT_NAMED] += 1
            if len(unnamed) < SHOWN:
                unnamed.append(entry.name)

    def _ruled(self, entry: Entry, facts: dict[str, Any]) -> Entry:
        split = entry.split if self._file.columns.split is None else facts["split"]
        return entry._replace(**facts | {"split": split if self._auto_split else None})

    def _report(
        self, found: int, lines: Lines, ignored: Counter[str], unnamed: list[str]
    ) -> list[str]:
        """Notes on lines without an image, and on images without a line."""
        notes = []
        missing, names = lines.untaken()
        if not found and missing:
            raise InputError(
                f"no line of {self._file.path} names an image of the source: it has "
                f"{names[0]!r}, the source {unnamed[0] if unnamed else 'no image'!r}",
                hint="Give paths relative to the source, with their endings.",
                path=self._file.path,
            )
        if missing:
            ignored[MISSING] += missing
            notes.append(f"{MISSING}: {', '.join(names)}{' …' if missing > SHOWN else ''}")
        if unnamed:
            more = " …" if ignored[NOT_NAMED] > SHOWN else ""
            notes.append(f"{NOT_NAMED}: {', '.join(sorted(unnamed))}{more}")
        return notes


class ManifestSource(_Ruled):
    """The images that a label file names, relative to the folder that it lies in.

    Every line is an entry: a file that is missing is rejected when it is read.
    """

    def __init__(self, path: str, *, labels: bool = True, auto_split: bool = True) -> None:
        """Raises InputError if the manifest is not right."""
        file = LabelFile(path, labels=labels)
        self._top = os.path.dirname(os.path.abspath(path))
        super().__init__(file, FolderSource(self._top), auto_split=auto_split)

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        ignored: Counter[str] = Counter()
        lines = Lines(self._file, ignored)
        try:
            catalog = self._catalogs.filled(self._entries(lines), progress)
        finally:
            lines.close()
        return self._listing(catalog, ignored, ())

    def _entries(self, lines: Lines) -> Iterator[Entry]:
        for path, facts in lines.all():
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
