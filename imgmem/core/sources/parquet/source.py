"""Parquet files as a source: the bytes of the images are in a column.

They cannot be read in place, for they are packed many at a time. So they are copied once, a few
rows in memory, to a nameless scratch file, and read from there.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, BinaryIO

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.base import Entry, Listing, Locator
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.changed import changed_inside
from imgmem.core.sources.grammar import as_glob, as_texts, roles
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.parquet.columns import ImageColumns, find_image_columns, image_columns
from imgmem.core.sources.parquet.files import (
    EXTENSION,
    configurations,
    files_in,
    memory_bytes,
    row_count,
    rows,
    schema_of,
    splits_of,
)
from imgmem.core.sources.scratch import explained, scratch_file
from imgmem.core.sources.selection import Selection
from imgmem.core.sources.tables.jsonl import as_text
from imgmem.core.specs import LabelSpec
from imgmem.core.units import format_bytes

PARQUET = "parquet"
_MUCH_MEMORY = 128 * 2**20
_NO_BYTES = "the row has no image bytes"
_NO_LABEL = "the row has no label"


def holds_images(path: str) -> bool:
    """Whether a Parquet file, or the first in a folder, has a column of images."""
    if os.path.isdir(path):
        names = files_in(path)
        return bool(names) and bool(image_columns(schema_of(os.path.join(path, names[0]))))
    return path.lower().endswith(EXTENSION) and bool(image_columns(schema_of(path)))


class ParquetSource:
    """The images of a Parquet file, or of all in a folder; locators are (offset, bytes)."""

    address = None

    def __init__(
        self, path: str, spec: LabelSpec = LabelSpec(), *, spool: str | None = None
    ) -> None:
        """Raises InputError for a damaged file, UsageError without pyarrow."""
        self._path = path
        self._spec = spec
        self._selection = Selection(spec.include, spec.exclude)
        self._catalogs = Catalogs()
        self._columns = self._find_columns()
        self._file: BinaryIO = scratch_file(spool)
        self._spool = spool
        self._offset = 0
        self._lock = threading.Lock()

    @property
    def spool_bytes(self) -> int:
        return self._offset

    @property
    def _names(self) -> list[str]:
        """The files that count, by their paths below the source."""
        if not os.path.isdir(self._path):
            return [os.path.basename(self._path)]
        return [name for name in files_in(self._path) if not self._selection.leaves_out(name)]

    def _whole(self, name: str) -> str:
        return os.path.join(self._path, name) if os.path.isdir(self._path) else self._path

    def _find_columns(self) -> dict[str, ImageColumns]:
        given = roles(self._spec.columns, "columns")
        labels = self._spec.labels == "folder"
        found = {
            name: find_image_columns(path, schema_of(path), given, labels=labels)
            for name in self._names
            for path in [self._whole(name)]
        }
        if len({(each.image, each.label, each.classes) for each in found.values()}) > 1:
            raise InputError(
                f"the files in {self._path} have different columns or classes",
                hint=f"Leave some of them out ({option('exclude')}), or name the columns: "
                f"{option('columns', 'image=NAME,label=NAME')}.",
                path=self._path,
            )
        return found

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        columns = next(iter(self._columns.values()))
        catalog = self._catalogs.filled(self._entries(), progress)
        labeled = columns.label is not None
        said = f"images from the column {columns.image}"
        said += f", labels from {columns.label}" if labeled else ", without labels"
        return Listing(
            entries=catalog,
            rule=PARQUET if labeled else "none",
            labeled=labeled,
            class_names=columns.classes,
            extra_columns=columns.extra,
            group_column=columns.group,
            notes=(said, *self._memory_notes(columns.image)),
            doubts=self._doubts(),
        )

    def _entries(self) -> Iterator[Entry]:
        self._file.seek(0)
        self._offset = 0
        splits = splits_of(list(self._columns))
        for name, columns in self._columns.items():
            yield from self._of_file(name, columns, splits[name])
        with explained(self._spool):
            self._file.flush()

    def _of_file(self, name: str, columns: ImageColumns, split: str | None) -> Iterator[Entry]:
        path = self._whole(name)
        mtime_ns = os.stat(path).st_mtime_ns
        digits = len(str(max(row_count(path) - 1, 0)))
        for number, row in enumerate(rows(path, columns.read)):
            cells = dict(zip(columns.read, row, strict=True))
            data = _bytes_of(cells[columns.image], nested=columns.nested)
            label = self._label(columns, cells)
            locator = self._locator(columns, data, label)
            if columns.split is not None:
                split = as_text(cells[columns.split]) or None
            yield Entry(
                name=f"{name}/{number:0{digits}}",
                size=len(data or b""),
                mtime_ns=mtime_ns,
                label=label,
                split=split if self._spec.auto_split else None,
                locator=locator,
                extra=tuple(as_text(cells[column]) for column in columns.extra),
            )

    def _label(self, columns: ImageColumns, cells: dict[str, Any]) -> str | None:
        """The class of a row: by its name where its number has one."""
        value = None if columns.label is None else cells[columns.label]
        if value is None or (isinstance(value, int) and value < 0):
            return None
        if columns.classes and isinstance(value, int):
            return columns.classes[value] if value < len(columns.classes) else None
        return as_text(value).strip() or None

    def _locator(self, columns: ImageColumns, data: bytes | None, label: str | None) -> Locator:
        """Where the image is in scratch space, to which it is written; or why it is a reject."""
        if data is None:
            return (files.MISSING, _NO_BYTES)
        with explained(self._spool):
            self._file.write(data)
        start, self._offset = self._offset, self._offset + len(data)
        if columns.label is not None and label is None:
            return (files.NO_LABEL, _NO_LABEL)
        return (start, len(data))

    def _memory_notes(self, column: str) -> list[str]:
        """What reading takes that no budget holds, where that is much."""
        takes = max(memory_bytes(self._whole(name), column) for name in self._columns)
        if takes <= _MUCH_MEMORY:
            return []
        return [
            f"reading takes about {format_bytes(takes)} of memory at first: the largest row group "
            "is read as a whole; write smaller ones (row_group_size=100) to take less"
        ]

    def _doubts(self) -> tuple[Doubt, ...]:
        """Several configurations of a dataset in one folder: they may hold the same images."""
        found = configurations(list(self._columns))
        if len(found) < 2:
            return ()
        remedies = tuple(
            Remedy({"exclude": (*as_texts(self._spec.exclude), *_others(found, each))},
                   f"only {each}")
            for each in found
        )  # fmt: skip
        evidence = f"the folders {', '.join(found)} look like configurations of one dataset"
        return (Doubt("configurations", evidence, remedies),)

    def read(self, name: str, locator: Locator) -> bytes:
        files.require_usable(locator)
        return self._read(int(locator[0]), int(locator[1]))

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        files.require_usable(locator)
        return self._read(int(locator[0]), min(length, int(locator[1])))

    def _read(self, offset: int, length: int) -> bytes:
        with self._lock:
            if not self._offset:  # it was not listed by this object
                deque(self._entries(), maxlen=0)
        return files.pread(self._file.fileno(), length, offset)

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return changed_inside(self._path)

    def close(self) -> None:
        self._catalogs.close()
        self._file.close()


def _others(found: dict[str, list[str]], kept: str) -> list[str]:
    return [as_glob(file) for name, paths in found.items() if name != kept for file in paths]


def _bytes_of(cell: Any, *, nested: bool) -> bytes | None:
    data = cell["bytes"] if nested and cell is not None else cell
    return data if isinstance(data, bytes) else None
