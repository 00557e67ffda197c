"""`imgmem.open`: a finished dataset as NumPy arrays, read-only and under a shared lock."""

import operator
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from imgmem.core.arrays import Images, Indices, Labels
from imgmem.core.errors import UsageError
from imgmem.core.paths import local_path
from imgmem.core.read import preview
from imgmem.core.read.augment import Augmenter, Step
from imgmem.core.read.batch_reader import BatchReader
from imgmem.core.read.batches import Batches, threads_to_fill
from imgmem.core.read.convert import Normalize, plan_conversion
from imgmem.core.read.row_reader import RowReader
from imgmem.core.read.row_set import RowSet, joined, resolved
from imgmem.core.read.selection import choice_text, ranges_of
from imgmem.core.read.specs import (
    Balance,
    BatchDtype,
    BatchOptions,
    BatchSpec,
    Layout,
    Order,
    OrderSpec,
)
from imgmem.core.specs import ALL, SplitChoice
from imgmem.core.storage import durable, store
from imgmem.core.storage.csv_table import CsvTable
from imgmem.core.storage.labels import class_counts, read_labels
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.npy import HEADER_BYTES
from imgmem.core.storage.system import naming

_ORDER_FIELDS = ("block_rows", "window_blocks", "rank", "world_size", "drop_last")
"""The fields of an `OrderSpec` that are given as a `BatchSpec`'s."""


class RejectedFile(NamedTuple):
    """An image of the source that did not become a row, and why (a reason of `rejected.csv`)."""

    path: str
    reason: str


class Dataset:
    """A dataset, or some of its splits, opened for reading.

    `dataset[i]` returns (image, label), `dataset[2:5]` or `dataset[[7, 3]]` (images, labels);
    without labels the images alone. They are arrays of their own, (H, W, C) or (n, H, W, C),
    normalized where `imgmem normalize --on-read` has recorded how.

    It pickles as its path and opens again in the other process. While it is open,
    `normalize` refuses to change the dataset.

    Attributes:
        path: Absolute path of the dataset.
        split: The split that was asked for, the names of several joined by commas, or None.
        record: The contents of `dataset.json`.
    """

    def __init__(self, path: str | os.PathLike[str], split: SplitChoice = None) -> None:
        self.path = os.path.abspath(local_path(path, "DATASET"))
        split = None if split == ALL else split
        self._choice = split if isinstance(split, str | None) else tuple(split)
        self.split = choice_text(self._choice)
        store.require_directory(self.path)
        lock = Lock(self.path, exclusive=False)
        try:
            self.record = store.read_record(self.path)
            store.check_arrays(self.path, self.record)
            self._ranges = joined(ranges_of(self.record, self._choice))
            name = os.path.join(self.path, store.FEATURES)
            self._reader = RowReader(name, self.record.features_header, lock)
        except BaseException:
            lock.release()
            raise

    @property
    def start(self) -> int:
        """The first row in the file. Raises UsageError as `images` does."""
        return self._bounds[0]

    @property
    def stop(self) -> int:
        """The row after the last. Raises UsageError as `images` does."""
        return self._bounds[1]

    @property
    def _bounds(self) -> tuple[int, int]:
        if len(self._ranges) > 1:
            raise UsageError(
                f"the rows of {self.split!r} are not next to each other, so they are not one array",
                hint="Index the dataset, or use its batches: both read any rows.",
            )
        return self._ranges[0] if self._ranges else (0, 0)

    @cached_property
    def images(self) -> Images:
        """(N, H, W, C) as stored: a read-only memory map, uint8, uint16, float16 or float32.

        Raises UsageError for several splits that are not next to each other in the file.
        """
        start, stop = self._bounds
        self._reader.require_open()
        header = self._reader.header
        path = self._reader.path
        with naming(path):
            everything = np.memmap(path, header.dtype, "r", HEADER_BYTES, header.shape)
        everything.lock_held_by = self._reader  # type: ignore[attr-defined]
        return everything[start:stop]

    @cached_property
    def labels(self) -> Labels | None:
        """What is to be predicted, read-only; None without labels.

        (N,) int64 class indices; (N, K) uint8 flags where there may be several labels; (N,) or
        (N, T) float32 numbers. `target` says which.
        """
        if not self.record.labeled:
            return None
        everything = read_labels(self.path, self.record)
        parts = [everything[start:stop] for start, stop in self._ranges]
        if len(parts) == 1 and everything.ndim == 2:
            return np.asarray(parts[0])  # many bytes a row: they stay in the file
        labels = np.concatenate([everything[:0], *parts])
        labels.flags.writeable = False
        return labels

    @property
    def target(self) -> str | None:
        """What labels are: "class", "multilabel" or "number"; None without labels."""
        return self.record.kind

    @property
    def target_names(self) -> list[str]:
        """The names of the numbers; empty for other targets."""
        return list(self.record.target_names)

    @property
    def classes(self) -> list[str] | None:
        """Class names by class index; None without classes."""
        return None if self.record.classes is None else list(self.record.classes)

    @property
    def class_counts(self) -> Labels | None:
        """(K,) int64: rows of each class, where one may count in several; None without classes."""
        if self.labels is None or self.classes is None:
            return None
        return class_counts(self.labels, len(self.classes))

    @property
    def splits(self) -> dict[str, tuple[int, int]]:
        """Name → (start, stop) rows of the whole dataset."""
        return self.record.splits

    @property
    def normalization(self) -> store.Normalization | None:
        """What `imgmem normalize` did or recorded, or None."""
        return self.record.normalization

    def paths(self, rows: Any = None) -> list[str]:
        """The paths of the images that rows were made of, relative to the source.

        Args:
            rows: As an index of the dataset, or None for all.

        Returns:
            A path for each row, as `rows.csv` spells it.

        Raises:
            DatasetError: If `rows.csv` is missing or damaged.
            IndexError: As `dataset[rows]`.
        """
        return list(self.column("path", rows))

    def column(self, name: str, rows: Any = None) -> npt.NDArray[np.object_]:
        """A column of `rows.csv`.

        Args:
            name: As in the first line of `rows.csv`; `build` adds those of a label table.
            rows: As an index of the dataset, or None for all.

        Returns:
            (n,) the cells as text: a comparison such as `column("patient") == "p17"` is a mask.

        Raises:
            UsageError: If there is no such column.
            DatasetError: If `rows.csv` is missing or damaged.
            IndexError: As `dataset[rows]`.
        """
        columns = self._table.columns
        if name not in columns and "path" in columns:  # else it is damaged
            raise UsageError(
                f"{os.path.join(self.path, store.ROWS)} has no column {name!r}",
                hint=f"The columns are: {', '.join(columns)}.",
            )
        if rows is None and self._ranges == ((0, self.record.shape[0]),):
            return self._table.column(name)
        indices = resolved(slice(None) if rows is None else rows, len(self))
        return self._table.column(name, row_set(self).file_rows(indices))

    @cached_property
    def _table(self) -> CsvTable:
        return CsvTable(os.path.join(self.path, store.ROWS))

    def rejected(self) -> list[RejectedFile]:
        """The images of the source that did not become rows, with the reasons.

        Returns:
            (path, reason) of each, in the order of the source; none of them is in any split.
        """
        name = os.path.join(self.path, store.REJECTED)
        if not durable.exists(name):
            return []
        table = CsvTable(name)
        found = zip(table.column("path"), table.column("reason"), strict=True)
        return [RejectedFile(*each) for each in found]

    def __repr__(self) -> str:
        return preview.described(self)

    def _repr_html_(self) -> str:
        """The description with a sheet of some images, for notebooks."""
        return preview.page(self, self._stored_rows(preview.shown_rows(len(self))))

    def _stored_rows(self, indices: Indices) -> Images:
        return reader_for(self, normalize=False)(row_set(self).file_rows(indices))

    def __len__(self) -> int:
        return sum(stop - start for start, stop in self._ranges)

    def __getitem__(self, index: Any) -> Any:
        """One image or several, with their labels.

        Args:
            index: An integer, a slice, integers (negative ones count from the end), or a
                boolean for each row.

        Returns:
            (image, label), (images, labels), or images alone without labels.

        Raises:
            IndexError: As a NumPy array of as many rows does.
        """
        if hasattr(index, "__index__") and np.ndim(index) == 0:
            images = self._read(resolved([operator.index(index)], len(self)))
            return images[0] if self.labels is None else (images[0], self._label(index))
        indices = resolved(index, len(self))
        images = self._read(indices)
        return images if self.labels is None else (images, self.labels[indices])

    def _label(self, index: Any) -> Any:
        """An int, a float, or an array (K,) or (T,)."""
        assert self.labels is not None
        label = self.labels[index]
        return label.item() if label.ndim == 0 else label.copy()

    def _read(self, indices: Indices) -> Images:
        return self._default_reader(row_set(self).file_rows(indices))

    @cached_property
    def _default_reader(self) -> BatchReader:
        return reader_for(self)

    def batches(
        self,
        batch_size: int | Literal["auto"],
        *,
        order: Order = OrderSpec.order,
        seed: int = OrderSpec.seed,
        balanced: bool | Balance = OrderSpec.balanced,
        normalize: Normalize = True,
        dtype: BatchDtype | None = None,
        spec: BatchSpec = BatchSpec(),
        **options: Unpack[BatchOptions],
    ) -> Batches:
        """Batches of (images, labels), an epoch at a time; images alone without labels.

        Args:
            batch_size: Rows, or "auto" for as many as `spec.memory` allows.
            order: See `OrderSpec`; an epoch hands out every row exactly once unless `balanced`.
            seed: Decides random orders, with the number of the epoch.
            balanced: True or "oversample", "undersample", or False. See `OrderSpec`.
            normalize: True applies what `imgmem normalize --on-read` has recorded (of folds,
                with the constants of the rows that are trained on), False returns the values as
                stored, (mean, std) on the scale of the original values (0–255, or up to 65535
                for uint16) returns (value - mean) / std, and (mean, std, 1) is on the scale
                0 to 1, as torchvision has them. "standardize" and "minmax" take the
                constants of the rows that are trained on: those of a reader of "!fold3", the
                other folds for one of "fold3", else train. A choice of splits, e.g. "!fold3",
                standardizes with the constants of its rows.
            dtype: "uint8", "uint16", "float32" or "float16"; None for float32 (or as recorded)
                where normalized on read, else as stored.
            spec: How batches are handed out.
            options: Fields of `BatchSpec` by name; they replace those of `spec`.

        Returns:
            An iterable of (images (n, H, W, C) or (n, C, H, W), labels as `Dataset.labels`), with
            row numbers (n,) int64 at the end if `rows` is set.

        Raises:
            UsageError: For options that contradict each other or the dataset.
        """
        spec = replace(spec, **options)
        shared = {field: getattr(spec, field) for field in _ORDER_FIELDS}
        visiting = OrderSpec(order=order, seed=seed, balanced=balanced, **shared)
        conversion: dict[str, Any] = {"normalize": normalize, "dtype": dtype}
        reader = reader_for(
            self,
            **conversion,
            layout=spec.layout,
            augment=spec.augment,
            threads=threads_to_fill(spec.threads),
            compiled=True,
        )
        asked = {"order": order, "seed": seed, "balanced": balanced, "spec": spec} | conversion
        make_again = partial(self.batches, **asked)
        return Batches(row_set(self), reader, batch_size, visiting, spec, make_again)

    def close(self) -> None:
        """Release the dataset: `normalize` may change it then."""
        self._reader.close()

    def __reduce__(self) -> tuple[type["Dataset"], tuple[str, SplitChoice]]:
        return Dataset, (self.path, self._choice)

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(path: str | os.PathLike[str], split: SplitChoice = None) -> Dataset:
    """Open a dataset, or some of its splits, for reading.

    Args:
        path: The directory that `imgmem build` made.
        split: A split; several, as ["fold1", "fold2"]; all but one, as "!val" (where the name
            is a fold's, "!fold3" takes the other folds and no other split); or None for all
            rows. Rows keep the order of the file.

    Returns:
        The dataset, which keeps a shared lock until it is closed.

    Raises:
        InputError: If there is no dataset at `path`.
        DatasetError: If it is damaged, partially normalized, or being written to.
        UsageError: If there is no such split, or the splits contradict each other.
    """
    return Dataset(path, split)


def row_set(dataset: Dataset) -> RowSet:
    """The rows that orders are made of."""
    pixels = int(np.prod(dataset.record.shape[1:]))
    return RowSet(dataset._ranges, dataset.labels, pixels)


def reader_for(
    dataset: Dataset,
    *,
    normalize: Normalize = True,
    dtype: BatchDtype | None = None,
    layout: Layout = "NHWC",
    threads: int = 1,
    augment: Sequence[Step] = (),
    compiled: bool = False,
) -> BatchReader:
    """What fills batches from rows of the file; options as for `Dataset.batches`.

    compiled: worth it where many rows are read.
    """
    conversion = plan_conversion(
        dataset.record, normalize=normalize, dtype=dtype, layout=layout, split=dataset.split
    )
    _, *shape = dataset.record.shape
    stored = tuple(shape), conversion.stored, dataset.path
    augmenter = Augmenter(augment, *stored) if augment else None
    return BatchReader(dataset._reader, conversion, threads, augmenter, compiled=compiled)
