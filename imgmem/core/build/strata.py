"""What a split should divide alike: the classes of images, their sets of labels, or the ranges
that their numbers are in.
"""

import json
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imgmem.core.build.allocate import Apportionment, stratified
from imgmem.core.storage.targets import MULTILABEL, NUMBER

BINS = 10
"""Ranges of a number that hold equally many images, about."""


@dataclass(frozen=True)
class Strata:
    """How the images in the table `files` are alike.

    column: of `files`; images of one value are alike. several: whether a value is a JSON list of
    traits, each of which is to be divided alike; else it is the one trait itself.
    """

    column: str = "label"
    several: bool = False

    @property
    def by_class(self) -> bool:
        """Whether traits are classes."""
        return self.column == "label"

    def traits(self, value: bytes | None) -> Sequence[Any]:
        """The traits of the images with a value of the column."""
        if not self.several:
            return [value]
        return [] if value is None else json.loads(value)

    def counted(self, values: Mapping[bytes | None, int]) -> Counter[Any]:
        """Images with each trait. values: images with each value of the column."""
        found: Counter[Any] = Counter()
        for value, images in values.items():
            for trait in self.traits(value):
                found[trait] += images
        return found

    def shares(
        self, counts: Sequence[tuple[bytes | None, int]], fractions: Sequence[float]
    ) -> Iterator[Sequence[int]]:
        """How many images of each value go to each split. counts: (value, images), in order."""
        if self.several:
            numbers: dict[Any, int] = {}
            sets = (
                ([numbers.setdefault(trait, len(numbers)) for trait in self.traits(value)], units)
                for value, units in counts
            )
            yield from stratified(sets, fractions)
            return
        whole = Apportionment(fractions)
        yield from (whole.shares(units) for _, units in counts)


def find_strata(database: sqlite3.Connection, target: str | None, numbers: int) -> Strata:
    """How images are alike by their targets. numbers: how many a target has, where it has any.

    Ranges of numbers are written to the column `stratum`.
    """
    if target == MULTILABEL:
        return Strata(several=True)
    if target != NUMBER:
        return Strata()
    edges = [_edges(database, at) for at in range(numbers)]
    database.create_function("stratum_of", 1, lambda label: _ranges(label, edges))
    database.execute("UPDATE files SET stratum = stratum_of(label) WHERE label NOT NULL")
    return Strata("stratum", several=numbers > 1)


def _edges(database: sqlite3.Connection, at: int) -> list[float]:
    """The largest numbers of all ranges but the last; equal numbers are in one range."""
    database.create_function("number_at", 1, lambda label: json.loads(label)[at])
    total = database.execute("SELECT COUNT(label) FROM files").fetchone()[0]
    query = """
        SELECT number_at(label) AS number, COUNT(*) FROM files
        WHERE label NOT NULL GROUP BY number ORDER BY number"""
    edges: list[float] = []
    below, wanted = 0, 1
    for number, count in database.execute(query):
        below += count
        if below * BINS >= total * wanted:
            edges.append(number)
            wanted = below * BINS // total + 1
    return edges[:-1]


def _ranges(label: bytes, edges: Sequence[Sequence[float]]) -> bytes:
    """The range of one number, or of each of several as a list."""
    ranges = [bisect_left(*pair) for pair in zip(edges, json.loads(label), strict=True)]
    if len(ranges) == 1:
        return b"%d" % ranges[0]
    return json.dumps([f"{at}:{number}" for at, number in enumerate(ranges)]).encode()


def spreading(database: sqlite3.Connection, strata: Strata) -> str:
    """SQL for what a few images are to be spread over evenly: of several traits the rarest."""
    if not strata.several:
        return strata.column
    query = f"SELECT {strata.column}, COUNT(*) FROM files GROUP BY {strata.column}"
    images = strata.counted(dict(database.execute(query).fetchall()))

    def rarest(value: bytes | None) -> str | None:
        traits = strata.traits(value)
        return min(traits, key=lambda trait: (images[trait], trait)) if traits else None

    database.create_function("rarest", 1, rarest)
    return f"rarest({strata.column})"


def lacking(database: sqlite3.Connection, strata: Strata, split: str) -> list[Any]:
    """The traits that no image of a split has, in order."""
    query = f"""
        SELECT {strata.column}, SUM(split IS ?) FROM files
        WHERE {strata.column} NOT NULL GROUP BY {strata.column}"""
    everywhere: set[Any] = set()
    here: set[Any] = set()
    for value, images in database.execute(query, (split,)):
        everywhere.update(strata.traits(value))
        here.update(strata.traits(value) if images else ())
    return sorted(everywhere - here)
