"""AVIF: an ISO base media file (ISO/IEC 14496-12; ISO/IEC 23008-12)."""

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from imgmem.core.decode.zeros import refuse_zeros
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_PIXELS = b"av01"


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
    """All bytes that the boxes promise, to the one with the pixels, without zeros in these."""
    for name, start, end in boxes_in(data, 0, len(data)):
        if end > len(data):
            raise IndexError
        if name == b"meta":
            _check_items(data, start + 4, end)
        if name == b"mdat":
            break
    return set()


def boxes_in(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the contents of the boxes in data[at:end] (14496-12, 4.2)."""
    while at < end:
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        if length < 8:  # 0: to the end of the file
            yield name, start, end
            return
        yield name, start, at + length
        at += length


def _check_items(data: bytes, start: int, end: int) -> None:
    """Two boxes of associations, which libavif refuses; zeros inside the pixels of an item."""
    boxes = {name: (begin, stop) for name, begin, stop in boxes_in(data, start, end)}
    if b"iprp" in boxes:
        names = [name for name, _, _ in boxes_in(data, *boxes[b"iprp"])]
        if names.count(b"ipma") > 1:
            detail = "an AVIF with two ipma boxes, which libavif refuses; re-save it"
            raise RejectedImage("unsupported", detail)
    if b"iinf" in boxes and b"iloc" in boxes:
        pixels = set(items_of(data, *boxes[b"iinf"], kind=_PIXELS))
        for item, begin, stop in extents(data, boxes[b"iloc"][0]):
            if item in pixels:
                refuse_zeros(data, begin, stop)


def items_of(data: bytes, start: int, end: int, *, kind: bytes) -> Iterator[int]:
    """The items of a kind (14496-12, 8.11.6)."""
    first = start + (6 if data[start] == 0 else 8)
    for name, begin, _ in boxes_in(data, first, end):
        if name == b"infe" and data[begin] >= 2:
            wide = data[begin] == 3
            number = int.from_bytes(data[begin + 4 : begin + (8 if wide else 6)], "big")
            at = begin + (10 if wide else 8)
            if data[at : at + 4] == kind:
                yield number


def extents(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """(item, start, end) of all extents that lie in the file itself (14496-12, 8.11.3)."""
    version, sizes = data[at], data[at + 4 : at + 6]
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_size = sizes[1] & 15 if version else 0
    number_size = 4 if version == 2 else 2
    place = at + 6

    def number(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(data[place - size : place], "big")

    for _ in range(number(number_size)):
        item, method = number(number_size), number(2) & 15 if version else 0
        _, base = number(2), number(base_size)
        for _ in range(number(2)):
            number(index_size)
            offset, length = base + number(offset_size), number(length_size)
            if method == 0:
                yield item, offset, offset + length
