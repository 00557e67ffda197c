"""Rows from anywhere in `X.npy` into one batch, converted on the way.

Rows are read by `pread`, not through the memory map: a file that was cut or a disk that
fails is then an error, not the end of the process; memory does not grow with what was
read; and the disk sees one request for a row instead of a fault for a few pages.
"""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.chunks import row_ranges, rows_per_chunk
from imgmem.core.errors import DatasetError
from imgmem.core.read.convert import Conversion, Converter
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.npy import HEADER_BYTES, ArrayHeader

Images = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]

_BLOCK_BYTES = 2**18
"""Stored bytes that are read, then converted: they stay in the second-level cache."""


class RowReader:
    """Reads rows of a features file; from any thread, and in forked children too.

    It holds the dataset's lock: whoever reads on keeps `normalize` away, and when the last
    reader is gone, so is the lock.
    """

    def __init__(self, path: str, header: ArrayHeader, lock: Lock) -> None:
        self.path = path
        self.header = header
        self._lock = lock
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | _BINARY)
        self._turn = threading.Lock()

    def read(self, row: int, into: Images) -> None:
        """Fill `into` (k, H, W, C) with the rows row … row + k - 1."""
        self.require_open()
        view = memoryview(into.data).cast("B")
        offset = HEADER_BYTES + row * self.header.row_bytes
        try:
            while view:
                got = self._read_at(view, offset)
                if not got:
                    raise self._failed("it ends too early")
                view, offset = view[got:], offset + got
        except OSError as error:
            raise self._failed(error.strerror or str(error)) from error
        self.require_open()  # also after reading: the descriptor may have been another file's

    def _read_at(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [view], offset)
        with self._turn:  # Windows: no reading at an offset, so seek and read in turn
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, len(view))
        view[: len(data)] = data
        return len(data)

    def will_need(self, rows: Rows) -> None:
        """Let the disk fetch these rows in the background, neighbors in one request."""
        if not hasattr(os, "posix_fadvise") or not len(rows):
            return
        rows = np.unique(rows)
        firsts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) > 1)
        counts = np.diff(firsts, append=len(rows))
        size = self.header.row_bytes
        for row, count in zip(rows[firsts].tolist(), counts.tolist(), strict=True):
            offset = HEADER_BYTES + row * size
            with suppress(OSError):  # only a hint; reading will tell what is wrong
                os.posix_fadvise(self._fd, offset, count * size, os.POSIX_FADV_WILLNEED)

    def require_open(self) -> None:
        if self._fd < 0:
            raise DatasetError(f"{self.path} was closed", hint="Open the dataset again.")

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
            self._lock.release()

    def __del__(self) -> None:
        if hasattr(self, "_fd"):
            self.close()

    def _failed(self, what: str) -> DatasetError:
        return DatasetError(
            f"reading {self.path} failed: {what}",
            hint="Check the disk; `imgmem stats --verify` tells which rows are damaged.",
            path=self.path,
        )


_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends


class Gather:
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

    @property
    def image_bytes(self) -> int:
        return int(np.prod(self.image_shape)) * self.dtype.itemsize

    def will_need(self, rows: Rows) -> None:
        self._reader.will_need(rows)

    def empty(self, count: int) -> Images:
        """An array that `count` rows fit into."""
        return np.empty((count, *self.image_shape), self.dtype)

    def __call__(self, rows: Rows, out: Images | None = None) -> Images:
        """The images at `rows` of the file: (len(rows), *image_shape), in `out` if given."""
        out = self.empty(len(rows)) if out is None else out
        share = max(1, -(-len(rows) // self._threads))
        parts = list(row_ranges(len(rows), share))
        if len(parts) > 1:
            list(self._pool().map(lambda part: self._fill_part(rows, out, *part), parts))
        elif parts:
            self._fill_part(rows, out, 0, len(rows))
        return out

    def _pool(self) -> ThreadPoolExecutor:
        """The threads, made at first use in each process: forked children inherit none."""
        if self._pool_of[0] != os.getpid():
            pool = ThreadPoolExecutor(self._threads, thread_name_prefix="imgmem-gather")
            self._pool_of = (os.getpid(), pool)
        assert self._pool_of[1] is not None
        return self._pool_of[1]

    def _fill_part(self, rows: Rows, out: Images, start: int, stop: int) -> None:
        if self._conversion.is_copy:
            self._read(rows[start:stop].tolist(), out[start:stop])
        else:
            self._convert_part(rows[start:stop].tolist(), out[start:stop])

    def _convert_part(self, rows: list[int], out: Images) -> None:
        header = self._reader.header
        at_once = min(len(rows), rows_per_chunk(header.row_bytes, _BLOCK_BYTES))
        stored = np.empty((at_once, *header.shape[1:]), header.dtype)
        for start, stop in row_ranges(len(rows), at_once):
            block = stored[: stop - start]
            self._read(rows[start:stop], block)
            self._convert(block, out[start:stop])

    def _read(self, rows: list[int], into: Images) -> None:
        if rows == list(range(rows[0], rows[0] + len(rows))):
            self._reader.read(rows[0], into)
            return
        for place, row in enumerate(rows):
            self._reader.read(row, into[place])
