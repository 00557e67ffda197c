"""AVIF: an ISO base media file (ISO/IEC 14496-12)."""

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile


def is_avif(data: bytes) -> bool:
    """Whether one of the brands in the `ftyp` box is AVIF's."""
    return bool(brands(data) & {b"avif", b"avis"})


def brands(data: bytes) -> set[bytes]:
    """The major and compatible brands of an ISO base media file; none of any other file."""
    if data[4:8] != b"ftyp":
        return set()
    length = min(int.from_bytes(data[:4], "big"), 256)
    return {data[at : at + 4] for at in (8, *range(16, length - 3, 4))}


def avif_bits(_: "ImageFile", data: bytes) -> int:
    """By the third byte of the configuration (AV1 in ISOBMFF, 2.3.3)."""
    at = data.find(b"av1C")
    return 16 if at >= 0 and data[at + 6] & 0x40 else 8


def check_avif(data: bytes) -> set[str]:
    """All bytes that the boxes promise, up to the one with the pixels (ISO/IEC 14496-12, 4.2)."""
    at, name = 0, b""
    while at < len(data) and name != b"mdat":
        length, name = struct.unpack_from(">I4s", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length < 8:  # 0: to the end of the file
            return set()
        at += length
    if at > len(data):
        raise IndexError
    return set()
