"""`imgmem.open`: a finished dataset as NumPy arrays, read-only and under a shared lock."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core import store
from imgmem.core.locks import Lock
from imgmem.core.npy import HEADER_BYTES


class Dataset:
    """A dataset, or one split of it, opened for reading.

    images: (N, H, W, C) read-only memory map, uint8 or float. labels: (N,) int64, or None.
    While it is open, `normalize` refuses to change the dataset.
    """

    def __init__(self, path: str | os.PathLike[str], split: str | None = None) -> None:
        self.path = os.path.abspath(path)
        self.split = split
        store.require_directory(self.path)
        self._lock = Lock(self.path, exclusive=False)
        self.record = store.read_record(self.path)
        store.check_arrays(self.path, self.record)
        self.start, self.stop = self.record.rows_of(split)

    @property
    def images(self) -> npt.NDArray[Any]:
        header = self.record.features_header
        name = os.path.join(self.path, store.FEATURES)
        everything = np.memmap(name, header.dtype, "r", HEADER_BYTES, header.shape)
        return everything[self.start : self.stop]

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        if self.record.classes is None:
            return None
        everything = np.load(os.path.join(self.path, store.LABELS), mmap_mode="r")
        return np.array(everything[self.start : self.stop])

    @property
    def classes(self) -> tuple[str, ...] | None:
        return self.record.classes

    @property
    def splits(self) -> dict[str, tuple[int, int]]:
        return self.record.splits

    @property
    def normalization(self) -> store.Normalization | None:
        return self.record.normalization

    def __len__(self) -> int:
        return self.stop - self.start

    def close(self) -> None:
        self._lock.release()

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
