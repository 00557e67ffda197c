"""From rows as stored to the values that a reader wants.

Stored uint8 goes through the same table of 256 values per channel that `normalize` uses, or
through the arithmetic that makes the table; uint16 likewise, by NumPy. So what is normalized on
read equals, bit for bit, what `normalize` would have written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any, TypeGuard

import cv2
import numpy as np

from imgmem.core.arrays import Images, look_up
from imgmem.core.errors import UsageError
from imgmem.core.levels import lookup
from imgmem.core.levels.histograms import PIXEL_VALUES
from imgmem.core.levels.methods import METHODS
from imgmem.core.messages import command
from imgmem.core.read.compiled import Kernels, kernels
from imgmem.core.read.given import Given, given
from imgmem.core.read.selection import (
    choice_text,
    is_of_folds,
    ranges_of,
    sums_of,
    trained_on,
)
from imgmem.core.read.specs import BATCH_DTYPES, LAYOUTS, BatchDtype, Layout
from imgmem.core.specs import SplitChoice
from imgmem.core.storage.record import Normalization, Record

Fill = Callable[[int, Images], None]
Normalize = bool | str | Sequence[str] | Given

_TILES = 4
"""Pixels that one step of a table covers. OpenCV's inner loop runs over the channels: 12 of
them are 8 % faster than 3 (24 no faster: the table leaves the first-level cache)."""
_LINE_PIXELS = 2048
"""Pixels that one step of arithmetic covers, where the height has a divisor that allows it:
enough to make up for NumPy's outer loop."""
_COMPILED_LINE_PIXELS = 512
"""The same for compiled arithmetic: its constants stay in the first-level cache."""


@dataclass(frozen=True)
class Conversion:
    """How stored rows are converted; without `normalization` the values stay as stored."""

    stored: np.dtype[Any]
    wanted: np.dtype[Any]
    layout: Layout
    normalization: Normalization | None

    @property
    def is_copy(self) -> bool:
        """Whether rows can be read straight into a batch."""
        return self.stored == self.wanted and self.layout == "NHWC" and not self.normalization


def plan_conversion(
    record: Record,
    *,
    normalize: Normalize,
    dtype: BatchDtype | None,
    layout: Layout,
    split: SplitChoice = None,
) -> Conversion:
    """What `normalize` and `dtype` of `Dataset.batches` mean for a reader of `split`.

    Raises UsageError for what cannot be done: a dtype without room for the values, a mean
    of the wrong length, or a second normalization.
    """
    _check_choice("layout", layout, LAYOUTS)
    if dtype is not None:
        _check_choice("dtype", dtype, BATCH_DTYPES)
    normalization = _normalization(record, normalize, split)
    stored = np.dtype(record.dtype)
    wanted = np.dtype(dtype or (normalization.dtype if normalization else stored))
    if wanted.kind == "u" and (stored.kind != "u" or normalization or wanted < stored):
        raise UsageError(
            f"these images do not fit into {wanted}: they are {stored}"
            f"{', normalized on reading' if normalization else ''}",
            hint=f'Omit dtype="{wanted}"{", or pass normalize=False" if normalization else ""}.',
        )
    if stored == np.uint16 and wanted == np.float16 and not normalization:
        raise UsageError(
            "float16 has no room for the values of uint16 rows",
            hint='Pass dtype="float32", or normalize=(mean, std).',
        )
    return Conversion(stored, wanted, layout, normalization)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UsageError(f"invalid {name} {value!r}", hint=f"Choose from {', '.join(choices)}.")


def _normalization(
    record: Record, normalize: Normalize, split: SplitChoice
) -> Normalization | None:
    """What there is to apply while reading."""
    recorded = record.normalization
    if isinstance(normalize, bool):
        return _as_recorded(record, split) if normalize else None
    if recorded is not None and not recorded.on_read:
        raise UsageError(
            "the dataset is already normalized; cannot apply mean and std twice",
            hint=f"Omit normalize, or run `{command('normalize', 'DATASET', undo=True)}` first.",
        )
    if isinstance(normalize, str) and normalize in METHODS:
        return _own(record, normalize, trained_on(record, split))
    if _is_choice(normalize):
        _require_splits(record, normalize)
        return _own(record, "standardize", normalize)
    return given(record, normalize)


def _is_choice(normalize: Any) -> TypeGuard[str | Sequence[str]]:
    """Whether it names splits."""
    if isinstance(normalize, str):
        return True
    return isinstance(normalize, Sequence) and all(isinstance(name, str) for name in normalize)


def _require_splits(record: Record, normalize: str | Sequence[str]) -> None:
    try:
        ranges_of(record, normalize)
    except UsageError as error:
        raise UsageError(
            f"invalid normalize {normalize!r}: {error.message}",
            hint='Pass a bool, (mean, std), "standardize", "minmax", or splits such as "!fold3".',
        ) from None


def _as_recorded(record: Record, split: SplitChoice) -> Normalization | None:
    """What `normalize --on-read` has recorded; of the folds of a cross-validation each has its
    own constants."""
    done = record.normalization
    if done is None or not done.on_read:
        return None
    if done.split is None or split is None or not is_of_folds(record, done.split, split):
        return done
    trained = trained_on(record, split)
    if choice_text(trained) == done.split:
        return done
    return replace(_own(record, done.method, trained), dtype=done.dtype)


def _own(record: Record, method: str, split: SplitChoice) -> Normalization:
    """By a method, with the constants of some splits."""
    make = METHODS[method].constants
    if make is None:
        raise UsageError(f"invalid normalize {method!r}", hint="Pass (mean, std) instead.")
    if record.unscaled:
        raise UsageError(
            f"unscaled floats have no sums for {method!r}", hint="Pass (mean, std) instead."
        )
    found = make(sums_of(record, split, "the dataset"), record.highest)
    return Normalization(
        method=method,
        offset=found.offset,
        scale=found.scale,
        dtype="float32",
        source_dtype=record.dtype,
        mean=found.mean,
        std=found.std,
        split=choice_text(split),
    )


class Converter:
    """Fills (k, H, W, C) or (k, C, H, W) batches from stored rows (k, H, W, C)."""

    def __init__(
        self, conversion: Conversion, height: int, width: int, *, compiled: bool = False
    ) -> None:
        """compiled: by Numba where it is installed, which takes half a second to load."""
        self._conversion = conversion
        self._kernels: Kernels | None = None
        self._tables: list[Images] | None = None
        self._lines: tuple[Images, Images] | None = None
        self._planes: tuple[Images, Images] | None = None
        self._wide: Images | None = None
        normalization = conversion.normalization
        if normalization is None:
            return
        if conversion.stored == np.uint16 and not self._is_faster_computed(normalization):
            self._wide = lookup.table(replace(normalization, dtype=conversion.wanted.name))
        if conversion.stored == np.uint8:
            self._kernels = kernels() if compiled and self._may_compute(normalization) else None
            tables = lookup.table(replace(normalization, dtype=conversion.wanted.name))
            self._tables = list(map(_as_bits, tables))
            self._all = self._joined_table(height * width)
        if self._is_faster_computed(normalization):
            most = _COMPILED_LINE_PIXELS if self._kernels else _LINE_PIXELS
            repeats = _line_rows(height, width, most) * width
            offset, scale = lookup.constants(normalization, np.float32)
            self._lines = np.tile(offset, repeats), np.tile(scale, repeats)
            self._planes = offset[:, None, None], scale[:, None, None]

    def _may_compute(self, normalization: Normalization) -> bool:
        """Whether arithmetic in float32 is what makes the table, or there is none."""
        exact_ends = METHODS[normalization.method].exact_ends
        is_float = self._conversion.stored.kind == "f"
        return self._conversion.wanted == np.float32 and (is_float or not exact_ends)

    def _is_faster_computed(self, normalization: Normalization) -> bool:
        """Whether to compute rather than look up: as exact, and faster (or there is no table)."""
        if self._tables is None or self._kernels is not None:
            return self._may_compute(normalization)
        return self._all.size > PIXEL_VALUES and self._may_compute(normalization)

    def _joined_table(self, pixels: int) -> Images:
        """(256, 1, n): one table for all channels where they agree, else one for each in turn."""
        assert self._tables is not None
        if all(np.array_equal(table, self._tables[0]) for table in self._tables):
            return self._tables[0].reshape(PIXEL_VALUES, 1, 1)
        each = np.stack(self._tables, axis=1)
        return np.tile(each, gcd(pixels, _TILES))[:, np.newaxis].copy()

    def from_block(self, block: Images) -> Fill:
        """What fills `out` from the first rows of `block`, a buffer for stored rows.

        Made once for many blocks: what Python does between two calls of NumPy or OpenCV holds
        up the other threads.

        Returns:
            fill(count, out), for `count` rows of `block` and C-contiguous `out`.
        """
        planar = self._conversion.layout == "NCHW" and block.shape[3] > 1
        return self._planar(block) if planar else self._interleaved(block)

    def _interleaved(self, block: Images) -> Fill:
        if self._lines is None:
            return lambda count, out: self._fill(block[:count], out.reshape(block[:count].shape))
        offset, scale = self._lines
        source = block.reshape(-1, len(offset))

        def compute_at_once(count: int, out: Images) -> None:
            assert self._kernels is not None
            self._kernels.lines(source, offset, scale, out.reshape(-1, len(offset)))

        def compute(count: int, out: Images) -> None:
            """Three passes through the cache are faster than a table."""
            lines = out.reshape(-1, len(offset))
            np.copyto(lines, source[: len(lines)], casting="unsafe")
            np.subtract(lines, offset, out=lines)
            np.multiply(lines, scale, out=lines)

        return compute if self._kernels is None else compute_at_once

    def _planar(self, block: Images) -> Fill:
        planes = _Planes(block)
        if self._conversion.normalization is None:
            return planes.copy
        if self._planes is None:
            return self._look_up_planes(planes)
        return self._compute_planes(planes, *self._planes)

    def _look_up_planes(self, planes: "_Planes") -> Fill:
        def look_up(count: int, out: Images) -> None:
            rows = planes.split(count)
            for channel in range(rows.shape[1]):
                self._fill(rows[:, channel], out[:, channel], channel)

        return look_up

    def _compute_planes(self, planes: "_Planes", offset: Images, scale: Images) -> Fill:
        def compute_at_once(count: int, out: Images) -> None:
            assert self._kernels is not None
            planes.split(count)
            target = out.reshape(*out.shape[:2], -1)
            self._kernels.planes(planes.flat, offset.reshape(-1), scale.reshape(-1), target)

        def compute(count: int, out: Images) -> None:
            np.copyto(out, planes.split(count), casting="unsafe")
            np.subtract(out, offset, out=out)
            np.multiply(out, scale, out=out)

        return compute if self._kernels is None else compute_at_once

    def _fill(self, source: Images, out: Images, channel: int | None = None) -> None:
        """All channels, or one of them."""
        if self._conversion.normalization is None:
            np.copyto(out, source, casting="unsafe")
        elif self._wide is not None:
            self._look_up_wide(source, out, channel)
        elif self._tables is not None:
            _look_up(source, self._all if channel is None else self._tables[channel], out)
        else:
            part = slice(None) if channel is None else channel
            constants = lookup.constants(self._conversion.normalization, np.float32)
            offset, scale = (each[part] for each in constants)
            np.copyto(out, (source - offset) * scale, casting="unsafe")

    def _look_up_wide(self, source: Images, out: Images, channel: int | None) -> None:
        """Values of uint16, all channels (the last axis) or one of them."""
        assert self._wide is not None
        if channel is not None:
            look_up(self._wide[channel], source, out)
            return
        for row, into in zip(source, out, strict=True):
            for number, line in enumerate(self._wide):
                into[..., number] = line[row[..., number]]


class _Planes:
    """The first rows of a block, channel by channel."""

    def __init__(self, block: Images) -> None:
        """block: (k, H, W, C), a buffer for stored rows."""
        count, self._height, width, depth = block.shape
        self._dtype = block.dtype
        self._pixels = _as_bits(block).reshape(-1, width, depth)
        planes = np.empty((depth, count, self._height, width), self._pixels.dtype)
        self._lines = list(planes.reshape(depth, -1, width))
        self._channels_second = planes.view(block.dtype).transpose(1, 0, 2, 3)
        self.flat = planes.reshape(depth, count, -1)
        """(C, k, H x W), float16 as uint16; what `split` fills."""

    def split(self, count: int) -> Images:
        """(count, C, H, W): the first rows as they are in the block now."""
        lines = count * self._height
        cv2.split(self._pixels[:lines], [plane[:lines] for plane in self._lines])
        return self._channels_second[:count]

    def copy(self, count: int, out: Images) -> None:
        """Fill `out`, (count, C, H, W), with values as they are stored."""
        if count == 1 and out.dtype == self._dtype:
            cv2.split(self._pixels[: self._height], list(_as_bits(out[0])))
        else:
            np.copyto(out, self.split(count), casting="unsafe")


def _line_rows(height: int, width: int, pixels: int) -> int:
    """How many rows of an image make a line of about `pixels`, with none left over."""
    most = min(height, max(1, pixels // width))
    return max(count for count in range(1, most + 1) if height % count == 0)


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
