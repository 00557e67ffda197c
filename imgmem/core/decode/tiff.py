"""TIFF 6.0: its first directory, and the strips or tiles that this points to."""

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgmem.core.decode.format import Header, check_samples
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DEFLATE = {8, 32946}
_PARTS = ((273, 279), (324, 325))
"""Tags of the offsets and lengths of strips and of tiles (sections 8 and 15)."""
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of one value (TIFF 6.0, section 2)."""


def check_tiff_start(data: bytes) -> None:
    """The first directory, and what it points to, inside the file; BigTIFF aside."""
    order = "<" if data[:1] == b"I" else ">"
    version, offset = struct.unpack_from(order + "HI", data, 2)
    if version != 42:
        return
    (count,) = struct.unpack_from(order + "H", data, offset)
    for entry in range(offset + 2, offset + 2 + 12 * count, 12):
        _, kind, values, at = struct.unpack_from(order + "HHII", data, entry)
        length = values * _TYPE_BYTES.get(kind, 0)
        if length > 4 and at + length > len(data):
            raise IndexError


def check_tiff(image: "ImageFile", header: Header, data: bytes) -> None:
    """Check the first page: not a thumbnail, all strips inside the file, deflated ones by checksum.

    Raises RejectedImage: "truncated", "corrupt" or "unsupported".
    """
    tags = _tags(image)
    check_samples(image, header)
    if tags.get(254, 0) & 1:
        raise RejectedImage("unsupported", "the first page is a thumbnail, as in raw photographs")
    if set(tags.get(339, (1,))) - {1, 4}:  # Pillow takes 8-bit signed samples for unsigned ones
        raise RejectedImage("unsupported", "signed or floating-point samples: convert to 8 bits")
    if tags.get(262) == 0 and image.mode.startswith("I"):  # which Pillow does not invert
        raise RejectedImage("unsupported", "16-bit pixels whose zero is white: convert to 8 bits")
    for offset, length in _parts(tags):
        if offset + length > len(data):
            raise RejectedImage("truncated", "ends before its last strip")
        if tags.get(259) in _DEFLATE:
            _inflate(memoryview(data)[offset : offset + length])


def _parts(tags: "ImageFileDirectory_v2") -> Iterator[tuple[int, int]]:
    for offsets, lengths in _PARTS:
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


def tiff_block(image: "ImageFile", _: bytes) -> int:
    """Pixels of a strip or tile where libtiff decodes; else Pillow reads by rows."""
    if not getattr(image, "use_load_libtiff", False):
        return 0
    tags = _tags(image)
    return int(tags.get(322, image.width)) * int(tags.get(323, tags.get(278, image.height)))


def _tags(image: "ImageFile") -> "ImageFileDirectory_v2":
    tags: ImageFileDirectory_v2 = image.tag_v2  # type: ignore[attr-defined]
    return tags
