"""AVIF: an ISO base media file (ISO/IEC 14496-12; ISO/IEC 23008-12)."""

from typing import TYPE_CHECKING

from imgmem.core.decode.bits import av1_size
from imgmem.core.decode.isobmff import Meta, boxes_in, brands, meta_of, require_size, tracks
from imgmem.core.decode.several import frames_left
from imgmem.core.decode.zeros import refuse_zeros
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_PIXELS, _SEQUENCE = b"av01", b"avis"
_HEAD = 4096
"""Bytes of coded data that the sequence header is in."""


def is_avif(data: bytes) -> bool:
    """Whether one of the brands in the `ftyp` box is AVIF's."""
    return bool(brands(data) & {b"avif", _SEQUENCE})


def avif_bits(_: "ImageFile", data: bytes) -> int:
    """By the third byte of the configuration (AV1 in ISOBMFF, 2.3.3)."""
    at = data.find(b"av1C")
    return 16 if at >= 0 and data[at + 6] & 0x40 else 8


def check_avif(data: bytes) -> set[str]:
    """All bytes that the boxes promise, of the size that they promise, without zeros in these.

    Raises RejectedImage; IndexError, ValueError and struct.error for a file that is cut.
    """
    for size, start in tracks(data) if _SEQUENCE in brands(data) else ():
        _require_coded_size(size, data[start : start + _HEAD])
    meta = meta_of(data)
    if meta is None:
        return set()
    if [name for name, _, _ in boxes_in(data, *meta.boxes.get(b"iprp", (0, 0)))].count(b"ipma") > 1:
        detail = "an AVIF with two ipma boxes, which libavif refuses; re-save it"
        raise RejectedImage("unsupported", detail)
    meta.check_grids()
    for item in meta.parts():
        if meta.kinds.get(item) == _PIXELS:
            _check_pixels(meta, item)
    return {"pages"} if meta.images(_PIXELS) > 1 else set()


def _check_pixels(meta: Meta, item: int) -> None:
    pieces = meta.extents.get(item, [])
    for start, end in pieces:
        if end > len(meta.data):
            raise IndexError
        refuse_zeros(meta.data, start, end)
    if pieces:
        start, end = pieces[0]
        _require_coded_size(meta.size_of(item), meta.data[start : min(end, start + _HEAD)])


def _require_coded_size(said: tuple[int, int] | None, head: bytes) -> None:
    coded = av1_size(head)
    if coded is not None:
        require_size(said, coded)


def avif_left(image: "ImageFile", data: bytes) -> int:
    """Frames other than the first, or images other than the primary one."""
    meta = meta_of(data)
    return frames_left(image, data) or (meta.images(_PIXELS) - 1 if meta else 0)
