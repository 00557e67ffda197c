"""A label table as columns and records, whatever file it is in."""

import csv
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from imgmem.core.errors import ImgmemError, InputError
from imgmem.core.sources.labeling import Doubt, require_certain
from imgmem.core.sources.tables import foreign, jsonl, parquet
from imgmem.core.sources.tables.dialect import (
    SEPARATED,
    Dialect,
    cells_of,
    find_dialect,
    looks_like_image,
)
from imgmem.core.sources.tables.header import header_of
from imgmem.core.sources.tables.text import open_text
from imgmem.core.text import counted

EXTENSIONS = frozenset({".csv", ".tsv", ".txt", ".lst", ".jsonl", ".parquet"})
SAMPLE_LINES = 1000
"""Of these first lines columns are known; all others are held to them."""
_MAX_LINE = 2**20

Record = tuple[int, Sequence[str]]
"""(line number, cells)"""


@dataclass(frozen=True)
class Table:
    """A table that was looked at: its columns are known, its records are streamed.

    names: of the columns; "1", "2" … where the table has no header. sample: the first
    records. read: starts reading all records. notes: how it was read, for the user.
    place: where the line of a number is, where the table is in several files.
    """

    path: str
    names: tuple[str, ...]
    has_header: bool
    sample: tuple[Record, ...]
    read: Callable[[], Generator[Record, None, None]]
    notes: tuple[str, ...] = field(default=())
    place: Callable[[int], str] | None = None

    @property
    def columns(self) -> list[tuple[str, ...]]:
        """The cells of the sample, column by column."""
        return list(zip(*(cells for _, cells in self.sample), strict=False))

    def line(self, number: int) -> str:
        """The file and the line of a record, for messages."""
        return self.place(number) if self.place else f"{self.path}, line {number}"

    def wrong(self, number: int, what: str) -> InputError:
        """The error for one line."""
        return _wrong(self.line(number), self.path, number, what)

    def records(self) -> Generator[Record, None, None]:
        """Every record. Raises InputError, with its line, for one of another width."""
        with closing(self.read()) as records:
            for number, cells in records:
                if len(cells) != len(self.names):
                    what = f"it has {counted(len(cells), 'cell')}, not {len(self.names)}"
                    raise self.wrong(number, what)
                yield number, cells


def is_table(path: str) -> bool:
    """Whether a file of this name is read as a label table."""
    return os.path.splitext(path)[1].lower() in EXTENSIONS


def names_images(path: str) -> bool:
    """Whether a file is a table with a column of image files, and another one."""
    try:
        table = open_table(path)
    except ImgmemError:
        return False
    named = any(all(map(looks_like_image, cells)) for cells in table.columns)
    return named and len(table.names) > 1


def open_table(path: str, *, columns: Sequence[str] = ()) -> Table:
    """Look at a label table.

    Args:
        path: Any file; its extension matters for .json, .jsonl and .parquet only.
        columns: Names that the user gave to columns: where the first line has them all, it
            is the header.

    Raises:
        InputError: It cannot be read, or is not a table.
    """
    if error := foreign.refused(path):
        raise error
    extension = os.path.splitext(path)[1].lower()
    if extension == ".parquet":
        names = parquet.names_of(path)
        return _structured(path, names, lambda: parquet.records(path, names))
    if extension in (".json", ".jsonl"):
        names = jsonl.names_of(path)
        return _structured(path, names, lambda: jsonl.records(path, names))
    return _open_text(path, columns)


def _structured(
    path: str, names: tuple[str, ...], read: Callable[[], Generator[Record, None, None]]
) -> Table:
    with closing(read()) as records:
        sample = tuple(islice(records, SAMPLE_LINES))
    return Table(path, names, has_header=True, sample=sample, read=read)


def _open_text(path: str, columns: Sequence[str]) -> Table:
    dialect = _dialect(path)
    with closing(_records(path, dialect)) as records:
        first = tuple(islice(records, SAMPLE_LINES))
    if not first:
        raise InputError(f"{path} is empty", hint="Give a table with at least one line.", path=path)
    header, why = header_of([cells for _, cells in first], columns)
    widest = max((len(cells) for _, cells in first[1:]), default=len(first[0][1]))
    names = header or tuple(str(number) for number in range(1, widest + 1))
    start = 1 if header else 0
    if len(first) == start:
        raise wrong(path, first[0][0], "it has no lines below its header")
    notes = [f"{os.path.basename(path)} is {SEPARATED[dialect.delimiter]}, {why}"]
    return Table(
        path,
        names,
        has_header=bool(header),
        sample=first[start:],
        read=lambda: _from(_records(path, dialect), start),
        notes=tuple(notes),
    )


def _dialect(path: str) -> Dialect:
    with open_text(path) as text:
        lines = islice(iter(lambda: text.readline(_MAX_LINE), ""), SAMPLE_LINES)
        return find_dialect(list(lines))


def _from(records: Generator[Record, None, None], start: int) -> Generator[Record, None, None]:
    with closing(records):
        yield from islice(records, start, None)


def _records(path: str, dialect: Dialect) -> Generator[Record, None, None]:
    number = dialect.skipped
    with open_text(path) as text:
        try:
            for number, cells in cells_of(islice(text, dialect.skipped, None), dialect.delimiter):
                yield number + dialect.skipped, cells
        except csv.Error as error:
            raise wrong(path, number + 1, str(error)) from None


def wrong(path: str, number: int, what: str) -> InputError:
    """The error for one line of a table that is being opened."""
    return _wrong(f"{path}, line {number}", path, number, what)


def _wrong(where: str, path: str, number: int, what: str) -> InputError:
    return InputError(
        f"{where}: {what}", hint="Fix the line, or remove it.", path=path, line=number
    )


def doubtful(doubt: Doubt) -> InputError:
    """The error for a doubt that leaves nothing to decide by."""
    try:
        require_certain([doubt])
    except InputError as error:
        return error
    raise AssertionError(doubt)
