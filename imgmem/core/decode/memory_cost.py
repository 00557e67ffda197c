"""The memory that decoding one image takes, from its header alone."""

from imgmem.core.decode.geometry import (
    BAND_PIXELS,
    Size,
    area_first,
    halfway,
    jpeg_eighths,
    jpeg_fills,
    jpeg_scaled,
    source_box,
    target_box,
)
from imgmem.core.decode.headers import Header
from imgmem.core.specs import ImageSpec

_FIXED = 1024 * 1024
"""Tables and row buffers of every decoder, and what malloc rounds up (measured: 0.7 MiB)."""
_BAND_BYTES = 20
"""Temporaries of `pixels.read_pixels` for one pixel of a band."""
_PILLOW_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Of one pixel in Pillow's memory; 4 for all other modes."""


def decode_cost(header: Header, spec: ImageSpec, file_bytes: int) -> int:
    """An upper bound on the anonymous memory, in bytes, that `decode_into` takes.

    The file's own bytes are counted, the row is not. The constants were measured, as the
    peak of a process that decodes a file of 8 million pixels, and rounded up.
    """
    target = spec.size or header.size
    decoding = _jpeg_bytes if header.format == "JPEG" else _other_bytes
    copies = 2 if header.format == "JPEG2000" else 1
    return _FIXED + copies * file_bytes + int(decoding(header, spec, target))


def _jpeg_bytes(header: Header, spec: ImageSpec, target: Size) -> float:
    """Coefficients, if all are held; decoded pixels, and what they become."""
    rows = 64 * header.width + 64 * header.height  # either may be the stored width
    whole = 2 * header.samples * _area(header.size) if header.multiscan else 0
    if jpeg_fills(header, spec, target):
        return whole + rows
    scaled = jpeg_scaled(header.size, jpeg_eighths(header.size, spec, target))
    depth = 1 if header.gray else 3
    pixel = depth * (2 if header.orientation > 1 else 1)
    pixel += depth > spec.depth  # RGB to gray
    band = 0
    if header.mode == "CMYK":
        pixel += 4
        band = _BAND_BYTES * min(_area(scaled), BAND_PIXELS)
    resizing = _resize_bytes(header, scaled, min(depth, spec.depth), spec, target)
    return whole + rows + pixel * _area(scaled) + band + resizing


def _other_bytes(header: Header, spec: ImageSpec, target: Size) -> float:
    """Pillow's image, the pixels made of it, and what the decoder itself needs."""
    area = _area(header.size)
    depth = 1 if header.gray or spec.depth == 1 else 3
    turned = depth if header.orientation > 1 else 0
    fills = header.size == target and not turned
    pillow = _PILLOW_BYTES.get(header.mode, 4)
    band = _BAND_BYTES * min(area, BAND_PIXELS)
    loading = area * (pillow + _decoder_bytes(header)) + _block_bytes(header)
    converting = area * (pillow + (0 if fills else depth)) + band
    resizing = 0 if fills else _resize_bytes(header, header.size, depth, spec, target)
    return max(loading, converting) + area * turned + resizing


def _decoder_bytes(header: Header) -> float:
    """Of the decoder itself, for one pixel of the image."""
    if header.format == "WEBP":  # canvas, the one before, the frame's, a copy; alpha
        return 16.5
    if header.format == "AVIF":  # planes of Y, U, V, A; RGBA and a copy of it
        return 4 + 5 * header.bits / 8
    return 4 if header.format == "TIFF" else 0  # Pillow turns it itself, into a copy


def _block_bytes(header: Header) -> float:
    """Of a strip, a tile or an image that is decoded at once."""
    sample = header.bits / 8
    if header.format == "JPEG2000":  # works on 32-bit integers
        sample += 4.5
    elif header.format in ("BMP", "PPM"):  # Pillow's decoders in Python: a bytearray and a copy
        sample = 2.4 * (4 if header.mode == "I" else 1)
    return sample * header.samples * header.block


def _resize_bytes(header: Header, size: Size, depth: int, spec: ImageSpec, target: Size) -> int:
    """Of what lies between pixels of `size` and the row."""
    part = source_box(size, spec, target).size
    box = target_box(header.size, spec, target).size
    middle = halfway(part, box, area=area_first(part, box, spec))
    between = depth * _area(middle) if middle not in (part, box) else 0
    return between + (_area(box) if depth < spec.depth else 0)


def _area(size: Size) -> int:
    return size[0] * size[1]
