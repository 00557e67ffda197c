"""What has become of a source since a build of it: images that are new, gone and changed."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Any, NamedTuple

from imgmem.core.build.planned import PlannedImage
from imgmem.core.sources import Locator
from imgmem.core.sources.scratch import scratch_database

_SHOWN = 3
_SCHEMA = """
CREATE TABLE earlier (name PRIMARY KEY, size, mtime, digest, locator);
CREATE TABLE now (name PRIMARY KEY, original, size, mtime, locator)"""
_NEW = "SELECT name FROM now WHERE name NOT IN (SELECT name FROM earlier) ORDER BY name"
_GONE = "SELECT name FROM earlier WHERE name NOT IN (SELECT name FROM now) ORDER BY name"
_BOTH = """
SELECT original, now.size, now.mtime, now.locator,
    name, earlier.size, earlier.mtime, digest, earlier.locator
FROM now JOIN earlier USING (name) ORDER BY name"""


class Earlier(NamedTuple):
    """What a build knew of an image: its name as `rows.csv` has it, and what else is recorded."""

    name: str
    size: int = -1
    mtime_ns: int = -1
    digest: str = ""
    locator: Locator = ()


Differs = Callable[[PlannedImage, Earlier], bool]
"""Whether an image is not what it was."""
Pair = tuple[PlannedImage, Earlier]
Each = Callable[[Callable[[Pair], str], Iterable[Pair]], Iterable[str]]


def changes_text(
    before: Iterable[Earlier], now: Iterable[PlannedImage], differs: Differs, each: Each = map
) -> str:
    """`54 new (a/1.png, a/2.png, a/3.png, …), 1 gone (b/7.png)`, or "" where nothing changed.

    each: calls a function for each pair of images of the same path, and returns what it returns.
    Takes memory that does not grow with the number of images.
    """
    with closing(scratch_database(_SCHEMA)) as database:
        insert = "INSERT OR REPLACE INTO earlier VALUES (?, ?, ?, ?, ?)"
        database.executemany(insert, map(_earlier_row, before))
        database.executemany("INSERT OR REPLACE INTO now VALUES (?, ?, ?, ?, ?)", map(_row, now))
        found = {
            "new": (name for (name,) in database.execute(_NEW)),
            "gone": (name for (name,) in database.execute(_GONE)),
            "changed": filter(None, each(partial(_changed, differs), _both(database))),
        }
        return ", ".join(filter(None, (_counted(names, what) for what, names in found.items())))


def as_in_rows(name: str) -> str:
    """A name as `rows.csv` and `rejected.csv` have it."""
    return name.encode("utf-8", "backslashreplace").decode()


def _earlier_row(image: Earlier) -> tuple[Any, ...]:
    return (*image[:-1], json.dumps(image.locator))


def _row(image: PlannedImage) -> tuple[Any, ...]:
    name = as_in_rows(image.name), os.fsencode(image.name)
    return (*name, image.size, image.mtime_ns, json.dumps(image.locator))


def _both(database: sqlite3.Connection) -> Iterator[Pair]:
    for original, size, mtime_ns, locator, *earlier, before in database.execute(_BOTH):
        where = tuple(json.loads(locator))
        now = PlannedImage(os.fsdecode(original), size, mtime_ns, -1, 0, where)
        yield now, Earlier(*earlier)._replace(locator=tuple(json.loads(before)))


def _changed(differs: Differs, pair: Pair) -> str:
    """The name of an image that has changed, else ""."""
    return pair[0].name if differs(*pair) else ""


def _counted(names: Iterable[str], what: str) -> str:
    """`54 new (a/1.png, a/2.png, a/3.png, …)`, or "" for no names."""
    count, shown = 0, list[str]()
    for count, name in enumerate(names, 1):
        if count <= _SHOWN:
            shown.append(name)
    more = ["…"] if count > _SHOWN else []
    return f"{count} {what} ({', '.join([*shown, *more])})" if count else ""
