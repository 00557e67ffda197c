"""Parquet files as a source: the bytes of the images are in a column.

They cannot be read in place, for they are packed many at a time. So they are copied once, a few
rows in memory, to an unnamed scratch file, and read from there.
"""

import os
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from imgmem.core.errors import InputError, ResourceError
from imgmem.core.forecast import BASE_BYTES
from imgmem.core.messages import Message, option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.base import Entry, Listing, Locator
from imgmem.core.sources.below import paths_below
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.changed import changed_inside
from imgmem.core.sources.grammar import as_glob, as_texts, roles
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.parquet.columns import ImageColumns, find_image_columns, image_columns
from imgmem.core.sources.parquet.files import (
    EXTENSION,
    FileFacts,
    configurations,
    facts_of,
    rows,
    splits_of,
)
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.scratch import explained, scratch_file
from imgmem.core.sources.selection import NOT_SELECTED, Selection
from imgmem.core.sources.tables.jsonl import as_text
from imgmem.core.sources.tables.labels import doubt_of
from imgmem.core.specs import LabelSpec
from imgmem.core.storage import durable
from imgmem.core.units import format_bytes, in_mib

PARQUET = "parquet"
_LIBRARY_BYTES = 40 * 2**20
"""pyarrow at rest, and the few rows that are under way (measured: 20 to 30 MiB)."""
_MOST_DISTINCT = 100_000
"""Labels that are counted, to tell classes from numbers."""
_NO_BYTES = "the row has no image bytes"
_NO_LABEL = "the row has no label"


def open_parquet(
    path: str, spec: LabelSpec, *, spool: str | None = None, budget: int | None = None
) -> "ParquetSource | None":
    """The images of a Parquet file, or of all in a folder; None where the first has none.

    budget: bytes of memory that reading them may take; None for any.
    Raises InputError for a damaged file, UsageError without pyarrow.
    """
    name = next(iter(_names(path)), None)
    if name is None:
        return None
    first = facts_of(_whole(path, name))
    if not image_columns(first.schema):
        return None
    return ParquetSource(path, {name: first}, spec, spool=spool, budget=budget)


def _names(path: str) -> list[str]:
    """The Parquet files that `path` is or holds, by their paths below the source."""
    if durable.is_directory(path):
        return paths_below(path, EXTENSION)
    return [os.path.basename(path)] * path.lower().endswith(EXTENSION)


def _whole(path: str, name: str) -> str:
    return os.path.join(path, name) if os.path.isdir(path) else path


class ParquetSource:
    """The images of Parquet files; locators are (offset, bytes)."""

    address = None
    remote = False

    def __init__(
        self,
        path: str,
        known: Mapping[str, FileFacts],
        spec: LabelSpec,
        *,
        spool: str | None,
        budget: int | None,
    ) -> None:
        """known: facts of files that are known already, by name.

        Raises InputError for a damaged file.
        """
        self._path = path
        self._spec = spec
        self._budget = budget
        self._catalogs = Catalogs()
        self._selection = Selection(spec.include, spec.exclude)
        self._facts = {
            name: known[name] if name in known else facts_of(_whole(path, name))
            for name in _names(path)
            if not self._selection.leaves_out(name)
        }
        self._columns = self._find_columns()
        self._split_given = any(role == "split" for role, _ in roles(spec.columns, "columns"))
        self._file: BinaryIO = scratch_file(spool)
        self._spool = spool
        self._offset = self._left_out = 0
        self._labels: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def spool_bytes(self) -> int:
        return self._offset

    @property
    def memory_bytes(self) -> int:
        """What a listing takes at most, this process included."""
        return BASE_BYTES + _LIBRARY_BYTES + max(map(self._memory_of, self._columns), default=0)

    def _memory_of(self, name: str) -> int:
        return sum(self._facts[name].memory[column] for column in self._columns[name].read)

    def _find_columns(self) -> dict[str, ImageColumns]:
        given = roles(self._spec.columns, "columns")
        labels = self._spec.labels == "folder"
        found = {
            name: find_image_columns(_whole(self._path, name), facts.schema, given, labels=labels)
            for name, facts in self._facts.items()
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
        self._require_memory()
        catalog = self._catalogs.filled(self._entries(), progress)
        if not self._columns:
            return self._selection.noted(Listing(entries=catalog), self._path)
        columns = next(iter(self._columns.values()))
        labeled = columns.label is not None
        listing = Listing(
            entries=catalog,
            rule=PARQUET if labeled else "none",
            labeled=labeled,
            class_names=columns.classes,
            extra_columns=columns.extra,
            group_column=columns.group,
            memory_bytes=self.memory_bytes,
            ignored=Counter({NOT_SELECTED: self._left_out} if self._left_out else {}),
            notes=(_taken(columns),),
            doubts=self._doubts(),
        )
        return self._selection.noted(listing, self._path)

    def _require_memory(self) -> None:
        """ResourceError where the pages of a file, each read as a whole, take too much."""
        if self._budget is None or self.memory_bytes <= self._budget:
            return
        name = max(self._columns, key=self._memory_of)
        raise ResourceError(
            f"{_whole(self._path, name)} takes {format_bytes(self.memory_bytes)} of memory to be "
            f"read, more than the budget of {format_bytes(self._budget)}: it is packed in large "
            "pages, each of which is read as a whole",
            hint=f"Give {option('memory', in_mib(self.memory_bytes))}, or write the file again in "
            "smaller row groups: pyarrow.parquet.write_table(…, row_group_size=100).",
            path=_whole(self._path, name),
            needed_bytes=self.memory_bytes,
            budget_bytes=self._budget,
        )

    def _entries(self) -> Iterator[Entry]:
        self._file.seek(0)
        self._offset = self._left_out = 0
        self._labels.clear()
        splits = splits_of(list(self._columns))
        for name in self._columns:
            yield from self._of_file(name, splits[name])
        with explained(self._spool):
            self._file.flush()

    def _of_file(self, name: str, split: str | None) -> Iterator[Entry]:
        whole, columns, facts = _whole(self._path, name), self._columns[name], self._facts[name]
        mtime_ns = os.stat(whole).st_mtime_ns
        digits = len(str(max(facts.rows - 1, 0)))
        for number, row in enumerate(rows(whole, columns, facts)):
            path = f"{name}/{number:0{digits}}"
            if not self._selection.takes(path):
                self._left_out += 1
                continue
            cells = dict(zip(columns.read, row, strict=True))
            data = cells[columns.image]
            label = self._label(columns, cells)
            if label is not None and not columns.classes and len(self._labels) < _MOST_DISTINCT:
                self._labels[label] += 1
            locator = self._locator(columns, data, label)
            own = split
            if columns.split is not None and (split is None or self._split_given):
                own = as_text(cells[columns.split]) or None
            yield Entry(
                name=path,
                size=len(data or b""),
                mtime_ns=mtime_ns,
                label=label,
                split=own if self._spec.auto_split else None,
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

    def _locator(
        self, columns: ImageColumns, data: memoryview | None, label: str | None
    ) -> Locator:
        """Where the image is in scratch space, to which it is written; or why it is a reject."""
        if data is None:
            return (files.MISSING, _NO_BYTES)
        with explained(self._spool):
            size = self._file.write(data)
        start, self._offset = self._offset, self._offset + size
        if columns.label is not None and label is None:
            return (files.NO_LABEL, _NO_LABEL)
        return (start, size)

    def _doubts(self) -> tuple[Doubt, ...]:
        """Several configurations of a dataset in one folder: they may hold the same images; or
        labels that do not look like classes."""
        found = configurations(list(self._columns))
        if len(found) < 2:
            label = next(iter(self._columns.values())).label
            doubt = doubt_of(self._labels.items(), self._path, label or "")
            return () if doubt is None or self._spec.target else (doubt,)
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


def _taken(columns: ImageColumns) -> Message:
    """Which columns hold what, as a note."""
    said = f"images from the column {columns.image}"
    if columns.label is not None:
        return Message(f"{said}, labels from {columns.label}")
    if not columns.extra:
        return Message(f"{said}, without labels")
    label = option("columns", "label=NAME")
    return Message(f"{said}, without labels; {label} takes one of {listed(columns.extra)}")
