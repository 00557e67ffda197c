"""The bytes of an image file to one upright row of pixels, or to a reject: never in between."""

import platform
from dataclasses import dataclass

import cv2
import numpy as np
import PIL
import simplejpeg
from PIL import Image

from imgmem.core.costs import decode_cost
from imgmem.core.errors import RejectedImage
from imgmem.core.fits import Size, jpeg_eighths, jpeg_scaled
from imgmem.core.headers import (
    HEAD_BYTES,
    Header,
    describe,
    open_image,
    read_header,
    read_jpeg_header,
    reject,
    sniff,
)
from imgmem.core.integrity import check
from imgmem.core.resize import Pixels, place, upright
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


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of an image: its upright size in the file, its format, what was lost."""

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
    """Decode an image into `row`, uint8 (H, W, 3) RGB or (H, W, 1) grey, C-contiguous.

    header: that of `read_header(data)`, to save reading it again.
    Raises RejectedImage; the content of `row` is undefined then.
    """
    kind = header.format if header else sniff(data)
    if kind == "JPEG":
        return _decode_jpeg(data, spec, row, header or read_jpeg_header(data))
    return _decode_other(data, spec, row, kind)


def _check_size(header: Header, spec: ImageSpec, target: Size) -> None:
    """Reject before decoding."""
    if header.height * header.width > spec.max_pixels:
        detail = f"{header.height}×{header.width} is more than {spec.max_pixels} pixels"
        raise RejectedImage("too-large", detail)
    if spec.size is None and header.size != target:
        detail = f"{header.height}×{header.width}, not {target[0]}×{target[1]}"
        raise RejectedImage("wrong-size", detail)


# JPEG ------------------------------------------------------------------------------------


def _decode_jpeg(data: bytes, spec: ImageSpec, row: Pixels, header: Header) -> Decoded:
    target = row.shape[0], row.shape[1]
    _check_size(header, spec, target)
    if (
        header.mode == "RGB"
        and header.size == target
        and header.orientation == 1
        and spec.depth == 3
    ):
        _read_jpeg(data, "RGB", header.size, row)
        return Decoded(header.height, header.width, "JPEG")
    eighths = jpeg_eighths(header.size, spec, target)
    scaled = jpeg_scaled(header.stored_size, eighths)
    colours = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}[header.mode]
    pixels = _read_jpeg(data, colours, scaled)
    if header.mode == "CMYK":
        pixels = _from_cmyk(pixels)
    elif header.mode == "L":
        pixels = pixels[:, :, 0]
    place(upright(pixels, header.orientation), spec, row, header.size)
    notes = ("cmyk",) if header.mode == "CMYK" else ()
    return Decoded(header.height, header.width, "JPEG", notes)


def _read_jpeg(data: bytes, colours: str, size: Size, out: Pixels | None = None) -> Pixels:
    """Decode to `size`, into `out` if given."""
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data, colours, min_height=size[0], min_width=size[1], buffer=out, strict=True
        )
    except MemoryError:
        raise
    except Exception as error:
        if "nsufficient memory" in str(error):
            raise MemoryError(str(error)) from error
        raise reject(error) from error
    if pixels.shape[:2] != size:
        height, width = pixels.shape[:2]
        raise RejectedImage("corrupt", f"decodes to {height}×{width}, not {size[0]}×{size[1]}")
    return pixels


def _from_cmyk(pixels: Pixels) -> Pixels:
    """RGB of a CMYK JPEG, whose ink is inverted as Adobe's always is."""
    height, width = pixels.shape[:2]
    image = Image.frombuffer("CMYK", (width, height), pixels, "raw", "CMYK;I", 0, 1)
    return np.asarray(image.convert("RGB"))


# All other formats -----------------------------------------------------------------------


def _decode_other(data: bytes, spec: ImageSpec, row: Pixels, kind: str) -> Decoded:
    image = open_image(data, kind)
    header = describe(image, kind)
    _check_size(header, spec, (row.shape[0], row.shape[1]))
    check(data, kind, image)
    try:
        several = getattr(image, "is_animated", False)
        image.load()
        pixels, notes = _flattened(image, spec)
    except (MemoryError, RejectedImage):
        raise
    except Exception as error:
        raise reject(error) from error
    if pixels.shape[:2] != header.stored_size:
        raise RejectedImage("corrupt", "decodes to another size than its header says")
    place(upright(pixels, header.orientation), spec, row, header.size)
    if several:
        notes.append("pages" if kind == "TIFF" else "animation")
    if header.bits > 8:
        notes.append("16-bit")
    return Decoded(header.height, header.width, kind, tuple(sorted(notes)))


def _flattened(image: Image.Image, spec: ImageSpec) -> tuple[Pixels, list[str]]:
    """8-bit RGB or grey pixels without transparency, and what that lost."""
    notes: list[str] = []
    if image.mode.startswith("I;16"):
        return (np.asarray(image) >> 8).astype(np.uint8), notes
    if image.mode in ("I", "F"):
        detail = f"pixels of 32 bits (Pillow's mode {image.mode}) have no range of grey levels"
        raise RejectedImage("unsupported", detail)
    if image.mode in ("CMYK", "LAB"):
        notes.append(image.mode.lower())
    if image.has_transparency_data:
        notes.append("alpha")
        alpha = image.convert("RGBA")
        image = Image.new("RGB", image.size, spec.background)
        image.paste(alpha, mask=alpha)
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    return np.asarray(image), notes
