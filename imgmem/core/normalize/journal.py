"""The journal of an in-place rewrite: all that is needed to go on, or back, after a crash.

    8 KiB     how far: two alternating checksummed slots (`slots.py`)
    plan      both records, as JSON, with length and CRC-32
    tables    CRC-32 of every chunk as it was ("before") and as it becomes ("after")
    chunks    room for the sources of chunks that are written over themselves

Nothing in here is trusted without its checksum.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from imgmem.core.normalize.recode import Crcs, Direction, Plan
from imgmem.core.storage import durable, store
from imgmem.core.storage.durable import File
from imgmem.core.storage.slots import SLOTS_BYTES, Slots

_PAGE = 4096
_PLAN_HEAD = struct.Struct("<8sQI")
_PLAN_MAGIC = b"imgmemJ1"
_CHUNK_HEAD = struct.Struct("<QQII")


@dataclass
class RewriteState:
    """How far a rewrite is: chunks 0 to `left` - 1 are durably as before, the others as after,
    save for what the latest interruption left half-written.

    before, after: CRC-32 of every chunk in that form, where it is known.
    """

    direction: Direction
    left: int
    before: Crcs
    after: Crcs

    def to_slot(self) -> dict[str, Any]:
        return {"direction": self.direction, "left": self.left, "tables": self.tables_crc()}

    def tables_crc(self) -> int:
        """CRC-32 of those entries that tell of the present file."""
        return zlib.crc32(self.after[self.left :].data, zlib.crc32(self.before[: self.left].data))

    def sources(self) -> tuple[range, Crcs]:
        """The chunks that are still to do, in the order in which they must be, and the CRC-32s
        of their sources. Forward goes from the last to the first, so that a file that grows
        never loses a source; back the other way round."""
        if self.direction == "forward":
            return range(self.left - 1, -1, -1), self.before
        return range(self.left, len(self.after)), self.after

    def results(self) -> tuple[range, Crcs]:
        """The chunks that are done, and the CRC-32s of what they became."""
        if self.direction == "forward":
            return range(self.left, len(self.after)), self.after
        return range(self.left), self.before


class Journal:
    """An open journal."""

    def __init__(self, path: str) -> None:
        """Open and check a journal; DatasetError if it is damaged."""
        self.path = path
        self._file = File(path)
        try:
            self.plan = self._read_plan()
            self._layout = _Layout(self.plan)
            self._require(self._file.size() == self._layout.size, "its size is wrong")
            self._slots = Slots(self._file)
            self.state = self._read_state()
        except BaseException:
            self.close()
            raise

    def commit(self) -> None:
        """Make the state durable; what it says about the features must be so by now."""
        self._file.pwrite(self.state.before, self._layout.before)
        self._file.pwrite(self.state.after, self._layout.after)
        self._file.sync()  # the state vouches for the tables
        self._slots.write(self.state.to_slot())
        self._file.sync()

    def save(self, chunk: int, source: npt.NDArray[Any]) -> None:
        """Keep the source of a chunk, durably, until the turn of its place comes again."""
        place = self._layout.place(chunk)
        self._file.pwrite(source, place + _PAGE)
        self._file.pwrite(_chunk_head(chunk, source.nbytes, zlib.crc32(source.data)), place)
        self._file.sync()

    def saved(self) -> Iterator[tuple[int, bytes]]:
        """(chunk, bytes) of the kept sources that are whole and of chunks still to do."""
        to_do, crcs = self.state.sources()
        for index in range(self._layout.places):
            place = self._layout.place(index)
            head = self._file.pread(_CHUNK_HEAD.size, place)
            chunk, length, crc, _ = _CHUNK_HEAD.unpack(head)
            whole = head == _chunk_head(chunk, length, crc) and chunk in to_do
            if whole and crc == crcs[chunk]:
                data = self._file.pread(length, place + _PAGE)
                if zlib.crc32(data) == crc:
                    yield chunk, data

    @property
    def places(self) -> int:
        """How many chunks can be kept at once."""
        return self._layout.places

    def _read_plan(self) -> Plan:
        head = self._file.pread(_PLAN_HEAD.size, SLOTS_BYTES)
        self._require(len(head) == _PLAN_HEAD.size, "it is cut")
        magic, length, crc = _PLAN_HEAD.unpack(head)
        self._require(magic == _PLAN_MAGIC and length < self._file.size(), "it has no plan")
        data = self._file.pread(length, SLOTS_BYTES + _PLAN_HEAD.size)
        self._require(zlib.crc32(data) == crc, "the checksum of its plan is wrong")
        return Plan.from_json(data)

    def _read_state(self) -> RewriteState:
        slot = self._slots.body
        if slot is None:
            raise store.damaged(self.path, "it does not say how far it is")
        tables = (self._read_table(offset) for offset in (self._layout.before, self._layout.after))
        state = RewriteState(slot["direction"], slot["left"], *tables)
        self._require(state.tables_crc() == slot["tables"], "its tables are wrong")
        return state

    def _read_table(self, offset: int) -> Crcs:
        data = self._file.pread(4 * self.plan.chunking.chunks, offset)
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


def create(path: str, plan: Plan, state: RewriteState) -> None:
    """Write a journal under another name, and rename it to `path` when it is durable.

    Raises ResourceError, and leaves nothing behind, where there is no space for it.
    """
    temporary = path + durable.NEW
    durable.unlink(temporary)
    try:
        _write(temporary, plan, state)
    except Exception:
        durable.unlink(temporary)
        raise
    durable.rename(temporary, path)
    durable.sync_directory(os.path.dirname(path))


def _write(path: str, plan: Plan, state: RewriteState) -> None:
    data = plan.to_json()
    head = _PLAN_HEAD.pack(_PLAN_MAGIC, len(data), zlib.crc32(data))
    layout = _Layout(plan)
    with File(path, create=True) as file:
        file.allocate(layout.size)
        file.pwrite(head + data, SLOTS_BYTES)
        file.pwrite(state.before, layout.before)
        file.pwrite(state.after, layout.after)
        Slots(file).write(state.to_slot())
        file.sync()


class _Layout:
    """Where things lie in a journal."""

    def __init__(self, plan: Plan) -> None:
        headers = [side.features_header for side in plan.sides("forward")]
        chunking = plan.chunking
        # where the dtype's size stays all chunks overlap themselves, else the first alone
        overlapping = 2 if headers[0].row_bytes == headers[1].row_bytes else 1
        self.places = min(overlapping, chunking.chunks)
        widest = max(header.dtype.itemsize for header in headers)
        self._place_bytes = _PAGE + _padded(chunking.longest * widest)
        table = _padded(4 * chunking.chunks)
        self.before = SLOTS_BYTES + _padded(_PLAN_HEAD.size + len(plan.to_json()))
        self.after = self.before + table
        self._places = self.after + table
        self.size = self._places + self.places * self._place_bytes

    def place(self, chunk: int) -> int:
        return self._places + chunk % self.places * self._place_bytes


def _chunk_head(chunk: int, length: int, crc: int) -> bytes:
    fields = struct.pack("<QQI", chunk, length, crc)
    return fields + struct.pack("<I", zlib.crc32(fields))


def _padded(length: int) -> int:
    return -(-length // _PAGE) * _PAGE
