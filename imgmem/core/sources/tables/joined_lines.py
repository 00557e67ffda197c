"""Lines of a table with several labels per image, settled in its scratch space: cells become
sets, and the lines of one image become one.
"""

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from imgmem.core.sources.tables.targets import SetLabels

_SEVERAL = """
SELECT COUNT(DISTINCT lines.path) FROM lines JOIN repeated USING (path)
JOIN lines AS other ON other.id = first WHERE lines.label IS NOT other.label"""
_CELLS = "SELECT label, MIN(number) FROM lines WHERE label NOT NULL GROUP BY label ORDER BY 2"
_CUT = """
UPDATE lines SET label = (SELECT cut FROM cuts WHERE cuts.label = lines.label)
WHERE label NOT NULL"""
_REPEATED_LINES = """
SELECT path, number, label FROM lines JOIN repeated USING (path) ORDER BY path, id"""
_JOIN = """
UPDATE lines SET label = (SELECT label FROM joined WHERE joined.path = lines.path)
WHERE path IN (SELECT path FROM joined)"""


def settle_sets(database: sqlite3.Connection, labels: SetLabels) -> None:
    """Cut the cells of the table `lines` into sets, and join those of the paths in `repeated`.

    Raises InputError, with the line, for a cell that is not a set.
    """
    if labels.by_column:
        return
    several = int(database.execute(_SEVERAL).fetchone()[0])
    labels.know((cell for cell, _ in database.execute(_CELLS)), several_lines=several)
    database.execute("CREATE TEMP TABLE cuts (label PRIMARY KEY, cut)")
    cuts = ((cell, labels.cut(number, cell)) for cell, number in database.execute(_CELLS))
    database.executemany("INSERT INTO cuts VALUES (?, ?)", cuts)
    database.execute(_CUT)
    if several:
        database.execute("CREATE TEMP TABLE joined (path PRIMARY KEY, label)")
        database.executemany("INSERT INTO joined VALUES (?, ?)", _joined(database, labels))
        database.execute(_JOIN)


def _joined(database: sqlite3.Connection, labels: SetLabels) -> Iterator[tuple[Any, Any]]:
    """(path, set of labels) of every image that is on several lines."""
    lines = database.execute(_REPEATED_LINES)
    for path, members in groupby(lines, key=lambda line: line[0]):
        found = list(members)
        yield path, labels.joined(found[-1][1], [label for _, _, label in found])
