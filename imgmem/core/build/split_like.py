"""Splits that a dataset already has, for a source that has changed: rows stay where they were.

An image is known by its path, or, where that is new and another is gone, by its bytes. What
shares identical bytes or a group stays together: a unit goes where most of its known images are.
Units without any are drawn by the rule of the dataset, so that shares are restored as far as
they can be.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from imgmem.core.build.allocate import Unit, place
from imgmem.core.build.changes import as_in_rows
from imgmem.core.build.split_plan import SplitPlan
from imgmem.core.build.strata import Strata
from imgmem.core.build.units import (
    group_units,
    list_placed,
    name_all_units,
    split_as_placed,
)
from imgmem.core.errors import InputError, RejectedImage, UsageError
from imgmem.core.messages import Message, option
from imgmem.core.rows.origins import all_origins
from imgmem.core.sources import Source
from imgmem.core.sources.concurrently import concurrently
from imgmem.core.sources.resolve import listed
from imgmem.core.specs import NEAR_DUPLICATES, BuildSpec
from imgmem.core.storage import store
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.record import Record
from imgmem.core.text import counted

_SHOWN = 1000
"""Moved images that are named."""


DRAWN_BY = ("splits", "folds", "seed")
"""The recorded options that a draw of splits goes by."""


class SplitRule(NamedTuple):
    """What splits are drawn by, as the fields of a `BuildSpec`."""

    splits: tuple[tuple[str, float], ...]
    folds: int | None
    seed: int


def split_rule(record: Record) -> SplitRule:
    """What the splits of a dataset were drawn by."""
    options = record.build.get("options", {})
    splits = tuple((name, float(share)) for name, share in options.get("splits", {}).items())
    return SplitRule(splits, options.get("folds"), int(options.get("seed", 0)))


def with_split_of(spec: BuildSpec) -> BuildSpec:
    """`spec` with the rule and the seed of the dataset whose splits it takes.

    Raises UsageError where that has no splits, or another seed was given; InputError or
    DatasetError where it cannot be read.
    """
    if spec.split_like is None:
        return spec
    record = store.read_record(spec.split_like)
    if not record.splits:
        raise UsageError(
            f"{option('split', f'like:{spec.split_like}')}: it has no splits",
            hint=f"Draw some: {option('split', 'val=0.2')}.",
        )
    rule = split_rule(record)
    if spec.seed not in (BuildSpec.seed, rule.seed):
        raise UsageError(
            f"{spec.split_like} was split with {option('seed', rule.seed)}, not {spec.seed}",
            hint=f"Leave out {option('seed')}: it comes with the splits.",
        )
    return replace(spec, splits=rule.splits, folds=rule.folds, seed=rule.seed)


class Moved(NamedTuple):
    """A known image that had to leave its split, to stay with others of its unit."""

    path: str
    before: str
    now: str


@dataclass(frozen=True)
class SplitTable:
    """The splits of a dataset as the table `known` of a plan's database.

    names: in row order. digest: sha256 of the paths and their splits. group: what kept its groups
    together, as the option has it, or None.
    """

    path: str
    names: tuple[str, ...]
    digest: str
    group: str | None = None

    @classmethod
    def load(cls, database: sqlite3.Connection, path: str) -> "SplitTable":
        """Read the splits of the dataset at `path`. Raises InputError or DatasetError.

        In SQL, `in_rows(name)` is then how `known` has the name of a file.
        """
        database.create_function("in_rows", 1, lambda name: as_in_rows(os.fsdecode(name)))
        database.execute("DROP TABLE IF EXISTS known")
        database.execute("CREATE TEMP TABLE known (path TEXT PRIMARY KEY, split TEXT, digest TEXT)")
        with Lock(path, exclusive=False):
            record = store.read_record(path)
            rows = ((each.path, each.split, each.digest) for each in all_origins(path))
            database.executemany("INSERT OR REPLACE INTO known VALUES (?, ?, ?)", rows)
        digest = hashlib.sha256()
        for row in database.execute("SELECT path, split FROM known ORDER BY path"):
            digest.update(json.dumps(row).encode() + b"\n")
        return cls(path, tuple(record.splits), digest.hexdigest(), _group_of(record))

    def notes(self, moved: Sequence["Moved"], *, grouped: bool) -> list[str]:
        """Which known images left their split, and whether groups are forgotten that it kept."""
        if self.group is None or grouped:
            return moved_notes(moved)
        keep = f"{option('group', self.group)} keeps them together"
        forgotten = f"{self.path} was split by groups, and new images are not; {keep}"
        return [*moved_notes(moved), Message(forgotten)]


def _group_of(record: Record) -> str | None:
    group = record.build.get("options", {}).get("group") or record.group_column
    return None if group == NEAR_DUPLICATES else group


def assign_like(
    database: sqlite3.Connection,
    source: Source,
    plan: SplitPlan,
    table: SplitTable,
    strata: Strata,
    *,
    divided: str | None,
    grouped: bool,
) -> list[Moved]:
    """Give the images of the split `divided` theirs; returns the known ones that moved."""
    name_all_units(database, source, divided, grouped=grouped)
    _find_known(database, source, divided)
    return _assign_units(database, plan, table, strata, divided)


def _find_known(database: sqlite3.Connection, source: Source, divided: str | None) -> None:
    """Make the table `sticky`: the row of each known image that is to be divided, its split."""
    database.execute("CREATE TEMP TABLE sticky (row INTEGER PRIMARY KEY, split TEXT)")
    database.execute(
        """
        INSERT INTO sticky SELECT files.rowid, known.split
        FROM files JOIN known ON known.path = in_rows(name)
        WHERE files.split IS ? AND known.split NOT NULL""",
        (divided,),
    )
    database.execute(
        """
        CREATE TEMP TABLE gone AS SELECT digest, MIN(split) AS split FROM known
        WHERE path NOT IN (SELECT in_rows(name) FROM files) AND split NOT NULL GROUP BY digest"""
    )
    if database.execute("SELECT 1 FROM gone LIMIT 1").fetchone() is not None:
        _add_renamed(database, source, divided)


def _add_renamed(database: sqlite3.Connection, source: Source, divided: str | None) -> None:
    """Add the images to `sticky` that have the bytes of one that is gone."""
    database.execute("CREATE INDEX temp.by_digest ON gone (digest)")
    new = database.execute(
        """
        SELECT rowid, name, locator, size FROM files
        WHERE split IS ? AND rowid NOT IN (SELECT row FROM sticky)""",
        (divided,),
    ).fetchall()
    digests = concurrently(source, partial(_digest, source), new, size=itemgetter(3), disk=True)
    for (row, *_), digest in zip(new, digests, strict=True):
        if digest is None:
            continue
        database.execute("INSERT INTO renamed VALUES (?, ?)", (row, digest))
        found = "INSERT INTO sticky SELECT ?, split FROM gone WHERE digest = ?"
        database.execute(found, (row, digest))


def _digest(source: Source, file: tuple[int, bytes, str, int]) -> str | None:
    """sha256 of the bytes of a new image; None where it cannot be read."""
    _, name, locator, _ = file
    try:
        data = source.read(os.fsdecode(name), tuple(json.loads(locator)))
    except RejectedImage:
        return None
    return hashlib.sha256(data).hexdigest()


def _assign_units(
    database: sqlite3.Connection, plan: SplitPlan, table: SplitTable, strata: Strata,
    divided: str | None,
) -> list[Moved]:  # fmt: skip
    """Give every unit of the table `files` its split, and name the known images that moved."""
    order = {name: at for at, name in enumerate(table.names)}
    list_placed(database, _kept_units(database, order, divided))
    shares = plan.shares
    if shares:
        names = [name for name, _ in shares]
        placed = _new_units(database, names, [share for _, share in shares], strata, divided)
        list_placed(database, ((unit, names[at]) for unit, at in placed))
    else:
        _require_known(database, table, divided)
    split_as_placed(database, divided)
    moved = database.execute(
        """
        SELECT in_rows(name), sticky.split, files.split FROM sticky
        JOIN files ON files.rowid = sticky.row WHERE sticky.split != files.split ORDER BY name"""
    )
    return [Moved(*each) for each in moved]


def _kept_units(
    database: sqlite3.Connection, order: dict[str, int], divided: str | None
) -> Iterator[tuple[bytes, str]]:
    """(unit, split) of each unit with known images: where most of them are, else the earlier."""
    rows = database.execute(
        """
        SELECT unit, sticky.split, COUNT(*) FROM files JOIN sticky ON sticky.row = files.rowid
        WHERE files.split IS ? GROUP BY unit, sticky.split ORDER BY unit""",
        (divided,),
    ).fetchall()
    for unit, found in groupby(rows, key=lambda row: row[0]):
        best = min(found, key=lambda row: (-row[2], order.get(row[1], len(order)), row[1]))
        yield unit, best[1]


def _new_units(
    database: sqlite3.Connection, names: Sequence[str], shares: Sequence[float], strata: Strata,
    divided: str | None,
) -> list[tuple[bytes, int]]:  # fmt: skip
    """(unit, index of the split) of each unit without known images."""
    column = strata.column
    marks = ", ".join("?" * len(names))
    query = f"""
        SELECT {column}, COUNT(*) FROM files LEFT JOIN units USING (unit)
        WHERE files.split IS ? AND (units.split IS NULL OR units.split IN ({marks})) GROUP BY 1"""
    images = dict(database.execute(query, (divided, *names)).fetchall())
    known = list(_filled(database, names, strata, divided))
    units = group_units(database, divided, strata, placed="units")
    return list(
        place(units, strata.counted(images), shares, images=sum(images.values()), known=known)
    )


def _filled(
    database: sqlite3.Connection, names: Sequence[str], strata: Strata, divided: str | None
) -> Iterator[tuple[int, Unit]]:
    """What each split has of known units: its index, and all of them as one unit."""
    rows = database.execute(
        f"""
        SELECT units.split, {strata.column}, COUNT(*) FROM files JOIN units USING (unit)
        WHERE files.split IS ? GROUP BY 1, 2 ORDER BY 1""",
        (divided,),
    ).fetchall()
    for split, found in groupby(rows, key=lambda row: row[0]):
        if split in names:
            images = {stratum: count for _, stratum, count in found}
            unit = Unit(b"", strata.counted(images), sum(images.values()))
            yield names.index(split), unit


def _require_known(database: sqlite3.Connection, table: SplitTable, divided: str | None) -> None:
    """Raises InputError for images without a split, where no rule draws them."""
    unknown = database.execute(
        """
        SELECT in_rows(name) FROM files WHERE split IS ?
        AND unit NOT IN (SELECT unit FROM units) ORDER BY name""",
        (divided,),
    ).fetchall()
    if unknown:
        few = counted(len(unknown), "image", "images")
        raise InputError(
            f"{table.path} has no split for {few}, and no rule that draws splits: "
            f"{listed(name for (name,) in unknown)}",
            hint=f"Leave them out ({option('exclude', '@FILE')}), or draw new splits, e.g. "
            f"{option('split', 'val=0.2')}.",
        )


def count_moved(database: sqlite3.Connection, path: str) -> tuple[int, int]:
    """How many images of `files` have another split in the dataset at `path`, of how many that
    have one there."""
    SplitTable.load(database, path)
    moved, known = database.execute(
        """
        SELECT SUM(known.split != files.split), COUNT(*)
        FROM files JOIN known ON known.path = in_rows(name)
        WHERE known.split NOT NULL AND files.split NOT NULL"""
    ).fetchone()
    return moved or 0, known


def moved_notes(moved: Sequence[Moved]) -> list[str]:
    """Which known images left their split, and why."""
    if not moved:
        return []
    named = [f"{each.path} ({each.before} → {each.now})" for each in moved[:_SHOWN]]
    more = ["…"] if len(moved) > _SHOWN else []
    few = counted(len(moved), "known image", "known images")
    return [
        f"{few} moved to the split of others with the same bytes or group: "
        f"{', '.join([*named, *more])}"
    ]
