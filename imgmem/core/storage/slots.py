"""A small record that is replaced often and survives a torn write: two alternating slots.

Each slot is its JSON body's length, CRC-32, a rising sequence number and the body. A write
goes to the older slot, so a torn one leaves the newer in force.
"""

import json
import struct
import zlib
from typing import Any

from imgmem.core.storage.durable import File

SLOT_BYTES = 4096
SLOTS_BYTES = 2 * SLOT_BYTES
_HEAD = struct.Struct("<QII")


class Slots:
    """Two slots at `offset` of a file that is open for durable writing."""

    def __init__(self, file: File, offset: int = 0) -> None:
        self._file = file
        self._offset = offset
        self._sequence, self.body = max(
            (self._read(index) for index in (0, 1)), key=lambda found: found[0]
        )

    def write(self, body: dict[str, Any]) -> None:
        """Put `body` in force; durable after the next sync of the file."""
        data = json.dumps(body, separators=(",", ":")).encode()
        sequence = self._sequence + 1
        head = _HEAD.pack(sequence, len(data), _checksum(sequence, data))
        if len(head) + len(data) > SLOT_BYTES:
            raise ValueError(f"a record of {len(data)} bytes does not fit a slot")
        self._file.pwrite(head + data, self._offset + SLOT_BYTES * (sequence % 2))
        self._sequence, self.body = sequence, body

    def _read(self, index: int) -> tuple[int, dict[str, Any] | None]:
        """(sequence, body) of a slot; (0, None) where it holds nothing whole."""
        raw = self._file.pread(SLOT_BYTES, self._offset + SLOT_BYTES * index)
        if len(raw) < _HEAD.size:
            return 0, None
        sequence, length, checksum = _HEAD.unpack_from(raw)
        data = raw[_HEAD.size : _HEAD.size + length]
        whole = len(data) == length and _checksum(sequence, data) == checksum
        if not whole or not length:
            return 0, None
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            return 0, None
        return (sequence, body) if isinstance(body, dict) else (0, None)


def _checksum(sequence: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(sequence.to_bytes(8, "little")))
