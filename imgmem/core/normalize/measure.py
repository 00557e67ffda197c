"""One pass over features that are not normalized: their checksums and exact sums."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.chunks import row_ranges
from imgmem.core.errors import RESTORE, DatasetError
from imgmem.core.levels import lookup
from imgmem.core.levels.histograms import PixelSums, no_counts
from imgmem.core.levels.to_uint8 import to_whole_exact
from imgmem.core.normalize.recode import Chunking, Crcs, in_threads, read_chunk, window_of
from imgmem.core.progress import STATISTICS, Progress, ProgressCallback
from imgmem.core.specs import RunSpec
from imgmem.core.storage import store
from imgmem.core.storage.checksums import damaged_rows
from imgmem.core.storage.crc import crc32
from imgmem.core.storage.durable import File
from imgmem.core.storage.record import Record

_AT_ONCE = 2**18
"""Pixels that are summed at a time: they stay in the second-level cache."""


Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Measured:
    """crcs: CRC-32 of every chunk. sums: of the levels in some rows."""

    crcs: Crcs
    sums: PixelSums


@dataclass(frozen=True)
class _Buffers:
    """Arrays for one chunk: as it is read, its whole values, and these channel by channel."""

    source: npt.NDArray[Any]
    whole: lookup.Whole
    planes: npt.NDArray[np.uint8]


def measure(
    features: File,
    side: Record,
    chunking: Chunking,
    *,
    rows: Ranges,
    run: RunSpec,
    progress: ProgressCallback,
) -> Measured:
    """Read all features, whole numbers of any type, and sum the values in `rows`, (start, stop) of
    some.

    Raises DatasetError where the checksums do not match, or holds other values.
    """
    reader = _Reader(features, side, chunking, rows)
    crcs = np.zeros(chunking.chunks, np.uint32)
    sums = PixelSums.none(side.shape[3])
    window = window_of(reader.cost, run)
    buffers = [reader.buffers() for _ in range(window)]
    tasks = ((chunk, buffers[chunk % window]) for chunk in range(chunking.chunks))
    for chunk, (crc, part) in enumerate(in_threads(reader, tasks, run, window)):
        crcs[chunk] = crc
        sums += part
        progress(Progress(STATISTICS, chunking.bounds(chunk)[1], chunking.values, "values"))
    require_checksums(features.path, side, chunking.checksums(side, crcs))
    return Measured(crcs, sums)


def require_checksums(path: str, side: Record, blocks: list[int]) -> None:
    """DatasetError, with the rows, unless X has the checksums that the record says."""
    header = side.features_header
    bad = damaged_rows(
        blocks,
        side.checksums.get("X", blocks),
        block=side.checksum_block,
        row_bytes=header.row_bytes,
        rows=header.shape[0],
    )
    if bad:
        ranges = ", ".join(f"{start} to {stop - 1}" for start, stop in bad)
        raise DatasetError(
            f"{path} is damaged: the checksums of rows {ranges} do not match",
            hint=RESTORE,
            path=path,
            damaged_rows=bad,
        )


class _Reader:
    """Reads, checks and sums one chunk at a time; called from several threads."""

    def __init__(self, features: File, side: Record, chunking: Chunking, rows: Ranges) -> None:
        self._features = features
        self._side = side
        self._dtype = side.features_header.dtype
        self._highest = side.highest
        self._depth = side.shape[3]
        self._chunking = chunking
        per_row = chunking.values // side.shape[0]
        self._wanted = [(start * per_row, stop * per_row) for start, stop in rows]
        self._at_once = max(1, min(_AT_ONCE, chunking.longest // self._depth))

    @property
    def cost(self) -> int:
        """Bytes that one chunk under way takes."""
        whole = self._dtype.kind != "u"
        return self._chunking.longest * (self._dtype.itemsize + whole) + self._depth * self._at_once

    def buffers(self) -> _Buffers:
        values = self._chunking.longest
        source = np.empty(values, self._dtype)
        whole = source if source.dtype.kind == "u" else np.empty(values, np.uint8)
        return _Buffers(source, whole, np.empty((self._depth, self._at_once), np.uint8))

    def __call__(self, task: tuple[int, _Buffers]) -> tuple[int, PixelSums]:
        chunk, buffers = task
        start, stop = self._chunking.bounds(chunk)
        source, whole = buffers.source[: stop - start], buffers.whole[: stop - start]
        read_chunk(self._features, self._chunking.region(self._side, chunk), source)
        if whole.dtype != source.dtype and not to_whole_exact(source, whole):
            raise store.damaged(
                self._features.path, "it holds values that are not whole numbers from 0 to 255"
            )
        sums = PixelSums.none(self._depth)
        for wanted in self._wanted:
            low, high = (min(max(bound, start), stop) for bound in wanted)
            if low < high:
                part = whole[low - start : high - start]
                sums += _sums(part, low % self._depth, buffers.planes, self._highest)
        return crc32(source.data), sums


def _sums(
    whole: lookup.Whole, phase: int, planes: npt.NDArray[np.uint8], highest: int
) -> PixelSums:
    """The sums of flat, interleaved values, of which the first is of channel `phase`."""
    depth = len(planes)
    head = min(-phase % depth, len(whole))
    body = (len(whole) - head) // depth * depth
    counts = no_counts(depth, highest)
    loose = np.r_[0:head, head + body : len(whole)]
    np.add.at(counts, ((loose + phase) % depth, whole[loose]), 1)
    sums = PixelSums.of(counts)
    for start, stop in row_ranges(body, planes.size):
        pixels = whole[head + start : head + stop].reshape(-1, depth)
        sums += PixelSums.of_pixels(pixels, planes)
    return sums
