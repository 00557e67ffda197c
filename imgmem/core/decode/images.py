"""The bytes of an image file to one upright row of pixels, or to a reject: never in between."""

import platform
from typing import NamedTuple

import cv2
import numpy as np
import PIL
import simplejpeg
from PIL.ImageFile import ImageFile

from imgmem.core.decode.failures import reject
from imgmem.core.decode.format import Format, Header, Pixels
from imgmem.core.decode.formats import JPEG, OTHER_FORMATS, sniff
from imgmem.core.decode.geometry import Size, jpeg_eighths, jpeg_fills, jpeg_scaled
from imgmem.core.decode.headers import check_container, describe, open_image
from imgmem.core.decode.jpeg import COLORS, read_jpeg, read_jpeg_header
from imgmem.core.decode.pixels import check_palette, from_inverted_cmyk, read_pixels
from imgmem.core.decode.resize import apply_orientation, fit_into, plane
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

RECIPE = 2
"""Raised whenever the same file would become different bytes."""


NOTES = (
    "16-bit",
    "alpha",
    "animation",
    "cmyk",
    "gif-repaired",
    "jpeg-repaired",
    "lab",
    "pages",
    "png-repaired",
)
"""What can be lost, or was passed over, in an image that became a row."""


class Decoded(NamedTuple):
    """What became of an image: its upright size in the file, its format, what was lost.

    notes: any of NOTES.
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
    """Decode an image into a row.

    Args:
        data: The bytes of the file.
        spec: What the row is to be.
        row: uint8 (H, W, 3) RGB or (H, W, 1) gray, C-contiguous; undefined after a reject.
        header: That of `read_header(data)`, to save reading it again.

    Returns:
        What became of the image.

    Raises:
        RejectedImage: The image must not become a row.
    """
    name = header.format if header else sniff(data)
    try:
        if name == JPEG:
            return _decode_jpeg(data, spec, row, header or read_jpeg_header(data))
        return _decode_other(data, spec, row, OTHER_FORMATS[name])
    except cv2.error as error:  # its MemoryError has no class of its own
        raise reject(error) from error


def check_size(header: Header, spec: ImageSpec, target: Size) -> None:
    """Reject before decoding, and before memory is reserved for it.

    Raises RejectedImage: "too-large" or "wrong-size".
    """
    if header.height * header.width > spec.max_pixels:
        pixels = header.height * header.width
        detail = f"{header.height}×{header.width} = {pixels} pixels, more than {spec.max_pixels}"
        raise RejectedImage("too-large", detail)
    if spec.size is None and header.size != target:
        detail = f"{header.height}×{header.width}, not {target[0]}×{target[1]}"
        raise RejectedImage("wrong-size", detail)


def _decode_jpeg(data: bytes, spec: ImageSpec, row: Pixels, header: Header) -> Decoded:
    target = row.shape[0], row.shape[1]
    check_size(header, spec, target)
    colors = COLORS[header.mode]
    if jpeg_fills(header, spec, target):
        _, notes = read_jpeg(data, colors, target, row)
        return Decoded(header.height, header.width, JPEG, tuple(sorted(notes)))
    eighths = jpeg_eighths(header.size, spec, target)
    pixels, notes = read_jpeg(data, colors, jpeg_scaled(header.stored_size, eighths))
    if header.mode == "CMYK":
        pixels = from_inverted_cmyk(pixels)
        notes.add("cmyk")
    fit_into(apply_orientation(plane(pixels), header.orientation), spec, row, header.size)
    return Decoded(header.height, header.width, JPEG, tuple(sorted(notes)))


def _decode_other(data: bytes, spec: ImageSpec, row: Pixels, kind: Format) -> Decoded:
    target = row.shape[0], row.shape[1]
    notes = check_container(data, kind)
    if kind.read_header:  # then opening may take memory by itself
        header = kind.read_header(data)
        check_size(header, spec, target)
        image = open_image(data, kind) if kind.open else None
    else:
        image = open_image(data, kind)
        header = describe(image, kind, data)
        check_size(header, spec, target)
    fills = header.orientation == 1 and header.size == target
    out = plane(row) if fills else None
    pixels, lost = _load(image, kind, header, spec, out, data)
    if pixels.shape[:2] != header.stored_size:
        raise RejectedImage("corrupt", "decodes to another size than its header says")
    del image  # its memory, before more is taken
    if pixels is not out:
        fit_into(apply_orientation(pixels, header.orientation), spec, row, header.size)
    notes |= lost | ({"16-bit"} if header.bits > 8 else set())
    return Decoded(header.height, header.width, kind.name, tuple(sorted(notes)))


def _load(
    image: ImageFile | None,
    kind: Format,
    header: Header,
    spec: ImageSpec,
    out: Pixels | None,
    data: bytes,
) -> tuple[Pixels, set[str]]:
    """The first image of an opened file, and notes."""
    try:
        if kind.decode:
            return kind.decode(data, header), set()
        assert image is not None
        several = bool(kind.several) and getattr(image, "is_animated", False)
        kind.check_image(image, header, data)
        loaded = kind.load(image, header, data)
        if kind.check_palette:
            check_palette(loaded)
        pixels, notes = read_pixels(loaded, spec, out)
    except RejectedImage:
        raise
    except Exception as error:
        raise reject(error) from error
    return pixels, notes | ({kind.several} if several else set())
