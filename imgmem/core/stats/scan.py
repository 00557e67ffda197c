"""The one pass over a dataset's features that `stats` makes.

Rows are read in windows of a few MiB into one buffer per thread, so memory does not grow with
their number.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core import forecast
from imgmem.core.arrays import Images, Indices
from imgmem.core.chunks import ranges_between, rows_per_chunk
from imgmem.core.levels.histograms import PixelSums, no_counts, pixel_histograms
from imgmem.core.levels.moments import FloatSums, Moments, RowSums, row_sums
from imgmem.core.levels.to_uint8 import to_whole
from imgmem.core.machine import memory
from imgmem.core.machine.pipeline import in_order
from imgmem.core.progress import STATISTICS, Progress, ProgressCallback, no_progress
from imgmem.core.read.dataset import Dataset, reader_for, row_set
from imgmem.core.specs import RunSpec
from imgmem.core.storage.labels import row_classes

WINDOW_BYTES = forecast.SCAN_WINDOW_BYTES
_WINDOWS_PER_TASK = 4
"""Windows in one task of a thread."""
HISTOGRAM_BYTES = 256 * 2**20
"""Up to this many bytes of pixels histograms count every row, beyond it evenly spaced rows of about
SAMPLE_BYTES: counting is several times the work of summing, and this many draw the same curve."""
SAMPLE_BYTES = 64 * 2**20
SPLIT_ROWS = 100
"""But at least this many rows of the smallest split, or all of them."""


def plan_scan(dataset: Dataset, run: RunSpec) -> tuple[int, int]:
    """Decide how a dataset is scanned.

    Returns:
        The memory budget in bytes, and the number of workers: as given, or as it has room for.

    Raises:
        UsageError: The budget is below the floor, which the error names.
    """
    budget = memory.budget(run.memory)
    workers = forecast.scan_workers(
        rows=len(dataset),
        row_bytes=dataset.record.features_header.row_bytes,
        floats=dataset.record.features_header.dtype.kind == "f",
        histogram_bytes=_counts(dataset).nbytes,
        parts=len(dataset.splits) + 1,
        workers=run.workers,
        cpus=memory.allowed_cpus(),
        budget=budget,
    )
    return budget, workers


def _counts(dataset: Dataset) -> NDArray[np.int64]:
    return no_counts(dataset.record.shape[3], dataset.record.highest)


@dataclass(slots=True)
class ScanResult:
    """What was found in a range of rows.

    Attributes:
        sums: Of the whole numbers that the stored values stand for: pixel values 0-255, or those
            of uint16 files.
        histograms: (C, 256 or 65536) counts of these, in the rows whose number
            `histogram_step` divides.
        moments: Of the stored values, where they are floats.
        bad_rows: Rows (of the whole dataset) with NaN, Inf or values out of range.
        classes: Class index → sums of its pixel values, where they were asked for.
    """

    sums: PixelSums
    histograms: NDArray[np.int64]
    moments: Moments | None = None
    bad_rows: list[int] = field(default_factory=list)
    classes: dict[int, PixelSums] = field(default_factory=dict)

    @classmethod
    def none(cls, depth: int, highest: int) -> "ScanResult":
        """That of no rows with `depth` channels of values up to `highest`."""
        return cls(PixelSums.none(depth), no_counts(depth, highest))

    def add(self, other: "ScanResult") -> None:
        """Add what was found in other rows; moments stay as they are."""
        self.sums += other.sums
        self.histograms += other.histograms
        self.bad_rows += other.bad_rows
        for label, sums in other.classes.items():
            self.classes[label] = self.classes[label] + sums if label in self.classes else sums


class PerThread(threading.local):
    """An array of its own for each thread that uses it."""

    def __init__(self, make: Callable[[], NDArray[Any]]) -> None:
        self.array = make()  # Python calls this once in each thread


class WindowReader:
    """Reads windows of rows as stored; each is valid until its thread reads the next."""

    def __init__(self, dataset: Dataset, at_once: int) -> None:
        self._read = reader_for(dataset, normalize=False)
        self._buffer = PerThread(lambda: self._read.empty(at_once))

    def __call__(self, start: int, stop: int) -> Images:
        """The rows start … stop - 1, (n, H, W, C)."""
        return self._read(np.arange(start, stop), self._buffer.array[: stop - start])


def split_parts(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """The rows of the file that each split has in the dataset, where it has any, in their order."""
    ranges = row_set(dataset).ranges
    return {
        name: (start, stop)
        for name, (start, stop) in sorted(dataset.splits.items(), key=lambda part: part[1])
        if start < stop and any(first <= start < stop <= last for first, last in ranges)
    }


def histogram_step(dataset: Dataset) -> int:
    """Returns every how many rows histograms count: 1 for all but large datasets."""
    pixels = len(dataset) * prod(dataset.record.shape[1:])
    if pixels <= HISTOGRAM_BYTES:
        return 1
    parts = (stop - start for start, stop in split_parts(dataset).values())
    smallest = min(parts, default=len(dataset))
    return max(1, min(-(-pixels // SAMPLE_BYTES), smallest // SPLIT_ROWS))


def scan(
    dataset: Dataset,
    start: int,
    stop: int,
    *,
    workers: int,
    by_class: bool = False,
    progress: ProgressCallback = no_progress,
) -> ScanResult:
    """Compute all figures of the rows start … stop - 1 of a dataset.

    Args:
        dataset: The dataset.
        start: First row, of the whole dataset.
        stop: The row after the last.
        workers: Number of threads; the result does not depend on it.
        by_class: Also sum the pixel values of each class.
        progress: Called after each task.
    """
    at_once = rows_per_chunk(dataset.record.features_header.row_bytes, WINDOW_BYTES)
    scanner = _Scanner(dataset, at_once, by_class=by_class)
    tasks = ranges_between(start, stop, at_once * _WINDOWS_PER_TASK)
    depth = dataset.record.shape[3]
    found, floats = ScanResult.none(depth, dataset.record.highest), FloatSums(depth)
    rows_of_set = row_set(dataset)
    for part, rows, last in in_order(scanner, tasks, workers=workers, window=2 * workers):
        found.add(part)
        for sums in rows:
            floats.add(sums)
        done = int(rows_of_set.indices(np.array([last - 1]))[0]) + 1
        progress(Progress(STATISTICS, done, len(dataset), "rows"))
    if dataset.record.features_header.dtype.kind == "f":
        found.moments = floats.moments()
    return found


class _Scanner:
    """Scans a range of rows, window by window; called from the threads."""

    def __init__(self, dataset: Dataset, at_once: int, *, by_class: bool) -> None:
        self._windows = WindowReader(dataset, at_once)
        _, height, width, self._depth = dataset.record.shape
        plane = at_once * height * width
        self._planes = PerThread(lambda: np.empty((self._depth, plane), np.uint8))
        self._at_once = at_once
        self._record = dataset.record
        self._labels = dataset.labels if by_class else None
        self._rows = row_set(dataset)
        self._step = histogram_step(dataset)

    def __call__(self, rows: tuple[int, int]) -> tuple[ScanResult, list[RowSums], int]:
        """What is in the rows, the sums of each row of floats, and the row after the last."""
        found = ScanResult.none(self._depth, self._record.highest)
        floats = [self._scan(window, found) for window in ranges_between(*rows, self._at_once)]
        return found, [sums for sums in floats if sums], rows[1]

    def _scan(self, window: tuple[int, int], found: ScanResult) -> RowSums | None:
        """Add what is in one window to `found`; return the sums of its rows if they are floats."""
        stored = self._windows(*window)
        values = to_whole(stored, self._record)
        counted = values[-window[0] % self._step :: self._step]
        found.histograms += pixel_histograms(counted.reshape(-1, self._depth))
        for start, stop, classes in self._runs(*window):
            self._add_sums(values[start:stop].reshape(-1, self._depth), classes, found)
        if stored.dtype.kind == "u":
            return None
        sums = row_sums(stored)
        found.bad_rows += (window[0] + self._bad_rows(sums)).tolist()
        return sums

    def _add_sums(self, pixels: Images, classes: list[int], found: ScanResult) -> None:
        """Add (P, C) pixels, of these classes, to `found`."""
        before = [found.classes.get(label) for label in classes] or [found.sums]
        ends = not all(sums and sums.have_all_ends for sums in before)
        sums = PixelSums.of_pixels(pixels, self._planes.array, ends=ends)
        found.sums += sums
        for label in classes:
            found.classes[label] = found.classes[label] + sums if label in found.classes else sums

    def _runs(self, first: int, last: int) -> Iterator[tuple[int, int, list[int]]]:
        """(start, stop, classes) of neighboring rows of the same classes, counted from `first`."""
        if self._labels is None:
            yield 0, last - first, []
            return
        labels = self._labels[self._rows.indices(np.arange(first, last))]
        differ = labels[1:] != labels[:-1]
        differ = differ.any(axis=1) if differ.ndim == 2 else differ
        ends = [*(np.flatnonzero(differ) + 1).tolist(), len(labels)]
        starts = [0, *ends[:-1]]
        yield from zip(starts, ends, row_classes(labels[starts]), strict=True)

    def _bad_rows(self, sums: RowSums) -> Indices:
        """Which rows of a window hold NaN, Inf or values that no pixel value becomes."""
        odd = (sums.nan + sums.infinite > 0).any(1)
        if self._record.unscaled:
            return np.flatnonzero(odd)
        bounds = np.array([[0.0, self._record.highest]] * sums.count.shape[1])
        if done := self._record.normalization:
            offset, scale = (np.array(n)[:, None] for n in (done.offset, done.scale))
            bounds = np.sort((bounds - offset) * scale, 1)
        slack = 1e-3 * (bounds[:, 1] - bounds[:, 0])
        outside = (sums.minimum < bounds[:, 0] - slack) | (sums.maximum > bounds[:, 1] + slack)
        return np.flatnonzero(outside.any(1) | odd)
