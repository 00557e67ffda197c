"""Pixel values as a file holds them, of any depth, and the values 0-255 that are made of them."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgmem.core.arrays import look_up
from imgmem.core.decode.geometry import BAND_PIXELS
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

Values = NDArray[Any]
"""(H, W) gray or (H, W, 3) RGB, of any whole or floating-point type."""


class Stored(NamedTuple):
    """The pixels of a file as they are stored, turned upright by nobody.

    values: gray or RGB. opaque: whether no pixel lets the background through. highest: the end
    of the range that the format gives them; 0 where it gives none. stated: the highest value
    that the file says it uses; 0 where it does not say.
    """

    values: Values
    opaque: bool
    highest: int
    stated: int = 0


def parted(samples: Values, highest: int, stated: int = 0) -> Stored:
    """Samples (H, W, 1 to 4) as gray or RGB, and whether the alpha among them hides nothing."""
    alpha = samples[:, :, 3] if samples.shape[2] == 4 else None
    colors = samples[:, :, 0] if samples.shape[2] == 1 else samples[:, :, :3]
    opaque = alpha is None or bool((alpha == highest).all())
    return Stored(colors, opaque, highest, stated)


def in_rgb_order(pixels: Values) -> Values:
    """OpenCV's pixels, (H, W) or (H, W, BGR or BGRA), as (H, W, 1, 3 or 4) with red first."""
    if pixels.ndim == 2:
        return pixels[:, :, np.newaxis]
    return pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


def turned(values: Values, orientation: int) -> Values:
    """`values` as their EXIF orientation (1–8) says that they should be seen: a view."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values[::-1] if orientation in (3, 4, 7, 8) else values


def as_dtype(values: Values, dtype: Any, spec: ImageSpec) -> Values:
    """Values in the dtype of a row; as they are, where levels make them 0-255.

    Raises RejectedImage where the dtype has no room for them.
    """
    if spec.stretch:
        return values
    if dtype == np.uint16:
        if values.dtype.kind != "u" or values.dtype.itemsize > 2:
            detail = f"{values.dtype} pixels do not fit into uint16; keep them as float32"
            raise RejectedImage("unsupported", detail)
        return values.astype(np.uint16, copy=False)
    require_finite(values)
    return values.astype(np.float32, copy=False)


def stretched(values: Values, low: float, high: float) -> NDArray[np.uint8]:
    """Values from `low` to `high` as 0-255, rounded; those outside become 0 and 255.

    Raises RejectedImage for values that are not finite numbers.
    """
    if values.dtype in (np.uint8, np.uint16):
        out = np.empty(values.shape, np.uint8)
        look_up(_table(low, high, values.dtype.name), values, out)
        return out
    out = np.empty(values.shape, np.uint8)
    for rows in _bands(values):
        out[rows] = _stretch(values[rows], low, high)
    return out


@lru_cache(maxsize=4)
def _table(low: float, high: float, dtype: str) -> NDArray[np.uint8]:
    return _stretch(np.arange(np.iinfo(dtype).max + 1), low, high)


def _stretch(values: Values, low: float, high: float) -> NDArray[np.uint8]:
    require_finite(values)
    levels = (values.astype(np.float64) - low) * 255 / (high - low)
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def require_finite(values: Values) -> None:
    """Raises RejectedImage for NaN and infinity."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise RejectedImage("unsupported", "pixel values that are not finite numbers (NaN)")


def _bands(values: Values) -> Iterator[slice]:
    rows = max(1, BAND_PIXELS // max(1, values.shape[1]))
    return (slice(top, top + rows) for top in range(0, len(values), rows))


def is_narrow(stored: Stored) -> bool:
    """Whether 0-255 would come out nearly black: no value reaches a quarter of the range, or
    none is above the highest that the file states, which is not the range's end."""
    most = int(stored.values.max())
    unscaled = stored.stated and most <= stored.stated < stored.highest
    return bool(stored.highest and (4 * most < stored.highest + 1 or unscaled))
