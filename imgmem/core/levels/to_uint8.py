"""Rows of any dtype as the whole numbers that they stand for, and as what they look like."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.arrays import look_up
from imgmem.core.levels import lookup
from imgmem.core.storage.record import Record


def to_whole(images: NDArray[Any], record: Record) -> lookup.Whole:
    """Return the original values that stored rows of a dataset stand for.

    Args:
        images: (n, H, W, C), as stored.
        record: Of the dataset.

    Returns:
        (n, H, W, C): uint16 where the original features are, else pixel values 0-255 in uint8
        (for unscaled floats, those of the dataset's window). `images` itself where it is such.
        Values that stand for none (NaN, damage) become any.
    """
    if images.dtype.kind == "u":
        return images
    if record.unscaled:
        return windowed(images, record.window)
    out = np.empty(images.shape, np.uint16 if record.highest > 255 else np.uint8)
    flat = np.ascontiguousarray(images).reshape(-1)
    if record.normalization:
        lookup.restore(flat, record.normalization, 0, out.reshape(-1))
    else:
        with np.errstate(invalid="ignore"):
            np.copyto(out.reshape(-1), np.rint(flat), casting="unsafe")
    return out


def to_uint8(images: NDArray[Any], record: Record) -> NDArray[np.uint8]:
    """Return what stored rows of a dataset look like: pixel values 0-255.

    Values of the files are shown through the dataset's window. Arguments as for `to_whole`.
    """
    whole = to_whole(images, record)
    return whole if whole.dtype == np.uint8 else windowed(whole, record.window)


def windowed(values: NDArray[Any], window: tuple[float, float]) -> NDArray[np.uint8]:
    """Values as 0-255: the lower end of `window` and all below it is 0, the upper end 255."""
    if values.dtype == np.uint16:
        out = np.empty(values.shape, np.uint8)
        look_up(_table(window), values, out)
        return out
    shown = np.subtract(values, window[0], dtype=np.float32)
    shown *= np.float32(255 / (window[1] - window[0]))
    np.nan_to_num(shown, copy=False)
    np.clip(shown, 0, 255, out=shown)
    return np.asarray(np.rint(shown, out=shown), np.uint8)


@lru_cache(maxsize=4)
def _table(window: tuple[float, float]) -> NDArray[np.uint8]:
    return windowed(np.arange(2**16, dtype=np.float32), window)


def to_whole_exact(values: NDArray[Any], out: lookup.Whole) -> bool:
    """Write floats that are whole numbers in the range of `out` to it.

    Args:
        values: Floats of any shape.
        out: Array of the same shape, which is overwritten in any case.

    Returns:
        Whether every value was one; `out` is meaningless otherwise.
    """
    with np.errstate(invalid="ignore"):
        np.copyto(out, values, casting="unsafe")
    return np.array_equal(out, values)
