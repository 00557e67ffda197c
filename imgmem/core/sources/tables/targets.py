"""The targets that lines of a table give, other than one class: sets of labels, and numbers."""

import json
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from functools import cached_property
from itertools import islice

from imgmem.core.errors import InputError
from imgmem.core.messages import Message, option
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.tables import names as known
from imgmem.core.sources.tables.columns import Columns
from imgmem.core.sources.tables.label_lists import find_mark, is_list, labels_in
from imgmem.core.sources.tables.labels import Labels
from imgmem.core.sources.tables.reader import Table
from imgmem.core.sources.tables.text import latin1
from imgmem.core.sources.tables.values import flag
from imgmem.core.sources.targets import label_set, number_row
from imgmem.core.text import counted

_MOST_COMPARED = 10_000
_ALIKE = 0.8
"""From here on a label seems to be another word that is misspelled."""
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
        names = (known.folded(name) for name in table.names)
        self._presence = [index for index, name in enumerate(names) if name in known.PRESENCE_NAMES]
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
        return tuple(name for name in self._column_names if name not in self._none)

    @cached_property
    def _column_names(self) -> tuple[str, ...]:
        """The class of each column; its number from 0 where the table has no header."""
        columns = self._columns.labels
        if not self._table.has_header:
            return tuple(map(str, range(len(columns))))
        return tuple(latin1(self._table.names[index]) for index in columns)

    def of(self, number: int, cells: Sequence[str]) -> str | None:
        """The cell of a line, or the set of its flags; None where it says nothing."""
        if self.by_column:
            return self._of_columns(number, [cells[index] for index in self._columns.labels])
        cell = cells[self._columns.labels[0]].strip()
        self._require_present(number, cells)
        if not cell:
            return "" if self._means_none("") else None
        label = self._text(cell)
        self._hold_twins(label, cells)
        return label

    def _require_present(self, number: int, cells: Sequence[str]) -> None:
        """Raises InputError for a line that says that its label is absent."""
        for index in self._presence:
            if flag(cells[index]) is False and cells[index].strip():
                name = self._table.names[index]
                raise InputError(
                    f"{self._table.line(number)}: {name} is {cells[index].strip()}: does the image "
                    "have the label of this line, or not?",
                    hint=f"Remove the lines of labels that are absent, or the column {name}.",
                    path=self._table.path,
                    line=number,
                )

    def _of_columns(self, number: int, cells: Sequence[str]) -> str | None:
        if not all(cell.strip() for cell in cells) and not self._means_none(""):
            return None
        names = []
        for name, cell in zip(self._column_names, cells, strict=True):
            if self._is_set(number, cell, name):
                names.append(name)
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
                "table has both 0 and -1, so -1 may mean something other than no",
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
        """A word for none that no line has, where a label is written much like it."""
        sets = (json.loads(text) for text, _ in islice(counts, _MOST_COMPARED))
        found = sorted({name for names in sets for name in names})
        for word in sorted(self._none - self._none_seen - {""}):
            if alike := get_close_matches(word, found, 1, _ALIKE):
                meant = tuple(sorted({*self._none - {word}, *alike}))
                evidence = f"no image has {word!r}, the word for none, but some have {alike[0]!r}"
                remedy = Remedy({"no_label": meant}, f"{alike[0]} means none")
                return [Doubt("no-label", evidence, (remedy,))]
        return []

    def notes(self) -> list[str]:
        """How labels are separated, and words for none that no line has."""
        return [*super().notes(), self._separated(), *self._unused()]

    def _separated(self) -> str:
        if self.by_column:
            return "each class is a column"
        if self.several_lines:
            more = "" if self._mark is None else f" and by {_MARK_NAMES[self._mark]}"
            what = counted(self.several_lines, "image")
            return f"the labels of {what} are on several lines{more}"
        if self._mark is None:
            return "no mark separates labels: each cell is one label, or a list"
        return f"labels are separated by {_MARK_NAMES[self._mark]}"

    def _unused(self) -> list[str]:
        unused = sorted(self._none - self._none_seen)
        return [Message(f"{option('no_label', word)} matched nothing") for word in unused]
