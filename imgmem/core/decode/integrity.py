"""Damage that a file's own structure reveals and its decoder passes over."""

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from imgmem.core.decode.signatures import CODESTREAM
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

_TIFF_DEFLATE = {8, 32946}
_TIFF_STRIPS = ((273, 279), (324, 325))
"""Tags of the offsets and lengths of strips and of tiles (TIFF 6.0, sections 8 and 15)."""


def check_container(data: bytes, kind: str) -> None:
    """Reject a file of the format `kind` that is cut, or whose checksums are wrong.

    Raises RejectedImage: "truncated" or "corrupt". Formats that have nothing to check,
    or whose decoder does it, pass.
    """
    try:
        if kind in _CHECKS:
            _CHECKS[kind](data)
    except (IndexError, ValueError, struct.error):
        raise RejectedImage("truncated", f"the {kind} file ends before its end mark") from None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, content) of the chunks of a PNG, to IEND or as far as the data goes."""
    view, at = memoryview(data), 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, view[at + 8 : at + 8 + length]
        if name == b"IEND":
            return
        at += 12 + length


def _check_png(data: bytes) -> None:
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


def _check_gif(data: bytes) -> None:
    """Every block to the trailer (GIF89a, 15 to 27)."""
    at = 13 + _gif_colors(data[10])
    while (block := data[at]) != 0x3B:
        if block == 0x21:  # extension: label, sub-blocks
            at = _gif_blocks_end(data, at + 2)
        elif block == 0x2C:  # image: 9 bytes, colors, code size, sub-blocks
            at = _gif_blocks_end(data, at + 11 + _gif_colors(data[at + 9]))
        else:
            raise RejectedImage("corrupt", f"no GIF block at byte {at}")


def _gif_colors(flags: int) -> int:
    """The length of a color table, in bytes."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks_end(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _check_webp(data: bytes) -> None:
    """All bytes that the RIFF header promises."""
    (length,) = struct.unpack_from("<I", data, 4)
    if len(data) < 8 + length:
        raise IndexError


def _check_avif(data: bytes) -> None:
    """All bytes that the boxes promise, up to the one with the pixels (ISO/IEC 14496-12, 4.2)."""
    at, name = 0, b""
    while at < len(data) and name != b"mdat":
        length, name = struct.unpack_from(">I4s", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length < 8:  # 0: to the end of the file
            return
        at += length
    if at > len(data):
        raise IndexError


def _check_jpeg2000(data: bytes) -> None:
    """Every tile part to the end mark (ITU-T T.800, A.4); OpenJPEG does without the last."""
    at = data.find(CODESTREAM) + 2
    while (marker := data[at : at + 2]) != b"\xff\xd9":
        if not marker:
            raise IndexError
        if marker[0] != 0xFF:
            raise RejectedImage("corrupt", f"no JPEG 2000 marker at byte {at}")
        if marker == b"\xff\x90":  # start of a tile part, with the length of the whole part
            (length,) = struct.unpack_from(">I", data, at + 6)
            at = at + length if length >= 12 else data.rindex(b"\xff\xd9", at)
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


_TIFF_TYPES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of one value (TIFF 6.0, section 2)."""


def _check_tiff_start(data: bytes) -> None:
    """The first directory, and what it points to, inside the file; BigTIFF aside."""
    order = "<" if data[:1] == b"I" else ">"
    version, offset = struct.unpack_from(order + "HI", data, 2)
    if version != 42:
        return
    (count,) = struct.unpack_from(order + "H", data, offset)
    for entry in range(offset + 2, offset + 2 + 12 * count, 12):
        _, kind, values, at = struct.unpack_from(order + "HHII", data, entry)
        length = values * _TIFF_TYPES.get(kind, 0)
        if length > 4 and at + length > len(data):
            raise IndexError


def check_tiff(data: bytes, image: "TiffImageFile") -> None:
    """The first page: a picture, all strips or tiles inside the file, deflated ones by checksum.

    Raises RejectedImage: "truncated", "corrupt" or "unsupported".
    """
    tags = image.tag_v2
    if tags.get(254, 0) & 1:
        raise RejectedImage("unsupported", "the first page is a thumbnail, as in raw photographs")
    if set(tags.get(339, (1,))) - {1, 4}:  # Pillow takes 8-bit signed samples for unsigned ones
        raise RejectedImage("unsupported", "signed or floating-point samples: convert to 8 bits")
    if tags.get(262) == 0 and image.mode.startswith("I"):  # which Pillow does not invert
        raise RejectedImage("unsupported", "16-bit pixels whose zero is white: convert to 8 bits")
    for offset, length in _tiff_parts(tags):
        if offset + length > len(data):
            raise RejectedImage("truncated", "ends before its last strip")
        if tags.get(259) in _TIFF_DEFLATE:
            _inflate(memoryview(data)[offset : offset + length])


def _tiff_parts(tags: "ImageFileDirectory_v2") -> Iterator[tuple[int, int]]:
    for offsets, lengths in _TIFF_STRIPS:
        if offsets in tags and lengths in tags:
            yield from zip(tags[offsets], tags[lengths], strict=False)


def _inflate(part: memoryview) -> None:
    """Read a zlib stream to its checksum, 64 KiB at a time."""
    stream = zlib.decompressobj()
    rest: bytes | memoryview = part
    try:
        while not stream.eof and rest:
            stream.decompress(rest, 65_536)
            rest = stream.unconsumed_tail
    except zlib.error as error:
        raise RejectedImage("corrupt", str(error)) from None
    if not stream.eof:
        raise RejectedImage("truncated", "ends inside a strip")


_CHECKS: dict[str, Callable[[bytes], None]] = {
    "PNG": _check_png,
    "GIF": _check_gif,
    "WEBP": _check_webp,
    "AVIF": _check_avif,
    "JPEG2000": _check_jpeg2000,
    "TIFF": _check_tiff_start,
}
