"""The methods of `normalize`, one line each in `METHODS`.

A new method is a line here, its name in `specs`, and its sentence in the help and the guide.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgmem.core.levels.histograms import PixelSums


@dataclass(frozen=True)
class Constants:
    """Offset and scale per channel, on the scale of the original values, and what to report.

    warnings: sentences for the user.
    """

    method: str
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class NormalizeMethod:
    """What a method is.

    needs_statistics: its constants depend on the pixels of some dataset. exact_ends: it
    promises 0 and 1 as the ends of its values, which arithmetic in float32 may miss by a bit.
    constants: from the sums of the rows that it is to be taken from, and the highest value
    that rows can hold; None where the user gives the constants.
    """

    needs_statistics: bool
    exact_ends: bool
    constants: Callable[[PixelSums, int], Constants] | None


def _standardize(sums: PixelSums, _: int) -> Constants:
    mean, std = sums.mean_std()
    scale, warnings = _inverted(std)
    means, stds = tuple(mean.tolist()), tuple(std.tolist())
    return Constants("standardize", means, scale, means, stds, warnings)


def _rescale(sums: PixelSums, highest: int) -> Constants:
    depth = len(sums.count)
    return Constants("rescale", (0.0,) * depth, (1 / highest,) * depth)


def _minmax(sums: PixelSums, _: int) -> Constants:
    low, high = sums.minimum.astype(np.float64), sums.maximum.astype(np.float64)
    scale, warnings = _inverted(high - low)
    return Constants("minmax", tuple(low.tolist()), scale, warnings=warnings)


def _inverted(spread: npt.NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """1 / spread, and 1 with a warning for the channels that have none."""
    constant = spread == 0
    warnings = (
        f"channel {channel} is constant; its scale stays at 1"
        for channel in np.flatnonzero(constant)
    )
    return tuple((1 / np.where(constant, 1, spread)).tolist()), tuple(warnings)


METHODS: dict[str, NormalizeMethod] = {
    "standardize": NormalizeMethod(True, False, _standardize),
    "rescale": NormalizeMethod(False, True, _rescale),
    "minmax": NormalizeMethod(True, True, _minmax),
    "given": NormalizeMethod(False, False, None),
}
