"""Several label tables as one: next to each other where they list the same images line by line,
else one below the other.

The files of CUB and CelebA are of the first kind (`images.txt`, `image_class_labels.txt`,
`train_test_split.txt`), a table for each split is of the second (`train.csv`, `val.csv`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import combinations, islice, zip_longest

from imgmem.core.errors import InputError
from imgmem.core.paths import is_address
from imgmem.core.sources.tables.dialect import looks_like_image
from imgmem.core.sources.tables.names import SPLIT_NAMES, folded
from imgmem.core.sources.tables.reader import SAMPLE_LINES, Record, Table, open_table
from imgmem.core.sources.words import split_meant

SPLIT = "split"
"""The column of the splits that the names of tables say."""
_MOST_LINES = 2**40
"""Lines of a table, so that the number of one says which table it is in."""

Keys = list[tuple[int, int]]
"""For each further table: the column of the first table and its own that are equal."""


def open_tables(paths: Sequence[str], *, columns: Sequence[str] = ()) -> Table:
    """Look at several tables, which are read as one.

    columns: names that the user gave to columns.
    Raises InputError for what `open_table` refuses, and where the tables do not fit together.
    """
    tables = [open_table(path, columns=columns) for path in paths]
    if len(tables) == 1:
        return tables[0]
    if padded := _padded(tables):
        return _stacked(padded)
    keys = [_key(tables[0], table) for table in tables[1:]]
    found = [key for key in keys if key is not None]
    if len(found) == len(keys) and not _repeat(tables, found):
        return _joined(tables, found)
    if _alike(tables):
        return _stacked(tables)
    raise _do_not_fit(tables)


def _repeat(tables: Sequence[Table], keys: Keys) -> bool:
    """Whether tables whose first lines are alike are of different images nevertheless: train.csv
    and val.csv with the same header, or with the same line numbers."""
    if not _alike(tables):
        return False
    if tables[0].has_header:
        return True
    images = all(_are_paths(table, range(len(table.names))) for table in tables)
    return images and not _are_paths(tables[0], [index for index, _ in keys])


def _do_not_fit(tables: Sequence[Table]) -> InputError:
    first = tables[0]
    for table in tables[1:]:
        theirs = {frozenset(_column(table, index)) for index in range(len(table.names))}
        same = [i for i in range(len(first.names)) if frozenset(_column(first, i)) in theirs]
        if any(_differ(_column(first, index)) for index in same):
            return InputError(
                f"{first.path} and {table.path} list the same images in another order",
                hint="Sort both by their common column, or make one table of them.",
                path=table.path,
            )
    return InputError(
        f"the tables {', '.join(table.path for table in tables)} do not fit together: they neither "
        "list the same images line by line nor have the same columns",
        hint="Give those that have labels, or make one table of them.",
        path=first.path,
    )


def split_lists(lists: Sequence[tuple[str, str]]) -> Table:
    """Lists of images, one or several for each split, as one table: (split, FILE) pairs."""
    from imgmem.core.sources.tables.columns import find_columns

    for split, path in lists:
        if not (is_address(path) or os.path.lexists(path)):
            raise InputError(
                f"there is no list {path} of the split {split}", hint="Check its path.", path=path
            )
    tables = [open_table(path) for _, path in lists]
    picked = [
        _picked(table, find_columns(table, labels=False).path, split)
        for table, (split, _) in zip(tables, lists, strict=True)
    ]
    return _below([path for _, path in lists], ("path", SPLIT), picked)


def _column(table: Table, index: int) -> list[str]:
    return [cells[index].strip() for _, cells in table.sample if index < len(cells)]


def _key(first: Table, table: Table) -> tuple[int, int] | None:
    """The columns of two tables whose cells differ from line to line and are equal in both: the
    first ones, those of one name, or names of images."""
    for index in range(len(first.names)):
        cells = _column(first, index)
        images = all(map(looks_like_image, cells))
        for other in range(len(table.names)):
            called = first.has_header and folded(first.names[index]) == folded(table.names[other])
            likely = images or called or index == other == 0
            if likely and _differ(cells) and _column(table, other) == cells:
                return index, other
    return None


def _differ(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells)


def _are_paths(table: Table, columns: Iterable[int]) -> bool:
    """Whether one of these columns holds names of image files."""
    return any(all(map(looks_like_image, _column(table, index))) for index in columns)


def _alike(tables: Sequence[Table]) -> bool:
    """Whether all have the same columns, those of images at the same place."""
    return len(set(map(_shape, tables))) == 1


def _shape(table: Table) -> tuple[object, ...]:
    images = tuple(_are_paths(table, [index]) for index in range(len(table.names)))
    return table.has_header, tuple(map(folded, table.names)), any(images) and images


# Next to each other --------------------------------------------------------------------------


def _joined(tables: Sequence[Table], keys: Keys) -> Table:
    first, *others = tables
    names = list(first.names)
    for table, (_, key) in zip(others, keys, strict=True):
        for index in range(len(table.names)):
            names += [_free(table, index, names)] if index != key else []
    read = partial(_side_by_side, tables, keys)
    with closing(read()) as records:
        sample = tuple(islice(records, SAMPLE_LINES))
    return Table(
        ", ".join(table.path for table in tables),
        tuple(names),
        has_header=any(table.has_header for table in tables),
        sample=sample,
        read=read,
        notes=_notes(tables),
        place=lambda number: f"{first.path}, line {number}",
    )


def _free(table: Table, index: int, names: Sequence[str]) -> str:
    """A name for a column that no other has; a number where it has no name."""
    if not table.has_header:
        return str(len(names) + 1)
    name = table.names[index]
    return f"{_stem(table.path)}.{name}" if name in names else name


def _side_by_side(tables: Sequence[Table], keys: Keys) -> Generator[Record, None, None]:
    with ExitStack() as stack:
        readers = [stack.enter_context(closing(table.records())) for table in tables]
        for (number, cells), *others in zip_longest(*readers, fillvalue=(0, ())):
            row = list(cells)
            for table, (_, more), (index, key) in zip(tables[1:], others, keys, strict=True):
                here = cells[index].strip() if cells else ""
                there = more[key].strip() if more else ""
                if here != there:
                    raise _out_of_step(tables[0], number, here, table, there)
                row += [cell for at, cell in enumerate(more) if at != key]
            yield number, row


def _out_of_step(first: Table, number: int, here: str, table: Table, there: str) -> InputError:
    return InputError(
        f"{first.path} and {table.path} do not list the same images in the same order: "
        f"line {number} is of {here!r} in the first, the same line of the other of {there!r}",
        hint="Sort both by their common column, or make one table of them.",
        path=table.path,
    )


# One below the other -------------------------------------------------------------------------


def _stacked(tables: Sequence[Table]) -> Table:
    """Tables of the same columns, with the splits that their names say, if they have no other.

    Tables of one name in several folders (train/metadata.jsonl, test/metadata.jsonl) are called
    like their folders, which their paths are relative to. So are paths that two tables of splits
    have: 1.jpg of train.csv is train/1.jpg, that of test.csv test/1.jpg.
    """
    first = tables[0]
    folders = [os.path.dirname(os.path.abspath(table.path)) for table in tables]
    stems = [_stem(table.path) for table in tables]
    called = stems if len(set(stems)) > 1 else list(map(os.path.basename, folders))
    meant = list(map(split_meant, called))
    has_splits = any(folded(name) in SPLIT_NAMES for name in first.names)
    names = first.names if has_splits or not any(meant) else (*first.names, SPLIT)
    top = os.path.commonpath(folders)
    above = [os.path.relpath(folder, top) if folder != top else "" for folder in folders]
    if not any(above) and all(meant) and _share_paths(tables):
        above = [str(split) for split in meant]
    readers: list[Reader] = [
        partial(
            _changed,
            table,
            folder=folder,
            more=(split or name,) if names != first.names else (),
        )
        for table, folder, split, name in zip(tables, above, meant, called, strict=True)
    ]
    below = _below([table.path for table in tables], names, readers)
    return replace(below, has_header=first.has_header, notes=_notes(tables))


Reader = Callable[[], Generator[Record, None, None]]


def _share_paths(tables: Sequence[Table]) -> bool:
    """Whether most of the first lines of two tables have their paths in common."""
    paths = [set(_column(t, at)) for t in tables if (at := _path_column(t)) is not None]
    return any(2 * len(a & b) >= min(len(a), len(b)) for a, b in combinations(paths, 2))


def _padded(tables: Sequence[Table]) -> list[Table]:
    """Tables for a split each, of which some lack columns that others have, with empty cells in
    their place: a test.csv that has only ids. [] for others."""
    meant = [split_meant(_stem(table.path)) for table in tables]
    widest = max(tables, key=lambda table: len(table.names))
    names = list(map(folded, widest.names))
    if "train" not in meant or None in meant or len(set(meant)) < 2 or _alike(tables):
        return []
    if not all(
        table.has_header and set(map(folded, table.names)) <= set(names) for table in tables
    ):
        return []
    return [_widened(table, widest.names) for table in tables]


def _widened(table: Table, names: tuple[str, ...]) -> Table:
    """A table with these columns, empty where it has none."""
    own = list(map(folded, table.names))
    places = [own.index(name) if name in own else None for name in map(folded, names)]

    def wide(record: Record) -> Record:
        number, cells = record
        return number, tuple("" if place is None else cells[place] for place in places)

    def read() -> Generator[Record, None, None]:
        with closing(table.records()) as records:
            yield from map(wide, records)

    return replace(table, names=names, sample=tuple(map(wide, table.sample)), read=read)


def _changed(table: Table, *, folder: str, more: tuple[str, ...]) -> Generator[Record, None, None]:
    """The records of a table with further cells; `folder` is put before relative paths."""
    path = _path_column(table) if folder else None
    for number, cells in table.records():
        row = [*cells, *more]
        if path is not None and not row[path].lstrip().startswith(("/", "\\")):
            row[path] = f"{folder}/{row[path]}"
        yield number, row


def _path_column(table: Table) -> int | None:
    from imgmem.core.sources.tables.columns import find_columns

    try:
        return find_columns(table, labels=False).path
    except InputError:
        return None


def _picked(table: Table, column: int, split: str) -> Reader:
    def read() -> Generator[Record, None, None]:
        for number, cells in table.records():
            yield number, (cells[column], split)

    return read


def _below(paths: Sequence[str], names: tuple[str, ...], readers: Sequence[Reader]) -> Table:
    def read() -> Generator[Record, None, None]:
        for at, reader in enumerate(readers):
            with closing(reader()) as records:
                yield from ((at * _MOST_LINES + number, cells) for number, cells in records)

    def place(number: int) -> str:
        at, line = divmod(number, _MOST_LINES)
        return f"{paths[at]}, line {line}"

    each = max(1, SAMPLE_LINES // len(paths))
    sample = []
    for reader in readers:
        with closing(reader()) as records:
            sample += list(islice(records, each))
    return Table(", ".join(paths), names, True, tuple(sample), read, place=place)


def _notes(tables: Sequence[Table]) -> tuple[str, ...]:
    return tuple(note for table in tables for note in table.notes)


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]
