"""JPEG: the header (ITU-T T.81), and the pixels by simplejpeg."""

import contextlib
import re
import struct
from functools import lru_cache

import simplejpeg

from imgmem.core.decode.exif import PREFIX as EXIF_PREFIX
from imgmem.core.decode.exif import exif_orientation
from imgmem.core.decode.failures import reject
from imgmem.core.decode.format import Header, Pixels
from imgmem.core.decode.geometry import Size
from imgmem.core.decode.jpeg_repair import repaired
from imgmem.core.decode.mpo import PREFIX as INDEX_PREFIX
from imgmem.core.decode.mpo import images_left
from imgmem.core.errors import RejectedImage

_FIRST_SEGMENT = re.compile(rb"\xff(?:\xdb|\xe0..JFIF\0|\xe1..Exif\0)", re.DOTALL)
_FIRST_BYTES = 1024
_JPEG_LS = 0xF7
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_BARE = {0x00, 0x01, *range(0xD0, 0xD9)}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_PLAIN = re.compile(
    rb"\xff\xd8\xff\xe0\0\x10JFIF\0.{9}(?:\xff\xdb\0\x43.{65})+"
    rb"\xff([\xc0\xc1](?:\0\x0b\x08.{4}\x01.{3}|\0\x11\x08.{4}\x03.{9}))"
    rb"(?:\xff\xc4\0(?:\x1f.{29}|\xb5.{179}))+\xff(\xda\0[\x08\x0c][\x01\x03])",
    re.DOTALL,
)
"""The whole header of a file by libjpeg with its usual tables: there are more of them than of all
others, and a regular expression reads it in a third of the time."""


def is_jpeg(data: bytes) -> bool:
    """Whether `data` begins as a JPEG does; other bytes may lie before its first segment."""
    if data.startswith(b"\xff\xd8\xff"):
        return True
    return data.startswith(b"\xff\xd8") and bool(_FIRST_SEGMENT.search(data, 2, _FIRST_BYTES))


def read_jpeg_header(data: bytes, *, complete: bool = True) -> Header:
    """The facts of a JPEG's segments up to its first scan (ITU-T T.81, B.2).

    Raises RejectedImage: "truncated", "corrupt", "unsupported".
    """
    if plain := _PLAIN.match(data):
        return _plain_header(*plain.groups())
    return _read_segments(data)


@lru_cache(maxsize=64)
def _plain_header(frame: bytes, scan: bytes) -> Header:
    """The header of a frame header and the beginning of a scan header, each behind its 0xFF."""
    return _jpeg_header(b"\xff" + frame + b"\xff" + scan, 0, len(frame) + 1, 1)


def _read_segments(data: bytes) -> Header:
    """The header of any JPEG, segment by segment."""
    exif, left, frame, at = b"", 0, 0, 2
    try:
        while True:
            if data[at] != 0xFF:  # bytes between segments: decoding shows whether they matter
                at = data.index(0xFF, at)
            marker = data[at + 1]
            if marker == 0xFF:  # fill byte
                at += 1
                continue
            if marker == 0xDA:
                if not frame:
                    raise RejectedImage("corrupt", "a JPEG without a frame header")
                return _jpeg_header(data, frame, at, exif_orientation(exif))._replace(left=left)
            if marker in _FRAMES:
                frame = frame or at
            elif marker == 0xE1:
                exif = exif or _content(data, at, EXIF_PREFIX)
            elif marker == 0xE2:
                left = left or images_left(_content(data, at, INDEX_PREFIX))
            at += _segment_bytes(data, at)
    except (IndexError, ValueError):
        raise RejectedImage("truncated", "ends inside the JPEG's header") from None


def _content(data: bytes, at: int, prefix: bytes) -> bytes:
    """The content of the segment at `at`, b"" where it does not begin with `prefix`."""
    if not data.startswith(prefix, at + 4):
        return b""
    return data[at + 4 : at + _segment_bytes(data, at)]


def _segment_bytes(data: bytes, at: int) -> int:
    """The length of the segment at `at`, its marker included (B.1.1.4)."""
    marker = data[at + 1]
    if marker == 0xD9:
        raise RejectedImage("corrupt", "a JPEG without an image")
    if marker == _JPEG_LS:
        raise RejectedImage("unsupported", "JPEG-LS is not read; convert it to PNG first")
    if marker in _BARE:
        return 2
    return 2 + (data[at + 2] << 8 | data[at + 3])


def _jpeg_header(data: bytes, at: int, scan: int, orientation: int) -> Header:
    """The header of the frame header at `at` and the scan header at `scan` (B.2.2, B.2.3)."""
    marker, count = data[at + 1], data[at + 9]
    bits, height, width = struct.unpack_from(">BHH", data, at + 4)
    if bits != 8 or marker in _LOSSLESS or count not in _JPEG_MODES:
        detail = f"a JPEG of {bits} bits and {count} components"
        raise RejectedImage("unsupported", detail + (", lossless" * (marker in _LOSSLESS)))
    if not height and width:
        detail = "a JPEG whose height is not in its header (DNL) is not read; re-save it"
        raise RejectedImage("unsupported", detail)
    if not width:
        raise RejectedImage("corrupt", f"a JPEG of {height}×{width} pixels")
    if orientation >= 5:
        height, width = width, height
    return Header(
        format="JPEG",
        height=height,
        width=width,
        mode=_JPEG_MODES[count],
        orientation=orientation,
        multiscan=data[scan + 4] < count or marker in _PROGRESSIVE,  # else others follow
        samples=_jpeg_samples(data[at + 11 : at + 11 + 3 * count : 3]),
    )


@lru_cache(maxsize=64)
def _jpeg_samples(factors: bytes) -> float:
    """Samples of all components for one pixel, of their sampling factors, 4 bits each."""
    pairs = [(factor >> 4, factor & 15) for factor in factors]
    whole = max(h for h, _ in pairs) * max(v for _, v in pairs)
    return sum(h * v for h, v in pairs) / (whole or 1)


COLORS = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""simplejpeg's names. Never gray from a color JPEG: its own luma is not that of its RGB."""


def read_jpeg(
    data: bytes, colors: str, size: Size, out: Pixels | None = None
) -> tuple[Pixels, set[str]]:
    """Decode at the scale that gives `size`, into `out` if given; returns pixels and notes.

    Strict: every warning rejects, unless it goes away with what no pixel depends on.
    """
    try:
        return _read_jpeg(data, colors, size, out), set()
    except RejectedImage as damage:
        in_order = repaired(data)
        if in_order is not None:
            with contextlib.suppress(RejectedImage):
                return _read_jpeg(in_order, colors, size, out), {"jpeg-repaired"}
        raise damage from None


def _read_jpeg(data: bytes, colors: str, size: Size, out: Pixels | None) -> Pixels:
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
