"""Small PNGs of nothing but pixels: 8 bits, gray or RGB, one IDAT chunk, no other.

Opening a file with Pillow takes longer than all the rest of such an image. OpenCV's reader is
not asked whether a file is whole: only what has been checked to the last byte is handed to it.
"""

import struct
import zlib

import numpy as np

from imgmem.core.decode.format import Header, Pixels
from imgmem.core.decode.png import SIGNATURE

MAX_PIXELS = 128 * 128
"""Larger images have little of Pillow's overhead, and would be decompressed twice."""
_START = SIGNATURE + b"\0\0\0\x0dIHDR"
_END = b"\0\0\0\0IEND\xaeB`\x82"
_IDAT = 33
_CHANNELS = {b"\x08\0\0\0\0": 1, b"\x08\2\0\0\0": 3}
"""By depth, color type, compression, filter and interlace method."""


def read_plain_png(data: bytes, header: Header) -> Pixels | None:
    """The pixels of such an image, (H, W, 3) RGB or (H, W) gray; None for any other file."""
    channels = _CHANNELS.get(data[24:29])
    if channels is None or header.height * header.width > MAX_PIXELS:
        return None
    if not _is_whole(data, header.height, 1 + header.width * channels):
        return None
    import cv2  # headers are read without it

    pixels: Pixels | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    shape = (header.height, header.width) + ((3,) if channels == 3 else ())
    if pixels is None or pixels.shape != shape or pixels.dtype != np.uint8:
        return None
    if channels == 3:
        cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB, dst=pixels)
    return pixels


def _is_whole(data: bytes, rows: int, row_bytes: int) -> bool:
    """Whether the file is IHDR, IDAT and IEND, and what is compressed is that many rows."""
    if len(data) < _IDAT + 12 + len(_END):
        return False
    length, name = struct.unpack_from(">I4s", data, _IDAT)
    end = _IDAT + 8 + length
    if name != b"IDAT" or not data.startswith(_START) or data[end + 4 :] != _END:
        return False
    for start, stop in ((12, 29), (_IDAT + 4, end)):
        if zlib.crc32(data[start:stop]) != int.from_bytes(data[stop : stop + 4], "big"):
            return False
    unpacker = zlib.decompressobj()
    try:
        scanlines = unpacker.decompress(data[_IDAT + 8 : end], rows * row_bytes + 1)
    except zlib.error:
        return False
    whole = unpacker.eof and not unpacker.unused_data and len(scanlines) == rows * row_bytes
    return whole and max(scanlines[::row_bytes]) <= 4  # filter types
