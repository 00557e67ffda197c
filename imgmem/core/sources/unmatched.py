"""Label tables of which no line names an image: what the lines name instead."""

import re
from collections.abc import Callable
from functools import partial

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy, Value
from imgmem.core.sources.layout import level
from imgmem.core.sources.tables.keys import cell_parts, file_parts, of_other_split
from imgmem.core.sources.tables.lines import Lines
from imgmem.core.sources.tables.reader import Table, doubtful
from imgmem.core.sources.unnamed import Unnamed

_DEEPEST = 8
_SEPARATORS = ("_", "-", " ", r"\.")
"""What may be between the two parts of a name, as regular expressions."""


def nothing_found(path: str, lines: Lines, unnamed: Unnamed, hint: str) -> InputError:
    """The error where the lines of the table at `path` and the images have nothing in common."""
    cell = next(iter(lines.without_file()))[0]
    has = f"the source has {unnamed.first!r}" if unnamed.count else "the source has no image"
    if of_other_split(cell_parts(cell), file_parts(unnamed.first)):
        hint = (
            "The lines are of another split than the images. If they are not, give the folder "
            "that holds the images as SOURCE."
        )
    return InputError(
        f"no line of {path} names an image of the source: it has {cell!r}, {has}",
        hint=hint,
        path=path,
    )


def lines_of_many(table: Table, lines: Lines) -> InputError | None:
    """The error where a line is of several images: it names a folder that they are in, or what
    their names begin with."""
    rule = _rule_of(lines) if any(lines.files()) else None
    if rule is None:
        return None
    named = "the folder that they are in" if rule[0] == "f" else "what their names begin with"
    evidence = f"a line of {table.path} stands for several images: it is {named}"
    if len(table.names) == 2:
        return doubtful(Doubt("lines-of-many", evidence, _remedies(table, rule)))
    return InputError(
        evidence,
        hint=f"Write two of its columns, the names and the labels, to a CSV file, and give "
        f"{option('labels', rule)} and {option('class_map', '@FILE')}.",
        path=table.path,
    )


def _remedies(table: Table, rule: str) -> tuple[Remedy, ...]:
    options: dict[str, Value] = {"labels": rule, "class_map": (f"@{table.path}",), "columns": ()}
    return Remedy(options, "all images of a line have its label"), UNLABELED


def _rule_of(lines: Lines) -> str | None:
    """The label rule that finds in every path what a line names, or None."""
    for number in range(1, _DEEPEST + 1):
        if _hold_for_all(partial(_folder, number=number), lines):
            return f"folder:{number}"
    for separator in _SEPARATORS:
        pattern = rf"^(.+){separator}[^{separator}]*\.[^.]*$"
        if _hold_for_all(partial(_beginning, re.compile(pattern)), lines):
            return f"name:{pattern}"
    return None


def _hold_for_all(named: Callable[[str], str | None], lines: Lines) -> bool:
    """Whether a line has what is `named` in the path of an image, for all images."""
    names = map(named, lines.files())
    return all(name is not None and lines.has(name) for name in names)


def _folder(file: str, number: int) -> str | None:
    return level(file.split("/")[:-1], number)


def _beginning(pattern: re.Pattern[str], file: str) -> str | None:
    match = pattern.search(file.rpartition("/")[2])
    return match and match[1]
