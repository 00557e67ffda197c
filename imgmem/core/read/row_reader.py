"""Stored rows from `X.npy`.

Rows are read by `pread`, not through the memory map: a truncated file or a failing disk is then
an error instead of a signal that ends the process; memory does not grow with what was read; and
the disk sees one request per row instead of a page fault for every few pages.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np

from imgmem.core.arrays import Images, Indices
from imgmem.core.chunks import row_ranges
from imgmem.core.errors import DatasetError
from imgmem.core.messages import command
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.npy import HEADER_BYTES, ArrayHeader

_NOWAIT = getattr(os, "RWF_NOWAIT", 0)  # Linux
_PROBES = 8
_BINARY = getattr(os, "O_BINARY", 0)  # Windows would translate line ends


class RowReader:
    """Reads rows of a features file; from any thread, and in forked children too.

    It holds the dataset's lock: while anything still reads, `normalize` is kept away, and the
    lock is released with the last reader.
    """

    def __init__(self, path: str, header: ArrayHeader, lock: Lock) -> None:
        self.path = path
        self.header = header
        self._dataset_lock = lock
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | _BINARY)
        self._lock = threading.Lock()

    def blocks(self, rows: Sequence[int], into: Images) -> Iterator[tuple[int, int]]:
        """Fill `into` (k, H, W, C) with the next k of these rows, again and again.

        Yields (start, stop) of the rows that `into` now holds. Whoever uses them must take all
        blocks: that the file was not closed meanwhile is known only at the end.
        """
        self.require_open()
        size, at_once = self.header.row_bytes, len(into)
        whole = memoryview(into.data).cast("B")
        views: list[memoryview] = []
        for start, stop in row_ranges(len(rows), at_once):
            part = rows[start:stop]
            try:
                if len(part) > 1 and part == list(range(part[0], part[0] + len(part))):
                    self._fill(whole[: len(part) * size], HEADER_BYTES + part[0] * size)
                else:
                    views = views or [
                        whole[place * size : (place + 1) * size] for place in range(at_once)
                    ]
                    for row, view in zip(part, views, strict=False):
                        self._fill(view, HEADER_BYTES + row * size)
            except OSError as error:
                self.require_open()
                raise self._failed(error.strerror or str(error)) from error
            yield start, stop
        self.require_open()  # the descriptor may have been another file's

    def lines(
        self, rows: Sequence[int], parts: Sequence[Sequence[int]], into: Images
    ) -> Iterator[Images]:
        """Some lines of each row in turn, read into `into` (H, W, C).

        parts: (first line, lines) of each row. Yields (lines, W, C), until the next is asked
        for. As for `blocks`, all must be taken.
        """
        self.require_open()
        size, line = self.header.row_bytes, self.header.row_bytes // len(into)
        whole = memoryview(into.data).cast("B")
        for row, (first, count) in zip(rows, parts, strict=True):
            try:
                self._fill(whole[: count * line], HEADER_BYTES + row * size + first * line)
            except OSError as error:
                self.require_open()
                raise self._failed(error.strerror or str(error)) from error
            yield into[:count]
        self.require_open()

    def _fill(self, view: memoryview, offset: int) -> None:
        """Read as many bytes as there is room for, in as many pieces as it takes."""
        while view:
            count = self._read_at(view, offset)
            if not count:
                raise self._failed("the file is truncated")
            view, offset = view[count:], offset + count

    def _read_at(self, view: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._fd, [view], offset)
        with self._lock:  # Windows cannot read at an offset: seek and read, one thread at a time
            os.lseek(self._fd, offset, os.SEEK_SET)
            data = os.read(self._fd, len(view))
        view[: len(data)] = data
        return len(data)

    def will_need(self, rows: Indices) -> None:
        """Let the disk fetch these rows in the background, neighbors in one request.

        Nothing is asked for where a sample of them is in memory already: on cached rows a hint
        costs as much as reading them.
        """
        if not hasattr(os, "posix_fadvise") or not len(rows) or self._are_cached(rows):
            return
        rows = np.unique(rows)
        firsts = np.flatnonzero(np.diff(rows, prepend=rows[0] - 2) > 1)
        counts = np.diff(firsts, append=len(rows))
        size = self.header.row_bytes
        for row, count in zip(rows[firsts].tolist(), counts.tolist(), strict=True):
            offset = HEADER_BYTES + row * size
            with suppress(OSError):  # only a hint; reading reports what is wrong
                os.posix_fadvise(self._fd, offset, count * size, os.POSIX_FADV_WILLNEED)

    def _are_cached(self, rows: Indices) -> bool:
        """Whether the first bytes of some of these rows can be read without waiting for a disk."""
        if not hasattr(os, "RWF_NOWAIT"):
            return False
        probe = bytearray(1)
        try:
            for row in rows[:: -(-len(rows) // _PROBES)].tolist():
                os.preadv(self._fd, [probe], HEADER_BYTES + row * self.header.row_bytes, _NOWAIT)
        except OSError:  # EAGAIN, or a file system that cannot tell
            return False
        return True

    def require_open(self) -> None:
        """DatasetError if `close` was called."""
        if self._fd < 0:
            raise DatasetError(f"{self.path} was closed", hint="Open the dataset again.")

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
            self._dataset_lock.release()

    def __del__(self) -> None:
        try:  # noqa: SIM105 - `suppress` may be gone too
            self.close()
        except AttributeError:
            pass  # never opened, or at interpreter exit, when modules are gone

    def _failed(self, what: str) -> DatasetError:
        return DatasetError(
            f"reading {self.path} failed: {what}",
            hint=f"Check the disk; `{command('stats', 'DATASET', verify=True)}` finds damaged "
            "rows.",
            path=self.path,
        )
