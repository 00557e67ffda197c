"""The class indices in `y.npy`, held to the classes that there are."""

import os

import numpy as np

from imgmem.core.arrays import Indices
from imgmem.core.chunks import row_ranges
from imgmem.core.storage import store
from imgmem.core.storage.record import Record

_AT_ONCE = 2**20


def read_labels(path: str, record: Record) -> Indices:
    """`y.npy` of the dataset at `path`, mapped: (N,) int64.

    Raises DatasetError, with the row, for an index that no class has, and where the file is not
    as the record says. Takes memory for some 10**6 indices.
    """
    name = os.path.join(path, store.LABELS)
    store.check_array(name, record.labels_header)
    labels: Indices = np.load(name, mmap_mode="r", allow_pickle=False)
    classes = len(record.classes or ())
    for start, stop in row_ranges(len(labels), _AT_ONCE):
        part = labels[start:stop]
        wrong = (part < 0) | (part >= classes)
        if wrong.any():
            row = int(wrong.argmax())
            what = f"row {start + row} has class index {part[row]}; there are {classes} classes"
            raise store.damaged(name, what)
    return labels


def count_labels(path: str, record: Record) -> dict[str, int] | None:
    """Class name → number of rows; None without classes. Raises DatasetError as above."""
    if record.classes is None:
        return None
    labels, counts = read_labels(path, record), np.zeros(len(record.classes), np.int64)
    for start, stop in row_ranges(len(labels), _AT_ONCE):
        counts += np.bincount(labels[start:stop], minlength=len(counts))
    return dict(zip(record.classes, counts.tolist(), strict=True))
