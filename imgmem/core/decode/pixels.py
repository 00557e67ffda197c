"""The pixels of an opened Pillow image as 8-bit RGB or gray, band by band."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgmem.core.decode.format import Pixels
from imgmem.core.decode.geometry import BAND_PIXELS
from imgmem.core.decode.resize import convert_into
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

_GRAY = {"1", "L"}
_MASK_COLORS = 32
"""A palette image of no more colors than this may be a mask, whose classes resizing mixes."""
_EMPTY = 0.98
"""Where this many of its pixels are clear, a file has another fourth band than transparency, or
nothing to see."""
_BLANK = 3
"""Pixel values by which the pixels of a blank image differ at most."""


def check_palette(image: Image.Image) -> None:
    """Refuse a loaded image that uses colors which its palette does not have."""
    if image.mode != "P" or image.palette is None:
        return
    entries = len(image.palette.palette) // len(image.palette.mode)
    highest = int(image.getextrema()[1])  # type: ignore[arg-type]
    if highest >= entries:
        detail = f"color {highest} is used, and the palette has {entries}"
        raise RejectedImage("corrupt", detail)


def read_pixels(
    image: Image.Image, spec: ImageSpec, out: Pixels | None = None
) -> tuple[Pixels, set[str]]:
    """All pixels of a loaded image, (H, W, 3) RGB or (H, W) gray, and notes of what was lost.

    Gray if `spec` wants it or the image has nothing else. Transparent pixels are laid on
    the background, or taken as they are where that is "drop"; 16 bits are cut to the upper 8,
    without rounding.
    """
    notes = {image.mode.lower()} if image.mode in ("CMYK", "LAB") else set()
    if image.mode == "P" and image.getcolors(_MASK_COLORS):
        notes.add("mask-like")
    transparent = _is_transparent(image)
    if transparent:
        notes.add("alpha-dropped" if spec.background == "drop" else "alpha")
    transparent = transparent and spec.background != "drop"
    deep = image.mode.startswith("I")
    if out is None:
        gray = spec.channels == "gray" or deep or (image.mode in _GRAY and not transparent)
        out = np.empty((image.height, image.width) + (() if gray else (3,)), np.uint8)
    for top, band in _bands(image):
        if deep:
            pixels: Pixels = (np.asarray(band) >> 8).astype(np.uint8)
        elif transparent:
            pixels = np.asarray(_on_background(band, spec.padding))
        else:
            mode = "L" if image.mode in _GRAY else "RGB"
            pixels = np.asarray(band if band.mode == mode else band.convert(mode))
        convert_into(pixels, out[top : top + band.height])
    if transparent:
        notes |= _lost_in_alpha(image, out)
    return out, notes


def _lost_in_alpha(image: Image.Image, out: Pixels) -> set[str]:
    """What the background has made of a transparent image: nothing else may be left of it."""
    clear = sum(_alpha(band).histogram()[0] for _, band in _bands(image))
    notes = {"alpha-empty"} if clear >= _EMPTY * image.width * image.height else set()
    levels = out.reshape(-1, 3 if out.ndim == 3 else 1)
    if (levels.max(0) - levels.min(0)).max() <= _BLANK:
        notes.add("alpha-blank")
    return notes


def _is_transparent(image: Image.Image) -> bool:
    """Whether any pixel lets the background through."""
    if not image.has_transparency_data:
        return False
    return any(_alpha(band).getextrema()[0] != 255 for _, band in _bands(image))


def _alpha(band: Image.Image) -> Image.Image:
    return band.convert("RGBA").getchannel("A")


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """(first row, band) of the whole image."""
    for top, bottom in _band_rows(image.height, image.width):
        whole = bottom - top == image.height
        band = image if whole else image.crop((0, top, image.width, bottom))
        yield top, band.convert("LA") if band.mode == "La" else band  # the only way from there


def _band_rows(height: int, width: int) -> Iterator[tuple[int, int]]:
    rows = max(1, BAND_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(height, top + rows)


def _on_background(band: Image.Image, color: tuple[int, int, int]) -> Image.Image:
    """RGB over `color`, rounded as Pillow rounds: (a·alpha + b·(255 - alpha)) / 255."""
    canvas = Image.new("RGB", band.size, color)
    overlay = band.convert("RGBA")
    canvas.paste(overlay, mask=overlay)
    return canvas


def from_inverted_cmyk(pixels: npt.NDArray[np.uint8]) -> Pixels:
    """(H, W, 3) RGB of (H, W, 4) inverted CMYK, as JPEGs hold it by Adobe's convention."""
    height, width = pixels.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    for top, bottom in _band_rows(height, width):
        part = pixels[top:bottom]
        size = width, bottom - top
        band = Image.frombuffer("CMYK", size, part, "raw", "CMYK;I", 0, 1)
        out[top:bottom] = np.asarray(band.convert("RGB"))
    return out
