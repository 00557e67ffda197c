"""The lines of a label table in scratch space, and the files that they mean.

Lines and names spill to disk, so that memory does not grow with their number.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby, islice
from typing import Any, NamedTuple

from imgmem.core.errors import InputError
from imgmem.core.sources.labeling import UNLABELED, Doubt
from imgmem.core.sources.layout import SHOWN
from imgmem.core.sources.names import inner_path
from imgmem.core.sources.scratch import scratch_database
from imgmem.core.sources.tables import keys
from imgmem.core.sources.tables.columns import Columns
from imgmem.core.sources.tables.joined_lines import settle_sets
from imgmem.core.sources.tables.labels import SEVERAL, Labels, split_of
from imgmem.core.sources.tables.reader import Table, doubtful
from imgmem.core.sources.tables.targets import SetLabels

LARGEST_GROUP = 20_000
"""Lines and files of one weak key that are paired at once, in memory."""
_BATCH = 4096
_UNDECIDED = 100
"""Lines without a file of which it is found out whether they could mean several."""

_SCHEMA = """
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, number INTEGER, cell BLOB, path BLOB, exact INTEGER, label TEXT,
    split TEXT, extra TEXT, file INTEGER
);
CREATE TABLE files (id INTEGER PRIMARY KEY, name BLOB, line INTEGER);
CREATE TABLE matches (line INTEGER PRIMARY KEY, file INTEGER)"""
_REPEATED = """
CREATE TEMP TABLE repeated AS
    SELECT path, MIN(id) AS first FROM lines GROUP BY path HAVING COUNT(*) > 1"""
_DIFFERENT = """
SELECT lines.number, lines.path, lines.label, other.label, lines.split, other.split
FROM lines JOIN repeated USING (path) JOIN lines AS other ON other.id = first
WHERE lines.label IS NOT other.label OR lines.split IS NOT other.split
ORDER BY lines.number LIMIT 1"""
_REGROUPED = """
SELECT lines.number, lines.path,
    json_extract(lines.extra, :place), json_extract(other.extra, :place)
FROM lines JOIN repeated USING (path) JOIN lines AS other ON other.id = first
WHERE json_extract(lines.extra, :place) IS NOT json_extract(other.extra, :place)
ORDER BY lines.number LIMIT 1"""
_DROP = """
DELETE FROM lines WHERE id IN
    (SELECT lines.id FROM lines JOIN repeated USING (path) WHERE lines.id != first)"""
_EXACT = """
UPDATE lines SET file = (SELECT id FROM files WHERE files.name = lines.path) WHERE exact"""
_TAKEN = """
UPDATE files SET line = (SELECT id FROM lines WHERE lines.file = files.id)"""
_GROUPS = """
SELECT * FROM (
    SELECT weak(cell, 1) AS key, 1, id, cell, file IS NOT NULL FROM lines
    UNION ALL SELECT weak(name, 0) AS key, 0, id, name, line IS NOT NULL FROM files
) WHERE key IS NOT NULL ORDER BY key"""
_MATCHED = """
UPDATE lines SET file = (SELECT file FROM matches WHERE line = id)
WHERE id IN (SELECT line FROM matches)"""


class Facts(NamedTuple):
    """What a line says of its image."""

    line: int
    label: str | None
    split: str | None
    extra: tuple[str, ...]


class Lines:
    """All lines of a table.

    repeated: how many repeated an earlier one. how: lines by the keys that found their files.
    """

    def __init__(self, table: Table, columns: Columns, labels: Labels) -> None:
        """Raises InputError for lines that are not right, and where two say different things
        of one image."""
        self._table = table
        self._columns = columns
        self._labels = labels
        self._database = scratch_database(_SCHEMA)
        self.how: Counter[str] = Counter()
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def _load(self) -> None:
        insert = "INSERT INTO lines VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, NULL)"
        with closing(self._table.records()) as records:
            rows = (self._row(number, cells) for number, cells in records)
            while batch := list(islice(rows, _BATCH)):
                self._database.executemany(insert, batch)
        self._database.execute("CREATE INDEX by_path ON lines (path)")  # one sort, at the end
        self._database.execute(_REPEATED)
        joined = 0
        if isinstance(self._labels, SetLabels):
            settle_sets(self._database, self._labels)
            joined = self._labels.several_lines
        self._require_one_meaning()
        dropped = self._database.execute(_DROP).rowcount
        self.repeated = 0 if joined else dropped
        self._tidy()

    def _row(self, number: int, cells: Sequence[str]) -> tuple[Any, ...]:
        columns = self._columns
        cell, at = cells[columns.path], columns.split
        split = None if at is None else split_of(self._table, number, cells[at])
        extra = json.dumps([cells[index] for index in columns.extra])
        return (
            number, os.fsencode(cell), *_path(cell), self._labels.of(number, cells), split, extra,
        )  # fmt: skip

    def _require_one_meaning(self) -> None:
        different = self._database.execute(_DIFFERENT).fetchone()
        if different is not None:
            raise self._contradicts(*different)
        if self._columns.group is not None:
            self._require_one_group(self._columns.extra.index(self._columns.group))

    def _require_one_group(self, place: int) -> None:
        """An image is of one group. place: of the group in `extra`."""
        query = {"place": f"$[{place}]"}
        if (found := self._database.execute(_REGROUPED, query).fetchone()) is not None:
            number, path, *groups = found
            raise InputError(
                f"{self._table.line(number)}: the group of {os.fsdecode(path)} is {groups[0]!r} "
                f"here, and {groups[1]!r} in an earlier line",
                hint="Give every image one group, on all of its lines.",
                path=self._table.path,
                line=number,
            )

    def _contradicts(
        self, number: int, path: bytes, label: str | None, other: str | None, *splits: str | None
    ) -> InputError:
        """The error for two lines that differ on one image: it may have several labels."""
        here, before = (label or "", other or "") if label != other else splits
        what = f"{os.fsdecode(path)} is {here!r} here, and {before!r} in an earlier line"
        where = f"{self._table.line(number)}: {what}"
        if label and other and label != other and not self._labels.as_class:
            return doubtful(Doubt("several-labels", where, (SEVERAL, UNLABELED)))
        return InputError(
            where,
            hint="Give every image one line with one label.",
            path=self._table.path,
            line=number,
        )

    def _tidy(self) -> None:
        renamed = self._labels.tidied(self.label_counts())
        self._database.executemany(
            "UPDATE lines SET label = ? WHERE label = ?", ((b, a) for a, b in renamed.items())
        )

    def label_counts(self) -> Iterator[tuple[str, int]]:
        """(label, lines) of every distinct label."""
        query = "SELECT label, COUNT(*) FROM lines WHERE label NOT NULL GROUP BY label"
        yield from self._database.execute(query)

    # Files ---------------------------------------------------------------------------------

    def find(self, names: Iterable[str]) -> None:
        """Find the file of every line among `names`, whose ids are 1, 2 … in this order."""
        rows = ((os.fsencode(name),) for name in names)
        self._database.executemany("INSERT INTO files VALUES (NULL, ?, NULL)", rows)
        self._database.execute("CREATE INDEX by_name ON files (name)")
        self._database.execute(_EXACT)
        self._find_by_weaker_keys()
        if not self._any_found():
            self._find_less_endings()
        self._database.execute("CREATE INDEX by_file ON lines (file)")

    def _any_found(self) -> bool:
        query = "SELECT 1 FROM lines WHERE file NOT NULL LIMIT 1"
        return self._database.execute(query).fetchone() is not None

    def _find_less_endings(self) -> None:
        """Find files that are all called like their cells and one more word: `7_aligned.jpg`."""
        for ending in keys.common_endings(self.files()):
            self._find_by_weaker_keys(ending)
            if self.how:
                return

    def _find_by_weaker_keys(self, ending: str = "") -> None:
        """ending: of the names of all files, that is none of the cells'."""
        depth, crowded = 1, {""}
        while crowded and self.missing():
            self._database.execute("CREATE INDEX IF NOT EXISTS by_match ON lines (file)")
            self._database.execute(_TAKEN)
            self._database.execute("DROP INDEX by_match")
            crowded = self._find_in_groups(depth, crowded, ending)
            depth += 1

    def _find_in_groups(self, depth: int, crowded: set[str], ending: str) -> set[str]:
        """Pair lines and files by keys of at least `depth` parts.

        Returns the weak keys of which there are too many, for keys with a folder more. At
        depths beyond the first only what such keys (`crowded`) have is looked at.
        """
        weak = _weak_in(depth, crowded, ending)
        self._database.create_function("weak", 2, weak, deterministic=True)
        beyond: set[str] = set()
        for key, members in groupby(self._database.execute(_GROUPS), key=lambda row: row[0]):
            group = list(islice(members, LARGEST_GROUP + 1))
            if len(group) > LARGEST_GROUP:
                beyond.add(key)
            else:
                self._pair(group, depth, ending)
        self._database.execute(_MATCHED)
        self._database.execute("DELETE FROM matches")
        return beyond

    def _pair(self, group: Sequence[tuple[Any, ...]], depth: int, ending: str) -> None:
        if {bool(row[1]) for row in group if not row[4]} != {True, False}:
            return
        lines = [_named(row, keys.cell_parts) for row in group if row[1]]
        files = [_named(row, _file_parts(ending)) for row in group if not row[1]]
        for line, file, how in keys.pair(lines, files, depth=depth):
            self._database.execute("INSERT INTO matches VALUES (?, ?)", (line, file))
            more = f"with {ending!r} after the name" if ending else ""
            self.how[", ".join(filter(None, (how, more)))] += 1

    def missing(self) -> int:
        """How many lines have no file."""
        query = "SELECT COUNT(*) FROM lines WHERE file IS NULL"
        return int(self._database.execute(query).fetchone()[0])

    def named(self) -> Iterator[tuple[int, Facts]]:
        """(id of the file, facts) of every line with a file, by id."""
        query = (
            "SELECT file, number, label, split, extra FROM lines WHERE file NOT NULL ORDER BY file"
        )
        for file, *facts in self._database.execute(query):
            yield file, _facts(facts)

    def without_file(self) -> Iterator[tuple[str, Facts]]:
        """(path, facts) of every line without a file, in the order of the table."""
        query = "SELECT path, number, label, split, extra FROM lines WHERE file IS NULL ORDER BY id"
        for path, *facts in self._database.execute(query):
            yield os.fsdecode(path), _facts(facts)

    def files(self) -> Iterator[str]:
        """The names of all files, in order."""
        for (name,) in self._database.execute("SELECT name FROM files ORDER BY id"):
            yield os.fsdecode(name)

    def has(self, path: str) -> bool:
        """Whether a line has just this path."""
        query = "SELECT 1 FROM lines WHERE path = ?"
        return self._database.execute(query, (os.fsencode(path),)).fetchone() is not None

    def undecided(self) -> list[tuple[str, list[str]]]:
        """Lines without a file that could mean several, which no line means: the cells, and the
        first of these files. Only some lines are looked at."""
        query = "SELECT cell FROM lines WHERE file IS NULL ORDER BY id LIMIT ?"
        cells = [os.fsdecode(cell) for (cell,) in self._database.execute(query, (_UNDECIDED,))]
        wanted = {keys.end_key(keys.cell_parts(cell)): cell for cell in reversed(cells)}
        found: dict[str, list[str]] = {cell: [] for cell in cells}
        rest = "SELECT name FROM files WHERE id NOT IN (SELECT file FROM lines WHERE file NOT NULL)"
        for (name,) in self._database.execute(f"{rest} ORDER BY name"):
            file = os.fsdecode(name)
            for key in keys.end_keys(keys.file_parts(file)):
                if key in wanted and len(found[wanted[key]]) <= SHOWN:
                    found[wanted[key]].append(file)
        return [(cell, files) for cell, files in found.items() if len(files) > 1]

    def in_order(self) -> Iterator[tuple[str, bool, str | None, Facts]]:
        """(path, whether the table has just this path, name of the file or None, facts) of
        every line, in the order of the table."""
        query = """
            SELECT path, exact, name, number, label, split, extra
            FROM lines LEFT JOIN files ON files.id = lines.file ORDER BY lines.id"""
        for path, exact, name, *facts in self._database.execute(query):
            found = None if name is None else os.fsdecode(name)
            yield os.fsdecode(path), bool(exact), found, _facts(facts)

    def close(self) -> None:
        """Drop the scratch space."""
        self._database.close()


def _path(cell: str) -> tuple[bytes, bool]:
    """A cell as names in a source are written, and whether it was written so."""
    try:
        return os.fsencode(inner_path(cell)), True
    except ValueError:
        return os.fsencode("/".join(keys.cell_parts(cell))), False


def _file_parts(ending: str) -> Callable[[str], tuple[str, ...]]:
    """What takes the name of a file in parts, less `ending`."""
    if not ending:
        return keys.file_parts
    return lambda name: keys.without_ending(keys.file_parts(name), ending)


def _weak_in(depth: int, crowded: set[str], ending: str) -> Any:
    """The SQL function `weak(path, is_cell)`: the weak key, NULL where it is of no interest."""
    file_parts = _file_parts(ending)

    def weak(path: bytes, is_cell: int) -> str | None:
        text = os.fsdecode(path)
        parts = keys.cell_parts(text) if is_cell else file_parts(text)
        if len(parts) < depth or (depth > 1 and keys.weak_key(parts, depth - 1) not in crowded):
            return None
        return keys.weak_key(parts, depth)

    return weak


def _named(row: tuple[Any, ...], parts: Any) -> keys.Named:
    return keys.Named(row[2], parts(os.fsdecode(row[3])), bool(row[4]))


def _facts(row: Sequence[Any]) -> Facts:
    line, label, split, extra = row
    return Facts(line, label, split, tuple(json.loads(extra)))
