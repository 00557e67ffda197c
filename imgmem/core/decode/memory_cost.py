"""The memory that decoding one image takes, from its header alone.

A worked example: a progressive JPEG of 4000×3000, 4:2:0, 5 MB, into a row of 224×224.

- the file, twice: 10 MB (a copy is made of one that is not in order)
- coefficients, all of them since it is progressive: 2 bytes × 1.5 samples × 12 M = 36 MB
- decoded at 1/8 (500×375, still twice the row): 3 bytes × 187,500 = 0.6 MB
- buffers for a few rows: 64 × (4000 + 3000) = 0.4 MB
- on the way to the row: an image of twice its size, 3 bytes × 448 × 448 = 0.6 MB
- tables and what malloc rounds up: 1 MB

49 MB in all. The same photograph as a PNG: the file (25 MB), Pillow's image (4 bytes × 12 M =
48 MB), the RGB pixels that are made of it (3 bytes × 12 M = 36 MB), temporaries of one band
(5 MB), the way to the row and the tables: 116 MB.
"""

from imgmem.core.decode.format import Header
from imgmem.core.decode.formats import JPEG, OTHER_FORMATS
from imgmem.core.decode.geometry import (
    BAND_PIXELS,
    Size,
    area_first,
    fitting,
    halfway,
    is_row,
    jpeg_eighths,
    jpeg_fills,
    jpeg_scaled,
)
from imgmem.core.specs import ImageSpec

_FIXED_BYTES = 1024 * 1024
"""Tables and row buffers of every decoder, and what malloc rounds up (measured: 0.7 MiB)."""
_BAND_PIXEL_BYTES = 20
"""Temporaries of `pixels.read_pixels` for one pixel of a band."""
_PILLOW_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
"""Of one pixel in Pillow's memory; 4 for all other modes."""


def decode_cost(header: Header, spec: ImageSpec, file_bytes: int, *, dtype: str = "uint8") -> int:
    """An upper bound on the anonymous memory, in bytes, that `decode_into` takes.

    The file's own bytes are counted, the row is not. The constants were measured, as the
    peak of a process that decodes a file of 8 million pixels, and rounded up.

    Args:
        header: Of the image.
        spec: How the row is made.
        file_bytes: The file's size.
        dtype: Of the row.
    """
    target = spec.size or header.size
    if header.bits == 8 and dtype != "uint8":  # a row of 8 bits first
        return decode_cost(header, spec, file_bytes) + _area(target) * spec.depth
    if header.format == JPEG:  # twice: a copy is made of one that is not in order
        return _FIXED_BYTES + 2 * file_bytes + int(_jpeg_bytes(header, spec, target))
    copies = OTHER_FORMATS[header.format].file_copies
    if header.bits > 8 and (spec.stretch or dtype != "uint8"):
        if not spec.stretch:
            return stored_cost(header, file_bytes) + _values_bytes(header, spec, target)
        stretching = _FIXED_BYTES + 2 * file_bytes + _stretching_bytes(header, spec, target)
        return max(stored_cost(header, file_bytes), stretching)
    return _FIXED_BYTES + copies * file_bytes + int(_pillow_bytes(header, spec, target))


def _jpeg_bytes(header: Header, spec: ImageSpec, target: Size) -> float:
    """Coefficients, if all are held; decoded pixels, and what they become."""
    row_buffers = 64 * header.width + 64 * header.height  # either may be the stored width
    coefficients = 2 * header.samples * _area(header.size) if header.multiscan else 0
    if jpeg_fills(header, spec, target):
        return coefficients + row_buffers
    scaled = jpeg_scaled(header.size, jpeg_eighths(header.size, spec, target))
    channels = 1 if header.gray else 3
    pixel_bytes = channels * (2 if header.orientation > 1 else 1)
    pixel_bytes += channels > spec.depth  # RGB to gray
    pixel_bytes += channels if spec.stretch else 0
    cmyk_band = 0
    if header.mode == "CMYK":
        pixel_bytes += 4
        cmyk_band = _band_bytes(scaled)
    resizing = _resize_bytes(header, scaled, min(channels, spec.depth), spec, target)
    return coefficients + row_buffers + pixel_bytes * _area(scaled) + cmyk_band + resizing


def _pillow_bytes(header: Header, spec: ImageSpec, target: Size) -> float:
    """Pillow's image, the pixels made of it, and what the decoder itself needs."""
    kind = OTHER_FORMATS[header.format]
    area = _area(header.size)
    channels = 1 if header.gray or spec.depth == 1 else 3
    turned = channels if header.orientation > 1 else 0
    fills = is_row(header, spec, target)
    image: float = area * _PILLOW_PIXEL_BYTES.get(header.mode, 4)
    block = kind.sample_bytes(header) * header.samples * header.block
    loading = image + area * kind.pixel_bytes(header) + block
    converted = 0 if fills else channels
    if kind.open is None:  # its pixels come as they are needed, without an image of Pillow's
        loading, image = loading - image + area * header.samples, area * header.samples
        converted = int(header.samples > spec.depth)
    converting = image + area * converted + _band_bytes(header.size)
    if spec.stretch:  # all channels, once more
        stretched = 2 * area * (1 if header.gray else 3)
        converting = max(converting, image + stretched + _band_bytes(header.size))
    resizing = 0 if fills else _resize_bytes(header, header.size, channels, spec, target)
    return max(loading, converting) + area * turned + resizing


def stored_cost(header: Header, file_bytes: int) -> int:
    """An upper bound on the memory, in bytes, that the values of an image take as they are stored.

    That is Pillow's image, which is decoded first, and the samples, twice (in the decoder's order
    and in ours).
    """
    block = OTHER_FORMATS[header.format].sample_bytes(header) * header.samples * header.block
    loading = _area(header.size) * _PILLOW_PIXEL_BYTES.get(header.mode, 4) + block
    samples = _sample_bytes(header)
    return _FIXED_BYTES + 2 * file_bytes + int(samples + max(loading, samples + block))


def _sample_bytes(header: Header) -> float:
    """All samples of an image, as they are stored; a TIFF may have one that Pillow passes over."""
    bands = {"RGB": 3, "RGBA": 4, "LA": 4}.get(header.mode, 1) + (header.format == "TIFF")
    return _area(header.size) * max(header.samples, bands) * header.bits / 8


def _stretching_bytes(header: Header, spec: ImageSpec, target: Size) -> int:
    """Stored samples, the values 0-255 that they become (also turned), and what these become."""
    channels = 1 if header.gray else 3
    resizing = _resize_bytes(header, header.size, min(channels, spec.depth), spec, target)
    stretched = 2 * _area(header.size) * channels + 3 * _band_bytes(header.size)
    return int(_sample_bytes(header)) + stretched + resizing


def _values_bytes(header: Header, spec: ImageSpec, target: Size) -> int:
    """Values in the dtype of the row (also turned), and what resizes each channel as float32."""
    fit = fitting(header.size, header.size, spec, target)
    channels = 1 if header.gray else 3
    resizing = 2 * _area(header.size) + fit.part.height * fit.becomes[1] + _area(fit.becomes)
    return 4 * (2 * channels * _area(header.size) + resizing + 3 * _area(fit.becomes))


def _band_bytes(size: Size) -> int:
    """Temporaries of the conversion of an image of `size`, band by band."""
    return _BAND_PIXEL_BYTES * min(_area(size), BAND_PIXELS)


def _resize_bytes(header: Header, size: Size, depth: int, spec: ImageSpec, target: Size) -> int:
    """Of what lies between pixels of `size` and the row."""
    fit = fitting(size, header.size, spec, target)
    cropped = spec.depth * _area(fit.becomes) if fit.window.size != fit.becomes else 0
    gray = _area(fit.becomes) if depth < spec.depth else 0
    if spec.resize == "pillow":  # its images: before, half-way and after
        halfway_pixels = fit.part.height * fit.becomes[1]
        pixels = _area(fit.part.size) + halfway_pixels + _area(fit.becomes)
        return pixels * (1 if min(depth, spec.depth) == 1 else 4) + cropped + gray
    part = fit.part.size
    middle = halfway(part, fit.becomes, area=area_first(part, fit.becomes, spec))
    between = depth * _area(middle) if middle not in (part, fit.becomes) else 0
    return between + cropped + gray


def _area(size: Size) -> int:
    return size[0] * size[1]
