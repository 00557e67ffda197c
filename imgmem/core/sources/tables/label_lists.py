"""Cells that hold several labels: how they are separated, and the labels of each.

A cell is a list as programs write it (`['a', 'b']`, `{"a": 1, "b": 0}`), or labels with a mark
between them. The mark is found from all cells of the column together, and then cuts all of them.
"""

import ast
import json
import re
from collections.abc import Iterable
from typing import Any

from imgmem.core.sources.tables.values import flag

MOST_WORDS = 100_000
"""Words that are remembered in search of lists that blanks separate."""

_BRACKETS = re.compile(r"^\s*([\[{])(.*)([\]}])\s*$", re.DOTALL)
_CLOSING = {"[": "]", "{": "}"}


def is_list(cell: str) -> bool:
    """Whether a cell is written as a list, a set or an object."""
    found = _BRACKETS.match(cell)
    return found is not None and _CLOSING[found[1]] == found[3]


def find_mark(cells: Iterable[str], *, one_each: bool) -> str | None:
    """What separates the labels in the distinct cells of a column; None where nothing does.

    Blanks do where few words make many cells; names of classes (`golden retriever`) do not.
    one_each: whether images are on several lines, and so a cell is one label unless a mark that
    no name has says otherwise.
    """
    plain, several, marks, words = 0, False, set[str](), set[str]()
    for cell in cells:
        if is_list(cell):
            continue
        plain += 1
        marks.update(mark for mark in "|;," if mark in cell)
        parts = cell.split()
        several = several or len(parts) > 1
        if len(words) < MOST_WORDS:
            words.update(parts)
    if sure := next((mark for mark in "|;" if mark in marks), None):
        return sure
    if one_each:
        return None
    return "," if "," in marks else " " if several and len(words) <= plain else None


def labels_in(cell: str, mark: str | None) -> list[str]:
    """The labels of a cell. Raises ValueError, with a reason, for a list that cannot be read."""
    if is_list(cell):
        return _names(_read(cell))
    if mark is None:
        parts: Iterable[str] = [cell]
    else:
        parts = cell.split() if mark == " " else cell.split(mark)
    return [name for part in parts if (name := part.strip())]


def _read(cell: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(cell.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    inside = _BRACKETS.match(cell)
    assert inside is not None
    parts = inside[2].split("," if "," in inside[2] else None)
    return [part.strip().strip("'\"") for part in parts if part.strip()]


def _names(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [_name(name) for name, held in value.items() if _is_set(name, held)]
    found = value if isinstance(value, list | tuple | set) else [value]
    return [_name(each) for each in found]


def _is_set(name: Any, held: Any) -> bool:
    found = held if isinstance(held, bool) else flag(str(held))
    if found is None:
        raise ValueError(f"{held!r} for {name!r} is not 0 or 1")
    return found


def _name(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is not a label")
    name = str(value).strip()
    if not name:
        raise ValueError("it lists a label without a name")
    return name
