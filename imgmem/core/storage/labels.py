"""The targets in `y.npy`, held to what the record says that they are."""

import os
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from imgmem.core.arrays import Labels
from imgmem.core.chunks import row_ranges
from imgmem.core.storage import store
from imgmem.core.storage.record import Record
from imgmem.core.storage.system import naming
from imgmem.core.storage.targets import MULTILABEL, NUMBER

_AT_ONCE = 2**20
"""Values that are looked at together."""


def read_labels(path: str, record: Record) -> Labels:
    """`y.npy` of the dataset at `path`, mapped: as `Record.labels_header` says.

    Raises DatasetError, with the row, for a class index that no class has, a flag that is not 0
    or 1, or a number that is not finite, and where the file is not as the record says. Takes
    memory for some 10**6 values.
    """
    name = os.path.join(path, store.LABELS)
    store.check_array(name, record.labels_header)
    with naming(name):
        labels: Labels = np.load(name, mmap_mode="r", allow_pickle=False)
    for start, part in _parts(labels):
        wrong = _wrong(part, record)
        if wrong.any():
            row = int(wrong.argmax())
            raise store.damaged(name, f"row {start + row} has {_what(part[row], record)}")
    return labels


def _parts(labels: Labels) -> Iterator[tuple[int, Labels]]:
    """(first row, some rows) after one another, about _AT_ONCE values at a time."""
    for start, stop in row_ranges(len(labels), max(1, _AT_ONCE // (labels[:1].size or 1))):
        yield start, labels[start:stop]


def _wrong(part: Labels, record: Record) -> npt.NDArray[np.bool_]:
    """(n,) which rows cannot be."""
    if record.target == MULTILABEL:
        return np.asarray((part > 1).any(axis=1))
    if record.target == NUMBER:
        return np.asarray(~np.isfinite(part.reshape(len(part), -1)).all(axis=1))
    return np.asarray((part < 0) | (part >= len(record.classes or ())))


def _what(found: object, record: Record) -> str:
    if record.target == MULTILABEL:
        return "a flag that is not 0 or 1"
    if record.target == NUMBER:
        return "a number that is not finite"
    return f"class index {found}; there are {len(record.classes or ())} classes"


def count_labels(path: str, record: Record) -> dict[str, int] | None:
    """Class name → number of rows; None without classes. Raises DatasetError as above."""
    if record.classes is None:
        return None
    labels, counts = read_labels(path, record), np.zeros(len(record.classes), np.int64)
    for _, part in _parts(labels):
        counts += class_counts(part, len(counts))
    return dict(zip(record.classes, counts.tolist(), strict=True))


def row_classes(labels: Labels) -> list[list[int]]:
    """The classes of each row: one, several or, where labels are numbers, none."""
    if labels.dtype.kind == "f":
        return [[] for _ in labels]
    if labels.ndim == 2:
        return [np.flatnonzero(flags).tolist() for flags in labels]
    return [[label] for label in labels.tolist()]


def label_words(labels: Labels) -> npt.NDArray[np.uint32]:
    """(n, w) the flags or the numbers of each row as words, which are equal where those are."""
    if labels.dtype.kind == "f":
        return np.ascontiguousarray(labels + 0.0).reshape(len(labels), -1).view(np.uint32)
    packed = np.packbits(labels, axis=1)
    padded = np.zeros((len(packed), -(-packed.shape[1] // 4) * 4), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint32)


def class_counts(labels: Labels, classes: int) -> npt.NDArray[np.int64]:
    """(classes,) rows of each class, of class indices or of flags."""
    if labels.ndim == 2:
        return np.asarray(labels.sum(axis=0, dtype=np.int64))
    return np.bincount(labels, minlength=classes).astype(np.int64)
