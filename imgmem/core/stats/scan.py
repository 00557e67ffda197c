"""The one pass over a dataset's features that `stats` makes.

Rows are read in windows of a few MiB into one buffer a thread: what is allocated does not
depend on their number.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core import forecast
from imgmem.core.chunks import ranges_between, rows_per_chunk
from imgmem.core.levels.histograms import PIXEL_VALUES, PixelSums, pixel_histograms
from imgmem.core.levels.moments import Moments, RowSums, Totals, row_sums
from imgmem.core.levels.to_uint8 import to_uint8
from imgmem.core.machine import memory
from imgmem.core.machine.pipeline import in_order
from imgmem.core.progress import STATISTICS, Progress, ProgressCallback, no_progress
from imgmem.core.read.dataset import Dataset, reader_for
from imgmem.core.specs import RunSpec

WINDOW_BYTES = forecast.SCAN_WINDOW_BYTES
_WINDOWS_PER_TASK = 4
"""Windows that a thread does between two hand-overs."""
HISTOGRAM_BYTES = 256 * 2**20
"""Levels are counted in every row of datasets with so many bytes of pixels, and of larger ones
only in rows, evenly spread, of about SAMPLE_BYTES: counting is several times the work of summing,
and this many draw the same curve."""
SAMPLE_BYTES = 64 * 2**20
SPLIT_ROWS = 100
"""But in so many rows of the smallest split at least, or in all of them."""


def plan_scan(dataset: Dataset, run: RunSpec) -> tuple[int, int]:
    """The memory budget in bytes, and the workers: as asked for, or as it has room for.

    Raises UsageError, with the floor, where the budget is too small.
    """
    budget = memory.budget(run.memory)
    workers = forecast.scan_workers(
        rows=len(dataset),
        row_bytes=dataset.record.features_header.row_bytes,
        floats=dataset.record.dtype != "uint8",
        workers=run.workers,
        cpus=memory.allowed_cpus(),
        budget=budget,
    )
    return budget, workers


@dataclass(slots=True)
class Counts:
    """What was found in a range of rows.

    sums: of the gray levels that the values stand for. histograms: (C, 256) counts of these
    levels in the rows whose number `histogram_step` divides.
    moments: of the values themselves, where they are floats.
    odd: rows (of the whole dataset) with NaN, ±Inf or values that stand for no gray level.
    classes: class index → sums of its gray levels, where they were asked for.
    """

    sums: PixelSums
    histograms: NDArray[np.int64]
    moments: Moments | None = None
    odd: list[int] = field(default_factory=list)
    classes: dict[int, PixelSums] = field(default_factory=dict)

    def add(self, other: "Counts") -> None:
        """Take in the counts of other rows; moments stay as they are."""
        self.sums += other.sums
        self.histograms += other.histograms
        self.odd += other.odd
        for label, sums in other.classes.items():
            self.classes[label] = self.classes[label] + sums if label in self.classes else sums


class Rows:
    """Windows of a dataset's rows as stored; each is valid until its thread reads the next."""

    def __init__(self, dataset: Dataset, at_once: int) -> None:
        self._read = reader_for(dataset, normalize=False)
        self._buffers = PerThread(lambda: self._read.empty(at_once))

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        """The rows start … stop - 1, (n, H, W, C)."""
        return self._read(np.arange(start, stop), self._buffers.get()[: stop - start])


class PerThread:
    """An array for each thread that asks for one, made once."""

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self._make = make
        self._own = threading.local()

    def get(self) -> NDArray[Any]:
        if not hasattr(self._own, "array"):
            self._own.array = self._make()
        array: NDArray[Any] = self._own.array
        return array


def histogram_step(dataset: Dataset) -> int:
    """Every how many rows the levels are counted: 1 for all but large datasets."""
    pixels = len(dataset) * prod(dataset.record.shape[1:])
    if pixels <= HISTOGRAM_BYTES:
        return 1
    inside = (
        stop - start
        for start, stop in dataset.splits.values()
        if dataset.start <= start < stop <= dataset.stop
    )
    smallest = min(inside, default=len(dataset))
    return max(1, min(-(-pixels // SAMPLE_BYTES), smallest // SPLIT_ROWS))


def scan(
    dataset: Dataset,
    start: int,
    stop: int,
    *,
    workers: int,
    by_class: bool = False,
    progress: ProgressCallback = no_progress,
) -> Counts:
    """Count everything in the rows start … stop - 1 of a dataset.

    by_class: also the gray levels of each class. The result does not depend on `workers`.
    """
    at_once = rows_per_chunk(dataset.record.features_header.row_bytes, WINDOW_BYTES)
    counter = _Counter(dataset, at_once, by_class=by_class)
    tasks = ranges_between(start, stop, at_once * _WINDOWS_PER_TASK)
    depth = dataset.record.shape[3]
    found = Counts(PixelSums.none(depth), np.zeros((depth, PIXEL_VALUES), np.int64))
    totals = Totals(depth)
    for part, last in in_order(counter, tasks, workers=workers, window=2 * workers):
        found.add(part)
        for sums in part.rows:
            totals.add(sums)
        progress(Progress(STATISTICS, last - dataset.start, len(dataset), "rows"))
    if dataset.record.dtype != "uint8":
        found.moments = totals.moments()
    return found


@dataclass(slots=True)
class _Part(Counts):
    """What was found in some windows; rows: sums over their float values, a row each."""

    rows: list[RowSums] = field(default_factory=list)

    def add_sums(
        self, pixels: NDArray[np.uint8], label: int | None, planes: NDArray[np.uint8]
    ) -> None:
        """Take in (P, C) pixels, of a class where `label` is one; planes: as of_pixels wants."""
        before = self.sums if label is None else self.classes.get(label)
        sums = PixelSums.of_pixels(pixels, planes, ends=not (before and before.have_all_ends))
        self.sums += sums
        if label is not None:
            self.classes[label] = before + sums if before else sums


class _Counter:
    """Counts a range of rows, window by window; called from the threads."""

    def __init__(self, dataset: Dataset, at_once: int, *, by_class: bool) -> None:
        self._rows = Rows(dataset, at_once)
        _, height, width, self._depth = dataset.record.shape
        plane = at_once * height * width
        self._planes = PerThread(lambda: np.empty((self._depth, plane), np.uint8))
        self._at_once = at_once
        self._normalization = dataset.record.normalization
        self._labels = dataset.labels if by_class else None
        self._first = dataset.start
        self._step = histogram_step(dataset)

    def __call__(self, rows: tuple[int, int]) -> tuple[_Part, int]:
        """The counts of the rows, and the row after the last."""
        part = _Part(PixelSums.none(self._depth), np.zeros((self._depth, PIXEL_VALUES), np.int64))
        for window in ranges_between(*rows, self._at_once):
            self._count(window, part)
        return part, rows[1]

    def _count(self, rows: tuple[int, int], part: _Part) -> None:
        """Add the counts of one window to `part`."""
        values = self._rows(*rows)
        levels = to_uint8(values, self._normalization)
        counted = levels[-rows[0] % self._step :: self._step]
        part.histograms += pixel_histograms(counted.reshape(-1, self._depth))
        for start, stop, label in self._runs(*rows):
            pixels = levels[start:stop].reshape(-1, self._depth)
            part.add_sums(pixels, label, self._planes.get())
        if values.dtype != np.uint8:
            part.rows.append(row_sums(values))
            part.odd += [rows[0] + odd for odd in self._odd(part.rows[-1]).tolist()]

    def _runs(self, first: int, last: int) -> Iterator[tuple[int, int, int | None]]:
        """(start, stop, class) of neighboring rows of one class, counted from `first`."""
        if self._labels is None:
            yield 0, last - first, None
            return
        labels = self._labels[first - self._first : last - self._first]
        ends = [*(np.flatnonzero(np.diff(labels)) + 1).tolist(), len(labels)]
        for start, stop in zip([0, *ends], ends, strict=False):
            yield start, stop, int(labels[start])

    def _odd(self, sums: RowSums) -> NDArray[np.int64]:
        """Which rows of a window hold values that no gray level becomes."""
        bounds = np.array([[0.0, 255.0]] * sums.count.shape[1])
        if self._normalization:
            offset, scale = (
                np.array(n)[:, None]
                for n in (self._normalization.offset, self._normalization.scale)
            )
            bounds = np.sort((bounds - offset) * scale, 1)
        slack = 1e-3 * (bounds[:, 1] - bounds[:, 0])
        outside = (sums.minimum < bounds[:, 0] - slack) | (sums.maximum > bounds[:, 1] + slack)
        return np.flatnonzero((outside | (sums.nan + sums.infinite > 0)).any(1))
