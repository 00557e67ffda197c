"""A dataset as a source, to be split or resized again: each row is an image.

A row is handed out as a binary PPM or PGM file (netpbm.sourceforge.net/doc/ppm.html): a
header of some bytes before the very pixel values, a normalization undone.
"""

import csv
import os
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from imgmem.core.errors import DatasetError, InputError, RejectedImage
from imgmem.core.messages import Message, option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.rows.origins import further_of
from imgmem.core.sources.base import Address, Entry, Listing, Locator
from imgmem.core.sources.blob import open_blob
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.changed import changed_inside
from imgmem.core.sources.files import COPIED, DROPPED, require_usable, unusable
from imgmem.core.sources.targets import label_set, number_row
from imgmem.core.specs import LabelSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.npy import HEADER_BYTES
from imgmem.core.storage.targets import CLASS, MULTILABEL, NUMBER, SEPARATOR, indices_in

if TYPE_CHECKING:
    from imgmem.core.levels import lookup
    from imgmem.core.storage.record import Record


def is_dataset(path: str) -> bool:
    """Whether a folder is meant as a dataset; a `dataset.json` alone may be anything's."""
    names = (store.RECORD, store.FEATURES, store.MOVED)
    record, features, moved = (durable.exists(os.path.join(path, name)) for name in names)
    return record and (features or moved)


def _require_whole_values(path: str, record: "Record") -> None:
    """Raises InputError for rows that no image file holds, or that do not invert to one."""
    done = record.normalization
    if record.unscaled or (done is not None and done.is_final):
        what = "unscaled floats" if record.unscaled else "rounded 16-bit values (float16)"
        raise InputError(
            f"{path} holds {what}, and cannot be a source",
            hint="Build from the images that it was made from.",
        )


Dropped = Mapping[int, tuple[str, str]]
"""Row → why it is left out: a reason and its detail."""


def copied_rows(path: str, spec: LabelSpec, dropped: Dropped) -> "DatasetSource":
    """A dataset whose rows are to be copied as they are, less those that are `dropped`."""
    return DatasetSource(
        path, labels=spec.labels == "folder", auto_split=spec.auto_split, dropped=dropped
    )


class DatasetSource:
    """The rows of the dataset at `path`; locators are (row,), or begin with `COPIED` or `DROPPED`.
    It is locked against writers."""

    spool_bytes = 0
    remote = False

    def __init__(
        self,
        path: str,
        *,
        labels: bool = True,
        auto_split: bool = True,
        dropped: Dropped | None = None,
    ) -> None:
        """dropped: the rows to leave out, where the others are to be copied as they are.

        Raises InputError or DatasetError if it is not a dataset that is whole.
        """
        self._path = self.path = path
        self._dropped = dropped
        self._auto_split = auto_split
        self._lock = Lock(path, exclusive=False)
        try:
            self.record = store.read_record(path)
            store.check_arrays(path, self.record)
            self._columns = self._read_columns()
            self._blob = open_blob(os.path.join(path, store.FEATURES))
        except BaseException:
            self._lock.release()
            raise
        rows, height, width, depth = self.record.shape
        highest = self.record.highest
        self._rows = self.rows = rows
        self._image_header = f"P{6 if depth == 3 else 5}\n{width} {height}\n{highest}\n".encode()
        self._size = f"{height}×{width}"
        self._labeled = labels and self.record.labeled
        self._target = (self.record.target or CLASS) if self._labeled else CLASS
        self._catalogs = Catalogs()

    @property
    def address(self) -> Address:
        return Address("dataset", os.path.abspath(self._path))

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        _require_whole_values(self.path, self.record)
        classes = (self.record.classes or ()) if self._labeled else ()
        notes = [f"took the {self._rows} rows of a dataset as images of {self._size}"]
        if classes != tuple(sorted(classes, key=os.fsencode)):
            notes.append(
                Message(f"to reuse the class indices, give {option('classes', self._path)}")
            )
        return Listing(
            entries=self._catalogs.filled(self._entries(), progress),
            rule="dataset" if self._labeled else "none",
            labeled=self._labeled,
            target=self._target,
            target_names=self.record.target_names if self._target == NUMBER else (),
            class_names=classes,
            extra_columns=self._extra_columns,
            notes=tuple(notes),
        )

    def _entries(self) -> Iterator[Entry]:
        rows = 0
        for rows, cells in enumerate(self._lines(), 1):
            if len(cells) != len(self._columns):
                raise self._damaged(f"row {rows - 1} has {len(cells)} cells")
            yield self._entry(rows - 1, dict(zip(self._columns, cells, strict=True)))
        if rows != self._rows:
            raise self._damaged(f"it lists {rows} rows, the features have {self._rows}")

    def _entry(self, row: int, cells: dict[str, str]) -> Entry:
        header = self.record.features_header
        return Entry(
            name=cells["path"],
            size=len(self._image_header)
            + header.row_bytes // header.dtype.itemsize * self._value_bytes,
            mtime_ns=self._blob.mtime_ns,
            label=self._label(row, cells) if self._labeled else None,
            split=(cells["split"] or None) if self._auto_split else None,
            locator=self._locator(row, cells),
            extra=tuple(cells[name] for name in self._extra_columns),
        )

    def _locator(self, row: int, cells: dict[str, str]) -> Locator:
        if self._dropped is None:
            return (row,)
        if row in self._dropped:
            return (DROPPED, row, *self._dropped[row])
        return (COPIED, row, cells["digest"], cells.get(self.record.notes_column or "", ""))

    def _label(self, row: int, cells: dict[str, str]) -> str:
        """The label of a row. Raises DatasetError for one that cannot be."""
        if self._target == CLASS:
            return cells["class"]
        classes = self.record.classes or ()
        try:
            if self._target == MULTILABEL:
                return label_set(classes[index] for index in indices_in(cells["label"]))
            label = number_row(cells["label"].split(SEPARATOR))
        except (ValueError, LookupError):
            label = None
        if label is None:
            raise self._damaged(f"row {row} has the label {cells['label']!r}")
        return label

    def _read_columns(self) -> tuple[str, ...]:
        lines = self._lines(first=0)
        columns = tuple(next(lines, ()))
        lines.close()
        try:
            self._extra_columns = tuple(further_of(columns, self.record))
        except ValueError as error:
            raise self._damaged(str(error)) from None
        return columns

    def _lines(self, first: int = 1) -> Generator[list[str], None, None]:
        """The cells of each line of rows.csv, from the line `first`."""
        try:
            with open(self._rows_name, encoding="utf-8", newline="") as file:
                for number, cells in enumerate(csv.reader(file, strict=True)):
                    if number >= first:
                        yield cells
        except FileNotFoundError:
            raise self._damaged("it is missing") from None
        except OSError as error:
            raise unusable(error, f"{self._rows_name} cannot be read", self._rows_name) from None
        except (UnicodeError, csv.Error) as error:
            raise self._damaged(str(error)) from None

    @property
    def _rows_name(self) -> str:
        return os.path.join(self._path, store.ROWS)

    def _damaged(self, what: str) -> DatasetError:
        return store.damaged(self._rows_name, what)

    def read(self, name: str, locator: Locator) -> bytes:
        return self._image_header + self.values(locator).astype(f">u{self._value_bytes}").tobytes()

    def values(self, locator: Locator) -> "lookup.Whole":
        """The original values of a row, flat. Raises RejectedImage where it has none."""
        require_usable(locator)
        row = locator[1] if locator[0] in (COPIED, DROPPED) else locator[0]
        return self.values_of(int(row), 1)

    def values_of(self, first: int, count: int) -> "lookup.Whole":
        """The original values of `count` rows, flat. Raises RejectedImage where one has none."""
        header = self.record.features_header
        offset = HEADER_BYTES + first * header.row_bytes
        data = self._blob.image(count * header.row_bytes, offset)
        return self._whole(np.frombuffer(data, header.dtype))

    @property
    def _value_bytes(self) -> int:
        return 2 if self.record.highest > 255 else 1

    def _whole(self, stored: "lookup.Values") -> "lookup.Whole":
        """The original values of a flat row. Raises RejectedImage for values that are of none."""
        from imgmem.core.levels import lookup  # needs OpenCV, which listing does not
        from imgmem.core.levels.to_uint8 import to_whole_exact

        if stored.dtype.kind == "u" or self.record.unscaled:
            return stored
        whole = np.empty(len(stored), f"u{self._value_bytes}")
        normalization = self.record.normalization
        if normalization is None:
            exact = to_whole_exact(stored, whole)
        else:
            lookup.restore(stored, normalization, 0, whole)
            again = np.empty_like(stored)
            lookup.apply(whole, lookup.table(normalization), 0, again)
            exact = np.array_equal(again, stored)
        if not exact:
            raise RejectedImage("corrupt", "the row has values that are not pixel values")
        return whole

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self.read(name, locator)[:length]

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return changed_inside(self.path)

    def close(self) -> None:
        self._catalogs.close()
        self._blob.close()
        self._lock.release()
