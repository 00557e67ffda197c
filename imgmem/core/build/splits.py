"""Stratified splits: which sources go to train, val and test.

Exact to one unit a class (largest remainder), the same on every machine (units are taken
in the order of sha256(seed, path)), and never parting files of identical bytes.
"""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from imgmem.core.errors import RejectedImage, UsageError
from imgmem.core.messages import option
from imgmem.core.sources import Source
from imgmem.core.specs import TRAIN

_AUTHORS_ORDER = ("train", "val", "test")
ALL = "all"
"""What all rows are called where a split may be named."""
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class SplitPlan:
    """names: all splits in row order. fractions: (name, fraction) by which the images of the
    author's split `divided` (None: those without one) are assigned."""

    names: tuple[str, ...]
    fractions: tuple[tuple[str, float], ...] = ()
    divided: str | None = None


def plan_splits(wanted: tuple[tuple[str, float], ...], authors: set[str]) -> SplitPlan:
    """Combine the splits asked for with those that the source has.

    What the fractions leave goes to "train". Raises UsageError for fractions that do not
    add up, for a split that the author's folders already are, and where these have no train.
    """
    _require_names(authors)
    others = sorted(authors.difference(_AUTHORS_ORDER))  # a dataset's own names
    by_author = (*(name for name in _AUTHORS_ORDER if name in authors), *others)
    if not wanted:
        return SplitPlan(by_author)
    fractions = _completed(wanted)
    names = tuple(name for name, _ in fractions)
    taken = [name for name in names if name in authors and name != TRAIN]
    if taken:
        raise UsageError(
            f"the source already has a split {taken[0]!r}",
            hint=f"Leave it out of {option('split')}, or merge the folders with "
            f"{option('auto_split', False)}.",
        )
    if authors and TRAIN not in authors:
        raise UsageError(
            f"the source's own splits ({', '.join(by_author)}) have no train split to divide",
            hint=f"Leave out {option('split')}, or merge the folders with "
            f"{option('auto_split', False)}.",
        )
    rest = tuple(name for name in by_author if name not in names)
    return SplitPlan(names + rest, fractions, TRAIN if authors else None)


def _completed(wanted: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    """The fractions with the rest given to train, which then comes first."""
    total = sum(fraction for _, fraction in wanted)
    names = [name for name, _ in wanted]
    _check_fractions(wanted)
    if total >= 1 - 1e-9:
        return wanted
    if TRAIN in names:
        raise UsageError(
            f"{option('split')} adds up to {total:g}, not to 1",
            hint="Leave train out, and it gets the rest.",
        )
    return ((TRAIN, 1 - total), *wanted)


def _check_fractions(wanted: tuple[tuple[str, float], ...]) -> None:
    names = [name for name, _ in wanted]
    for name, fraction in wanted:
        if not name or not name.replace("-", "").replace("_", "").isalnum() or name == ALL:
            raise UsageError(
                f"{option('split')}: invalid split name {name!r}",
                hint=f"Use letters, digits, - and _; {ALL!r} means all rows.",
            )
        if not 0 < fraction <= 1:
            raise UsageError(
                f"{option('split')}: {name}={fraction:g} is not in (0, 1]", hint="Write e.g. 0.2."
            )
    if len(set(names)) < len(names):
        raise UsageError(f"{option('split')}: duplicate split name", hint="Give each name once.")
    if sum(fraction for _, fraction in wanted) > 1 + 1e-9:
        raise UsageError(
            f"{option('split')} adds up to more than 1", hint="Make the fractions add up to 1."
        )


def _require_names(authors: set[str]) -> None:
    """Raises UsageError for a split of the source that could not be told from all rows."""
    if ALL in authors:
        raise UsageError(
            f"the source has a split called {ALL!r}, which is the name for all rows",
            hint=f"Rename it: {option('split_map', f'{ALL}=train')}.",
        )


def apportion(count: int, fractions: tuple[float, ...]) -> list[int]:
    """`count` units divided by `fractions` (sum 1), each within one unit of its exact share.

    Largest remainder (Hamilton's method); of equal remainders the earlier split gets the unit.
    """
    exact = [count * fraction for fraction in fractions]
    shares = [int(share + 1e-9) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (round(shares[i] - exact[i], 9), i))
    for index in by_remainder[: count - sum(shares)]:
        shares[index] += 1
    return shares


def assign_splits(database: sqlite3.Connection, source: Source, plan: SplitPlan) -> None:
    """Give each source of `plan.divided` in the table `files` its split, class by class."""
    _find_units(database, source, plan.divided)
    database.execute("CREATE TEMP TABLE units (unit PRIMARY KEY, label, place, split)")
    database.execute(
        """
        INSERT INTO units SELECT unit, label, ROW_NUMBER() OVER (PARTITION BY label ORDER BY first)
        - 1, NULL FROM (SELECT unit, MIN(label) AS label, MIN(rank) AS first FROM files
                        WHERE split IS ? GROUP BY unit)""",
        (plan.divided,),
    )
    database.execute("CREATE INDEX by_label ON units (label, place)")
    counts = database.execute("SELECT label, COUNT(*) FROM units GROUP BY label").fetchall()
    for label, count in counts:
        _divide_class(database, plan, label, count)
    database.execute(
        """
        UPDATE files SET split = (SELECT split FROM units WHERE units.unit = files.unit)
        WHERE split IS ?""",
        (plan.divided,),
    )


def _divide_class(database: sqlite3.Connection, plan: SplitPlan, label: Any, count: int) -> None:
    """Assign the units of one class to the splits, in their random order."""
    shares = apportion(count, tuple(fraction for _, fraction in plan.fractions))
    start = 0
    for (name, _), share in zip(plan.fractions, shares, strict=True):
        database.execute(
            "UPDATE units SET split = ? WHERE label IS ? AND place >= ? AND place < ?",
            (name, label, start, start + share),
        )
        start += share


def _find_units(database: sqlite3.Connection, source: Source, split: str | None) -> None:
    """Set `unit`: files of identical bytes share one; only files of equal size are read,
    and only those whose beginnings agree are read whole."""
    database.execute("UPDATE files SET unit = CAST(size AS BLOB) WHERE split IS ?", (split,))
    for length in (_HEAD_BYTES, None):
        digests = (
            (_digest(source, name, locator, length), row)
            for row, name, locator in _colliding(database, split)
        )
        database.executemany("UPDATE files SET unit = ? WHERE rowid = ?", digests)


def _colliding(database: sqlite3.Connection, split: str | None) -> Iterator[tuple[Any, Any, Any]]:
    """(row, name, locator) of the files that share their unit with another."""
    database.execute("DROP TABLE IF EXISTS colliding")
    database.execute(
        """
        CREATE TEMP TABLE colliding AS SELECT rowid AS row, name, locator FROM files
        WHERE split IS ? AND unit IN
        (SELECT unit FROM files WHERE split IS ? GROUP BY unit HAVING COUNT(*) > 1)""",
        (split, split),
    )
    return iter(database.execute("SELECT row, name, locator FROM colliding"))


def _digest(source: Source, name: bytes, locator: str, length: int | None) -> bytes:
    """sha256 of a source's first `length` bytes, or of all; of its name where it is unreadable."""
    where = os.fsdecode(name), tuple(json.loads(locator))
    try:
        data = source.read(*where) if length is None else source.read_head(*where, length)
    except RejectedImage:
        return hashlib.sha256(b"unreadable\0" + name).digest()
    return hashlib.sha256(data).digest()
