"""Exact per-channel histograms of pixel values, and the exact figures that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import row_ranges

PIXEL_VALUES = 256
_EXACT = 2**24
"""Pixels up to which the float32 counts of `cv2.calcHist` are exact."""
_VALUES = np.arange(PIXEL_VALUES)


def pixel_histograms(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(C, 256) counts of the values in (P, C) pixels."""
    depth = pixels.shape[1]
    counts = np.zeros((depth, PIXEL_VALUES), np.int64)
    for start, stop in row_ranges(len(pixels), _EXACT):
        plane = [pixels[start:stop].reshape(1, -1, depth)]
        parts = [
            cv2.calcHist(plane, [c], None, [PIXEL_VALUES], [0, PIXEL_VALUES]) for c in range(depth)
        ]
        counts += np.stack(parts).reshape(depth, PIXEL_VALUES).astype(np.int64)
    return counts


def binned(histogram: Sequence[int], bins: int) -> tuple[list[int], int]:
    """Prepare a histogram to be drawn.

    Args:
        histogram: 256 counts.
        bins: A divisor of 256, at least 4.

    Returns:
        The counts of the bins, and the highest of them (at least 1): the two ends, where pixel
        values are clipped, do not count for it.
    """
    step = PIXEL_VALUES // bins
    counts = [sum(histogram[start : start + step]) for start in range(0, PIXEL_VALUES, step)]
    return counts, max(*counts[1:-1], 1)


@dataclass(frozen=True, slots=True)
class PixelSums:
    """What mean and standard deviation are made of: (C,) int64 each.

    count: pixels. total, squares: sums of their values and of the values' squares (int64
    holds those of 10**14 pixels). minimum, maximum: 256 and -1 where count is 0.
    """

    count: NDArray[np.int64]
    total: NDArray[np.int64]
    squares: NDArray[np.int64]
    minimum: NDArray[np.int64]
    maximum: NDArray[np.int64]

    @classmethod
    def none(cls, depth: int) -> "PixelSums":
        """Those of no pixels."""
        count, total, squares = np.zeros((3, depth), np.int64)
        return cls(count, total, squares, np.full(depth, PIXEL_VALUES), np.full(depth, -1))

    @classmethod
    def of_pixels(
        cls, pixels: NDArray[np.uint8], planes: NDArray[np.uint8], *, ends: bool = True
    ) -> "PixelSums":
        """The sums of (P, C) pixels, P > 0, several times as fast as by way of their histograms.

        planes: (C, P or more) to put the channels into; allocating them would take longer than
        all the rest. ends: False leaves minimum and maximum as if count were 0.
        OpenCV adds bytes as whole numbers; the sum of squares comes back by way of its root,
        to a part in 2**52, so that rounding restores it (it is below 2**48 for P < 2**32).
        """
        depth = pixels.shape[1]
        line = pixels.reshape(1, -1, depth)
        apart = cv2.split(line, [plane[None, : len(pixels)] for plane in planes])
        found = [cv2.minMaxLoc(plane)[:2] if ends else (PIXEL_VALUES, -1) for plane in apart]
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
        """The sums of (C, 256) counts."""
        there = histograms > 0
        return cls(
            count=histograms.sum(1),
            total=histograms @ _VALUES,
            squares=histograms @ (_VALUES * _VALUES),
            minimum=np.where(there, _VALUES, PIXEL_VALUES).min(1),
            maximum=np.where(there, _VALUES, -1).max(1),
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
        """Whether every channel has both the lowest and the highest level that there is."""
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
