"""A sample as a folder of PNG files, written as it is read, that `build` takes again."""

import csv
import io
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import astuple, fields
from itertools import islice
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import row_ranges, rows_per_chunk
from imgmem.core.errors import ImgmemError, UsageError
from imgmem.core.levels.to_uint8 import to_uint8, to_whole
from imgmem.core.messages import option
from imgmem.core.paths import folded
from imgmem.core.read.dataset import Dataset, reader_for
from imgmem.core.rows.origins import RowOrigin, origins_of
from imgmem.core.sample.encode import encode
from imgmem.core.storage import durable, store
from imgmem.core.storage.record import Record
from imgmem.core.storage.system import naming
from imgmem.core.storage.targets import MULTILABEL, NUMBER, SEPARATOR, indices_in
from imgmem.core.text import composed

INSIDE = ".sample.new"
"""Where a folder that exists is filled, until it is complete; another one is next to its place, as
`.NAME.sample.new`."""
LABELS = "labels.csv"
_CHUNK_BYTES = 2**22
_CHUNK_ROWS = 1024
_NAME_BYTES = 150
"""Longer names are cut: most file systems have room for 255 bytes."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u2028-\u202e\ud800-\udfff]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
_NUMBERED = re.compile(r"\.row\d+$", re.IGNORECASE)

Rows = NDArray[np.int64]


def write_folder(dataset: Dataset, rows: Rows, folder: str, *, classes: Sequence[str]) -> None:
    """Write rows as PNG files named like their sources, with tables of them.

    Memory does not grow with the rows (a few numbers for each aside). The folder is complete or
    not there; one that exists must be empty.

    Args:
        dataset: The whole dataset.
        rows: Which, ascending, each once.
        folder: Where.
        classes: Those of the rows, for a folder of each; empty for files next to each other.

    Raises:
        UsageError: A class cannot be the name of a folder.
        ResourceError: It cannot be written.
    """
    _require_folder_names(classes)
    is_there = durable.is_directory(folder)  # a mount point, perhaps: it stays
    parent, name = os.path.split(folder)
    temporary = os.path.join(*((folder, INSIDE) if is_there else (parent, f".{name}{INSIDE}")))
    try:
        _move_back(folder)
        _discard(temporary)
        durable.mkdir(temporary)
        for name in classes:
            durable.mkdir(os.path.join(temporary, name))
        _fill(dataset, rows, temporary, by_class=bool(classes))
        for name in (*classes, ""):
            durable.sync_directory(os.path.join(temporary, name))
        _publish(temporary, folder, is_there=is_there)
    except BaseException:
        with suppress(OSError, ImgmemError):  # what cannot be removed now, the next run removes
            if not half_moved(folder):  # its list is what knows which files are to go back
                _discard(temporary)
        raise


def half_moved(folder: str) -> list[str]:
    """What an earlier sample, whose `rows.csv` is not yet there, has moved up into a folder."""
    inside = os.path.join(folder, INSIDE)
    if not durable.is_file(os.path.join(inside, store.ROWS)):
        return []
    names = {LABELS}
    with (
        suppress(csv.Error, ValueError),  # damaged: then nothing is known to be ours
        naming(os.path.join(inside, store.ROWS)),
        open(os.path.join(inside, store.ROWS), encoding="utf-8", newline="") as file,
    ):
        names |= {line[0].partition("/")[0] for line in islice(csv.reader(file), 1, None) if line}
    left = set(os.listdir(inside))
    return sorted(names & set(os.listdir(folder)) - left)


def _move_back(folder: str) -> None:
    """Undo what an earlier run could not."""
    for name in half_moved(folder):
        durable.rename(os.path.join(folder, name), os.path.join(folder, INSIDE, name))


def _discard(path: str) -> None:
    if durable.is_directory(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        durable.unlink(path)


def _publish(temporary: str, folder: str, *, is_there: bool) -> None:
    """Give what is complete its place; it goes back where that fails, so that the same command
    can be run again."""
    names = sorted(os.listdir(temporary), key=store.ROWS.__eq__)  # the list comes last
    places = [(os.path.join(temporary, name), os.path.join(folder, name)) for name in names]
    with ExitStack() as undo:
        for made, place in places if is_there else [(temporary, folder)]:
            durable.rename(made, place)
            undo.callback(durable.rename, place, made)
        durable.sync_directory(folder if is_there else os.path.dirname(folder) or ".")
        if is_there:
            durable.rmdir(temporary)
        undo.pop_all()


def _require_folder_names(classes: Sequence[str]) -> None:
    """UsageError where classes cannot be folders of these very names, on any computer."""
    seen = {store.ROWS, LABELS}
    for name in classes:
        if safe_name(name) != composed(name) or folded(name) in seen:
            raise UsageError(
                f"the class {name!r} cannot be the name of a folder everywhere",
                hint=f"Leave out {option('group', 'class')}: {LABELS} holds the classes then.",
            )
        seen.add(folded(name))


def safe_name(text: str) -> str:
    """A file name for any system, as like to `text` as can be; never empty, hidden or a path."""
    name = unicodedata.normalize("NFC", _UNSAFE.sub("_", text)).strip(" .")
    name = name.encode()[:_NAME_BYTES].decode(errors="ignore").rstrip(" .") or "_"
    return f"_{name}" if _DEVICE.fullmatch(name) else name


class _Place(NamedTuple):
    """folder: "" or that of the class. stem: the name of the file without its extension."""

    folder: str
    stem: str


def _place(origin: RowOrigin, *, by_class: bool) -> _Place:
    stem = os.path.splitext(origin.path.rsplit("/", 1)[-1])[0]
    return _Place(origin.class_name or "" if by_class else "", safe_name(stem))


def _key(place: _Place) -> int:
    folder, stem = (folded(part).encode() for part in place)
    return crc32(stem, crc32(folder)) << 32 | crc32(folder + b"/" + stem)


def _needs_number(dataset: Dataset, rows: Rows, *, by_class: bool) -> NDArray[np.bool_]:
    """(n,) which names others have too, or look like those that are numbered for it."""
    places = (_place(each, by_class=by_class) for each in origins_of(dataset.path, rows.tolist()))
    keys = np.fromiter(map(_key, places), np.uint64, len(rows))
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(counts[which] > 1)


def _name(origin: RowOrigin, numbered: bool, *, by_class: bool) -> str:
    folder, stem = _place(origin, by_class=by_class)
    if numbered or _NUMBERED.search(stem):
        stem = f"{stem}.row{origin.row}"
    return os.path.join(folder, stem + ".png")


def _fill(dataset: Dataset, rows: Rows, folder: str, *, by_class: bool) -> None:
    """Write the images and the tables into a new folder, chunk by chunk."""
    numbered = _needs_number(dataset, rows, by_class=by_class)
    origins = origins_of(dataset.path, rows.tolist())
    listed = _Table(
        os.path.join(folder, store.ROWS), ["file", *(f.name for f in fields(RowOrigin))]
    )
    tables: list[tuple[_Table, Callable[[RowOrigin], list[Any]]]] = [
        (listed, lambda origin: list(astuple(origin)))
    ]
    if dataset.target is not None and not by_class:
        labels = _Table(os.path.join(folder, LABELS), ["file", *_label_columns(dataset)])
        tables.append((labels, lambda origin: _label_cells(dataset, origin)))
    for part, pixels in _chunks(dataset, rows):
        found = list(islice(origins, len(pixels)))
        names = [
            _name(origin, bool(taken), by_class=by_class)
            for origin, taken in zip(found, numbered[part], strict=True)
        ]
        for name, image in zip(names, pixels, strict=True):
            _write_new(os.path.join(folder, name), encode(image, ".png"))
        for table, cells in tables:
            table.append([name, *cells(each)] for name, each in zip(names, found, strict=True))
    for table, _ in tables:
        table.close()


def _chunks(dataset: Dataset, rows: Rows) -> Iterator[tuple[slice, NDArray[Any]]]:
    """Which of the rows, and their pixels, (n, H, W, C) uint8 or uint16."""
    read = reader_for(dataset, normalize=False)
    row_bytes = dataset.record.features_header.row_bytes
    at_once = min(_CHUNK_ROWS, rows_per_chunk(row_bytes, _CHUNK_BYTES))
    for start, stop in row_ranges(len(rows), at_once):
        yield slice(start, stop), _exact(read(rows[start:stop]), dataset.record)


def _exact(stored: NDArray[Any], record: Record) -> NDArray[Any]:
    """The values of the files, 8 or 16 bits; floats that stand for none as they look."""
    return to_uint8(stored, record) if record.unscaled else to_whole(stored, record)


def _write_new(path: str, data: bytes) -> None:
    with durable.File(path, create=True) as file:
        file.pwrite(data, 0)
        file.sync()


class _Table:
    """A CSV file that is written line by line."""

    def __init__(self, path: str, header: list[str]) -> None:
        self._file, self._bytes = durable.File(path, create=True), 0
        self.append([header])

    def append(self, lines: Iterable[list[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(lines)
        data = text.getvalue().encode()
        self._file.pwrite(data, self._bytes)
        self._bytes += len(data)

    def close(self) -> None:
        self._file.sync()
        self._file.close()


def _label_columns(dataset: Dataset) -> list[str]:
    if dataset.target == MULTILABEL:
        return list(dataset.classes or ())
    return list(dataset.target_names) if dataset.target == NUMBER else ["label"]


def _label_cells(dataset: Dataset, origin: RowOrigin) -> list[Any]:
    """The labels of a row in the columns of the table."""
    if dataset.target == MULTILABEL:
        try:
            present = set(indices_in(origin.label or ""))
        except ValueError:
            name = os.path.join(dataset.path, store.ROWS)
            raise store.damaged(name, f"row {origin.row} has no list of classes") from None
        return [int(index in present) for index in range(len(dataset.classes or ()))]
    if dataset.target == NUMBER:
        return (origin.label or "").split(SEPARATOR)
    return [origin.class_name]
