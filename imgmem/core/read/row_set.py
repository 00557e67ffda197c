"""Which rows of the features file a reader visits: those of a split, of several, or all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imgmem.core.arrays import Indices, Labels
from imgmem.core.read.orders import EpochOrder, epoch_length, epoch_order
from imgmem.core.read.specs import OrderSpec

Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class RowSet:
    """Rows of the features file, numbered from 0: those of each range in turn.

    ranges: (start, stop) of rows in the file, not empty and not adjacent to the next.
    labels: (count,) class indices, or None. pixels: values in a row.
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


def file_rows(ranges: Ranges, indices: Indices) -> Indices:
    """The rows of the file at these indices into all ranges, one after the other."""
    if len(ranges) == 1:
        return indices + ranges[0][0]
    starts = np.array([start for start, _ in ranges], np.int64)
    ends = np.cumsum([stop - start for start, stop in ranges])
    which = np.searchsorted(ends, indices, side="right")
    firsts = starts - np.concatenate([np.zeros(1, np.int64), ends])[:-1]
    found: Indices = indices + firsts[which]
    return found
