"""Which rows of the features file a reader visits: those of a split, of several, or all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from imgmem.core.arrays import Indices, Labels
from imgmem.core.read.orders import EpochOrder, epoch_length, epoch_order
from imgmem.core.read.specs import OrderSpec

Ranges = Sequence[tuple[int, int]]
_Values = TypeVar("_Values", bound=NDArray[Any])


@dataclass(frozen=True)
class RowSet:
    """Rows of the features file, numbered from 0: those of each range in turn.

    ranges: (start, stop) of rows in the file, not empty and not adjacent to the next.
    labels: of each row, or None. pixels: values in a row.
    """

    ranges: tuple[tuple[int, int], ...]
    labels: Labels | None
    pixels: int

    @property
    def count(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

    def file_rows(self, indices: Indices) -> Indices:
        """The rows of the file at these indices."""
        return file_rows(self.ranges, indices)

    def indices(self, rows: Indices) -> Indices:
        """The indices of these rows of the file, which are all in the set."""
        starts, firsts = _starts(self.ranges)
        which = np.searchsorted(starts, rows, side="right") - 1
        found: Indices = rows - starts[which] + firsts[which]
        return found

    def taken(self, values: _Values) -> _Values:
        """Those of `values`, one for each row of the file, that are for rows of the set."""
        return taken(self.ranges, values)

    def length(self, spec: OrderSpec) -> int:
        """Rows that an epoch hands out."""
        return epoch_length(spec, self.count, self.labels)

    def order(self, spec: OrderSpec, epoch: int) -> EpochOrder:
        """The indices in the order in which an epoch visits them."""
        return epoch_order(spec, epoch, self.count, labels=self.labels, pixels=self.pixels)


def joined(ranges: Ranges) -> tuple[tuple[int, int], ...]:
    """The same rows in as few ranges as they form, in the order given."""
    found: list[tuple[int, int]] = []
    for start, stop in ranges:
        if start == stop:
            continue
        first = found.pop()[0] if found and found[-1][1] == start else start
        found.append((first, stop))
    return tuple(found)


def taken(ranges: Ranges, values: _Values) -> _Values:
    """Those of `values`, one for each row of the file, that are in the ranges."""
    if len(ranges) == 1:
        return values[slice(*ranges[0])]  # type: ignore[return-value]
    parts = [values[start:stop] for start, stop in ranges]
    return np.concatenate([values[:0], *parts])  # type: ignore[return-value]


def file_rows(ranges: Ranges, indices: Indices) -> Indices:
    """The rows of the file at these indices into all ranges, one after the other."""
    if len(ranges) == 1:
        return indices + ranges[0][0]
    starts, firsts = _starts(ranges)
    which = np.searchsorted(firsts, indices, side="right") - 1
    found: Indices = indices - firsts[which] + starts[which]
    return found


def _starts(ranges: Ranges) -> tuple[Indices, Indices]:
    """Of each range, none of them empty, the first row in the file, and its index."""
    starts = np.array([start for start, _ in ranges], np.int64)
    ends = np.cumsum([stop - start for start, stop in ranges], dtype=np.int64)
    return starts, np.concatenate([np.zeros(1, np.int64), ends])[:-1]


def resolved(index: Any, count: int) -> Indices:
    """Which of `count` rows a slice, integers or booleans select, from 0; else IndexError."""
    if isinstance(index, slice):
        return np.arange(*index.indices(count), dtype=np.int64)
    indices = np.asarray(index)
    if indices.dtype == np.bool_ and indices.shape == (count,):
        return np.flatnonzero(indices)
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise IndexError("rows are selected by an integer, a slice, integers, or a mask")
    indices = indices.astype(np.int64)
    if indices.size and not -count <= indices.min() <= indices.max() < count:
        raise IndexError(f"index out of range for dataset with {count} rows")
    return np.where(indices < 0, indices + count, indices)
