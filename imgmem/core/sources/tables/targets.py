"""The targets that lines of a table give, other than one class: sets of labels, and numbers."""

import json
import os
from collections.abc import Collection, Iterable, Sequence

from imgmem.core.errors import InputError
from imgmem.core.messages import Message, option
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.tables.columns import Columns
from imgmem.core.sources.tables.label_lists import find_mark, is_list, labels_in
from imgmem.core.sources.tables.labels import Labels
from imgmem.core.sources.tables.reader import Table
from imgmem.core.sources.tables.text import latin1
from imgmem.core.sources.tables.values import flag
from imgmem.core.sources.targets import label_set, number_row

_MARK_NAMES = {" ": "blanks", "|": "|", ";": ";", ",": ","}


class NumberLabels(Labels):
    """Reads the numbers of each line. A line with an empty cell has no target."""

    def of(self, number: int, cells: Sequence[str]) -> str | None:
        """The numbers of a line as text. Raises InputError for what is not a finite number."""
        found = [cells[index].strip() for index in self._columns.labels]
        if not all(found):
            return None
        row = number_row(found)
        if row is None:
            cell = next(cell for cell in found if number_row([cell]) is None)
            raise self._table.wrong(number, f"{cell!r} is not a finite number")
        return row

    def tidied(self, counts: Iterable[tuple[str, int]]) -> dict[str, str]:
        """Nothing: numbers are written alike."""
        return {}

    def doubts(self, counts: Iterable[tuple[str, int]]) -> list[Doubt]:
        """None: the user said what they are."""
        return []


class SetLabels(Labels):
    """Reads the labels of each line: of one column as it stands, to be cut once all lines are
    known, or of a column for each class."""

    def __init__(self, table: Table, columns: Columns, *, no_label: Collection[str]) -> None:
        """no_label: words that mean none; "" for an empty cell."""
        super().__init__(table, columns, as_class=True)
        self._none = frozenset(word.strip() for word in no_label)
        self._mark: str | None = None
        self._minus = self._zero = False
        self._none_seen: set[str] = set()
        self.several_lines = 0

    @property
    def by_column(self) -> bool:
        """Whether each class has a column of its own."""
        return len(self._columns.labels) > 1

    @property
    def class_names(self) -> tuple[str, ...]:
        """The columns that are classes."""
        if not self.by_column:
            return ()
        names = (latin1(self._table.names[index]) for index in self._columns.labels)
        return tuple(name for name in names if name not in self._none)

    def of(self, number: int, cells: Sequence[str]) -> str | None:
        """The cell of a line, or the set of its flags; None where it says nothing."""
        if self.by_column:
            return self._of_columns(number, [cells[index] for index in self._columns.labels])
        cell = cells[self._columns.labels[0]].strip()
        if not cell:
            return "" if self._means_none("") else None
        label = self._text(cell)
        self._hold_twins(label, cells)
        return label

    def _of_columns(self, number: int, cells: Sequence[str]) -> str | None:
        if not all(cell.strip() for cell in cells) and not self._means_none(""):
            return None
        names = []
        for index, cell in zip(self._columns.labels, cells, strict=True):
            if self._is_set(number, cell, self._table.names[index]):
                names.append(latin1(self._table.names[index]))
        return label_set(self._without_none(number, names))

    def _is_set(self, number: int, cell: str, column: str) -> bool:
        found = flag(cell)
        if found is None:
            raise self._table.wrong(number, f"{cell!r} in the column {column} is not 0 or 1")
        self._zero = self._zero or cell.strip() in ("0", "0.0")
        self._minus = self._minus or cell.strip().startswith("-")
        if self._zero and self._minus:
            raise InputError(
                f"{self._table.line(number)}: {cell.strip()} in the column {column}: the "
                "table has both 0 and -1, so -1 may mean something else than no",
                hint="Write 0 or 1 instead of -1.",
                path=self._table.path,
                line=number,
            )
        return found

    # One column, once all lines are read ----------------------------------------------------

    def know(self, cells: Iterable[str], *, several_lines: int) -> None:
        """Find what separates labels in the distinct `cells` of the column.

        several_lines: how many images are on several lines with different cells.
        """
        words = (cell for cell in cells if cell not in self._none)
        self._mark = find_mark(words, one_each=several_lines > 0)
        self.several_lines = several_lines

    def cut(self, number: int, cell: str) -> str:
        """The set of labels in a cell. Raises InputError, with the line, for what is not a set."""
        try:
            names = [cell] if cell in self._none else labels_in(cell, self._mark)
        except ValueError as error:
            raise self._table.wrong(number, f"{cell!r}: {error}") from None
        if not names and not is_list(cell):
            raise self._table.wrong(number, f"{cell!r} holds no label")
        return label_set(self._without_none(number, names))

    def _without_none(self, number: int, names: Sequence[str]) -> list[str]:
        """Labels less the word for none, which must be alone."""
        left = [name for name in names if not self._means_none(name)]
        if left and len(left) < len(names):
            none = next(name for name in names if name not in left)
            raise self._table.wrong(
                number, f"it has {none!r}, which means no label, and {left[0]!r}"
            )
        return left

    def _means_none(self, word: str) -> bool:
        found = word in self._none
        if found:
            self._none_seen.add(word)
        return found

    def joined(self, number: int, sets: Sequence[str | None]) -> str | None:
        """The set of an image that is on several lines; None where one of them has no label.

        Raises InputError where one says that it has none, and another one that it has.
        """
        if None in sets:
            return None
        names = [json.loads(each or "[]") for each in sets]
        if any(names) and not all(names):
            raise self._table.wrong(number,
                "the image has labels on one line, and a word for none on another",
            )  # fmt: skip
        return label_set(name for each in names for name in each)

    def tidied(self, counts: Iterable[tuple[str, int]]) -> dict[str, str]:
        """Nothing: names stay as they are."""
        return {}

    def doubts(self, counts: Iterable[tuple[str, int]]) -> list[Doubt]:
        """None: the user said what they are."""
        return []

    def notes(self) -> list[str]:
        """How labels are separated, and words for none that no line has."""
        return [*super().notes(), self._separated(), *self._unused()]

    def _separated(self) -> str:
        file = os.path.basename(self._table.path)
        if self.by_column:
            return f"each class is a column of {file}"
        if self.several_lines:
            more = "" if self._mark is None else f" and by {_MARK_NAMES[self._mark]}"
            return f"the labels of {self.several_lines} images are on several lines{more}"
        if self._mark is None:
            return f"no mark separates labels in {file}: each cell is one label, or a list"
        return f"the labels in {file} are separated by {_MARK_NAMES[self._mark]}"

    def _unused(self) -> list[str]:
        unused = sorted(self._none - self._none_seen)
        return [Message(f"{option('no_label', word)} matched nothing") for word in unused]
