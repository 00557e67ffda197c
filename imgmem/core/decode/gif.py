"""GIF: its blocks (GIF89a), of which the first image is read."""

import struct
from typing import NamedTuple

from PIL import Image
from PIL.ImageFile import ImageFile

from imgmem.core.decode.format import Header
from imgmem.core.errors import RejectedImage

_TRAILER, _EXTENSION, _IMAGE = 0x3B, 0x21, 0x2C
_LEAST_CODE = 2
"""Bits of the smallest codes (appendix F)."""
_CANVAS_SAMPLES = 5
"""Bytes for a pixel of an image that is laid on a larger canvas: cut out, and in color."""


class _First(NamedTuple):
    """The first image: its box on the canvas, the colors of its palette and its codes' bits."""

    left: int
    top: int
    right: int
    bottom: int
    colors: int
    bits: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        return self[:4]

    @property
    def pixels(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)


def read_gif_header(data: bytes, *, complete: bool = True) -> Header:
    """The size that the screen and the first image's descriptor make (18 and 20).

    Own code, because Pillow allocates some images while it opens them.
    Raises RejectedImage: "truncated" or "corrupt".
    """
    try:
        first = _first(data)
        width, height = struct.unpack_from("<HH", data, 6)
    except (IndexError, struct.error):
        raise RejectedImage("truncated", "ends before the first image of the GIF") from None
    if first.left == first.right or first.top == first.bottom:
        detail = f"a first image of {first.bottom - first.top}×{first.right - first.left} pixels"
        raise RejectedImage("corrupt", detail)
    width, height = max(width, first.right), max(height, first.bottom)
    smaller = first.pixels < width * height
    return Header(
        format="GIF",
        height=height,
        width=width,
        mode="RGBA" if smaller else "P",
        samples=_CANVAS_SAMPLES if smaller else 1,
        block=first.pixels if smaller else 0,
    )


def _first(data: bytes) -> _First:
    at = _first_image(data)
    left, top, width, height, flags = struct.unpack_from("<4HB", data, at + 1)
    local = _color_table_bytes(flags)
    return _First(
        left=left,
        top=top,
        right=left + width,
        bottom=top + height,
        colors=(local or _color_table_bytes(data[10])) // 3,
        bits=data[at + 10 + local],
    )


def load_gif(image: ImageFile, header: Header, data: bytes) -> Image.Image:
    """The first image, loaded, on its canvas.

    Pillow fills what it leaves of that with the first color of its own palette, where GIF89a has
    the background color of the screen (18.c.vi); without one, it is transparent.
    Raises RejectedImage("corrupt").
    """
    first = _first(data)
    if not first.colors:
        raise RejectedImage("corrupt", "a GIF without a palette")
    if first.bits < _LEAST_CODE:
        raise RejectedImage("corrupt", f"a GIF whose smallest codes have {first.bits} bits")
    image.load()
    covers = first.pixels == header.height * header.width
    part = image if covers else image.crop(first.box)
    clear = image.info.get("transparency")
    _check_colors(part, first.colors, clear)
    if covers or clear is not None:
        return image
    background = _background(data)
    canvas = Image.new("RGB" if background else "RGBA", image.size, background or (0, 0, 0, 0))
    canvas.paste(part.convert("RGB"), first.box)
    return canvas


def _check_colors(part: Image.Image, colors: int, clear: int | None) -> None:
    """Refuse pixels whose color is not in the palette, except for transparent ones."""
    used = {color for color, count in enumerate(part.histogram()) if count}
    missing = {color for color in used - {clear} if color >= colors}
    if missing:
        detail = f"color {max(missing)} is used, and the palette has {colors}"
        raise RejectedImage("corrupt", detail)


def _background(data: bytes) -> tuple[int, int, int] | None:
    """The color of the canvas, by the palette of the screen."""
    at = 13 + 3 * data[11]
    if at >= 13 + _color_table_bytes(data[10]):
        return None
    return data[at], data[at + 1], data[at + 2]


def _first_image(data: bytes) -> int:
    """Where the descriptor of the first image is. IndexError if `data` ends before it."""
    at = 13 + _color_table_bytes(data[10])
    while data[at] != _IMAGE:
        if data[at] != _EXTENSION:
            raise RejectedImage("corrupt", f"no GIF block at byte {at}")
        at = _blocks_end(data, at + 2)
    return at


def check_gif(data: bytes) -> set[str]:
    """The blocks of the first image (15 to 27); what is wrong behind it is noted."""
    notes: set[str] = set()
    try:
        at = _pixels_end(data, _first_image(data))
        while data[at] != _TRAILER:
            if data[at] == _IMAGE:
                notes.add("animation")
                at = _pixels_end(data, at)
            elif data[at] == _EXTENSION:
                at = _blocks_end(data, at + 2)
            else:
                return notes | {"gif-repaired"}
    except IndexError:
        return notes | {"gif-repaired"}
    return notes


def gif_frames_left(_: object, data: bytes) -> int:
    """Images behind the first, as far as their blocks are in order."""
    count = 0
    try:
        at = _pixels_end(data, _first_image(data))
        while data[at] in (_IMAGE, _EXTENSION):
            count += data[at] == _IMAGE
            at = _pixels_end(data, at) if data[at] == _IMAGE else _blocks_end(data, at + 2)
    except (IndexError, ValueError):
        return count
    return count


def _color_table_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_end(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _pixels_end(data: bytes, at: int) -> int:
    """Behind the pixels of the image whose descriptor is at `at`.

    A file may end where their terminator should be: the decoder sees whether any are missing.
    """
    at += 11 + _color_table_bytes(data[at + 9])
    while at < len(data) and data[at]:
        at += 1 + data[at]
    if at > len(data):
        raise ValueError("ends inside a block of pixels")
    return at + 1
