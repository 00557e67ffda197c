"""PNG: chunks and their checksums (PNG, third edition)."""

import struct
import zlib
from collections.abc import Iterator

from imgmem.core.errors import RejectedImage

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, content) of the chunks of a PNG, to IEND or as far as the data goes."""
    view, at = memoryview(data), 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, view[at + 8 : at + 8 + length]
        if name == b"IEND":
            return
        at += 12 + length


def check_png(data: bytes) -> None:
    """Every chunk to IEND by its CRC (PNG, 5.3); Pillow skips those of the pixels and the end."""
    at, name = 8, b""
    for name, content in png_chunks(data):
        length = len(content)
        (expected,) = struct.unpack_from(">I", data, at + 8 + length)
        if zlib.crc32(content, zlib.crc32(name)) != expected:
            raise RejectedImage("corrupt", f"wrong CRC in PNG chunk {name!r} at byte {at}")
        at += 12 + length
    if name != b"IEND":
        raise IndexError


def late_exif(data: bytes) -> bytes:
    """The EXIF block of a PNG, even one behind the pixels; b"" if it has none."""
    if not data.startswith(SIGNATURE):
        return b""
    return next((bytes(body) for name, body in png_chunks(data) if name == b"eXIf"), b"")
