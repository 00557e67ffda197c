"""The bytes of an image file to one upright row of pixels, or to a reject: never in between."""

import platform
from typing import NamedTuple

import cv2
import numpy as np
import PIL
import simplejpeg
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from imgmem.core.decode.geometry import Size, jpeg_eighths, jpeg_fills, jpeg_scaled
from imgmem.core.decode.headers import (
    HEAD_BYTES,
    Header,
    describe,
    lift_pillow_limit,
    open_image,
    read_header,
    read_jpeg_header,
    reject,
)
from imgmem.core.decode.integrity import check_container, check_tiff
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.decode.pixels import from_inverted_cmyk, read_pixels, require_supported
from imgmem.core.decode.resize import Pixels, place, plane, upright
from imgmem.core.decode.signatures import sniff
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

__all__ = [
    "HEAD_BYTES",
    "Decoded",
    "Header",
    "decode_cost",
    "decode_into",
    "decoder_versions",
    "read_header",
]

RECIPE = 1
"""Raised whenever the same file would become different bytes."""


class Decoded(NamedTuple):
    """What became of an image: its upright size in the file, its format, what was lost.

    notes: any of "16-bit", "alpha", "animation", "cmyk", "lab", "pages".
    """

    height: int
    width: int
    format: str
    notes: tuple[str, ...] = ()


def decoder_versions() -> dict[str, str]:
    """All versions that decide the bytes of a row."""
    return {
        "decoding": str(RECIPE),
        "simplejpeg": simplejpeg.__version__,
        "pillow": PIL.__version__,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
    }


def decode_into(
    data: bytes, spec: ImageSpec, row: Pixels, *, header: Header | None = None
) -> Decoded:
    """Decode an image into `row`, uint8 (H, W, 3) RGB or (H, W, 1) gray, C-contiguous.

    header: that of `read_header(data)`, to save reading it again.
    Raises RejectedImage; the content of `row` is undefined then.
    """
    kind = header.format if header else sniff(data)
    try:
        if kind == "JPEG":
            return _decode_jpeg(data, spec, row, header or read_jpeg_header(data))
        return _decode_other(data, spec, row, kind)
    except cv2.error as error:  # its MemoryError has no class of its own
        raise reject(error) from error


def _check_size(header: Header, spec: ImageSpec, target: Size) -> None:
    """Reject before decoding."""
    if header.height * header.width > spec.max_pixels:
        detail = f"{header.height}×{header.width} is more than {spec.max_pixels} pixels"
        raise RejectedImage("too-large", detail)
    if spec.size is None and header.size != target:
        detail = f"{header.height}×{header.width}, not {target[0]}×{target[1]}"
        raise RejectedImage("wrong-size", detail)


# JPEG ------------------------------------------------------------------------------------

_COLORS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""simplejpeg's names. Never gray from a color JPEG: its own luma is not that of its RGB."""


def _decode_jpeg(data: bytes, spec: ImageSpec, row: Pixels, header: Header) -> Decoded:
    target = row.shape[0], row.shape[1]
    _check_size(header, spec, target)
    if jpeg_fills(header, spec, target):
        _read_jpeg(data, _COLORS[header.mode], target, row)
        return Decoded(header.height, header.width, "JPEG")
    eighths = jpeg_eighths(header.size, spec, target)
    pixels = _read_jpeg(data, _COLORS[header.mode], jpeg_scaled(header.stored_size, eighths))
    if header.mode == "CMYK":
        pixels = from_inverted_cmyk(pixels)
    place(upright(plane(pixels), header.orientation), spec, row, header.size)
    notes = ("cmyk",) if header.mode == "CMYK" else ()
    return Decoded(header.height, header.width, "JPEG", notes)


def _read_jpeg(data: bytes, colors: str, size: Size, out: Pixels | None = None) -> Pixels:
    """Decode at the scale that gives `size`, into `out` if given. Strict: warnings reject."""
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, colors, min_height=size[0], min_width=size[1], buffer=out, strict=True
        )
    except Exception as error:
        raise reject(error) from error
    if pixels.shape[:2] != size:
        detail = f"decodes to {pixels.shape[0]}×{pixels.shape[1]}, not {size[0]}×{size[1]}"
        raise RejectedImage("corrupt", detail)
    return pixels


# All other formats -----------------------------------------------------------------------


def _decode_other(data: bytes, spec: ImageSpec, row: Pixels, kind: str) -> Decoded:
    check_container(data, kind)
    image = open_image(data, kind)
    header = describe(image, kind, data)
    _check_size(header, spec, (row.shape[0], row.shape[1]))
    lift_pillow_limit(header.height * header.width)
    fills = header.orientation == 1 and header.size == (row.shape[0], row.shape[1])
    out = plane(row) if fills else None
    pixels, notes = _load(image, header, spec, out, data)
    if pixels.shape[:2] != header.stored_size:
        raise RejectedImage("corrupt", "decodes to another size than its header says")
    del image  # its memory, before more is taken
    if pixels is not out:
        place(upright(pixels, header.orientation), spec, row, header.size)
    if header.bits > 8:
        notes.add("16-bit")
    return Decoded(header.height, header.width, kind, tuple(sorted(notes)))


def _load(
    image: ImageFile, header: Header, spec: ImageSpec, out: Pixels | None, data: bytes
) -> tuple[Pixels, set[str]]:
    """The first picture of an opened image, and notes."""
    try:
        several = getattr(image, "is_animated", False)
        if isinstance(image, TiffImageFile):
            check_tiff(data, image)
        require_supported(image, header)
        image.load()
        pixels, notes = read_pixels(image, spec, out)
    except RejectedImage:
        raise
    except Exception as error:
        raise reject(error) from error
    if several:
        notes.add("pages" if image.format == "TIFF" else "animation")
    return pixels, notes
