"""The label that a line gives, and whether the labels of a table are classes at all."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.numbering import ClassNumbers
from imgmem.core.sources.tables import names as known
from imgmem.core.sources.tables.columns import Columns
from imgmem.core.sources.tables.reader import Table, doubtful
from imgmem.core.sources.tables.text import latin1
from imgmem.core.sources.tables.values import (
    flag,
    has_comma,
    is_number,
    is_whole,
    lists_in,
    several_in,
)
from imgmem.core.specs import ALL, FOLDS, NOT
from imgmem.core.text import shortened

CLASS = Remedy({"target": "class"}, "every distinct value is a class")

SEVERAL = Remedy({"target": "multilabel"}, "an image may have several labels")

NUMBER = Remedy({"target": "number"}, "a number to predict")

_MOST_CHECKED = 100_000
"""Pairs of a label and its twin that are remembered."""
_MOST_COMPARED = 10_000
"""Distinct labels that are compared in search of lists."""
_FEW_LINES = 20
_NEARLY = 0.9


class Labels:
    """Reads the label of each line, and holds every line to what the first ones said."""

    def __init__(self, table: Table, columns: Columns, *, as_class: bool) -> None:
        """as_class: the user said that every distinct value is a class."""
        self._table = table
        self._columns = columns
        self.as_class = as_class
        self._twins = [_Twin(index) for index in columns.twins]
        self._plural = any(known.folded(table.names[i]) in known.PLURALS for i in columns.labels)
        self.latin1 = 0

    def of(self, number: int, cells: Sequence[str]) -> str | None:
        """The label of a line, None where it has none. Raises InputError where it has several."""
        labels = self._columns.labels
        if not labels:
            return None
        if len(labels) > 1:
            flags = [cells[index].strip() for index in labels]
            return self._of_flags(number, flags) if any(flags) else None
        label = self._text(cells[labels[0]].strip())
        if not label:
            return None
        if not self.as_class and several_in(label, plural=self._plural):
            raise doubtful(self._several(number, f"{label!r} looks like several labels"))
        self._hold_twins(label, cells)
        return label

    def _text(self, cell: str) -> str:
        text = latin1(cell)
        self.latin1 += text != cell
        return text

    def _of_flags(self, number: int, cells: Sequence[str]) -> str:
        """The name of the one column that is set."""
        flags = [flag(cell) for cell in cells]
        if None in flags:
            cell = cells[flags.index(None)]
            raise self._table.wrong(number, f"{cell!r} in a column of a class is not 0 or 1")
        found = [index for index, is_set in zip(self._columns.labels, flags, strict=True) if is_set]
        if len(found) != 1:
            names = ", ".join(self._table.names[index] for index in found) or "none"
            what = f"the columns with a 1 are {names}, not exactly one"
            raise doubtful(self._several(number, what))
        return latin1(self._table.names[found[0]])

    def _several(self, number: int, what: str) -> Doubt:
        other = CLASS if len(self._columns.labels) == 1 else UNLABELED
        return Doubt("several-labels", f"{self._table.line(number)}: {what}", (SEVERAL, other))

    def _hold_twins(self, label: str, cells: Sequence[str]) -> None:
        for twin in self._twins:
            if not twin.holds(label, cells[twin.index].strip()) and self._columns.which_label:
                raise doubtful(self._columns.which_label)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes that there are whether or not a line has them."""
        return ()

    def numbers(self) -> ClassNumbers | None:
        """The numbers that a column of the table gives to the labels, once all lines are read."""
        for twin in self._twins:
            if twin.one_to_one and all(map(is_whole, twin.back)):
                of = {label: int(float(value)) for label, value in twin.there.items()}
                return ClassNumbers(self._table.names[twin.index], of)
        return None

    def notes(self) -> list[str]:
        """Columns that seemed to number the labels, and do not."""
        broken = (self._table.names[twin.index] for twin in self._twins if twin.broken)
        return [f"{name} does not number the labels one to one: not used" for name in broken]

    def tidied(self, counts: Iterable[tuple[str, int]]) -> dict[str, str]:
        """Labels that are better written otherwise: `3.0` as `3`, where all are so."""
        found = {}
        for label, _ in islice(counts, _MOST_COMPARED):
            if not is_whole(label) or "." not in label:
                return {}
            found[label] = str(int(float(label)))
        return found

    def doubts(self, counts: Iterable[tuple[str, int]]) -> list[Doubt]:
        """Why the labels may not be classes. counts: (label, lines) of every distinct label."""
        if self.as_class or len(self._columns.labels) != 1:
            return []
        name = self._table.names[self._columns.labels[0]]
        found = doubt_of(counts, self._table.path, name)
        return [found] if found else []


@dataclass
class _Twin:
    """A column that names the label in another way: the pairs of both that lines had."""

    index: int
    there: dict[str, str] = field(default_factory=dict)
    back: dict[str, str] = field(default_factory=dict)
    broken: bool = False

    @property
    def one_to_one(self) -> bool:
        """Whether that is known of every line, and there was one."""
        return not self.broken and 0 < len(self.there) <= _MOST_CHECKED

    def holds(self, label: str, value: str) -> bool:
        """Whether a line agrees with those before it."""
        if len(self.there) > _MOST_CHECKED:
            return True
        same = (self.there.setdefault(label, value), self.back.setdefault(value, label))
        self.broken = self.broken or same != (value, label)
        return not self.broken


_WORD = re.compile(r"[^\W\d][\w.-]*")


@dataclass
class _Summary:
    """The labels of a table. numbers: all are; whole: all are whole numbers; commas: all may be
    numbers with a decimal comma; sample: some of the labels."""

    distinct: int = 0
    total: int = 0
    numbers: bool = True
    commas: bool = True
    whole: bool = True
    sample: list[str] = field(default_factory=list)

    @property
    def nearly_unique(self) -> bool:
        return self.total >= _FEW_LINES and self.distinct >= _NEARLY * self.total

    def add(self, label: str, lines: int) -> None:
        self.distinct += 1
        self.total += lines
        self.numbers = self.numbers and is_number(label)
        self.commas = self.commas and has_comma(label)
        self.whole = self.whole and is_whole(label)
        if len(self.sample) < _MOST_COMPARED:
            self.sample.append(label)


def doubt_of(counts: Iterable[tuple[str, int]], path: str, column: str) -> Doubt | None:
    """Why the labels of a column may not be classes. counts: (label, lines) of each."""
    summary = _Summary()
    for label, lines in counts:
        summary.add(label, lines)
    return _doubt(summary, os.path.basename(path), column)


def _doubt(labels: _Summary, file: str, column: str) -> Doubt | None:
    """What the labels of a column look like, if not like classes."""
    key, few = known.folded(column), ", ".join(labels.sample[:3])
    if labels.total and labels.numbers and (not labels.whole or key in known.NUMBER_NAMES):
        what = f"the labels of {file} are numbers ({column}: {few}, …)"
        return Doubt("number-labels", f"{what}: is this a number to predict?", (NUMBER, CLASS))
    if labels.total and labels.commas and not labels.numbers:
        what = f"the labels of {file} look like numbers with a decimal comma ({column}: {few}, …)"
        advice = "write 20.5 instead of 20,5 for a number to predict"
        return Doubt("number-labels", f"{what}: {advice}", (SEVERAL, CLASS))
    words = key in known.LABEL_NAMES or all(map(_WORD.fullmatch, labels.sample))
    if labels.nearly_unique and (labels.numbers or not words):  # one image per class may be
        found = (NUMBER, CLASS) if labels.numbers else (CLASS,)
        differ = f"{labels.distinct} of {labels.total} labels of {file} differ ({column}: {few}, …)"
        return Doubt("unique-labels", f"{differ}: is this the column of the class?", found)
    if example := lists_in(labels.sample, plural=key in known.PLURALS):
        what = f"labels of {file} look like lists of labels ({column}: {example!r})"
        return Doubt("several-labels", what, (SEVERAL, CLASS))
    return None


def split_of(table: Table, number: int, cell: str) -> str:
    """The split that a line names. Raises InputError for none, and for reserved words."""
    name = latin1(cell.strip())
    if not name:
        raise table.wrong(number, "it has no split")
    if name in {ALL, FOLDS} or name.startswith(NOT):
        raise table.wrong(number, f"{name!r} cannot be the name of a split")
    return split_name(name) or name


def no_labels(table: Table, what: str = "labels") -> InputError:
    """The error where labels are wanted and no column has them."""
    hint = f"Name the column of labels: {option('columns', 'label=NAME')}."
    if len(table.names) == 1:
        hint = f"To take just these images, give {option('include', f'@{table.path}')} instead."
    return InputError(
        f"{table.path}: no column of {what} was found; its columns: {shortened(table.names)}",
        hint=hint,
        path=table.path,
    )
