"""Sums of pixel values kept for each split, so that the constants of any of them are exact."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import row_ranges
from imgmem.core.levels.histograms import PixelSums

_AT_ONCE = 2**16
"""Pixels that are summed at a time: they stay in the second-level cache."""
_FIGURES = ("count", "total", "squares", "minimum", "maximum")

SplitSums = tuple[int, PixelSums]
"""The number of a split, and the sums of some of its rows."""


def sums_by_split(images: NDArray[Any], splits: Sequence[int]) -> list[SplitSums]:
    """The sums of each run of (n, H, W, C) images whose `splits`, (n,), are the same.

    None of floats: their sums would depend on the chunks.
    """
    if images.dtype.kind == "f":
        return []
    depth = images.shape[3]
    pixels_each = images[0, :, :, 0].size if len(images) else 1
    planes = np.empty((depth, min(_AT_ONCE, max(1, len(images)) * pixels_each)), np.uint8)
    ends = [*(np.flatnonzero(np.diff(splits)) + 1).tolist(), len(splits)]
    return [
        (splits[start], _sums(images[start:stop].reshape(-1, depth), planes))
        for start, stop in zip([0, *ends], ends, strict=False)
        if start < stop
    ]


def _sums(pixels: NDArray[Any], planes: NDArray[np.uint8]) -> PixelSums:
    if pixels.dtype != np.uint8:
        return PixelSums.of_pixels(pixels, planes)
    found = PixelSums.none(pixels.shape[1])
    for start, stop in row_ranges(len(pixels), planes.shape[1]):
        found += PixelSums.of_pixels(pixels[start:stop], planes, ends=not found.have_all_ends)
    return found


def encoded(sums: Iterable[SplitSums]) -> bytes:
    """The sums as records of int64: the split's number, then each figure of every channel."""
    records = (
        np.concatenate([[split], *(getattr(each, name) for name in _FIGURES)])
        for split, each in sums
    )
    return b"".join(record.astype("<i8").tobytes() for record in records)


def decoded(data: bytes, depth: int) -> dict[int, PixelSums]:
    """The sums of each split, from all records of `encoded`."""
    records = np.frombuffer(data, "<i8").reshape(-1, 1 + len(_FIGURES) * depth)
    found: dict[int, PixelSums] = {}
    for split, *figures in records.tolist():
        sums = _of_figures(np.array(figures, np.int64).reshape(len(_FIGURES), depth))
        found[split] = found[split] + sums if split in found else sums
    return found


def _of_figures(figures: NDArray[Any]) -> PixelSums:
    """Sums of (5, C) figures; the squares of several may be beyond int64."""
    count, total, squares, minimum, maximum = figures
    return PixelSums(count, total, squares.astype(object), minimum, maximum)


def as_field(sums: PixelSums) -> dict[str, Any]:
    """The sums as `dataset.json` has them."""
    fields = {name: array.tolist() for name, array in asdict(sums).items()}
    return fields | {"count": fields["count"][0]}


def from_field(value: Any, depth: int) -> PixelSums:
    """The sums that `as_field` made; ValueError for anything else."""
    try:
        figures = [value[name] for name in _FIGURES]
        figures[0] = [figures[0]] * depth
        whole = all(type(number) is int for figure in figures for number in figure)
        lengths = {len(figure) for figure in figures}
    except (KeyError, TypeError):
        raise ValueError("sums of a split lack a figure") from None
    if not whole or lengths != {depth}:
        raise ValueError("sums of a split are not whole numbers of each channel")
    return _of_figures(np.array(figures, object))
