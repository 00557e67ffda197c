"""The values of each channel, 256 or 65,536, as normalized values, and back again, exactly."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imgmem.core.chunks import row_ranges
from imgmem.core.errors import UsageError
from imgmem.core.levels.methods import METHODS
from imgmem.core.messages import option
from imgmem.core.storage.record import Normalization

_TILE_PIXELS = 16 * 2**10
"""Restoring works in tiles whose intermediate floats stay in the second-level cache."""

_TABLE_VALUES = 256
"""OpenCV's tables are of uint8."""

Values = npt.NDArray[Any]
Whole = npt.NDArray[Any]
"""uint8 pixel values 0-255, or uint16 values of the files."""


def table(normalization: Normalization) -> Values:
    """(C, 256) normalized values of the pixel values 0-255, or (C, 65536) of all values of
    uint16: (value - offset) * scale.

    All in float32, as NumPy and PyTorch users write it, so that theirs are the same bits and
    readers may compute what they would else look up; for methods with exact ends in float64,
    rounded once.
    """
    wide = np.float64 if METHODS[normalization.method].exact_ends else np.float32
    offset, scale = (n[:, None] for n in constants(normalization, wide))
    with np.errstate(over="ignore", invalid="ignore"):
        values: Values = (np.arange(value_count(normalization), dtype=wide) - offset) * scale
        return values.astype(normalization.dtype)


def value_count(normalization: Normalization) -> int:
    """How many values the original features can hold."""
    return 2**16 if normalization.source_dtype == "uint16" else _TABLE_VALUES


def constants(normalization: Normalization, dtype: npt.DTypeLike) -> tuple[Values, Values]:
    """Offset and scale of each channel, (C,) each; infinite where the dtype has no room."""
    with np.errstate(over="ignore"):
        offset, scale = np.array([normalization.offset, normalization.scale]).astype(dtype)
    return offset, scale


def is_rounded(normalization: Normalization) -> bool:
    """Whether several original values become the same one, which the user has asked for."""
    return (normalization.source_dtype, normalization.dtype) == ("uint16", "float16")


def require_reversible(normalization: Normalization) -> None:
    """UsageError unless all values stay finite and distinct, and can be restored.

    Where they are rounded, finite is enough.
    """
    for channel, line in enumerate(table(normalization)):
        finite = is_rounded(normalization) and np.isfinite(line).all()
        if not finite and not _is_reversible(line, normalization, channel):
            wider = "" if normalization.dtype == "float32" else option("dtype", "float32") + ", or "
            raise UsageError(
                f"channel {channel} would not keep {len(line)} distinct, finite values in "
                f"{normalization.dtype} (offset {normalization.offset[channel]:g}, "
                f"scale {normalization.scale[channel]:g})",
                hint=f"Use {wider}another mean and standard deviation.",
            )


def _is_reversible(line: Values, normalization: Normalization, channel: int) -> bool:
    """Whether the values of one channel can be inverted."""
    if not np.isfinite(line).all() or len(np.unique(line)) < len(line):
        return False
    found = np.empty(len(line), np.uint8 if len(line) == _TABLE_VALUES else np.uint16)
    _restore(line, *_inverse(normalization, channel, 1), found)
    return np.array_equal(found, np.arange(len(line)))


def apply(pixels: Whole, values: Values, phase: int, out: Values) -> None:
    """Look up the normalized values of flat, interleaved pixels.

    Args:
        pixels: (n,) uint8 or uint16; the first is of channel `phase`.
        values: (C, 256 or 65536) as `table` returns them.
        phase: Channel of the first pixel value.
        out: (n,) of the values' dtype, which is overwritten.
    """
    values = np.roll(values, -phase, axis=0)
    depth = len(values)
    if pixels.dtype != np.uint8:
        for start, stop in row_ranges(len(pixels), _TILE_PIXELS * depth):
            part, target = pixels[start:stop], out[start:stop]
            for channel, line in enumerate(values):
                target[channel::depth] = line[part[channel::depth]]
        return
    body = len(pixels) // depth * depth
    if body:
        # float16 goes as int16: lookup moves bits, and older OpenCV knows no float16 here
        bits = np.dtype(np.int16 if values.itemsize == 2 else np.float32)
        lookup = np.ascontiguousarray(values.T).view(bits).reshape(1, _TABLE_VALUES, depth)
        target = out[:body].view(bits).reshape(-1, 1, depth)
        cv2.LUT(pixels[:body].reshape(-1, 1, depth), lookup, dst=target)
    tail = np.arange(len(pixels) - body)
    out[body:] = values[tail, pixels[body:]]


def restore(values: Values, normalization: Normalization, phase: int, out: Whole) -> None:
    """Restore the values of flat, interleaved normalized values.

    Exact for values of `table`, where `require_reversible` has passed.

    Args:
        values: (n,) floats; the first is of channel `phase`.
        normalization: What was done to them.
        phase: Channel of the first value.
        out: (n,) uint8 or uint16, which is overwritten.
    """
    tile = min(_TILE_PIXELS * len(normalization.offset), len(values))
    factor, offset = _inverse(normalization, phase, tile)
    body = len(values) // tile * tile
    for start in range(0, body, tile):
        stop = start + tile
        _restore(values[start:stop], factor, offset, out[start:stop])
    rest = len(values) - body
    _restore(values[body:], factor[:rest], offset[:rest], out[body:])


def _inverse(normalization: Normalization, phase: int, length: int) -> tuple[Values, Values]:
    """What to multiply `length` values with, and what to add then, to have pixel values again."""
    factor = np.roll(1 / np.array(normalization.scale), -phase).astype(np.float32)
    offset = np.roll(np.array(normalization.offset), -phase).astype(np.float32)
    return np.resize(factor, length), np.resize(offset, length)


def _restore(values: Values, factor: Values, offset: Values, out: Whole) -> None:
    with np.errstate(invalid="ignore", over="ignore"):  # damaged values; checksums tell
        gray = np.multiply(values, factor, dtype=np.float32)
        gray += offset
        np.rint(gray, out=gray)
        np.copyto(out, gray, casting="unsafe")
