"""Per-channel moments of float images, summed row by row in row order.

So neither windows nor workers leave a trace in the last bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Moments:
    """Per-channel figures over the finite values of float images, all (C,) arrays.

    count: finite values. mean, std (population), minimum, maximum: NaN where count is 0.
    nan, infinite: how many values are NaN or ±Inf.
    """

    count: Counts
    mean: Floats
    std: Floats
    minimum: Floats
    maximum: Floats
    nan: Counts
    infinite: Counts


@dataclass(frozen=True, slots=True)
class RowSums:
    """(rows, C) figures of each row: sums over its finite values, and counts."""

    count: Counts
    total: Floats
    squares: Floats
    minimum: Floats
    maximum: Floats
    nan: Counts
    infinite: Counts


class FloatSums:
    """Sums over the values of all rows so far, each row added in turn."""

    def __init__(self, depth: int) -> None:
        self._count, self._nan, self._infinite = (np.zeros(depth, np.int64) for _ in range(3))
        self._total, self._squares = (np.zeros(depth) for _ in range(2))
        self._minimum, self._maximum = np.full(depth, np.inf), np.full(depth, -np.inf)

    def add(self, part: RowSums) -> None:
        self._count += part.count.sum(0)
        self._nan += part.nan.sum(0)
        self._infinite += part.infinite.sum(0)
        # cumsum adds strictly one by one, where sum may group rows as it likes
        self._total = np.cumsum([self._total, *part.total], 0)[-1]
        self._squares = np.cumsum([self._squares, *part.squares], 0)[-1]
        self._minimum = np.minimum(self._minimum, part.minimum.min(0))
        self._maximum = np.maximum(self._maximum, part.maximum.max(0))

    def moments(self) -> Moments:
        empty = self._count == 0
        n = np.maximum(self._count, 1)
        mean = self._total / n
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


def combined(parts: Sequence[Moments]) -> Moments:
    """The moments of several sets of rows together."""
    count = np.sum([part.count for part in parts], 0)
    weights = [part.count / np.maximum(count, 1) for part in parts]
    known = [np.nan_to_num(part.mean) for part in parts]
    mean = np.sum([w * m for w, m in zip(weights, known, strict=True)], 0)
    spread = [
        np.nan_to_num(p.std) ** 2 + (m - mean) ** 2 for p, m in zip(parts, known, strict=True)
    ]
    variance = np.sum([w * s for w, s in zip(weights, spread, strict=True)], 0)
    return Moments(
        count=count,
        mean=np.where(count, mean, np.nan),
        std=np.where(count, np.sqrt(variance), np.nan),
        minimum=np.fmin.reduce([part.minimum for part in parts]),
        maximum=np.fmax.reduce([part.maximum for part in parts]),
        nan=np.sum([part.nan for part in parts], 0),
        infinite=np.sum([part.infinite for part in parts], 0),
    )


def row_sums(images: NDArray[np.floating[Any]]) -> RowSums:
    """The sums of each of a few rows, (n, H, W, C) float16 or float32."""
    parts = [_sums_of_row(image) for image in images]
    return RowSums(*(np.stack(column) for column in zip(*parts, strict=True)))


def _sums_of_row(image: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], ...]:
    """The fields of RowSums for one (H, W, C) image, each (C,)."""
    height, width, depth = image.shape
    # OpenCV has no arithmetic for float16; float32 holds all its values
    wide = image.astype(np.float32, copy=False)
    lines = wide.reshape(height, -1)
    total = _fold(lines, cv2.REDUCE_SUM, depth).sum(0)
    squares = _fold(lines, cv2.REDUCE_SUM2, depth).sum(0)
    if not np.isfinite(squares).all():
        return _sums_of_odd_row(wide.reshape(-1, depth))
    minimum = _fold(lines, cv2.REDUCE_MIN, depth).min(0)
    maximum = _fold(lines, cv2.REDUCE_MAX, depth).max(0)
    none = np.zeros(depth, np.int64)
    return none + height * width, total, squares, minimum, maximum, none, none


def _fold(lines: NDArray[Any], operation: int, depth: int) -> Floats:
    """The lines of an image folded into one, column by column: (W, C) float64."""
    keeps_type = operation in (cv2.REDUCE_MIN, cv2.REDUCE_MAX)
    folded = cv2.reduce(lines, 0, operation, dtype=-1 if keeps_type else cv2.CV_64F)
    return folded.reshape(-1, depth).astype(np.float64, copy=False)


def _sums_of_odd_row(pixels: NDArray[np.floating[Any]]) -> tuple[NDArray[Any], ...]:
    """The same for (P, C) pixels of which some are NaN or ±Inf, which are only counted."""
    finite = np.isfinite(pixels)
    nan = np.isnan(pixels)
    values = np.where(finite, pixels, 0).astype(np.float64)
    return (
        finite.sum(0),
        values.sum(0),
        (values * values).sum(0),
        np.where(finite, pixels, np.inf).min(0).astype(np.float64),
        np.where(finite, pixels, -np.inf).max(0).astype(np.float64),
        nan.sum(0),
        (~finite & ~nan).sum(0),
    )
