"""`rows.csv`, read line by line: where rows came from."""

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from imgmem.core.rows.leak_hints import NamedRow
from imgmem.core.storage import store
from imgmem.core.storage.record import Record
from imgmem.core.storage.system import naming

ROW_COLUMNS = ("row", "split", "label", "class", "path", "width", "height", "digest")
"""The columns that every `rows.csv` starts with; that of notes and those of the label table
follow."""

_NUMBER, _SPLIT, _LABEL, _CLASS, _PATH, _WIDTH, _HEIGHT, _DIGEST = range(len(ROW_COLUMNS))


@dataclass(frozen=True, slots=True)
class RowOrigin:
    """Where a row came from: its line of `rows.csv`.

    split, class_name: None where there is none; the names of several classes are joined by "|".
    path: relative to the source, as escaped there. width, height: of the source, in pixels.
    digest: sha256 of its bytes, in hex. label: as text, class indices or numbers; None where
    there is none.
    """

    row: int
    split: str | None
    class_name: str | None
    path: str
    width: int
    height: int
    digest: str
    label: str | None = None

    @property
    def shown_label(self) -> str | None:
        """The class, the classes or the numbers, for people."""
        return self.class_name if self.class_name is not None else self.label


def sources_of(dataset: str, rows: Iterable[int]) -> dict[int, RowOrigin]:
    """Row → its line, for the given rows of the dataset at that path.

    Reads no further than the last of them, and holds no other line. Raises DatasetError
    where the file is damaged or too short.
    """
    return {origin.row: origin for origin in origins_of(dataset, sorted(set(rows)))}


def origins_of(dataset: str, rows: Iterable[int]) -> Iterator[RowOrigin]:
    """The origins of the given rows, ascending and each once, one after the other.

    Reads no further than the last of them. Raises DatasetError where the file is damaged or too
    short.
    """
    wanted = iter(rows)
    row = next(wanted, None)
    with _lines(dataset) as lines:
        for number, fields in enumerate(lines):
            if row is None:
                return
            if number == row:
                yield _source(fields, number)
                row = next(wanted, None)
    if row is not None:
        raise store.damaged(os.path.join(dataset, store.ROWS), f"it has no line for row {row}")


def all_origins(dataset: str) -> Iterator[RowOrigin]:
    """The origin of every row, in order. Raises DatasetError where the file is damaged."""
    with _lines(dataset) as lines:
        for number, fields in enumerate(lines):
            yield _source(fields, number)


def noted_origins(dataset: str, record: Record) -> Iterator[tuple[RowOrigin, str]]:
    """The origin of every row, in order, with its cell of notes, "" where there are none.

    Raises DatasetError where the file is damaged.
    """
    column = None if record.notes_column is None else len(ROW_COLUMNS)
    with _lines(dataset) as lines:
        for number, fields in enumerate(lines):
            yield _source(fields, number), "" if column is None else fields[column]


def further_columns(dataset: str, record: Record) -> tuple[str, ...]:
    """The columns of `rows.csv` that came with the source. DatasetError where it is damaged."""
    with _table(dataset) as lines:
        return tuple(further_of(next(lines, []), record))


def further_of(columns: Sequence[str], record: Record) -> Sequence[str]:
    """Which of the columns of `rows.csv` came with the source. Raises ValueError for others than
    imgmem writes."""
    known = [*ROW_COLUMNS, *([record.notes_column] if record.notes_column else [])]
    if list(columns[: len(known)]) != known:
        raise ValueError("its columns are not those that imgmem writes")
    return columns[len(known) :]


def named_rows(dataset: str, record: Record) -> Iterator[NamedRow]:
    """Every row as it is known by name, in order. Raises DatasetError where the file is damaged."""
    with _table(dataset) as lines:
        names = next(lines, [])
        first = len(names) - len(further_of(names, record))
        for fields in lines:
            label = fields[_CLASS] or fields[_LABEL] or None
            yield NamedRow(fields[_PATH], label, fields[_SPLIT], tuple(fields[first:]))


def paths_of(dataset: str, start: int, stop: int) -> Iterator[str]:
    """The paths of the rows start … stop - 1 of the dataset at that path.

    Raises DatasetError where the file is damaged or too short.
    """
    number = start - 1
    with _lines(dataset) as lines:
        for number, fields in enumerate(islice(lines, start, stop), start):
            yield _source(fields, number).path
    if number != stop - 1:
        raise store.damaged(os.path.join(dataset, store.ROWS), f"it has no line for row {stop - 1}")


@contextmanager
def _lines(dataset: str) -> Iterator[Iterator[list[str]]]:
    """The lines of `rows.csv` below its header; DatasetError for what goes wrong with them."""
    with _table(dataset) as lines:
        next(lines, None)
        yield lines


@contextmanager
def _table(dataset: str) -> Iterator[Iterator[list[str]]]:
    """The lines of `rows.csv`; DatasetError for what goes wrong with them."""
    name = os.path.join(dataset, store.ROWS)
    try:
        with (
            naming(name),
            open(name, encoding="utf-8", newline="", opener=store.open_regular) as file,
        ):
            yield csv.reader(file)
    except FileNotFoundError:
        raise store.damaged(name, "it is missing") from None
    except (ValueError, LookupError, csv.Error) as error:
        raise store.damaged(name, f"invalid contents ({error})") from None


def group_keys(dataset: str, record: Record) -> NDArray[np.uint64]:
    """A number for the group of each row of the dataset at that path, (N,); 0 for none.

    Raises DatasetError where `rows.csv` is damaged, or lacks the column of groups.
    """
    keys = np.zeros(record.shape[0], np.uint64)
    with _table(dataset) as lines:
        column = next(lines, []).index(record.group_column or "")
        for number, fields in enumerate(lines):
            keys[number] = _key(fields[column].strip())
    return keys


def _key(group: str) -> int:
    if not group:
        return 0
    digest = hashlib.blake2b(group.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


def _source(fields: list[str], number: int) -> RowOrigin:
    if int(fields[_NUMBER]) != number:
        raise ValueError(f"line {number + 2} is not row {number}")
    return RowOrigin(
        row=number,
        split=fields[_SPLIT] or None,
        class_name=fields[_CLASS] or None if fields[_LABEL] else None,
        path=fields[_PATH],
        width=int(fields[_WIDTH]),
        height=int(fields[_HEIGHT]),
        digest=fields[_DIGEST],
        label=fields[_LABEL] or None,
    )
