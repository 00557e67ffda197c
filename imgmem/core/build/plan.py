"""What a build will do, in which order: the sources listed, classed, split and sorted.

The list lives in a SQLite scratch database, which spills to disk, so that ten million
sources cost no memory; what a build then needs is read from it once, in order.
Random order is a sort by sha256(seed, path): the same on every machine, for ever.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.splits import carve, plan_splits
from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import Entry, Source
from imgmem.core.sources.files import MISSING
from imgmem.core.sources.labeling import require_certain
from imgmem.core.specs import BuildSpec

_CACHE_KIB = 16 * 1024
_BATCH = 4096
SHOWN_MISSING = 3
_SCHEMA = """
CREATE TABLE files (
    name BLOB, size INTEGER, mtime INTEGER, label BLOB, split TEXT,
    locator TEXT, extra TEXT, rank BLOB, unit BLOB
)"""


class Plan:
    """The rows-to-be of one source under one BuildSpec.

    classes: names by index, None if unlabeled. empty_classes: those without a source.
    splits: names in row order, () for none. total: how many sources. mean_bytes: of a source.
    Raises InputError for sources that cannot be used as asked, UsageError for splits that
    contradict them.
    """

    def __init__(
        self, source: Source, spec: BuildSpec, *, progress: ProgressCallback = no_progress
    ) -> None:
        self.source = source
        self.spec = spec
        self.listing = source.listing(progress)
        require_certain(self.listing.doubts)
        self._order = "files.rowid" if self.listing.ordered else "name"
        self._database = sqlite3.connect("", check_same_thread=False)
        self._database.executescript(
            f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{_CACHE_KIB};"
            + _SCHEMA
        )
        self._list()
        self.classes, self.empty_classes = self._classes()
        self._limit()
        self.splits = self._split()
        self.total, self.mean_bytes = self._count()

    def close(self) -> None:
        self._database.close()

    def images(self) -> Iterator[PlannedImage]:
        """The sources in row order."""
        order = "rank" if self.spec.shuffle else self._order
        indices = {os.fsencode(name): index for index, name in enumerate(self.classes or ())}
        positions = {name: index for index, name in enumerate(self.splits)}
        self._make_positions(positions)
        query = f"""
            SELECT name, size, mtime, label, files.split, locator, extra
            FROM files LEFT JOIN positions ON positions.split = files.split
            ORDER BY position, {order}, name, files.rowid"""
        for name, size, mtime, label, split, locator, extra in self._database.execute(query):
            yield PlannedImage(
                os.fsdecode(name), size, mtime, indices.get(label, -1), positions.get(split, 0),
                _tuple(locator), _tuple(extra),
            )  # fmt: skip

    def digests(self) -> tuple[str, str]:
        """sha256 of the listing: without times (what it is) and with them (as it is now)."""
        query = f"""
            SELECT name, size, label, split, locator, extra, mtime FROM files
            ORDER BY {self._order}"""
        rows = self._database.execute(query)
        lasting, times = hashlib.sha256(), hashlib.sha256()
        while batch := rows.fetchmany(_BATCH):
            lasting.update(repr([row[:-1] for row in batch]).encode())
            times.update(repr([row[-1] for row in batch]).encode())
        times.update(lasting.digest())
        return lasting.hexdigest(), times.hexdigest()

    def first_change(self, before: Iterable[PlannedImage]) -> str:
        """What became of the first source, by name, that is not as in earlier `images`."""
        self._database.execute("CREATE TEMP TABLE earlier (name PRIMARY KEY, size, mtime)")
        self._database.executemany(
            "INSERT OR REPLACE INTO earlier VALUES (?, ?, ?)",
            ((os.fsencode(image.name), image.size, image.mtime_ns) for image in before),
        )
        row = self._database.execute(
            """
            SELECT name, 'is gone' FROM earlier WHERE name NOT IN (SELECT name FROM files)
            UNION SELECT name, 'is new' FROM files WHERE name NOT IN (SELECT name FROM earlier)
            UNION SELECT name, 'was modified' FROM files JOIN earlier USING (name)
                  WHERE files.size != earlier.size OR files.mtime != earlier.mtime
            ORDER BY name LIMIT 1"""
        ).fetchone()
        return f"{os.fsdecode(row[0])} {row[1]}" if row else "the classes or splits of the source"

    def _list(self) -> None:
        insert = "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL)"
        rows = (self._row(entry) for entry in self.listing.entries)
        listed = 0
        while batch := list(islice(rows, _BATCH)):
            self._database.executemany(insert, batch)
            listed += len(batch)
        if not listed:
            raise InputError(
                "the source holds no images",
                hint="Image files end in .jpg, .png, .webp and the like, or have no ending.",
                ignored=dict(self.listing.ignored),
            )

    def _row(self, entry: Entry) -> tuple[Any, ...]:
        name = os.fsencode(entry.name)
        label = None if entry.label is None else os.fsencode(entry.label)
        return (
            name, entry.size, entry.mtime_ns, label, entry.split,
            _json(entry.locator), _json(entry.extra), self._rank(name),
        )  # fmt: skip

    def _rank(self, name: bytes) -> bytes:
        """What random order sorts by; where nothing is random, not worth its time."""
        spec = self.spec
        if not (spec.splits or spec.shuffle or spec.limit):
            return b""
        return hashlib.sha256(b"%d\0%s" % (spec.seed, name)).digest()[:16]

    def _count(self) -> tuple[int, int]:
        """How many sources there are, and their mean size in bytes, at least 1."""
        count, size = self._database.execute("SELECT COUNT(*), SUM(size) FROM files").fetchone()
        return count, max(1, size // count)

    def _classes(self) -> tuple[tuple[str, ...] | None, list[str]]:
        """(names by index, those of them that have a folder but no image).

        The names are the sorted ones found, a dataset's in its own order, or the pinned ones,
        which must cover those found.
        """
        labels = self._database.execute("SELECT DISTINCT label FROM files WHERE label NOT NULL")
        filled = {os.fsdecode(label) for (label,) in labels}
        found = filled | set(self.listing.class_names)
        if not self.listing.labeled:
            self._require_no_classes()
            return None, []
        unknown = sorted(found - set(self.spec.classes or found), key=os.fsencode)
        if unknown:
            raise InputError(
                f"classes that {option('classes')} does not know: {', '.join(unknown[:10])}",
                hint="Correct their names, or add them to the list.",
                classes=unknown,
            )
        if filled <= set(self.listing.class_names):  # a dataset: its classes keep their numbers
            return self.spec.classes or self.listing.class_names, []
        names = self.spec.classes or tuple(sorted(found, key=os.fsencode))
        return names, sorted(found - filled, key=os.fsencode)

    def missing(self) -> tuple[int, list[str]]:
        """How many sources a label table names that are not there, and the first of them."""
        where = f"""WHERE locator LIKE '["{MISSING}"%'"""
        count = self._database.execute(f"SELECT COUNT(*) FROM files {where}").fetchone()[0]
        query = f"SELECT name FROM files {where} ORDER BY rowid LIMIT {SHOWN_MISSING}"
        return count, [os.fsdecode(name) for (name,) in self._database.execute(query)]

    def _require_no_classes(self) -> None:
        if self.spec.classes:
            raise UsageError(
                f"{option('classes')} was given, but the source has no labels",
                hint=f"Drop {option('classes')}, or put the images into class folders.",
            )

    def _limit(self) -> None:
        """Keep `limit` sources, spread evenly over the classes (and the author's splits)."""
        if self.spec.limit is None:
            return
        self._database.execute(
            """
            DELETE FROM files WHERE rowid NOT IN (
                SELECT id FROM (
                    SELECT rowid AS id, split, label, ROW_NUMBER()
                        OVER (PARTITION BY split, label ORDER BY rank) AS turn FROM files
                ) ORDER BY turn, split, label LIMIT ?)""",
            (self.spec.limit,),
        )

    def _split(self) -> tuple[str, ...]:
        """Give every source its split; the names in row order."""
        query = "SELECT DISTINCT split FROM files WHERE split NOT NULL"
        authors = {str(split) for (split,) in self._database.execute(query)}
        plan = plan_splits(self.spec.splits, authors)
        if plan.carved:
            carve(self._database, self.source, plan)
        return plan.names

    def _make_positions(self, positions: dict[str, int]) -> None:
        self._database.execute("CREATE TEMP TABLE IF NOT EXISTS positions (split, position)")
        self._database.execute("DELETE FROM positions")
        self._database.executemany("INSERT INTO positions VALUES (?, ?)", positions.items())


def _json(values: tuple[Any, ...]) -> str:
    return json.dumps(values) if values else "[]"


def _tuple(text: str) -> tuple[Any, ...]:
    return () if text == "[]" else tuple(json.loads(text))
