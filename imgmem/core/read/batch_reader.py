"""Rows from anywhere in `X.npy` into one batch, converted on the way."""

import os
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import numpy as np

from imgmem.core.arrays import Images, Indices
from imgmem.core.chunks import row_ranges, rows_per_chunk
from imgmem.core.read.convert import Conversion, Converter
from imgmem.core.read.row_reader import RowReader

_BLOCK_BYTES = 2**18
"""Stored bytes that are read, then converted: they stay in the second-level cache."""


class BatchReader:
    """Makes batches of given rows."""

    def __init__(self, reader: RowReader, conversion: Conversion, threads: int = 1) -> None:
        self._reader = reader
        self._conversion = conversion
        self._threads = threads
        self._pool_of: tuple[int, ThreadPoolExecutor | None] = (-1, None)
        _, height, width, depth = reader.header.shape
        self._convert = Converter(conversion, height, width)
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

    def __call__(
        self, rows: Indices, out: Images | None = None, *, threads: int | None = None
    ) -> Images:
        """The images at `rows` of the file: (len(rows), *image_shape), in `out` if given.

        threads: how many fill it, at most as many as the reader has; None for all of them.
        """
        out = self.empty(len(rows)) if out is None else out
        share = max(1, -(-len(rows) // (threads or self._threads)))
        parts = list(row_ranges(len(rows), share))
        if len(parts) > 1:
            list(self._pool().map(lambda part: self._fill_part(rows, out, *part), parts))
        elif parts:
            self._fill_part(rows, out, 0, len(rows))
        return out

    def _pool(self) -> ThreadPoolExecutor:
        """The threads, made at first use in each process: forked children inherit none."""
        if self._pool_of[0] != os.getpid():
            pool = ThreadPoolExecutor(self._threads, thread_name_prefix="imgmem-read")
            self._pool_of = (os.getpid(), pool)
        assert self._pool_of[1] is not None
        return self._pool_of[1]

    def _fill_part(self, rows: Indices, out: Images, start: int, stop: int) -> None:
        if self._conversion.is_copy:
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
