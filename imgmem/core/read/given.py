"""A caller's own mean and std, for normalizing on read."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from imgmem.core.errors import UsageError
from imgmem.core.levels import lookup
from imgmem.core.storage.record import Normalization, Record

Given: TypeAlias = (
    tuple[Sequence[float], Sequence[float]] | tuple[Sequence[float], Sequence[float], int]
)
"""(mean, std), one number per channel; with the scale that they are on where it is in doubt."""
Figures = npt.NDArray[np.float64]


def given(record: Record, normalize: Any) -> Normalization:
    """The normalization by a `Given`.

    Raises UsageError for what is not one, and for numbers of which it is in doubt whether they
    are on the scale 0 to 1.
    """
    mean, std, scale = _figures(normalize, record.shape[3], record.highest)
    if not (np.isfinite([mean, std]).all() and (std > 0).all()):
        raise UsageError("mean and std must be finite numbers, and std above 0")
    if not record.unscaled or scale:
        _check_scale(mean, std, scale, record)
    factor = record.highest / scale[0] if scale else 1
    normalization = Normalization(
        method="given",
        offset=tuple((mean * factor).tolist()),
        scale=tuple((1 / (std * factor)).tolist()),
        dtype="float32",
        source_dtype=record.dtype,
    )
    if not np.isfinite(lookup.constants(normalization, np.float32)).all():
        raise UsageError("mean and 1 / std must be within the range of float32")
    return normalization


def _figures(normalize: Any, depth: int, highest: int) -> tuple[Figures, Figures, list[Any]]:
    """mean and std, (C,) each, and the scale, if there is one."""
    try:
        mean, std, *scale = normalize
        mean, std = (np.array([float(number) for number in each]) for each in (mean, std))
    except (TypeError, ValueError):
        raise UsageError(
            f"invalid normalize {normalize!r}", hint="Pass a bool, (mean, std), or a method."
        ) from None
    if len(mean) != depth or len(std) != depth:
        raise UsageError(
            f"mean and std need {depth} numbers each, one per channel",
            hint=f"They are on the scale of the values, 0 to {highest}.",
        )
    return mean, std, scale


def _check_scale(mean: Figures, std: Figures, scale: list[Any], record: Record) -> None:
    highest = record.highest
    if scale and (len(scale) > 1 or scale[0] not in (1, highest) or record.unscaled):
        raise UsageError(
            f"invalid scale of normalize: {', '.join(map(str, scale))}",
            hint=f"Pass (mean, std, 1), or (mean, std) on the scale of the values, 0 to {highest}.",
        )
    if not scale and mean.max() <= 1 and std.max() <= 1:
        raise UsageError(
            f"mean and std are at most 1, and the values go up to {highest}",
            hint=f"Pass (mean, std, 1) for the scale 0 to 1, or (mean, std, {highest}).",
        )
