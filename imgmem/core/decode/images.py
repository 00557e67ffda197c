"""The bytes of an image file to one upright row of pixels, or to a reject: never in between."""

import platform
from importlib.metadata import version
from importlib.util import find_spec
from typing import NamedTuple

import cv2
import numpy as np
import PIL
import simplejpeg
from PIL.ImageFile import ImageFile

from imgmem.core.decode.failures import reject, rejecting
from imgmem.core.decode.format import Format, Header, Pixels
from imgmem.core.decode.formats import JPEG, OTHER_FORMATS, sniff
from imgmem.core.decode.geometry import (
    Size,
    is_resized,
    is_row,
    jpeg_eighths,
    jpeg_fills,
    jpeg_scaled,
)
from imgmem.core.decode.headers import check_container, describe, open_image, read_header
from imgmem.core.decode.jpeg import COLORS, read_jpeg, read_jpeg_header
from imgmem.core.decode.jpeg_repair import lacks_scans
from imgmem.core.decode.pixels import check_palette, from_inverted_cmyk, read_pixels
from imgmem.core.decode.resize import apply_orientation, convert_into, fit_into, plane
from imgmem.core.decode.several import SEVERAL
from imgmem.core.decode.values import Stored, Values, as_dtype, stretched, turned
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

RECIPE = 3
"""Raised whenever the same file would become different bytes."""


NOTES = (
    "16-bit",
    "16-bit-low",
    "alpha",
    "alpha-blank",
    "alpha-dropped",
    "alpha-empty",
    "animation",
    "band-dropped",
    "clipped",
    "cmyk",
    "gif-repaired",
    "jpeg-repaired",
    "lab",
    "mask-like",
    "pages",
    "png-repaired",
)
"""What can be lost, or was passed over, in an image that became a row."""


class Decoded(NamedTuple):
    """What became of an image: its upright size in the file, its format, what was lost.

    notes: any of NOTES. left: pages or frames other than the one that was read.
    """

    height: int
    width: int
    format: str
    notes: tuple[str, ...] = ()
    left: int = 0


def decoder_versions() -> dict[str, str]:
    """All versions that decide the bytes of a row; that of an extra only where it is installed."""
    heif = {"pillow-heif": version("pillow-heif")} if find_spec("pillow_heif") else {}
    return heif | {
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
        spec: How the row is made.
        row: (H, W, 3) RGB or (H, W, 1) gray, C-contiguous; undefined after a reject. uint8 for
            pixel values 0-255; uint16 or float32 for the values of the file.
        header: That of `read_header(data)`, to save reading it again.

    Returns:
        What became of the image.

    Raises:
        RejectedImage: The image must not become a row.
    """
    try:
        if row.dtype != np.uint8:
            header = header or read_header(data)
            if header.bits == 8:
                return _decode_eight_bits(data, spec, row, header)
        name = header.format if header else sniff(data)
        if name == JPEG:
            return _decode_jpeg(data, spec, row, header or read_jpeg_header(data))
        kind = OTHER_FORMATS[name]
        if header and kind.decode_plain and not spec.stretch and row.dtype == np.uint8:
            pixels = kind.decode_plain(data, header)
            if pixels is not None:
                return _place(pixels, spec, row, header)
        return _decode_other(data, spec, row, kind)
    except cv2.error as error:  # its MemoryError has no class of its own
        raise reject(error) from error


def _decode_eight_bits(data: bytes, spec: ImageSpec, row: Pixels, header: Header) -> Decoded:
    """Decode an image of 8 bits into a row of another dtype."""
    eight = np.empty(row.shape, np.uint8)
    decoded = decode_into(data, spec, eight, header=header)
    row[...] = eight
    return decoded


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
    if header.multiscan and lacks_scans(data):
        raise RejectedImage("truncated", "a JPEG without all of its scans")
    colors = COLORS[header.mode]
    if jpeg_fills(header, spec, target):
        _, notes = read_jpeg(data, colors, target, row)
        return _decoded_jpeg(header, notes)
    eighths = jpeg_eighths(header.size, spec, target)
    pixels, notes = read_jpeg(data, colors, jpeg_scaled(header.stored_size, eighths))
    if header.mode == "CMYK":
        pixels = from_inverted_cmyk(pixels)
        notes.add("cmyk")
    pixels = apply_orientation(_leveled(plane(pixels), spec, notes), header.orientation)
    fit_into(pixels, spec, row, header.size)
    return _decoded_jpeg(header, notes)


def _decoded_jpeg(header: Header, notes: set[str]) -> Decoded:
    if not notes and not header.left:
        return Decoded(header.height, header.width, JPEG)
    several = {"pages"} if header.left else set()
    return Decoded(header.height, header.width, JPEG, tuple(sorted(notes | several)), header.left)


def _decode_other(data: bytes, spec: ImageSpec, row: Pixels, kind: Format) -> Decoded:
    target = row.shape[0], row.shape[1]
    notes = check_container(data, kind)
    image, header = _opened(data, kind, spec, target)
    out = plane(row) if is_row(header, spec, target) else None
    stored = header.bits > 8 and (spec.stretch or row.dtype != np.uint8)
    if stored:
        pixels = _load_values(image, kind, header, spec, row, data, notes)
    else:
        pixels, lost = _load(image, kind, header, spec, out, data)
        notes |= lost | _depth_notes(header, pixels)
        if pixels.shape[:2] != header.stored_size:
            raise RejectedImage("corrupt", "decodes to a different size than its header states")
    left = _left_out(image, kind, data, notes)
    del image  # its memory, before more is taken
    if pixels is out or not is_resized(header.size, spec, target):
        notes.discard("mask-like")
    if pixels is not out:
        if not stored:
            pixels = apply_orientation(_leveled(pixels, spec, notes), header.orientation)
        fit_into(pixels, spec, row, header.size)
    return Decoded(header.height, header.width, kind.name, tuple(sorted(notes)), left)


def _opened(
    data: bytes, kind: Format, spec: ImageSpec, target: Size
) -> tuple[ImageFile | None, Header]:
    """The opened image, where Pillow opens it, and its header, whose size has been checked."""
    if kind.read_header:  # then opening may take memory by itself
        header = kind.read_header(data)
        check_size(header, spec, target)
        return open_image(data, kind) if kind.open else None, header
    image = open_image(data, kind)
    header = describe(image, kind, data)
    check_size(header, spec, target)
    return image, header


def _load_values(
    image: ImageFile | None, kind: Format, header: Header, spec: ImageSpec, row: Pixels,
    data: bytes, notes: set[str],
) -> Pixels:  # fmt: skip
    """The values of an image of more than 8 bits, as the row is to hold them, upright."""
    stored = read_stored(image, kind, header, data)
    if not stored.opaque:
        _note_alpha(spec, notes)
    notes |= _several(image, kind)
    values = _leveled(as_dtype(stored.values, row.dtype, spec), spec, notes)
    return np.ascontiguousarray(turned(values, header.orientation))


def _left_out(image: ImageFile | None, kind: Format, data: bytes, notes: set[str]) -> int:
    """How many pages or frames are left out; without any there is no such note."""
    if not notes & SEVERAL:
        return 0
    with rejecting():
        left = kind.left_out(image, data)
    if left <= 0:
        notes -= SEVERAL
    return max(0, left)


_QUARTER = 64
"""Pixel values 0-255 that are reached in a quarter of the range."""


def _depth_notes(header: Header, pixels: Pixels) -> set[str]:
    """What was lost of more than 8 bits, by the pixel values that became of them."""
    if header.bits == 8:
        return set()
    colors = header.gray or pixels.ndim == 3
    return {"16-bit", "16-bit-low"} if colors and pixels.max() < _QUARTER else {"16-bit"}


def read_stored(image: ImageFile | None, kind: Format, header: Header, data: bytes) -> Stored:
    """The pixels of an image of more than 8 bits as they are stored, not turned.

    Raises RejectedImage, also where no decoder returns them.
    """
    if kind.read_values is None:
        detail = f"the {header.bits}-bit pixels of {kind.name}; convert to PNG or TIFF of 16 bits"
        raise RejectedImage("unsupported", detail)
    with rejecting():
        return kind.read_values(image, header, data)


def _note_alpha(spec: ImageSpec, notes: set[str]) -> None:
    """Refuse transparent pixels of more than 8 bits, unless transparency is ignored."""
    if spec.background != "drop":
        detail = "transparent pixels of more than 8 bits; drop the background, or convert"
        raise RejectedImage("unsupported", f"{detail} to 8 bits")
    notes.add("alpha-dropped")


def _leveled(values: Values, spec: ImageSpec, notes: set[str]) -> Pixels:
    """Values as 0-255 by the levels of `spec`, if it has any."""
    if not spec.stretch:
        return values
    low, high = spec.stretch
    if values.min() < low or values.max() > high:
        notes.add("clipped")
    return stretched(values, low, high)


def _place(pixels: Pixels, spec: ImageSpec, row: Pixels, header: Header) -> Decoded:
    """Fit an image that is upright into `row`."""
    check_size(header, spec, (row.shape[0], row.shape[1]))
    if header.size == row.shape[:2]:
        convert_into(pixels, plane(row))
    else:
        fit_into(pixels, spec, row, header.size)
    return Decoded(header.height, header.width, header.format)


def _load(
    image: ImageFile | None,
    kind: Format,
    header: Header,
    spec: ImageSpec,
    out: Pixels | None,
    data: bytes,
) -> tuple[Pixels, set[str]]:
    """The first image of an opened file, and notes."""
    with rejecting():
        if kind.decode:
            return kind.decode(data, header), set()
        assert image is not None
        several = _several(image, kind)
        kind.check_image(image, header, data)
        loaded = kind.load(image, header, data)
        if kind.check_palette:
            check_palette(loaded)
        pixels, notes = read_pixels(loaded, spec, out)
    return pixels, notes | several


def _several(image: ImageFile | None, kind: Format) -> set[str]:
    """The note of a file in which Pillow sees more than one image."""
    animated = kind.several and getattr(image, "is_animated", False)
    return {kind.several} if animated else set()
