"""Checksums of the fixed-size blocks of an array's data, while it is appended to."""

from collections.abc import Iterator

from imgmem.core.storage.crc import crc32
from imgmem.core.storage.record import CHECKSUM_BLOCK_BYTES

BLOCK_BYTES = CHECKSUM_BLOCK_BYTES


def block_pieces(start: int, length: int) -> Iterator[slice]:
    """Cut `length` bytes that lie at offset `start` of the data at the checksum blocks' ends."""
    done = 0
    while done < length:
        room = BLOCK_BYTES - (start + done) % BLOCK_BYTES
        yield slice(done, min(done + room, length))
        done = min(done + room, length)


def append_checksums(data: memoryview, start: int, open_block: int) -> tuple[list[int], int]:
    """Checksums of the blocks that appended data fills, and of the open block behind them.

    start: where `data` begins in the array's data. open_block: checksum of the block that it
    begins in, as far as that is filled; 0 at the beginning of a block.
    """
    full, crc = [], open_block
    for piece in block_pieces(start, len(data)):
        crc = crc32(data[piece], crc)
        if (start + piece.stop) % BLOCK_BYTES == 0:
            full.append(crc)
            crc = 0
    return full, crc
