"""From rows as they are stored to the values that a reader wants.

value = (stored - offset) * scale, per channel. Stored uint8 goes through a table of 256
values per channel, computed in float64 and rounded once, so that what is normalized while
reading equals, bit for bit, what `normalize` would have written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imgmem.core.errors import UsageError
from imgmem.core.record import Record
from imgmem.core.specs import BATCH_DTYPES, LAYOUTS, BatchDtype, Layout

Images = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Normalize = bool | tuple[Sequence[float], Sequence[float]]

_TILES = 4
"""Pixels that one step of a table covers. OpenCV's inner loop runs over the channels: 12 of
them are 8 % faster than 3 (24 no faster: the table leaves the first-level cache)."""


@dataclass(frozen=True)
class Conversion:
    """What becomes of stored rows: `offset` and `scale` (C,), or None for values as stored."""

    stored: np.dtype[Any]
    wanted: np.dtype[Any]
    layout: Layout
    constants: tuple[Floats, Floats] | None

    @property
    def is_copy(self) -> bool:
        """Whether rows can be read straight into a batch."""
        return self.stored == self.wanted and self.layout == "NHWC" and self.constants is None


def plan_conversion(
    record: Record, *, normalize: Normalize, dtype: BatchDtype | None, layout: Layout
) -> Conversion:
    """What `normalize` and `dtype` of `Dataset.batches` mean for this dataset.

    Raises UsageError for what cannot be done: a dtype without room for the values, a mean
    of the wrong length, or a second normalization.
    """
    _check_choice("layout", layout, LAYOUTS)
    if dtype is not None:
        _check_choice("dtype", dtype, BATCH_DTYPES)
    constants, natural = _constants(record, normalize)
    stored, wanted = np.dtype(record.dtype), np.dtype(dtype or natural)
    if wanted == np.uint8 and (stored != np.uint8 or constants is not None):
        raise UsageError(
            "normalized or floating-point images do not fit into uint8",
            hint='Leave out dtype="uint8", or give normalize=False.',
        )
    return Conversion(stored, wanted, layout, constants)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"{value!r} is no {name}", hint=f"Choose from {', '.join(choices)}.")


def _constants(
    record: Record, normalize: Normalize
) -> tuple[tuple[Floats, Floats] | None, np.dtype[Any] | str]:
    """(offset, scale) to apply, or None, and the dtype that goes with it."""
    recorded = record.normalization
    if isinstance(normalize, bool):
        if normalize and recorded is not None and recorded.on_read:
            return (np.array(recorded.offset), np.array(recorded.scale)), recorded.dtype
        return None, record.dtype
    if recorded is not None and not recorded.on_read:
        raise UsageError(
            "the dataset is normalized already: a second mean and std would be wrong",
            hint="Leave out `normalize`, or run `imgmem normalize --undo` first.",
        )
    return _given(record, *normalize), "float32"


def _given(record: Record, mean: Sequence[float], std: Sequence[float]) -> tuple[Floats, Floats]:
    offset, spread = np.array(mean, np.float64), np.array(std, np.float64)
    depth = record.shape[3]
    if offset.shape != (depth,) or spread.shape != (depth,):
        raise UsageError(
            f"mean and std need {depth} numbers each, one for a channel",
            hint="They are in grey levels, 0 to 255.",
        )
    if not (np.isfinite(offset).all() and np.isfinite(spread).all() and (spread > 0).all()):
        raise UsageError("mean and std must be finite numbers, and std above 0")
    return offset, 1 / spread


def lookup_table(offset: Floats, scale: Floats, dtype: npt.DTypeLike) -> Images:
    """(256, C): what each stored uint8 becomes, computed in float64 and rounded to `dtype`."""
    return ((np.arange(256.0)[:, np.newaxis] - offset) * scale).astype(dtype)


class Converter:
    """Fills (k, H, W, C) or (k, C, H, W) batches from stored rows (k, H, W, C)."""

    def __init__(self, conversion: Conversion, pixels: int) -> None:
        """pixels: H × W."""
        self._conversion = conversion
        self._tables: list[Images] | None = None
        self._tile = 1
        if conversion.stored == np.uint8 and conversion.constants is not None:
            table = lookup_table(*conversion.constants, conversion.wanted)
            self._tables = [_as_bits(column) for column in table.T.copy()]
            self._all = self._joined_table(pixels)

    def _joined_table(self, pixels: int) -> Images:
        """(256, 1, n): one table for all channels where they agree, else one for each in turn."""
        assert self._tables is not None
        if all(np.array_equal(table, self._tables[0]) for table in self._tables):
            return self._tables[0].reshape(256, 1, 1)
        each = np.stack(self._tables, axis=1)
        return np.tile(each, gcd(pixels, _TILES))[:, np.newaxis].copy()

    def __call__(self, rows: Images, out: Images) -> None:
        """rows and out must be C-contiguous."""
        if self._conversion.layout == "NHWC" or rows.shape[3] == 1:
            self._fill(rows, out.reshape(rows.shape), None)
            return
        for channel, plane in enumerate(_planes(rows)):
            self._fill(plane, out[:, channel], channel)

    def _fill(self, source: Images, out: Images, channel: int | None) -> None:
        """All channels, or one of them."""
        if self._tables is not None:
            _look_up(source, self._all if channel is None else self._tables[channel], out)
        elif self._conversion.constants is None:
            np.copyto(out, source, casting="unsafe")
        else:
            offset, scale = self._conversion.constants
            part = slice(None) if channel is None else channel
            values = source.astype(np.float32)
            values -= offset[part].astype(np.float32)
            values *= scale[part].astype(np.float32)
            np.copyto(out, values, casting="unsafe")


def _as_bits(array: Images) -> Images:
    """float16 as uint16, which OpenCV's tables and splits take everywhere; others as they are."""
    return array.view(np.uint16) if array.dtype == np.float16 else array


def _look_up(source: Images, table: Images, out: Images) -> None:
    """OpenCV writes into `out` itself only where its shape and dtype are as it expects."""
    wide = (-1, table.shape[2]) if table.ndim == 3 and table.shape[2] > 1 else (-1,)
    if out.flags.c_contiguous:
        cv2.LUT(source.reshape(1, *wide), table, dst=_as_bits(out).reshape(1, *wide))
    else:
        _as_bits(out)[...] = cv2.LUT(source.reshape(1, *wide), table).reshape(out.shape)


def _planes(rows: Images) -> list[Images]:
    """The channels of (k, H, W, C), each (k, H, W) and contiguous."""
    count, height, width, depth = rows.shape
    planes = cv2.split(_as_bits(rows).reshape(count * height, width, depth))
    return [plane.view(rows.dtype).reshape(count, height, width) for plane in planes]
