"""CRC-32 of blocks of an array's data: read, joined without reading, and compared."""

from collections.abc import Iterable
from functools import lru_cache

from imgmem.core.storage.crc import crc32
from imgmem.core.storage.durable import File

_READ_BYTES = 2**20
POLYNOMIAL = 0xEDB88320
"""CRC-32's polynomial, reflected; bit 31 is x**0 (as in zlib)."""


def crc_of(file: File, start: int, length: int) -> int:
    """CRC-32 of a range of a file; what lies behind the end does not count."""
    crc = 0
    buffer = memoryview(bytearray(min(_READ_BYTES, length)))
    for done in range(0, length, _READ_BYTES):
        part = buffer[: min(_READ_BYTES, length - done)]
        crc = crc32(part[: file.pread_into(part, start + done)], crc)
    return crc


def joined(parts: Iterable[tuple[int, int]]) -> int:
    """The CRC-32 of a concatenation, from the (CRC-32, length in bytes) of its parts.

    Source: zlib's `crc32_combine`: crc(ab) = crc(a) · x**(8·len(b)) + crc(b) mod the polynomial.
    """
    total = 0
    for crc, length in parts:
        total = _multiply(_x_to(8 * length), total) ^ crc
    return total


def blocks_of(parts: Iterable[tuple[int, int]], block: int) -> list[int]:
    """CRC-32 of each `block` bytes, from parts that lie in order and do not straddle blocks."""
    blocks: list[int] = []
    filled = block
    for crc, length in parts:
        if filled == block:
            blocks.append(0)
            filled = 0
        blocks[-1] = joined([(blocks[-1], 0), (crc, length)])
        filled += length
    return blocks


@lru_cache(maxsize=16)
def _x_to(power: int) -> int:
    """x**power modulo the polynomial, by repeated squaring."""
    result, square = 1 << 31, 1 << 30
    while power:
        if power & 1:
            result = _multiply(square, result)
        square = _multiply(square, square)
        power >>= 1
    return result


def _multiply(a: int, b: int) -> int:
    """a · b modulo the polynomial."""
    product = 0
    while a:
        if a & 1 << 31:
            product ^= b
        a = a << 1 & 0xFFFFFFFF
        b = b >> 1 ^ (POLYNOMIAL if b & 1 else 0)
    return product


def damaged_rows(
    found: list[int], expected: list[int], *, block: int, row_bytes: int, rows: int
) -> list[tuple[int, int]]:
    """(start, stop) of the rows of which a part lies in a block with another checksum, merged."""
    ranges: list[tuple[int, int]] = []
    for number, (now, then) in enumerate(zip(found, expected, strict=True)):
        if now == then:
            continue
        start = number * block // row_bytes
        stop = min(-(-(number + 1) * block // row_bytes), rows)
        if ranges and start <= ranges[-1][1]:
            start = ranges.pop()[0]
        ranges.append((start, stop))
    return ranges
