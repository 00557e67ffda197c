"""WebP: its RIFF container (WebP container specification; RFC 9649)."""

import struct
from collections.abc import Iterator

from imgmem.core.decode.zeros import refuse_zeros

_FRAME_HEADER = 16
_MACROBLOCK = 16
"""Side of what lossy WebP codes at once. Flat areas take up to 1.25 bytes each, all zeros."""


def is_webp(data: bytes) -> bool:
    """Whether `data` begins as a WebP file does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def check_webp(data: bytes) -> set[str]:
    """All bytes that the RIFF header promises, without zeros where pixels belong."""
    (length,) = struct.unpack_from("<I", data, 4)
    if len(data) < 8 + length:
        raise IndexError
    for name, start, end in _chunks(data, 12, 8 + length):
        if name == b"ANMF":
            for inner in _chunks(data, start + _FRAME_HEADER, end):
                _check_pixels(data, *inner)
            break  # of an animation the first frame is read
        _check_pixels(data, name, start, end)
    return set()


def _check_pixels(data: bytes, name: bytes, start: int, end: int) -> None:
    compressed_alpha = name == b"ALPH" and data[start] & 3 == 1
    if name == b"VP8L" or compressed_alpha:
        refuse_zeros(data, start, end)
    elif name == b"VP8 " and end - start >= 10:
        width, height = struct.unpack_from("<HH", data, start + 6)
        blocks = -(-(width & 0x3FFF) // _MACROBLOCK) * -(-(height & 0x3FFF) // _MACROBLOCK)
        refuse_zeros(data, start, end, natural=2 * blocks)


def _chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the chunks in data[at:end]."""
    while at + 8 <= end:
        name, length = struct.unpack_from("<4sI", data, at)
        yield name, at + 8, min(end, at + 8 + length)
        at += 8 + length + length % 2
