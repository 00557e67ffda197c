"""Rows of any dtype as what they look like: pixel values 0-255 in uint8."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.levels import lookup
from imgmem.core.storage.record import Normalization


def to_uint8(images: NDArray[Any], normalization: Normalization | None = None) -> NDArray[np.uint8]:
    """Return the pixel values 0-255 that stored rows stand for.

    Args:
        images: (n, H, W, C) uint8, float16 or float32.
        normalization: What was done to them; floats without it are pixel values already.

    Returns:
        (n, H, W, C) uint8: `images` itself where it is uint8. Values that stand for no pixel
        value (NaN, damage) become any.
    """
    if images.dtype == np.uint8:
        return images
    out = np.empty(images.shape, np.uint8)
    flat = np.ascontiguousarray(images).reshape(-1)
    if normalization:
        lookup.restore(flat, normalization, 0, out.reshape(-1))
    else:
        with np.errstate(invalid="ignore"):
            np.copyto(out.reshape(-1), np.rint(flat), casting="unsafe")
    return out


def to_uint8_exact(values: NDArray[Any], out: NDArray[np.uint8]) -> bool:
    """Write floats that are whole pixel values 0-255 to `out`.

    Args:
        values: Floats of any shape.
        out: Array of the same shape, which is overwritten in any case.

    Returns:
        Whether every value was one; `out` is meaningless otherwise.
    """
    with np.errstate(invalid="ignore"):
        np.copyto(out, values, casting="unsafe")
    return np.array_equal(out, values)
