"""Exact per-channel histograms of pixel values, and the exact figures that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import row_ranges

PIXEL_VALUES = 256
_NO_MINIMUM = 2**16
_EXACT = 2**24
"""Pixels up to which the float32 counts of `cv2.calcHist` are exact."""


def no_counts(depth: int, highest: int) -> NDArray[np.int64]:
    """(C, highest + 1) zeros: the histograms of no pixels."""
    return np.zeros((depth, highest + 1), np.int64)


def pixel_histograms(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """(C, 256) counts of the values in (P, C) uint8 pixels, (C, 65536) in uint16 ones."""
    depth = pixels.shape[1]
    counts = no_counts(depth, int(np.iinfo(pixels.dtype).max))
    bins = counts.shape[1]
    for start, stop in row_ranges(len(pixels), _EXACT):
        plane = [pixels[start:stop].reshape(1, -1, depth)]
        parts = [cv2.calcHist(plane, [c], None, [bins], [0, bins]) for c in range(depth)]
        counts += np.stack(parts).reshape(depth, bins).astype(np.int64)
    return counts


def binned(
    histogram: Sequence[int], bins: int, window: tuple[float, float] = (0, 255)
) -> tuple[list[int], int]:
    """Prepare a histogram to be drawn.

    Args:
        histogram: 256 counts, of which all are drawn, or 65,536.
        bins: How many to make of them, at least 4.
        window: The first and the last of 65,536 values that are drawn.

    Returns:
        The counts of the bins, and the highest of them (at least 1): the two ends, where pixel
        values are clipped, do not count for it.
    """
    ends = window if len(histogram) > PIXEL_VALUES else (0, PIXEL_VALUES - 1)
    low, high = (min(max(round(end), 0), len(histogram) - 1) for end in ends)
    shown = np.asarray(histogram[low : high + 1], np.int64)
    counts = np.zeros(bins, np.int64)
    np.add.at(counts, np.arange(len(shown)) * bins // len(shown), shown)
    return counts.tolist(), max(*counts[1:-1].tolist(), 1)


@dataclass(frozen=True, slots=True)
class PixelSums:
    """What mean and standard deviation are made of: (C,) int64 each.

    count: pixels. total, squares: sums of their values and of the values' squares (int64
    holds those of 10**14 pixels of uint8; the squares of uint16 are Python's unbounded
    integers). minimum, maximum: 65536 and -1 where count is 0.
    """

    count: NDArray[np.int64]
    total: NDArray[np.int64]
    squares: NDArray[Any]
    minimum: NDArray[np.int64]
    maximum: NDArray[np.int64]

    @classmethod
    def none(cls, depth: int) -> "PixelSums":
        """Those of no pixels."""
        count, total, squares = np.zeros((3, depth), np.int64)
        return cls(count, total, squares, np.full(depth, _NO_MINIMUM), np.full(depth, -1))

    @classmethod
    def of_pixels(
        cls, pixels: NDArray[Any], planes: NDArray[np.uint8], *, ends: bool = True
    ) -> "PixelSums":
        """The sums of (P, C) pixels, P > 0. For uint8 several times as fast as by way of their
        histograms, which is how those of uint16 are made.

        planes: (C, P or more) to put the channels into; allocating them would take longer than
        all the rest. ends: False leaves minimum and maximum as if count were 0.
        OpenCV adds bytes as whole numbers; the sum of squares comes back by way of its root,
        to a part in 2**52, so that rounding restores it (it is below 2**48 for P < 2**32).
        """
        if pixels.dtype != np.uint8:
            return cls.of(pixel_histograms(pixels))
        depth = pixels.shape[1]
        line = pixels.reshape(1, -1, depth)
        apart = cv2.split(line, [plane[None, : len(pixels)] for plane in planes])
        found = [cv2.minMaxLoc(plane)[:2] if ends else (_NO_MINIMUM, -1) for plane in apart]
        minimum, maximum = np.array(found, np.int64).T
        return cls(
            count=np.full(depth, len(pixels), np.int64),
            total=np.array(cv2.sumElems(line)[:depth], np.int64),
            squares=np.array([round(cv2.norm(plane, cv2.NORM_L2SQR)) for plane in apart]),
            minimum=minimum,
            maximum=maximum,
        )

    @classmethod
    def of(cls, histograms: NDArray[np.int64]) -> "PixelSums":
        """The sums of (C, 256) counts, or of (C, 65536) of less than 2**31 pixels."""
        there = histograms > 0
        values = np.arange(histograms.shape[1])
        squares = histograms @ (values * values)
        return cls(
            count=histograms.sum(1),
            total=histograms @ values,
            squares=squares if len(values) == PIXEL_VALUES else squares.astype(object),
            minimum=np.where(there, values, _NO_MINIMUM).min(1),
            maximum=np.where(there, values, -1).max(1),
        )

    def __add__(self, other: "PixelSums") -> "PixelSums":
        return PixelSums(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
        )

    @property
    def have_all_ends(self) -> bool:
        """Whether every channel has both the lowest and the highest value of uint8."""
        return not self.minimum.any() and bool((self.maximum == PIXEL_VALUES - 1).all())

    def mean_std(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and population standard deviation, (C,) float64; NaN where count is 0."""
        sums = zip(self.count.tolist(), self.total.tolist(), self.squares.tolist(), strict=True)
        means, stds = zip(*(_mean_std(*channel) for channel in sums), strict=True)
        return np.array(means), np.array(stds)


def _mean_std(n: int, total: int, squares: int) -> tuple[float, float]:
    """var = (n·Σv² − (Σv)²) / n², in Python's unbounded integers up to the root."""
    if n == 0:
        return float("nan"), float("nan")
    return total / n, sqrt(n * squares - total * total) / n
