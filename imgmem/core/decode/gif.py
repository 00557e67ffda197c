"""GIF: its blocks (GIF89a), of which the first image is read."""

import struct

from imgmem.core.decode.format import Header
from imgmem.core.errors import RejectedImage

_TRAILER, _EXTENSION, _IMAGE = 0x3B, 0x21, 0x2C


def read_gif_header(data: bytes, *, complete: bool = True) -> Header:
    """The size that the screen and the first image's descriptor make (18 and 20).

    Own code, because Pillow allocates some images while it opens them.
    Raises RejectedImage: "truncated" or "corrupt".
    """
    try:
        at = _first_image(data)
        screen = struct.unpack_from("<HH", data, 6)
        left, top, width, height = struct.unpack_from("<4H", data, at + 1)
    except (IndexError, struct.error):
        raise RejectedImage("truncated", "ends before the first image of the GIF") from None
    if not width or not height:
        raise RejectedImage("corrupt", f"a first image of {height}×{width} pixels")
    return Header(
        format="GIF",
        height=max(screen[1], top + height),
        width=max(screen[0], left + width),
        mode="P",
        samples=1,
    )


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
