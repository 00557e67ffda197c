"""The journal of a rewrite in place: all that is needed to resume, or to undo, after a crash.

    8 KiB     how far: two alternating checksummed slots (`slots.py`)
    rewrite   both records, as JSON, with length and CRC-32
    tables    CRC-32 of every chunk in its original and in its normalized form
    chunks    room for the sources of chunks that are written over themselves

Nothing in here is trusted without its checksum. PROTOCOL.md says how it is used.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from imgmem.core.normalize.recode import Crcs, Direction, Rewrite
from imgmem.core.storage import durable, store
from imgmem.core.storage.durable import File
from imgmem.core.storage.slots import SLOTS_BYTES, Slots

_PAGE = 4096
_REWRITE_HEAD = struct.Struct("<8sQI")
_REWRITE_MAGIC = b"imgmemJ1"
_CHUNK_HEAD = struct.Struct("<QQII")
_DIRECTIONS: dict[str, Direction] = {
    "apply": "apply",
    "undo": "undo",
    "forward": "apply",  # the words of format version 1
    "back": "undo",
}


@dataclass
class RewriteState:
    """How far a rewrite is.

    Chunks 0 to `left` - 1 are durably original, the others normalized, except for what the
    latest interruption left half-written. original, normalized: CRC-32 of every chunk in that
    form, where it is known.
    """

    direction: Direction
    left: int
    original: Crcs
    normalized: Crcs

    def to_slot(self) -> dict[str, Any]:
        return {"direction": self.direction, "left": self.left, "tables": self.tables_crc()}

    def tables_crc(self) -> int:
        """CRC-32 of the entries that describe the file as it is."""
        return zlib.crc32(
            self.normalized[self.left :].data, zlib.crc32(self.original[: self.left].data)
        )

    def to_do(self) -> tuple[range, Crcs]:
        """The chunks still to do, in the order to do them, and the CRC-32s of their sources.

        "apply" goes from the last to the first, so that a file that grows never overwrites a
        source that is still needed; "undo" goes the other way.
        """
        if self.direction == "apply":
            return range(self.left - 1, -1, -1), self.original
        return range(self.left, len(self.normalized)), self.normalized

    def finished(self) -> tuple[range, Crcs]:
        """The chunks that are done, and the CRC-32s of what they became."""
        if self.direction == "apply":
            return range(self.left, len(self.normalized)), self.normalized
        return range(self.left), self.original

    def done(self, chunk: int, crc: int) -> None:
        """Note the checksum of a chunk's result; `advance` counts it as done."""
        self.finished()[1][chunk] = crc

    def advance(self, chunks: int) -> None:
        """Count the next `chunks` chunks as done: they are durable."""
        self.left += -chunks if self.direction == "apply" else chunks

    def turn(self, direction: Direction) -> None:
        """Go on in `direction`: what was still to do there is done now, and the reverse."""
        self.direction = direction


class Journal:
    """An open journal."""

    def __init__(self, path: str) -> None:
        """Open and check a journal; DatasetError if it is damaged."""
        self.path = path
        self._file = File(path)
        try:
            self.rewrite = self._read_rewrite()
            self._layout = _Layout(self.rewrite, self._rewrite_bytes)
            self._require(self._file.size() == self._layout.size, "its size is wrong")
            self._slots = Slots(self._file)
            self.state = self._read_state()
        except BaseException:
            self.close()
            raise

    def commit(self) -> None:
        """Make the state durable; what it says about the features must be durable already."""
        self._file.pwrite(self.state.original, self._layout.original)
        self._file.pwrite(self.state.normalized, self._layout.normalized)
        self._file.sync()  # the state vouches for the tables
        self._slots.write(self.state.to_slot())
        self._file.sync()

    def save(self, chunk: int, source: npt.NDArray[Any]) -> None:
        """Keep the source of a chunk, durably, until its place is used again."""
        place = self._layout.place(chunk)
        self._file.pwrite(source, place + _PAGE)
        self._file.pwrite(_chunk_head(chunk, source.nbytes, zlib.crc32(source.data)), place)
        self._file.sync()

    def saved(self) -> Iterator[tuple[int, bytes]]:
        """(chunk, bytes) of the kept sources that are whole and of chunks still to do."""
        to_do, crcs = self.state.to_do()
        for index in range(self._layout.places):
            place = self._layout.place(index)
            head = self._file.pread(_CHUNK_HEAD.size, place)
            chunk, length, crc, _ = _CHUNK_HEAD.unpack(head)
            whole = head == _chunk_head(chunk, length, crc) and chunk in to_do
            if whole and crc == crcs[chunk] and length <= self._layout.room:
                data = self._file.pread(length, place + _PAGE)
                if zlib.crc32(data) == crc:
                    yield chunk, data

    @property
    def places(self) -> int:
        """How many chunks can be kept at once."""
        return self._layout.places

    def _read_rewrite(self) -> Rewrite:
        head = self._file.pread(_REWRITE_HEAD.size, SLOTS_BYTES)
        self._require(len(head) == _REWRITE_HEAD.size, "it is truncated")
        magic, length, crc = _REWRITE_HEAD.unpack(head)
        self._require(
            magic == _REWRITE_MAGIC and length < self._file.size(), "it describes no rewrite"
        )
        data = self._file.pread(length, SLOTS_BYTES + _REWRITE_HEAD.size)
        self._require(zlib.crc32(data) == crc, "the checksum of its two records is wrong")
        self._rewrite_bytes = length
        try:
            return Rewrite.from_json(data)
        except ValueError as error:
            raise store.damaged(self.path, f"invalid contents ({error})") from None

    def _read_state(self) -> RewriteState:
        slot = self._slots.body or {}
        direction = _DIRECTIONS.get(str(slot.get("direction")))
        left = slot.get("left")
        if direction is None or type(left) is not int:
            raise store.damaged(self.path, "it does not say how far the rewrite is")
        self._require(0 <= left <= self.rewrite.chunking.chunks, "it is beyond its last chunk")
        tables = map(self._read_table, (self._layout.original, self._layout.normalized))
        state = RewriteState(direction, left, *tables)
        self._require(state.tables_crc() == slot.get("tables"), "its tables are wrong")
        return state

    def _read_table(self, offset: int) -> Crcs:
        data = self._file.pread(4 * self.rewrite.chunking.chunks, offset)
        return np.frombuffer(data, "<u4").copy()

    def _require(self, condition: bool, complaint: str) -> None:
        if not condition:
            raise store.damaged(self.path, complaint)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create(path: str, rewrite: Rewrite, state: RewriteState) -> None:
    """Write a journal under another name, and rename it to `path` when it is durable.

    Raises ResourceError, and leaves nothing behind, where there is no space for it.
    """
    temporary = path + durable.NEW
    durable.unlink(temporary)
    try:
        _write(temporary, rewrite, state)
    except Exception:
        durable.unlink(temporary)
        raise
    durable.rename(temporary, path)
    durable.sync_directory(os.path.dirname(path))


def _write(path: str, rewrite: Rewrite, state: RewriteState) -> None:
    data = rewrite.to_json()
    head = _REWRITE_HEAD.pack(_REWRITE_MAGIC, len(data), zlib.crc32(data))
    layout = _Layout(rewrite, len(data))
    with File(path, create=True) as file:
        file.allocate(layout.size)
        file.pwrite(head + data, SLOTS_BYTES)
        file.pwrite(state.original, layout.original)
        file.pwrite(state.normalized, layout.normalized)
        Slots(file).write(state.to_slot())
        file.sync()


class _Layout:
    """Where things lie in a journal whose two records take `rewrite_bytes`.

    places: how many chunks can be kept. room: bytes for the source of each.
    """

    def __init__(self, rewrite: Rewrite, rewrite_bytes: int) -> None:
        headers = [side.features_header for side in rewrite.sides("apply")]
        chunking = rewrite.chunking
        # where the dtype's size stays all chunks overlap themselves, else the first alone
        overlapping = 2 if headers[0].row_bytes == headers[1].row_bytes else 1
        self.places = min(overlapping, chunking.chunks)
        widest = max(header.dtype.itemsize for header in headers)
        self.room = _padded(chunking.longest * widest)
        self._place_bytes = _PAGE + self.room
        table = _padded(4 * chunking.chunks)
        self.original = SLOTS_BYTES + _padded(_REWRITE_HEAD.size + rewrite_bytes)
        self.normalized = self.original + table
        self._places = self.normalized + table
        self.size = self._places + self.places * self._place_bytes

    def place(self, chunk: int) -> int:
        return self._places + chunk % self.places * self._place_bytes


def _chunk_head(chunk: int, length: int, crc: int) -> bytes:
    fields = struct.pack("<QQI", chunk, length, crc)
    return fields + struct.pack("<I", zlib.crc32(fields))


def _padded(length: int) -> int:
    return -(-length // _PAGE) * _PAGE
