"""Label files: CSV or TSV with a header line, a path, a label, perhaps a split, and more.

One image has one label. Files that say otherwise (several label columns, a column for each
class, lists in a cell) are refused.
"""

import csv
import os
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.rows.origins import ROW_COLUMNS
from imgmem.core.sources.files import open_regular
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.names import inner_path

DELIMITERS = {".csv": ",", ".tsv": "\t"}

PATH_COLUMNS = (
    "path", "file_path", "filepath", "file", "file_name", "filename", "image_path", "img_path",
    "image_file", "image_name", "image", "img",
)  # fmt: skip
"""What the column of paths may be called; the first of these that is there is it."""

_PLURALS = ("labels", "classes", "categories", "tags")
LABEL_COLUMNS = (
    "class", "class_name", "label", "label_name", "category", "category_name", "target", "y",
    "tag", *_PLURALS,
)  # fmt: skip
SPLIT_COLUMN = "split"

_FLAGS = {"0", "1", "0.0", "1.0"}
_SEVERAL = re.compile(r"[|;]|^[\[{(].*[\]})]$")
_SEVERAL_IN_PLURAL = re.compile(r"[|;,\s]|^[\[{(].*[\]})]$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a normalized path relative to the source, and what is said of it."""

    number: int
    path: str
    label: str | None
    split: str | None
    extra: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """Which column is which, by index; `dropped` names those that cannot be carried along."""

    names: tuple[str, ...]
    path: int
    label: int | None
    split: int | None
    extra: tuple[int, ...]
    dropped: tuple[str, ...]

    @property
    def extra_names(self) -> tuple[str, ...]:
        return tuple(self.names[index] for index in self.extra)


class LabelFile:
    """A label file; its columns are known at once, its lines are streamed."""

    def __init__(self, path: str, *, labels: bool = True) -> None:
        """Raises InputError if it cannot be read, or its columns are not right.

        Without `labels` it needs no column of them, and one that it has is not read.
        """
        self.path = path
        records = _records(path)
        header, first = (next(records, (0, list[str]()))[1] for _ in range(2))
        records.close()
        self.columns = _find_columns(path, header, first, labels=labels)

    def lines(self) -> Iterator[Line]:
        """Every line. Raises InputError, with its number, for one that is not right."""
        records = _records(self.path)
        next(records, None)
        for number, cells in records:
            try:
                yield self._line(number, cells)
            except ValueError as error:
                raise _wrong(self.path, number, str(error)) from None

    def _line(self, number: int, cells: Sequence[str]) -> Line:
        columns = self.columns
        if len(cells) != len(columns.names):
            raise ValueError(f"it has {len(cells)} cells, the header has {len(columns.names)}")
        return Line(
            number,
            inner_path(cells[columns.path]),
            None if columns.label is None else self._label(cells[columns.label].strip()),
            None if columns.split is None else _split(cells[columns.split].strip()),
            tuple(cells[index] for index in columns.extra),
        )

    def _label(self, value: str) -> str:
        assert self.columns.label is not None
        if not value:
            raise ValueError("it has no label")
        plural = self.columns.names[self.columns.label].lower() in _PLURALS
        if (_SEVERAL_IN_PLURAL if plural else _SEVERAL).search(value):
            raise ValueError(f"{value!r} looks like several labels; an image has one class here")
        return value


def is_label_file(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in DELIMITERS


def _split(value: str) -> str:
    split = split_name(value)
    if split is None:
        raise ValueError(f"{value!r} is no split; use train, val or test")
    return split


def _records(path: str) -> Generator[tuple[int, list[str]], None, None]:
    """(line number, cells) of every line that is not empty, the header first."""
    delimiter = DELIMITERS.get(os.path.splitext(path)[1].lower())
    if delimiter is None:
        raise InputError(
            f"the label file {path} ends in neither .csv nor .tsv",
            hint="Save it as comma-separated .csv or tab-separated .tsv.",
            path=path,
        )
    try:
        fd, _ = open_regular(path)
        with os.fdopen(fd, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter, strict=True)
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
    except OSError as error:
        raise InputError(
            f"the label file {path} cannot be read: {error.strerror}",
            hint="Check the path and its permissions.",
            path=path,
        ) from None
    except csv.Error as error:
        raise _wrong(path, reader.line_num, str(error)) from None


def _find_columns(
    path: str, header: Sequence[str], values: Sequence[str], *, labels: bool
) -> Columns:
    """Which column is which; `values`, those of the first line, help to explain a refusal."""
    names = [name.strip() for name in header]
    keys = [re.sub(r"[ -]+", "_", name.lower()) for name in names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise _wrong(path, 1, f"it names a column twice: {', '.join(repeated)}")
    found = next((key for key in PATH_COLUMNS if key in keys), None)
    if found is None:
        raise _wrong(path, 1, f"it names no column of paths; it has: {', '.join(names) or 'none'}")
    path_at, label_at = keys.index(found), _label_column(path, keys) if labels else None
    split_at = keys.index(SPLIT_COLUMN) if SPLIT_COLUMN in keys else None
    others = [i for i in range(len(names)) if i not in (path_at, label_at, split_at)]
    if labels and label_at is None:
        raise _no_labels(path, [names[i] for i in others], [values[i : i + 1] for i in others])
    return Columns(
        names=tuple(names),
        path=path_at,
        label=label_at,
        split=split_at,
        extra=tuple(i for i in others if keys[i] not in ROW_COLUMNS),
        dropped=tuple(names[i] for i in others if keys[i] in ROW_COLUMNS),
    )


def _label_column(path: str, keys: Sequence[str]) -> int | None:
    """The column of labels; of a number beside its name (as in `rows.csv`), the name."""
    found = [key for key in LABEL_COLUMNS if key in keys]
    pairs = [{"class", "label"}, *({key, f"{key}_name"} for key in LABEL_COLUMNS)]
    if set(found) in pairs:
        found = ["class" if set(found) == pairs[0] else max(found, key=len)]
    if len(found) > 1:
        raise _wrong(path, 1, f"it names several columns of labels: {', '.join(found)}")
    return keys.index(found[0]) if found else None


def _no_labels(path: str, others: Sequence[str], values: Sequence[Sequence[str]]) -> InputError:
    if len(others) > 1 and {value for cell in values for value in cell} <= _FLAGS:
        what = "a column for each class is several labels; an image has one class here"
    else:
        what = f"it names no column of labels; beside paths it has: {', '.join(others) or 'none'}"
    return _wrong(path, 1, what)


def _wrong(path: str, number: int, what: str) -> InputError:
    return InputError(
        f"{path}, line {number}: {what}",
        hint=f"It needs a header line with `path` and `label` (or {option('labels', 'none')}), "
        "a line an image.",
        path=path,
        line=number,
    )
