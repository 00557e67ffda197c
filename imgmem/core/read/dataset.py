"""`imgmem.open`: a finished dataset as NumPy arrays, read-only and under a shared lock."""

import operator
import os
from functools import cached_property, partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from imgmem.core.read.batches import Batches, Rows, threads_to_fill
from imgmem.core.read.convert import Normalize, plan_conversion
from imgmem.core.read.gather import Gather, RowReader
from imgmem.core.specs import Balance, BatchDtype, BatchSpec, Layout, Order, OrderSpec
from imgmem.core.storage import store
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.npy import HEADER_BYTES

Images = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]


class Dataset:
    """A dataset, or one split of it, opened for reading.

    `dataset[i]` gives (image, label), `dataset[2:5]` or `dataset[[7, 3]]` (images, labels);
    without labels the images alone. They are arrays of their own, (H, W, C) or (n, H, W, C),
    normalized where `imgmem normalize --on-read` has recorded how.

    It pickles as its path and opens again in the other process. While it is open,
    `normalize` refuses to change the dataset.
    """

    def __init__(self, path: str | os.PathLike[str], split: str | None = None) -> None:
        self.path = os.path.abspath(path)
        self.split = split
        store.require_directory(self.path)
        lock = Lock(self.path, exclusive=False)
        try:
            self.record = store.read_record(self.path)
            store.check_arrays(self.path, self.record)
            self.start, self.stop = self.record.rows_of(split)
            name = os.path.join(self.path, store.FEATURES)
            self._reader = RowReader(name, self.record.features_header, lock)
        except BaseException:
            lock.release()
            raise

    @cached_property
    def images(self) -> Images:
        """(N, H, W, C) as stored: a read-only memory map, uint8, float16 or float32."""
        self._reader.require_open()
        header = self._reader.header
        everything = np.memmap(self._reader.path, header.dtype, "r", HEADER_BYTES, header.shape)
        everything.lock_held_by = self._reader  # type: ignore[attr-defined]
        return everything[self.start : self.stop]

    @cached_property
    def labels(self) -> Labels | None:
        """(N,) int64 class indices, read-only; None without labels."""
        if self.record.classes is None:
            return None
        everything = np.load(os.path.join(self.path, store.LABELS), mmap_mode="r")
        labels = np.array(everything[self.start : self.stop])
        labels.flags.writeable = False
        return labels

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names by class index."""
        return self.record.classes

    @property
    def class_counts(self) -> Labels | None:
        """(C,) int64: rows of each class."""
        if self.labels is None or self.classes is None:
            return None
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    @property
    def splits(self) -> dict[str, tuple[int, int]]:
        """Name → (start, stop) rows of the whole dataset."""
        return self.record.splits

    @property
    def normalization(self) -> store.Normalization | None:
        return self.record.normalization

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, index: Any) -> Any:
        """One image or several, with their labels. Raises IndexError like a NumPy array.

        index: an integer, a slice, integers (negative ones count from the end), or a
        boolean for each row.
        """
        if hasattr(index, "__index__") and np.ndim(index) == 0:
            images = self._gather(self.places([operator.index(index)]) + self.start)
            return images[0] if self.labels is None else (images[0], int(self.labels[index]))
        places = self.places(index)
        images = self._gather(places + self.start)
        return images if self.labels is None else (images, self.labels[places])

    def places(self, index: Any) -> Labels:
        """The rows that a slice, integers or booleans select, counted from 0; else IndexError."""
        if isinstance(index, slice):
            return np.arange(*index.indices(len(self)), dtype=np.int64)
        places = np.asarray(index)
        if places.dtype == np.bool_ and places.shape == (len(self),):
            return np.flatnonzero(places)
        if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
            raise IndexError("rows are selected by an integer, a slice, integers, or a mask")
        places = places.astype(np.int64)
        if places.size and not -len(self) <= places.min() <= places.max() < len(self):
            raise IndexError(f"a row is out of range: there are {len(self)}")
        return np.where(places < 0, places + len(self), places)

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
    ) -> Batches:
        """Batches of (images, labels), an epoch at a time; images alone without labels.

        batch_size: rows, or "auto" for as many as `spec.memory` allows.
        order, seed, balanced: see `OrderSpec`; an epoch hands out every row exactly once
        unless `balanced`.
        normalize: True applies what `imgmem normalize --on-read` has recorded, False
        gives the values as stored, (mean, std) in gray levels 0–255 gives (value - mean) / std.
        dtype: "uint8", "float32" or "float16"; None for float32 (or as recorded) where
        normalized on the way, else as stored.
        Raises UsageError for options that contradict each other or the dataset.
        """
        visiting = OrderSpec(
            order=order,
            seed=seed,
            balanced=balanced,
            block_rows=spec.block_rows,
            window_blocks=spec.window_blocks,
        )
        conversion: dict[str, Any] = {"normalize": normalize, "dtype": dtype}
        threads = threads_to_fill(spec.threads)
        gather = self.gather(**conversion, layout=spec.layout, threads=threads)
        asked = {"order": order, "seed": seed, "balanced": balanced, "spec": spec} | conversion
        make_again = partial(self.batches, **asked)
        return Batches(self.rows, gather, batch_size, visiting, spec, make_again)

    @property
    def rows(self) -> Rows:
        """The rows that orders are made of."""
        _, *row = self.record.shape
        return Rows(self.start, self.stop, self.labels, int(np.prod(row)))

    def gather(
        self,
        *,
        normalize: Normalize = True,
        dtype: BatchDtype | None = None,
        layout: Layout = "NHWC",
        threads: int = 1,
    ) -> Gather:
        """What fills batches from rows of the file; options as for `batches`."""
        conversion = plan_conversion(self.record, normalize=normalize, dtype=dtype, layout=layout)
        return Gather(self._reader, conversion, threads)

    @cached_property
    def _gather(self) -> Gather:
        return self.gather()

    def close(self) -> None:
        """Let go of the dataset: `normalize` may change it then."""
        self._reader.close()

    def __reduce__(self) -> tuple[type["Dataset"], tuple[str, str | None]]:
        return Dataset, (self.path, self.split)

    def __enter__(self) -> "Dataset":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open(path: str | os.PathLike[str], split: str | None = None) -> Dataset:
    """Open a dataset, or one split of it, for reading.

    Raises InputError if there is none at `path` or no such split, and DatasetError if it is
    damaged, in transition, or being written to.
    """
    return Dataset(path, split)
