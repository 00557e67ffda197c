"""What a build will do, in which order: the sources listed, classed, split and sorted.

The list lives in a SQLite scratch database, which spills to disk, so that ten million
sources cost no memory; what a build then needs is read from it once, in order.
Random order is a sort by sha256(seed, path): the same on every machine, for ever.
"""

import hashlib
import heapq
import json
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import Any

from imgmem.core.build.known import UpdateCounts, find_known
from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.split_like import SplitTable, assign_like, count_moved
from imgmem.core.build.split_plan import SplitPlan, plan_splits
from imgmem.core.build.splits import (
    assign_splits,
    parted_groups,
    require_filled_folds,
    require_groups,
    split_notes,
)
from imgmem.core.build.strata import Strata, find_strata, spreading
from imgmem.core.rows.leak_hints import NamedRow, leak_hints
from imgmem.core.sources import Entry, Listing, Source
from imgmem.core.sources.base import ALL_NAMED, OBJECT
from imgmem.core.sources.labeling import Labeling, require_certain
from imgmem.core.sources.scratch import scratch_database
from imgmem.core.sources.targets import names_in, planned
from imgmem.core.specs import NEAR_DUPLICATES, TRAIN, BuildSpec
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import CLASS

_CACHE_KIB = 16 * 1024
_BATCH = 4096
_IMAGES_AT_ONCE = 512
SHOWN = 3
_IS_OBJECT = f"""locator LIKE '["{OBJECT}",%'"""
_OF_COPY = (
    f"CASE WHEN {_IS_OBJECT} THEN json_remove(locator, '$[0]', '$[0]', '$[0]') ELSE locator END"
)
"""A locator without what the store says of an object, which a copy of it has not."""
_LASTING = f"""CASE WHEN {_OF_COPY} LIKE '["%' THEN {_OF_COPY} ELSE '[]' END"""
"""The same without a place in a file, which another packing of the same images has not."""
_PASSING = "CASE WHEN locator = '[]' THEN mtime ELSE mtime || locator END"
"""When a file was written, and where the image is in it."""
_SCHEMA = """
CREATE TABLE files (
    name BLOB, size INTEGER, mtime INTEGER, label BLOB, split TEXT,
    locator TEXT, extra TEXT, rank BLOB, unit BLOB, grp TEXT, stratum BLOB, author TEXT
);
CREATE TABLE copies (file INTEGER PRIMARY KEY, locator TEXT);
CREATE TABLE renamed (file INTEGER PRIMARY KEY, digest TEXT)"""
"""copies: of the images that an update copies. renamed: digests of images that were found by
them."""


_INSERT = """
    INSERT INTO files VALUES (
        ?, ?, ?, NULLIF(?, ''), NULLIF(?, ''), ?, ?, ?, NULL, NULLIF(?, ''), NULL, NULLIF(?, '')
    )"""
"""For numbers, texts and bytearrays only: for bytes and None `sqlite3` looks for an adapter, which
takes twice as long as everything else."""
_NO_RANK = bytearray()


class Plan:
    """The rows-to-be of one source under one BuildSpec.

    classes: names by index, None without classes. target: what labels are, None if unlabeled.
    empty_classes: those without a source. splits: names in row order, () for none. split_table:
    digest of the splits that were taken over. notes: what the user should know. total: how many
    sources. mean_bytes: of a source.
    """

    def __init__(
        self, source: Source, listing: Listing, labeling: Labeling, spec: BuildSpec
    ) -> None:
        """An empty plan; `Plan.make` fills it."""
        self.source = source
        self.listing = listing
        self.labeling = labeling
        self.spec = spec
        self.classes = labeling.classes
        self.target = labeling.target if listing.labeled else None
        self.empty_classes = _empty_classes(listing, labeling)
        self.splits: tuple[str, ...] = ()
        self.split_table: str | None = None
        self.total, self.mean_bytes = 0, 1
        self.notes = listing.notes
        column = listing.group_column
        self._group_at = None if column is None else listing.extra_columns.index(column)
        self._order = "files.rowid" if listing.ordered else "name"
        self._database = scratch_database(_SCHEMA, cache_kib=_CACHE_KIB)

    @classmethod
    def make(cls, source: Source, listing: Listing, labeling: Labeling, spec: BuildSpec) -> "Plan":
        """The plan for what `source` listed, settled as `labeling`.

        Raises UsageError for splits that contradict those of the source.
        """
        plan = cls(source, listing, labeling, spec)
        try:
            plan._insert(listing.entries)
            plan._limit()
            plan._assign_splits()
            plan._count()
        except BaseException:
            plan.close()
            raise
        return plan

    def close(self) -> None:
        self._database.close()

    def images(self, *, copied: bool = False) -> Iterator[PlannedImage]:
        """The sources in row order; copied: those that `find_known` found as copies."""
        for _, copy, image in self._each():
            yield image._replace(locator=_tuple(copy)) if copied and copy else image

    def find_known(self, out: str, record: Record) -> UpdateCounts:
        """What an update of the dataset at `out` does; images that it copies are noted."""
        images = ((number, image) for number, _, image in self._each())
        return find_known(self._database, self, images, out, record)

    def _each(self) -> Iterator[tuple[int, str | None, PlannedImage]]:
        """`_planned` of each source in row order."""
        order = "rank" if self.spec.shuffle else self._order
        self._make_positions()
        yield from self._planned(
            "LEFT JOIN positions ON positions.split = files.split "
            f"ORDER BY position, {order}, name, files.rowid"
        )

    def _planned(self, which: str) -> Iterator[tuple[int, str | None, PlannedImage]]:
        """The sources that the end of a query chooses, in its order: the number of each, the
        locator of its copy, and itself."""
        planned_label = self._label_planner()
        positions = {name: index for index, name in enumerate(self.splits)}
        query = f"""
            SELECT files.rowid, copies.locator,
                name, size, mtime, label, files.split, files.locator, extra
            FROM files LEFT JOIN copies ON copies.file = files.rowid {which}"""
        rows = self._database.execute(query)
        while batch := rows.fetchmany(_IMAGES_AT_ONCE):
            for number, copy, name, size, mtime, label, split, locator, extra in batch:
                yield number, copy, PlannedImage(
                    os.fsdecode(name), size, mtime, planned_label(label), positions.get(split, 0),
                    _tuple(locator), _tuple(extra),
                )  # fmt: skip

    def _label_planner(self) -> Callable[[bytes | None], Any]:
        """What a stored label is in a line of the plan."""
        indices = {name: index for index, name in enumerate(self.classes or ())}
        target = self.target or CLASS
        if target != CLASS:
            return lambda label: planned(_label(label), target, indices)
        stored: dict[bytes | None, int] = {os.fsencode(name): at for name, at in indices.items()}
        return lambda label: stored.get(label, -1)

    def drawn(self, count: int, *, without: tuple[str, ...]) -> list[PlannedImage]:
        """Up to `count` sources in hash order, none with one of these extensions (".jpg")."""
        kept = " AND ".join(f"CAST(name AS TEXT) NOT LIKE '%{extension}'" for extension in without)
        found = self._database.execute(f"SELECT name, rowid FROM files WHERE {kept}")
        drawn = heapq.nsmallest(count, found, key=lambda file: hashlib.sha256(file[0]).digest())
        numbers = [number for _, number in drawn]
        which = f"WHERE files.rowid IN ({','.join(map(str, numbers))})"
        images = {number: image for number, _, image in self._planned(which)}
        return [images[number] for number in numbers]

    def digests(self) -> tuple[str, str]:
        """sha256 of the listing: what it is, and as it is now, with times and splits drawn."""
        query = f"""
            SELECT name, size, label, author, {_LASTING}, extra, {_PASSING}, split FROM files
            ORDER BY {self._order}"""
        rows = self._database.execute(query)
        lasting, times = hashlib.sha256(self._column_names()), hashlib.sha256()
        while batch := rows.fetchmany(_BATCH):
            lasting.update(repr([row[:-2] for row in batch]).encode())
            times.update(repr([row[-2:] for row in batch]).encode())
        times.update(lasting.digest())
        return lasting.hexdigest(), times.hexdigest()

    def _column_names(self) -> bytes:
        """Names of a label table that the dataset records; nothing where there are none."""
        names = (self.listing.extra_columns, self.labeling.target_names)
        return repr(names).encode() if any(names) else b""

    def counts(self) -> dict[str | None, dict[str | None, int]]:
        """Images by class and by split; None for no class, no split. One of several classes
        counts in each, and what is a number in none."""
        found: dict[str | None, dict[str | None, int]] = {}
        query = "SELECT label, split, COUNT(*) FROM files GROUP BY label, split"
        for label, split, count in self._database.execute(query):
            text = _label(label)
            names = [None] if text is None else names_in(text, self.target or CLASS)
            for name in names:
                by_split = found.setdefault(name, {})
                by_split[split] = by_split.get(split, 0) + count
        return found

    def number_ranges(self) -> Iterator[tuple[float | None, float | None]]:
        """The smallest and the largest of each number."""
        for at in range(len(self.labeling.target_names)):
            name = f"number_{at}"
            self._database.create_function(name, 1, lambda label, at=at: json.loads(label)[at])
            query = f"SELECT MIN({name}(label)), MAX({name}(label)) FROM files WHERE label NOT NULL"
            yield self._database.execute(query).fetchone()

    def split_counts(self) -> dict[str, int]:
        """Images of each split, in row order."""
        query = "SELECT split, COUNT(*) FROM files GROUP BY split"
        counts = dict(self._database.execute(query).fetchall())
        return {name: counts.get(name, 0) for name in self.splits}

    def name_bytes(self) -> int:
        """Bytes of all names together."""
        query = "SELECT SUM(LENGTH(name)) FROM files"
        return int(self._database.execute(query).fetchone()[0] or 0)

    def listed_as(self, reason: str) -> tuple[int, list[tuple[str, str]]]:
        """How many sources were listed as rejects for this reason; (name, why) of the first."""
        where = f"""WHERE locator LIKE '["{reason}"%'"""
        count = self._database.execute(f"SELECT COUNT(*) FROM files {where}").fetchone()[0]
        query = f"SELECT name, locator FROM files {where} ORDER BY {self._order} LIMIT {SHOWN}"
        found = self._database.execute(query)
        return count, [(os.fsdecode(name), json.loads(locator)[1]) for name, locator in found]

    def _insert(self, entries: Iterable[Entry]) -> None:
        self._database.executemany(_INSERT, map(self._row, entries))

    def _row(self, entry: Entry) -> tuple[Any, ...]:
        """What `_INSERT` takes: "" for NULL."""
        path, size, mtime_ns, label, split, locator, extra = entry
        name = bytearray(os.fsencode(path))
        return (
            name, size, mtime_ns, "" if label is None else bytearray(os.fsencode(label)),
            split or "", _json(locator), _json(extra), self._rank(name), self._group(extra),
            split or "",
        )  # fmt: skip

    def _group(self, extra: tuple[str, ...]) -> str:
        return "" if self._group_at is None else extra[self._group_at].strip()

    def _rank(self, name: bytearray) -> bytearray:
        """What random order sorts by; where nothing is random, not worth its time."""
        spec = self.spec
        if not (spec.splits or spec.folds or spec.shuffle or spec.limit):
            return _NO_RANK
        return bytearray(hashlib.sha256(b"%d\0%s" % (spec.seed, name)).digest()[:16])

    def _count(self) -> None:
        """Note how many sources there are, and their mean size in bytes, at least 1."""
        count, size = self._database.execute("SELECT COUNT(*), SUM(size) FROM files").fetchone()
        self.total, self.mean_bytes = count, max(1, (size or 0) // max(1, count))

    @cached_property
    def _strata(self) -> Strata:
        """What splits are to divide alike, of all sources."""
        return find_strata(self._database, self.target, len(self.labeling.target_names))

    def _limit(self) -> None:
        """Keep `limit` sources, spread evenly over the strata (and the author's splits)."""
        if self.spec.limit is None:
            return
        stratum = spreading(self._database, self._strata)
        self._database.execute(
            f"""
            DELETE FROM files WHERE rowid NOT IN (
                SELECT id FROM (
                    SELECT rowid AS id, split, {stratum} AS stratum, ROW_NUMBER()
                        OVER (PARTITION BY split, {stratum} ORDER BY rank) AS turn FROM files
                ) ORDER BY turn, split, stratum LIMIT ?)""",
            (self.spec.limit,),
        )

    def _assign_splits(self) -> None:
        """Give every source its split; note the names in row order."""
        group = self.listing.group_column
        if group is not None:
            if self.spec.group != NEAR_DUPLICATES:  # a dataset may have none
                self.notes += require_groups(self._database, self.spec.group or group)
            wanted, folds = self.spec.splits, self.spec.folds
            require_certain(parted_groups(self._database, group, wanted, folds=folds))
        authors = self._splits_in_use()
        plan = plan_splits(self.spec.splits, authors, folds=self.spec.folds)
        self.splits = plan.names
        if self.spec.split_like is not None:
            self._take_splits_of(self.spec.split_like, plan, TRAIN if authors else None)
        elif plan.divisions:
            grouped = group is not None
            assign_splits(self._database, self.source, plan, self._strata, grouped=grouped)
            if self.spec.folds is not None:
                require_filled_folds(self._database, self.spec.folds)
        self.notes += (*split_notes(self._database, plan, self._strata, group),)
        if plan.divisions and group is None:
            drawn = self._named_rows({name for name, _ in plan.shares})
            self.notes += (*leak_hints(drawn, self.listing.extra_columns),)

    def _splits_in_use(self) -> set[str]:
        query = "SELECT DISTINCT split FROM files WHERE split NOT NULL"
        return {str(split) for (split,) in self._database.execute(query)}

    def _take_splits_of(self, path: str, plan: SplitPlan, divided: str | None) -> None:
        """Leave known images in the splits that they have in the dataset at `path`."""
        table = SplitTable.load(self._database, path)
        grouped = self.listing.group_column is not None
        moved = assign_like(
            self._database, self.source, plan, table, self._strata, divided=divided, grouped=grouped
        )
        there = self._splits_in_use() - set(plan.names)
        self.splits += tuple(name for name in table.names if name in there)
        self.split_table = table.digest
        self.notes += (*table.notes(moved, grouped=grouped),)

    def _named_rows(self, splits: set[str]) -> Iterator[NamedRow]:
        """The sources in these splits, as they are known by name."""
        query = "SELECT name, label, split, extra FROM files"
        for name, label, split, extra in self._database.execute(query):
            if split in splits:
                yield NamedRow(os.fsdecode(name), _label(label), split, _tuple(extra))

    def moved_since(self, path: str) -> tuple[int, int]:
        """How many images are in another split than in the dataset at `path`, of how many that
        it knows by their paths."""
        return count_moved(self._database, path)

    def _make_positions(self) -> None:
        self._database.execute("CREATE TEMP TABLE IF NOT EXISTS positions (split, position)")
        self._database.execute("DELETE FROM positions")
        positions = enumerate(self.splits)
        self._database.executemany(
            "INSERT INTO positions (position, split) VALUES (?, ?)", positions
        )


def _empty_classes(listing: Listing, labeling: Labeling) -> list[str]:
    """Class folders without an image; what names its classes may have some without rows."""
    if listing.rule in (*ALL_NAMED, "table", "array"):
        return []
    return sorted(set(listing.class_names) - set(labeling.counts), key=os.fsencode)


def _label(stored: bytes | None) -> str | None:
    return None if stored is None else os.fsdecode(stored)


def _json(values: tuple[Any, ...]) -> str:
    return json.dumps(values) if values else "[]"


def _tuple(text: str) -> tuple[Any, ...]:
    return () if text == "[]" else tuple(json.loads(text))
