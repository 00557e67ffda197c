"""Stratified splits: which sources go to train, val and test.

Exact to one image per class where no files are the same, and the same on every machine: units are
taken in the order of sha256(seed, path). Files of identical bytes, or of one group, are never
parted.
"""

import os
import sqlite3
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, groupby
from typing import Any

from imgmem.core.build.allocate import place
from imgmem.core.build.split_plan import Division, Fractions, SplitPlan
from imgmem.core.build.strata import Strata, lacking
from imgmem.core.build.units import (
    find_equal,
    group_units,
    join_groups,
    list_placed,
    name_units,
    split_as_placed,
)
from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.sources import Source
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.resolve import listed
from imgmem.core.specs import FOLD, FOLDS, TRAIN
from imgmem.core.text import counted

_SHOWN = 5
"""How many splits that lack classes get a note of their own."""


def assign_splits(
    database: sqlite3.Connection, source: Source, plan: SplitPlan, strata: Strata, *, grouped: bool
) -> None:
    """Give the sources in the table `files` their splits, one division after the other.

    Without groups every stratum is divided alike. With them (`grp`), what shares a group or has
    identical bytes stays together, and strata only decide between splits that are as good.
    """
    first = plan.divisions[0].divided  # what later ones divide is a part of it
    find_equal(database, source, first)
    if grouped:
        name_units(database, first)
        join_groups(database, first)
    for division in plan.divisions:
        for table in ("units", "sizes"):
            database.execute(f"DROP TABLE IF EXISTS {table}")
        (_divide_groups if grouped else _divide_strata)(database, division, strata)


def _divide_strata(database: sqlite3.Connection, plan: Division, strata: Strata) -> None:
    """Divide every stratum alike: all go to the largest split at first, so that only the others
    have to be looked up one by one."""
    _list_units(database, plan.divided, strata.column)
    largest = max(plan.fractions, key=lambda pair: pair[1])[0]
    database.execute("UPDATE files SET split = ? WHERE split IS ?", (largest, plan.divided))
    database.execute("CREATE INDEX IF NOT EXISTS by_unit ON files (unit) WHERE unit NOT NULL")
    for column, key in (("row", "rowid"), ("unit", "unit")):
        known = f"SELECT 1 FROM units WHERE {column} NOT NULL LIMIT 1"
        if database.execute(known).fetchone() is not None:
            placed = _divided(database, column, plan.fractions, strata)
            moved = ((split, value) for split, value in placed if split != largest)
            database.executemany(f"UPDATE files SET split = ? WHERE {key} = ?", moved)


def _list_units(database: sqlite3.Connection, split: str | None, stratum: str) -> None:
    """Make the table `units`, one stratum after the other in random order: `row` of a source that
    is alone, or `unit` of several that are the same, and how many `images` it has. A unit has the
    stratum and the rank of its smallest name: the lowest rank of many would come early, and so go
    to the first splits. stratum: the column of `files`."""
    database.execute(
        f"""
        CREATE TEMP TABLE units AS
        SELECT rowid AS row, NULL AS unit, {stratum} AS stratum, rank, 1 AS images FROM files
        WHERE split IS :split AND unit IS NULL
        UNION ALL SELECT NULL, unit, stratum, rank, images FROM (
            SELECT unit, MIN(name), {stratum} AS stratum, rank, COUNT(*) AS images FROM files
            WHERE split IS :split AND unit NOT NULL GROUP BY unit)
        ORDER BY stratum, rank""",
        {"split": split},
    )


def _divided(
    database: sqlite3.Connection, column: str, fractions: Fractions, strata: Strata
) -> Iterator[tuple[str, Any]]:
    """(split, value of `column`) of every unit that has one: the split that its middle is in,
    where the images of a stratum stand in a line that the shares divide."""
    counts = database.execute(
        "SELECT stratum, SUM(images) FROM units GROUP BY stratum ORDER BY stratum"
    ).fetchall()
    shares = strata.shares(counts, [fraction for _, fraction in fractions])
    rows = database.execute(f"SELECT stratum, {column}, images FROM units ORDER BY rowid")
    for (_, units), share in zip(groupby(rows, key=lambda row: row[0]), shares, strict=True):
        ends = list(accumulate(share))
        start = 0
        for _, value, images in units:
            if value is not None:
                yield fractions[bisect_right(ends, start + images / 2)][0], value
            start += images


def _divide_groups(database: sqlite3.Connection, plan: Division, strata: Strata) -> None:
    fractions = [fraction for _, fraction in plan.fractions]
    query = f"SELECT {strata.column}, COUNT(*) FROM files WHERE split IS ? GROUP BY 1"
    images = dict(database.execute(query, (plan.divided,)).fetchall())
    units = group_units(database, plan.divided, strata)
    placed = place(units, strata.counted(images), fractions, images=sum(images.values()))
    names = [name for name, _ in plan.fractions]
    list_placed(database, ((unit, names[index]) for unit, index in placed))
    split_as_placed(database, plan.divided)


def require_filled_folds(database: sqlite3.Connection, folds: int) -> None:
    """UsageError where folds that were drawn have no image: nothing can be validated on them."""
    query = "SELECT DISTINCT split FROM files WHERE split NOT NULL"
    found = {split for (split,) in database.execute(query)}
    empty = [f"{FOLD}{n}" for n in range(1, folds + 1) if f"{FOLD}{n}" not in found]
    if empty and len(empty) < folds:
        raise UsageError(
            f"{option('split', f'{FOLDS}={folds}')}: {listed(empty)} would have no image",
            hint="Use fewer folds; copies of an image, and images of a group, stay together.",
        )


def split_notes(
    database: sqlite3.Connection, plan: SplitPlan, strata: Strata, group: str | None
) -> list[str]:
    """What the user should know of splits that were drawn: classes that one of them lacks, and
    by how much groups miss the shares."""
    if not plan.divisions:
        return []
    notes = [_missed(database, plan, group)] if group and _has_groups(database) else []
    return notes + (_lacking_notes(database, plan, strata) if strata.by_class else [])


def _lacking_notes(database: sqlite3.Connection, plan: SplitPlan, strata: Strata) -> list[str]:
    """A note for each split that lacks classes: the first of them, and how many more there are."""
    notes = []
    for name, _ in plan.shares:
        if missing := lacking(database, strata, name):
            names = listed(map(os.fsdecode, missing))
            few = counted(len(missing), "class", "classes")
            notes.append(f"split {name} has no image of {few}: {names}")
    rest = len(notes) - _SHOWN
    return notes if rest <= 1 else [*notes[:_SHOWN], f"{rest} more splits lack classes too"]


def _missed(database: sqlite3.Connection, plan: SplitPlan, group: str) -> str:
    """`no group (patient) is split up …: val has 21.3 % (asked: 20 %)`, for each split."""
    query = "SELECT split, COUNT(*) FROM files GROUP BY split"
    found = dict(database.execute(query).fetchall())
    counts = {name: found.get(name, 0) for name, _ in plan.shares}
    total = sum(counts.values())
    shares = ", ".join(
        f"{name} has {100 * counts[name] / total:.1f} % (asked: {100 * fraction:.4g} %)"
        for name, fraction in plan.shares
    )
    return f"no group ({group}) is split up, which matters more than even classes: {shares}"


def _has_groups(database: sqlite3.Connection) -> bool:
    """Whether a group has two images, which a split could part."""
    query = "SELECT 1 FROM files WHERE grp NOT NULL GROUP BY grp HAVING COUNT(*) > 1 LIMIT 1"
    return database.execute(query).fetchone() is not None


def require_groups(database: sqlite3.Connection, group: str) -> tuple[str, ...]:
    """A note of how many images have no group. Raises InputError where none has one."""
    total, grouped = database.execute("SELECT COUNT(*), COUNT(grp) FROM files").fetchone()
    if not grouped:
        raise InputError(
            f"{option('group')}: no image has a group by {group}",
            hint="A group is a column of the label table, folder:N or name:REGEX.",
        )
    if grouped == total:
        return ()
    return (f"{total - grouped} of {total} images have no group ({group}): each is its own",)


def parted_groups(
    database: sqlite3.Connection, group: str, wanted: Fractions = (), *, folds: int | None = None
) -> tuple[Doubt, ...]:
    """The doubt where the source's own splits part groups; those that are `wanted`, and `folds` of
    train, are drawn again with them."""
    query = "SELECT grp FROM files WHERE split NOT NULL AND grp NOT NULL GROUP BY grp HAVING"
    parted = database.execute(f"{query} COUNT(DISTINCT split) > 1 ORDER BY grp").fetchall()
    if not parted:
        return ()
    evidence = (
        f"{len(parted)} groups ({group}) are in more than one split of the source: "
        f"{listed(name for (name,) in parted)}"
    )
    counts = database.execute(
        "SELECT split, COUNT(*) FROM files WHERE split NOT NULL GROUP BY split"
    ).fetchall()
    shares = _drawn_again(dict(counts), dict(wanted))
    drawn = ",".join([*shares, *([] if folds is None else [f"{FOLDS}={folds}"])])
    remedy = Remedy({"auto_split": False, "split": drawn}, "splits are drawn again, by group")
    return (Doubt("group-in-splits", evidence, (remedy,)),)


def _drawn_again(counts: dict[str, int], wanted: dict[str, float]) -> list[str]:
    """`val=0.2` for every split but train: the shares that the source has, and of what these leave
    those that are wanted."""
    total = sum(counts.values())
    kept = {name: n / total for name, n in counts.items() if name not in (TRAIN, *wanted)}
    left = 1 - sum(kept.values())
    asked = {name: share * left for name, share in wanted.items() if name != TRAIN}
    return [f"{name}={share:.3g}" for name, share in (kept | asked).items()]
