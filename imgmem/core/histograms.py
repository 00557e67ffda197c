"""One streaming pass over images: exact histograms of uint8, stable sums of floats.

The features are read through their memory map in windows of a few MiB, whose pages are the
page cache's, not ours; what is allocated does not depend on the number of rows. Results do
not depend on the windows or the number of workers: counts of whole numbers are exact, and
sums of floats are taken row by row in row order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import row_ranges, rows_per_chunk
from imgmem.core.memory import allowed_cpus
from imgmem.core.pipeline import in_order
from imgmem.core.progress import Progress, Report, silent
from imgmem.core.specs import RunSpec

LEVELS = 256
PHASE = "statistics"
WINDOW_BYTES = 2 * 2**20
"""Fits the second-level cache, since every channel is a pass of its own; and below the 2**24
pixels up to which the float32 counts of `cv2.calcHist` are exact."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Per-channel figures over the finite values of float images, all (C,) arrays.

    count: finite values. mean, std (population), minimum, maximum: float64, NaN where count
    is 0. nan, infinite: how many values are NaN or ±Inf.
    """

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    nan: NDArray[np.int64]
    infinite: NDArray[np.int64]


def channel_histograms(
    images: NDArray[np.uint8], *, run: RunSpec | None = None, report: Report = silent
) -> NDArray[np.int64]:
    """How often each grey level 0–255 occurs in each channel.

    images: (N, H, W, C) uint8, C-contiguous, usually a memory map. Gives (C, 256) int64.
    """
    rows, height, width, depth = images.shape
    pixels = images.reshape(-1, depth)
    windows = row_ranges(len(pixels), rows_per_chunk(depth, WINDOW_BYTES))
    counts = np.zeros((depth, LEVELS), np.int64)
    done = 0
    for part in _each(lambda window: pixel_histograms(pixels[slice(*window)]), windows, run):
        counts += part
        done += int(part[0].sum())
        report(Progress(PHASE, done // (height * width), rows, "rows"))
    return counts


def pixel_histograms(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(C, 256) counts of the levels in (P, C) pixels, P < 2**24 (see WINDOW_BYTES)."""
    depth = pixels.shape[1]
    plane = [pixels.reshape(1, -1, depth)]
    parts = [cv2.calcHist(plane, [c], None, [LEVELS], [0, LEVELS]) for c in range(depth)]
    return np.stack(parts).reshape(depth, LEVELS).astype(np.int64)


def mean_std(
    histograms: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and population standard deviation of each channel, on the 0–255 scale.

    histograms: (C, 256) counts. Both are (C,) float64, NaN where a channel has no pixels.
    Whole-number arithmetic up to the last division and root, so nothing depends on an order.
    """
    figures = [_mean_std([int(count) for count in channel]) for channel in histograms]
    means, stds = zip(*figures, strict=True)
    return np.array(means), np.array(stds)


def _mean_std(counts: list[int]) -> tuple[float, float]:
    """var = (n·Σv² − (Σv)²) / n², all in Python's unbounded integers."""
    n = sum(counts)
    if n == 0:
        return float("nan"), float("nan")
    total = sum(level * count for level, count in enumerate(counts))
    squares = sum(level * level * count for level, count in enumerate(counts))
    return total / n, sqrt(n * squares - total * total) / n


def float_moments(
    images: NDArray[np.floating[Any]], *, run: RunSpec | None = None, report: Report = silent
) -> Moments:
    """Per-channel moments of float images, over their finite values.

    images: (N, H, W, C) float16, float32 or float64, usually a memory map.
    """
    rows = len(images)
    step = rows_per_chunk(max(1, prod(images.shape[1:])) * images.dtype.itemsize, WINDOW_BYTES)
    total = _Totals(images.shape[-1])
    done = 0
    for part in _each(lambda w: _row_sums(images[slice(*w)]), row_ranges(rows, step), run):
        total.add(part)
        done += len(part.sums)
        report(Progress(PHASE, done, rows, "rows"))
    return total.moments()


@dataclass(frozen=True, slots=True)
class _RowSums:
    """(rows, C) sums of each row: float64 sums, squares, extremes; int64 counts."""

    count: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    nan: NDArray[np.int64]
    infinite: NDArray[np.int64]


class _Totals:
    """Sums over all rows, each row added in turn, so that windows leave no trace."""

    def __init__(self, depth: int) -> None:
        self._count, self._nan, self._infinite = (np.zeros(depth, np.int64) for _ in range(3))
        self._sums, self._squares = (np.zeros(depth) for _ in range(2))
        self._minimum, self._maximum = np.full(depth, np.inf), np.full(depth, -np.inf)

    def add(self, part: _RowSums) -> None:
        self._count += part.count.sum(0)
        self._nan += part.nan.sum(0)
        self._infinite += part.infinite.sum(0)
        # cumsum adds strictly one by one, where sum may group rows as it likes
        self._sums = np.cumsum([self._sums, *part.sums], 0)[-1]
        self._squares = np.cumsum([self._squares, *part.squares], 0)[-1]
        self._minimum = np.minimum(self._minimum, part.minimum.min(0))
        self._maximum = np.maximum(self._maximum, part.maximum.max(0))

    def moments(self) -> Moments:
        empty = self._count == 0
        n = np.maximum(self._count, 1)
        mean = self._sums / n
        variance = np.maximum(self._squares / n - mean * mean, 0)
        variance[self._minimum == self._maximum] = 0  # a constant has no rounding error
        return Moments(
            count=self._count,
            mean=np.where(empty, np.nan, mean),
            std=np.where(empty, np.nan, np.sqrt(variance)),
            minimum=np.where(empty, np.nan, self._minimum),
            maximum=np.where(empty, np.nan, self._maximum),
            nan=self._nan,
            infinite=self._infinite,
        )


def _row_sums(images: NDArray[np.floating[Any]]) -> _RowSums:
    """The sums of each of a few rows (n, H, W, C)."""
    parts = [_sums_of_row(image) for image in images]
    return _RowSums(*(np.stack(column) for column in zip(*parts, strict=True)))


def _sums_of_row(image: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], ...]:
    """count, sums, squares, minimum, maximum, nan, infinite of one (H, W, C) image, each (C,)."""
    height, width, depth = image.shape
    # OpenCV has no arithmetic for float16; float32 holds all its values
    wide = image.astype(np.float32) if image.dtype == np.float16 else image
    lines = wide.reshape(height, -1)
    sums = _fold(lines, cv2.REDUCE_SUM, depth).sum(0)
    squares = _fold(lines, cv2.REDUCE_SUM2, depth).sum(0)
    if not np.isfinite(squares).all():
        return _sums_of_odd_row(wide.reshape(-1, depth))
    minimum = _fold(lines, cv2.REDUCE_MIN, depth).min(0)
    maximum = _fold(lines, cv2.REDUCE_MAX, depth).max(0)
    none = np.zeros(depth, np.int64)
    return none + height * width, sums, squares, minimum, maximum, none, none


def _fold(lines: NDArray[Any], operation: int, depth: int) -> NDArray[np.float64]:
    """The lines of an image folded into one: (W, C) float64, column by column."""
    keeps_type = operation in (cv2.REDUCE_MIN, cv2.REDUCE_MAX)
    folded = cv2.reduce(lines, 0, operation, dtype=-1 if keeps_type else cv2.CV_64F)
    return folded.reshape(-1, depth).astype(np.float64, copy=False)


def _sums_of_odd_row(pixels: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], ...]:
    """The same for (P, C) pixels of which some are NaN or ±Inf, which only are counted."""
    finite = np.isfinite(pixels)
    nan = np.isnan(pixels)
    values = np.where(finite, pixels, 0).astype(np.float64)
    count = finite.sum(0)
    sums, squares = values.sum(0), (values * values).sum(0)
    minimum = np.where(finite, pixels, np.inf).min(0)
    maximum = np.where(finite, pixels, -np.inf).max(0)
    return count, sums, squares, minimum, maximum, nan.sum(0), (~finite & ~nan).sum(0)


def _each(work: Any, windows: Iterator[tuple[int, int]], run: RunSpec | None) -> Iterator[Any]:
    """`work` on each window in the run's threads; OpenCV's own would only be in the way."""
    cv2.setNumThreads(1)
    workers = (run and run.workers) or allowed_cpus()
    return in_order(work, windows, workers=workers, window=2 * workers)
