"""JPEG: the header (ITU-T T.81), and the pixels by simplejpeg."""

import struct
from functools import lru_cache

import simplejpeg

from imgmem.core.decode.exif import exif_orientation
from imgmem.core.decode.failures import reject
from imgmem.core.decode.format import Header, Pixels
from imgmem.core.decode.geometry import Size
from imgmem.core.errors import RejectedImage

_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}


def is_jpeg(data: bytes) -> bool:
    """Whether `data` begins as a JPEG does."""
    return data.startswith(b"\xff\xd8\xff")


def read_jpeg_header(data: bytes, *, complete: bool = True) -> Header:
    """The facts of a JPEG's segments up to its frame header (ITU-T T.81, B.2.2).

    Raises RejectedImage: "truncated", "corrupt", "unsupported".
    """
    orientation, at = 1, 2
    try:
        while True:
            if data[at] != 0xFF:
                raise RejectedImage("corrupt", f"no JPEG segment at byte {at}")
            marker = data[at + 1]
            if marker == 0xFF:  # fill byte
                at += 1
                continue
            if marker in _FRAMES:
                return _jpeg_frame(data, at, orientation, complete)
            if marker in (0xD9, 0xDA):
                raise RejectedImage("corrupt", "a JPEG without a frame header")
            length = data[at + 2] << 8 | data[at + 3]
            if marker == 0xE1 and orientation == 1:
                orientation = exif_orientation(data[at + 4 : at + 2 + length])
            at += 2 + length
    except IndexError:
        raise RejectedImage("truncated", "ends inside the JPEG's header") from None


def _jpeg_frame(data: bytes, at: int, orientation: int, complete: bool) -> Header:
    """The frame header at `at` (ITU-T T.81, B.2.2)."""
    marker, count = data[at + 1], data[at + 9]
    bits, height, width = struct.unpack_from(">BHH", data, at + 4)
    if bits != 8 or marker in _LOSSLESS or count not in _JPEG_MODES:
        detail = f"a JPEG of {bits} bits and {count} components"
        raise RejectedImage("unsupported", detail + (", lossless" * (marker in _LOSSLESS)))
    if not height or not width:
        raise RejectedImage("corrupt", f"a JPEG of {height}×{width} pixels")
    factors = data[at + 11 : at + 11 + 3 * count : 3]
    if len(factors) < count:
        raise IndexError
    scan = data.find(b"\xff\xda", at)  # a first scan of some components only: others follow
    if scan < 0 and complete:
        raise IndexError
    partial = 0 < scan < len(data) - 4 and data[scan + 4] < count
    if orientation >= 5:
        height, width = width, height
    return Header(
        format="JPEG",
        height=height,
        width=width,
        mode=_JPEG_MODES[count],
        orientation=orientation,
        multiscan=partial or marker in _PROGRESSIVE,
        samples=_jpeg_samples(factors),
    )


@lru_cache(maxsize=64)
def _jpeg_samples(factors: bytes) -> float:
    """Samples of all components for one pixel, of their sampling factors, 4 bits each."""
    pairs = [(factor >> 4, factor & 15) for factor in factors]
    whole = max(h for h, _ in pairs) * max(v for _, v in pairs)
    return sum(h * v for h, v in pairs) / (whole or 1)


COLORS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""simplejpeg's names. Never gray from a color JPEG: its own luma is not that of its RGB."""


def read_jpeg(data: bytes, colors: str, size: Size, out: Pixels | None = None) -> Pixels:
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
