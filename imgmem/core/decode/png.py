"""PNG: its chunks and their checksums (PNG, third edition).

Pillow is handed the chunks on which pixels depend and no others: texts, profiles and frames of
animations can be damaged, or take any amount of memory.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

from imgmem.core.decode.exif import exif_orientation
from imgmem.core.decode.format import Header, check_samples
from imgmem.core.decode.values import Stored, Values, in_rgb_order, parted
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_PIXEL_CHUNKS = {*_CRITICAL, b"tRNS"}
_ONCE = {b"IHDR", b"PLTE"}
_SHORT = 2**16
"""Files below are faster to search for a name than to walk chunk by chunk."""
_READ_CHUNKS = {*_PIXEL_CHUNKS, b"eXIf"}
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
"""Pillow's name of each color type."""
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Samples of a pixel, by color type."""
_CLEAR_BYTES = {0: 2, 2: 6}
"""Length of the chunk tRNS of images without a palette (11.3.1.1)."""
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)
"""First column and row, and the steps to the next, of each pass of an interlaced image (8.2)."""
_BLOCK_BYTES = 65_536
_CLEAR_SAMPLES = 6
"""Deep samples for a pixel, where a transparent color is looked for among them."""
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def read_png_header(data: bytes, *, complete: bool = True) -> Header:
    """The facts of the first chunk, and the orientation if its chunk is in `data`.

    Raises RejectedImage: "truncated" or "corrupt".
    """
    if len(data) < 33:
        raise RejectedImage("truncated", "ends inside the PNG header")
    if data[12:16] == b"CgBI":
        detail = (
            "Apple's own kind of PNG (CgBI) is not read; convert it with sips or pngcrush first"
        )
        raise RejectedImage("unsupported", detail)
    name, width, height, depth, color, methods = struct.unpack_from(">4sIIBB3s", data, 12)
    (checksum,) = struct.unpack_from(">I", data, 29)
    if name != b"IHDR" or zlib.crc32(data[12:29]) != checksum:
        raise RejectedImage("corrupt", "the PNG header is damaged")
    if depth not in _DEPTHS.get(color, ()) or methods[0] or methods[1] or methods[2] > 1:
        raise RejectedImage("corrupt", f"a PNG of color type {color} and {depth} bits")
    if not height or not width:
        raise RejectedImage("corrupt", f"a PNG of {height}×{width} pixels")
    orientation = _orientation(data)
    if orientation >= 5:
        height, width = width, height
    mode = _MODES[color] if depth < 16 or color not in (0, 4) else {0: "I;16", 4: "RGBA"}[color]
    clear = depth == 16 and _transparency(data) is not None
    if clear:
        mode = "RGBA"
    return Header(
        format="PNG",
        height=height,
        width=width,
        mode="1" if (depth, color) == (1, 0) else mode,
        orientation=orientation,
        bits=16 if depth == 16 else 8,
        samples=_CLEAR_SAMPLES if clear else 1,
        block=height * width if clear else 0,
    )


def _orientation(data: bytes) -> int:
    """By the eXIf chunk, wherever it is."""
    if len(data) < _SHORT and b"eXIf" not in data:  # a tenth of the time
        return 1
    for name, body in png_chunks(data):
        if name == b"eXIf":
            return exif_orientation(bytes(body))
    return 1


def png_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """(name, content) of the chunks of a PNG, to IEND or as far as the data goes."""
    view, at = memoryview(data), 8
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        yield name, view[at + 8 : at + 8 + length]
        if name == b"IEND":
            return
        at += 12 + length


def check_png(data: bytes) -> set[str]:
    """Every chunk to IEND by its CRC (5.3); damage where no pixel depends on it is noted."""
    at, name = 8, b""
    notes: set[str] = set()
    seen: set[bytes] = set()
    for name, content in png_chunks(data):
        length = len(content)
        checksum = data[at + 8 + length : at + 12 + length]
        if checksum != zlib.crc32(content, zlib.crc32(name)).to_bytes(4, "big"):
            notes.add(_wrong_checksum(name, at, cut=len(checksum) < 4))
        elif name not in seen or name in _ONCE:
            notes |= _check_chunk(name, content, seen)
        seen.add(name)
        at += 12 + length
    if name != b"IEND":
        raise IndexError
    if b"tRNS" in seen and not _transparency(data):
        notes.add("png-repaired")
    return notes


def _check_chunk(name: bytes, content: memoryview, before: set[bytes]) -> set[str]:
    """The note of a chunk behind those of `before`; refuses what no decoder may pass over (5.4)."""
    if not name[:1].islower() and name not in _CRITICAL:
        detail = f"a PNG whose pixels depend on a chunk that is not known, {name!r}; re-save it"
        raise RejectedImage("unsupported", detail)
    if name in _ONCE and name in before:
        raise RejectedImage("corrupt", f"a second PNG chunk {name.decode()}")
    if name == b"PLTE" and len(content) % 3:
        raise RejectedImage("corrupt", f"a palette of {len(content)} bytes, not of 3 a color")
    return {"animation"} if name == b"acTL" else set()


def _wrong_checksum(name: bytes, at: int, *, cut: bool) -> str:
    """The note that a wrong checksum makes; raises where pixels depend on the chunk."""
    ancillary = name[:1].islower() and name not in _READ_CHUNKS
    if cut and name != b"IEND":
        raise IndexError
    if not ancillary and name != b"IEND":
        raise RejectedImage("corrupt", f"wrong CRC in PNG chunk {name!r} at byte {at}")
    return "png-repaired"


def open_png(data: bytes) -> ImageFile:
    """Open the chunks that pixels depend on, and these alone."""
    pieces = _pixel_pieces(data)
    if pieces == [(0, len(data))]:
        return PngImageFile(io.BytesIO(data))
    view = memoryview(data)
    parts = _Pieces([view[start:end] for start, end in pieces])
    return PngImageFile(io.BufferedReader(parts))


def _transparency(data: bytes) -> memoryview | None:
    """The content of tRNS, if it is as it has to be (11.3.1.1); libpng passes over any other."""
    palette = 0
    for name, content in png_chunks(data):
        if name == b"PLTE":
            palette = len(content) // 3
        if name == b"tRNS":
            needed = _CLEAR_BYTES.get(data[25])
            fits = len(content) == needed if needed else 0 < len(content) <= palette
            return content if fits else None
        if name == b"IDAT":
            break
    return None


def _pixel_pieces(data: bytes, without: AbstractSet[bytes] = frozenset()) -> list[tuple[int, int]]:
    """(start, end) in the file of the chunks up to the first run of IDAT, and of IEND."""
    pieces, at, previous, ended = [(0, 8)], 8, b"", False
    dropped = {*without} if _transparency(data) else {b"tRNS"}
    for name, content in png_chunks(data):
        end = at + 12 + len(content)
        ended = ended or (previous == b"IDAT" and name != b"IDAT")
        if name == b"IEND" or (name in _PIXEL_CHUNKS - dropped and not ended):
            dropped |= {name} & {b"tRNS"}  # a second one
            adjacent = pieces[-1][1] == at
            pieces[-1:] = [(pieces[-1][0], end)] if adjacent else [pieces[-1], (at, end)]
        at, previous = end, name
    return pieces


def read_png_values(image: ImageFile, header: Header, data: bytes) -> Stored:
    """The samples of a PNG of 16 bits, by OpenCV, from the chunks that pixels depend on.

    Pillow cuts colors to 8 bits; it decodes them too, for it finds pixels that are missing.
    """
    check_png_image(image, header, data)
    _load_all_rows(image, data)
    samples, clear = in_rgb_order(_deep_pixels(image, data)), _clear_color(data)
    stored = parted(samples, 65535, _stated(data))
    if clear is None or not (samples == clear).all(2).any():
        return stored
    return stored._replace(opaque=False)


def _deep_pixels(image: ImageFile, data: bytes) -> Values:
    """The pixels of 16 bits as OpenCV has them, without what a transparent color makes of them."""
    import cv2  # headers are read without it
    import numpy as np

    clean = b"".join(data[start:end] for start, end in _pixel_pieces(data, {b"tRNS"}))
    pixels = cv2.imdecode(np.frombuffer(clean, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != np.uint16 or pixels.shape[:2] != image.size[::-1]:
        raise RejectedImage("corrupt", "the PNG decoder failed")
    return pixels


def _clear_color(data: bytes) -> tuple[int, ...] | None:
    """The transparent color of a PNG of 16 bits without alpha, if it has one."""
    content = _transparency(data) if data[24] == 16 else None
    return None if content is None else struct.unpack(f">{len(content) // 2}H", content)


def _stated(data: bytes) -> int:
    """The highest value by the chunk sBIT, which says how many bits are significant; 0 without."""
    for name, body in png_chunks(data):
        if name == b"sBIT" and len(body):
            return int(2 ** min(16, max(body)) - 1)
    return 0


def png_frames_left(_: object, data: bytes) -> int:
    """Frames of an animation (acTL), without the default image if it is one of them (fcTL)."""
    frames, shown = 0, 0
    for name, body in png_chunks(data):
        if name == b"acTL" and len(body) >= 4:
            frames = int.from_bytes(body[:4], "big")
        if name == b"fcTL":
            shown = 1
        if name == b"IDAT":
            break
    return frames - shown


class _Pieces(io.RawIOBase):
    """Parts of a file, read one after the other, without a copy of them."""

    def __init__(self, parts: list[memoryview]) -> None:
        self._parts = parts
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, sum(map(len, self._parts)))[whence]
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target, start = memoryview(buffer).cast("B"), self._at
        for part in self._parts:
            if start < len(part):
                piece = part[start : start + len(target)]
                target[: len(piece)] = piece
                self._at += len(piece)
                return len(piece)
            start -= len(part)
        return 0


def check_png_image(image: ImageFile, header: Header, data: bytes) -> None:
    """Check an opened PNG, and scale its transparent color as Pillow scales its pixels.

    Raises RejectedImage: "unsupported" or "corrupt".
    """
    if _clear_color(data):  # which is looked for once it is loaded
        image.info.pop("transparency", None)
    check_samples(image, header)
    if image.mode == "P" and not image.palette:
        raise RejectedImage("corrupt", "a palette image without its palette")
    color, highest = data[25], 2 ** data[24] - 1
    clear = _transparency(data) if color in _CLEAR_BYTES else None
    if clear and highest < 256:
        values = struct.unpack(f">{len(clear) // 2}H", clear)
        levels = tuple((value & highest) * 255 // highest for value in values)
        image.info["transparency"] = levels[0] if color == 0 else levels


def load_png(image: ImageFile, _: Header, data: bytes) -> Image.Image:
    """The opened image, loaded, with transparency where a color of 16 bits is transparent.

    Raises RejectedImage("truncated") where rows are missing.
    """
    _load_all_rows(image, data)
    clear = _clear_color(data)
    return image if clear is None else _with_alpha(image, data, clear)


def _load_all_rows(image: ImageFile, data: bytes) -> None:
    """Load an image; Pillow leaves rows black where the compressed data end before them."""
    image.load()
    last = image.crop((0, image.height - 1, image.width, image.height))
    if (data[28] or not any(last.tobytes())) and not _has_all_rows(data):
        raise RejectedImage("truncated", "the PNG's compressed data end before its last row")


def _with_alpha(image: ImageFile, data: bytes, clear: tuple[int, ...]) -> Image.Image:
    """The upper 8 bits of all pixels, and alpha."""
    import numpy as np  # headers are read without it

    pixels = _deep_pixels(image, data)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    hidden = (pixels == clear[::-1]).all(2)
    np.right_shift(pixels, 8, out=pixels)
    out = np.empty((*hidden.shape, len(clear) + 1), np.uint8)
    out[:, :, :-1] = pixels[:, :, ::-1]
    del pixels
    out[:, :, -1] = np.where(hidden, np.uint8(0), np.uint8(255))
    return Image.frombytes("LA" if len(clear) == 1 else "RGBA", image.size, out)


def _has_all_rows(data: bytes) -> bool:
    """Whether as many bytes are compressed as the pixels need; unpacks them block by block."""
    missing, unpacker = _scanline_bytes(data), zlib.decompressobj()
    for name, content in png_chunks(data):
        rest: bytes | memoryview = content if name == b"IDAT" else b""
        while rest and missing > 0 and not unpacker.eof:
            missing -= len(unpacker.decompress(rest, _BLOCK_BYTES))
            rest = unpacker.unconsumed_tail
    return missing <= len(unpacker.flush())


def _scanline_bytes(data: bytes) -> int:
    """Bytes of all rows, each with its filter type (7.2), before they are compressed."""
    width, height, depth, color = struct.unpack_from(">IIBB", data, 16)
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0:
            total += max(0, rows) * (1 + -(-columns * depth * _SAMPLES[color] // 8))
    return total
