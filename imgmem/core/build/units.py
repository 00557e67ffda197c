"""Units of a split: images that stay together, because of a group or of identical bytes."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any

from imgmem.core.build.allocate import Unit
from imgmem.core.build.strata import Strata
from imgmem.core.components import Components
from imgmem.core.errors import RejectedImage
from imgmem.core.sources import Source
from imgmem.core.sources.concurrently import concurrently

_HEAD_BYTES = 4096


def name_all_units(
    database: sqlite3.Connection, source: Source, split: str | None, *, grouped: bool
) -> None:
    """Set `unit` of every file of a split: it is the same where files stay together."""
    find_equal(database, source, split)
    name_units(database, split)
    if grouped:
        join_groups(database, split)


def find_equal(database: sqlite3.Connection, source: Source, split: str | None) -> None:
    """Set `unit` of files that may have the same bytes: it is the same if they have. Only files
    of equal size are read, and only those whose beginnings agree are read whole."""
    update = "UPDATE files SET unit = ? WHERE rowid = ?"
    heads = partial(_digest, source, _HEAD_BYTES)
    sized = _colliding(database, split, "size")
    database.executemany(update, concurrently(source, heads, sized, disk=True))
    whole = partial(_digest, source, None)
    equal = _colliding(database, split, "unit")
    database.executemany(update, concurrently(source, whole, equal, size=itemgetter(3), disk=True))


def _colliding(
    database: sqlite3.Connection, split: str | None, key: str
) -> Iterator[tuple[Any, Any, Any, Any]]:
    """(row, name, locator, size) of the files that share the value of `key` with another."""
    database.execute("DROP TABLE IF EXISTS colliding")
    database.execute(
        f"""
        CREATE TEMP TABLE colliding AS SELECT rowid AS row, name, locator, size FROM files
        WHERE split IS :split AND {key} IN
        (SELECT {key} FROM files WHERE split IS :split GROUP BY {key} HAVING COUNT(*) > 1)""",
        {"split": split},
    )
    return iter(database.execute("SELECT row, name, locator, size FROM colliding"))


def _digest(
    source: Source, length: int | None, file: tuple[int, bytes, str, int]
) -> tuple[bytes, int]:
    """sha256 of a file's first `length` bytes, or of all; of its name where it is unreadable; and
    its row."""
    row, name, locator, _ = file
    where = os.fsdecode(name), tuple(json.loads(locator))
    try:
        data = source.read(*where) if length is None else source.read_head(*where, length)
    except RejectedImage:
        return hashlib.sha256(b"unreadable\0" + name).digest(), row
    return hashlib.sha256(data).digest(), row


def name_units(database: sqlite3.Connection, split: str | None) -> None:
    """Give a unit of its own to every source that is alone."""
    alone = "UPDATE files SET unit = CAST(rowid AS BLOB) WHERE split IS ? AND unit IS NULL"
    database.execute(alone, (split,))


def join_groups(database: sqlite3.Connection, split: str | None) -> None:
    """Set `unit` to one value for all that groups and identical bytes connect."""
    database.execute(
        """
        CREATE TEMP TABLE shared AS SELECT DISTINCT unit, grp FROM files
        WHERE split IS ? AND grp NOT NULL AND unit IN
        (SELECT unit FROM files WHERE split IS ? GROUP BY unit HAVING COUNT(*) > 1)""",
        (split, split),
    )
    groups = Components[str]()
    pairs = database.execute("SELECT unit, grp FROM shared ORDER BY unit, grp")
    for _, members in groupby(pairs, key=lambda pair: pair[0]):
        first, *others = (group for _, group in members)
        for other in others:
            groups.join(first, other)
    database.create_function("root_of", 1, lambda group: f"group {groups.root(group)}")
    database.execute("CREATE INDEX by_shared ON shared (unit)")
    database.execute(
        """
        UPDATE files SET unit = root_of(COALESCE(
            grp, (SELECT MIN(grp) FROM shared WHERE shared.unit = files.unit)))
        WHERE split IS ? AND (grp NOT NULL OR unit IN (SELECT unit FROM shared))""",
        (split,),
    )


def group_units(
    database: sqlite3.Connection, split: str | None, strata: Strata, *, placed: str = ""
) -> Iterator[Unit]:
    """The units, the largest first, equal ones in their random order.

    placed: a table of units that are left out, if there is one.
    """
    others = f"AND unit NOT IN (SELECT unit FROM {placed})" if placed else ""
    database.execute(
        f"""
        CREATE TEMP TABLE sizes AS SELECT unit, COUNT(*) AS size, MIN(rank) AS first
        FROM files WHERE split IS ? {others} GROUP BY unit""",
        (split,),
    )
    database.execute("CREATE INDEX by_size ON sizes (unit)")
    rows = database.execute(
        f"""
        SELECT files.unit, {strata.column} AS stratum, COUNT(*)
        FROM files JOIN sizes ON sizes.unit = files.unit WHERE split IS ?
        GROUP BY files.unit, stratum ORDER BY sizes.size DESC, first, stratum""",
        (split,),
    )
    for unit, members in groupby(rows, key=lambda row: row[0]):
        images = {stratum: count for _, stratum, count in members}
        yield Unit(unit, strata.counted(images), sum(images.values()))


def list_placed(database: sqlite3.Connection, placed: Iterable[tuple[bytes, str]]) -> None:
    """Add units and their splits to the table `units`."""
    database.execute("CREATE TEMP TABLE IF NOT EXISTS units (unit PRIMARY KEY, split)")
    database.executemany("INSERT INTO units VALUES (?, ?)", placed)


def split_as_placed(database: sqlite3.Connection, split: str | None) -> None:
    """Give every file of a split the one that its unit has in the table `units`."""
    database.execute(
        """
        UPDATE files SET split = (SELECT split FROM units WHERE units.unit = files.unit)
        WHERE split IS ?""",
        (split,),
    )
