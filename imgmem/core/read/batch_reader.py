"""Rows from anywhere in `X.npy` into one batch, converted on the way."""

import os
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial

import numpy as np

from imgmem.core.arrays import Images, Indices
from imgmem.core.chunks import row_ranges, rows_per_chunk
from imgmem.core.read.augment import Augmenter, Draws, Keys
from imgmem.core.read.convert import Conversion, Converter
from imgmem.core.read.row_reader import RowReader

_BLOCK_BYTES = 2**19
"""Stored bytes that are read, then converted: they stay in the second-level cache, and threads
seldom wait for the interpreter's lock between two blocks."""


class BatchReader:
    """Makes batches of given rows."""

    def __init__(
        self,
        reader: RowReader,
        conversion: Conversion,
        threads: int = 1,
        augmenter: Augmenter | None = None,
        *,
        compiled: bool = False,
    ) -> None:
        """compiled: as for `Converter`."""
        self._reader = reader
        self._conversion = conversion
        self._augmenter = augmenter
        self._threads = threads
        self._pool_of: tuple[int, ThreadPoolExecutor | None] = (-1, None)
        _, height, width, depth = reader.header.shape
        height, width = augmenter.size if augmenter else (height, width)
        self._convert = Converter(conversion, height, width, compiled=compiled)
        row = (height, width, depth)
        self.image_shape = row if conversion.layout == "NHWC" else (depth, height, width)
        self.dtype = conversion.wanted

    def with_threads(self, threads: int) -> "BatchReader":
        """The same, with another number of threads."""
        other = copy(self)
        other._threads, other._pool_of = threads, (-1, None)
        return other

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def image_bytes(self) -> int:
        return int(np.prod(self.image_shape)) * self.dtype.itemsize

    def will_need(self, rows: Indices) -> None:
        self._reader.will_need(rows)

    def empty(self, count: int) -> Images:
        """An array that `count` rows fit into."""
        return np.empty((count, *self.image_shape), self.dtype)

    @property
    def augments(self) -> bool:
        """Whether it needs `keys`."""
        return self._augmenter is not None

    def __call__(
        self,
        rows: Indices,
        out: Images | None = None,
        *,
        threads: int | None = None,
        keys: Keys | None = None,
    ) -> Images:
        """The images at `rows` of the file: (len(rows), *image_shape), in `out` if given.

        threads: how many fill it, at most as many as the reader has; None for all of them.
        keys: what decides how each row is augmented, where it is.
        """
        out = self.empty(len(rows)) if out is None else out
        share = max(1, -(-len(rows) // (threads or self._threads)))
        parts = list(row_ranges(len(rows), share))
        if len(parts) > 1:
            fill = partial(self._fill_part, rows, out, keys)
            list(self._pool().map(fill, *zip(*parts, strict=True)))
        elif parts:
            self._fill_part(rows, out, keys, 0, len(rows))
        return out

    def _pool(self) -> ThreadPoolExecutor:
        """The threads, made at first use in each process: forked children inherit none."""
        if self._pool_of[0] != os.getpid():
            pool = ThreadPoolExecutor(self._threads, thread_name_prefix="imgmem-read")
            self._pool_of = (os.getpid(), pool)
        assert self._pool_of[1] is not None
        return self._pool_of[1]

    def _fill_part(
        self, rows: Indices, out: Images, keys: Keys | None, start: int, stop: int
    ) -> None:
        if self._augmenter is not None:
            assert keys is not None
            draws = self._augmenter.draw(keys[start:stop])
            self._augment_part(self._augmenter, rows[start:stop].tolist(), draws, out[start:stop])
        elif self._conversion.is_copy:
            for _ in self._reader.blocks(rows[start:stop].tolist(), out[start:stop]):
                pass
        else:
            self._convert_part(rows[start:stop].tolist(), out[start:stop])

    def _convert_part(self, rows: list[int], out: Images) -> None:
        header = self._reader.header
        at_once = min(len(rows), rows_per_chunk(header.row_bytes, _BLOCK_BYTES))
        stored = np.empty((at_once, *header.shape[1:]), header.dtype)
        fill = self._convert.from_block(stored)
        for start, stop in self._reader.blocks(rows, stored):
            fill(stop - start, out[start:stop])

    def _augment_part(
        self, augmenter: Augmenter, rows: list[int], draws: Draws, out: Images
    ) -> None:
        header = self._reader.header
        boxes, flips = draws
        at_once = min(len(rows), rows_per_chunk(int(np.prod(self.image_shape)), _BLOCK_BYTES))
        stored = np.empty(header.shape[1:], header.dtype)
        staged = np.empty((at_once, *augmenter.size, header.shape[3]), header.dtype)
        fill = self._convert.from_block(staged)
        lines = self._reader.lines(rows, boxes[:, [0, 2]].tolist(), stored)
        parts = zip(lines, boxes[:, 1].tolist(), boxes[:, 3].tolist(), flips.tolist(), strict=True)
        for number, (part, left, width, flip) in enumerate(parts, 1):
            place = (number - 1) % at_once
            augmenter.apply(part[:, left : left + width], flip=flip, out=staged[place])
            if place == at_once - 1 or number == len(rows):
                fill(place + 1, out[number - place - 1 : number])
