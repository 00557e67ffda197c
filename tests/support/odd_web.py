"""Odd AVIF and WebP files, as real encoders and other writers of their containers make them.

`web_files()` yields (kind, data, pixels, tolerance, reasons), the fields of an `OddFile`.
"""

import struct
from collections.abc import Iterator
from itertools import product
from typing import Any

import cv2
import numpy as np

from support import heif
from support.images import encode, oriented, photo, unturned

try:
    import imagecodecs
except ImportError:  # there are not wheels for every platform
    imagecodecs = None

DAMAGED = ("truncated", "corrupt")
AVIF = {"brand": b"avif", "compatible": (b"mif1", b"avif", b"miaf")}
ALPHA = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"
Fields = tuple[Any, ...]


def web_files() -> Iterator[Fields]:
    for make in (_deep_avifs, _built_avifs, _transparent_avifs, _webps, _animated_webps):
        yield from make()


def _others(data: bytes) -> Any:
    """As OpenCV decodes it, (H, W, 3), which imgmem does not use for these formats."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)


def _damaged(kind: str, data: bytes) -> Iterator[Fields]:
    """Cut at k, zeros from k on, a hole of zeros at k."""
    for share in (0.35, 0.5, 0.65, 0.8, 0.95):
        at = int(len(data) * share)
        yield f"cut {kind}", data[:at], None, 0, DAMAGED
        if share < 0.7:
            yield f"zeros {kind}", data[:at] + bytes(len(data) - at), None, 0, DAMAGED
            hole = data[:at] + bytes(512) + data[at + 512 :]
            yield f"hole {kind}", hole, None, 0, DAMAGED


# AVIF ------------------------------------------------------------------------------------


def _deep_avifs() -> Iterator[Fields]:
    """8, 10 and 12 bits, with all kinds of chroma, of even and odd sides."""
    if imagecodecs is None:
        return
    for size, bits, chroma in product(((96, 120), (67, 91)), (8, 10, 12), ("444", "422", "420")):
        values = photo(*size).astype(np.uint16) << (bits - 8)
        stored = values.astype(np.uint8) if bits == 8 else values
        data = imagecodecs.avif_encode(
            stored, level=90, speed=10, bitspersample=bits, pixelformat=chroma
        )
        other = imagecodecs.avif_decode(data) >> (bits - 8)
        kind = f"avif {bits} bits {chroma}"
        yield kind, data, other, 4, ()
        yield from _damaged(kind, data)


def _built_avifs() -> Iterator[Fields]:
    """Grids, turned and mirrored images, several images, thumbnails; sizes that are not true."""
    picture = photo(192, 256)
    for rows, columns in ((1, 2), (2, 2), (3, 4), (2, 1)):
        items = heif.grid(heif.avif_bytes, picture, rows, columns)
        height, width = 192 // rows, 256 // columns
        tiles = [
            _others(heif.avif_bytes(np.ascontiguousarray(picture[y : y + height, x : x + width])))
            for y in range(0, 192, height)
            for x in range(0, 256, width)
        ]
        lines = [np.hstack(tiles[n : n + columns]) for n in range(0, len(tiles), columns)]
        data = heif.write(items, **AVIF)
        yield "avif grid", data, np.vstack(lines), 2, ()
        yield from _damaged("avif grid", data)
        fewer = [items[0]._replace(references=((b"dimg", (2,)),)), *items[1:]]
        yield "avif grid without tiles", heif.write(fewer, **AVIF), None, 0, ("corrupt",)
    whole = heif.avif_bytes(photo(96, 120))
    pixels = _others(whole)
    for quarters, axis in product(range(4), (None, 0, 1)):
        more = [heif.turned(quarters)] + ([] if axis is None else [(b"imir", bytes([axis]))])
        upright = np.rot90(pixels, quarters)
        upright = upright if axis is None else np.flip(upright, axis)
        data = heif.write([heif.coded(whole, *more)], **AVIF)
        yield "avif turned", data, np.ascontiguousarray(upright), 2, ()
    item, small = heif.coded(whole), heif.coded(heif.avif_bytes(photo(48, 60)))
    thumbnail = small._replace(references=((b"thmb", (1,)),))
    for others in ([thumbnail], [small], [small, thumbnail], [small._replace(hidden=True)]):
        yield "avif with others", heif.write([item, *others], **AVIF), pixels, 2, ()
    for width, height in ((64, 64), (121, 96), (120, 95), (4000, 3000)):
        lying = item._replace(properties=(heif.size(width, height), *item.properties[1:]))
        yield "avif of another size", heif.write([lying], **AVIF), None, 0, ("corrupt",)
    yield "avif, bytes behind", heif.write([item], **AVIF) + b"trailer", pixels, 2, ()


def _transparent_avifs() -> Iterator[Fields]:
    """Straight and premultiplied, on black."""
    picture = photo(96, 120)
    levels = np.clip(np.add.outer(np.arange(96), np.arange(120)) + 40, 0, 255)
    share = levels[:, :, None] / 255
    alpha = heif.coded(
        heif.avif_bytes(levels.astype(np.uint8), quality=100),
        heif.auxiliary(ALPHA), references=((b"auxl", (1,)),),
    )  # fmt: skip
    straight = heif.avif_bytes(picture)
    colors = _others(straight)
    data = heif.write([heif.coded(straight), alpha], **AVIF)
    yield "avif alpha", data, np.round(colors * share).astype(np.uint8), 2, ()
    yield from _damaged("avif alpha", data)
    on_black = heif.avif_bytes(np.round(picture * share).astype(np.uint8))
    item = heif.coded(on_black)._replace(references=((b"prem", (2,)),))
    visible = np.minimum(_others(on_black), levels[:, :, None]).astype(np.uint8)
    yield "avif premultiplied", heif.write([item, alpha], **AVIF), visible, 4, ()


# WebP ------------------------------------------------------------------------------------


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + bytes(len(data) % 2)


def _riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _extended(width: int, height: int, flags: int = 0) -> bytes:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return _chunk(b"VP8X", bytes([flags, 0, 0, 0]) + size)


def _coded(data: bytes) -> bytes:
    """The chunks of a WebP that hold pixels and transparency, with their headers."""
    found, at = [], 12
    while at < len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        if name in (b"VP8 ", b"VP8L", b"ALPH"):
            found.append(data[at : at + 8 + length + length % 2])
        at += 8 + length + length % 2
    return b"".join(found)


WEBPS = {
    "lossy": {"quality": 90},
    "lossy of the least quality": {"quality": 0},
    "lossless": {"lossless": True},
}


def _webps() -> Iterator[Fields]:
    """Profiles, texts and unknown chunks anywhere, orientations, lengths that are not true."""
    picture = photo(97, 121)
    exif = oriented(6)
    for name, options in WEBPS.items():
        plain = encode(picture, "WEBP", **options)
        pixels, coded = _others(plain), _coded(plain)
        whole = _extended(121, 97)
        known = _chunk(b"XMP ", b"<x/>" * 50_000), _chunk(b"ICCP", bytes(3001))
        odd = _chunk(b"abcd", b"x" * 33)
        for kind, data in {
            "extended": _riff(whole, coded),
            "text behind": _riff(_extended(121, 97, 4), coded, known[0]),
            "profile before": _riff(_extended(121, 97, 32), known[1], coded),
            "unknown chunks": _riff(whole, odd, coded, odd),
            "bytes behind": plain + b"x" * 99,
        }.items():
            yield f"webp {name}, {kind}", data, pixels, 2, ()
        turned = unturned(pixels, 8)
        data = _riff(_extended(121, 97, 8), coded, _chunk(b"EXIF", exif))
        yield f"webp {name}, turned", data, turned, 2, ()
        for width, height in ((120, 97), (121, 96), (1210, 970)):
            lying = _riff(_extended(width, height), coded)
            yield f"webp {name} of another size", lying, None, 0, (*DAMAGED, "unsupported")
        longer = plain[:4] + struct.pack("<I", len(plain)) + plain[8:]
        yield f"webp {name}, too short", longer, None, 0, ("truncated",)
        if "least" not in name:
            yield from _damaged(f"webp {name}", encode(photo(160, 200), "WEBP", **options))


def _animated_webps() -> Iterator[Fields]:
    """Whose first frame is a part of the canvas: the rest is transparent, so black."""
    for options, (x, y) in product(WEBPS.values(), ((0, 0), (20, 0), (16, 30), (2, 44))):
        frame = encode(photo(40, 52), "WEBP", **options)
        place = (x // 2).to_bytes(3, "little") + (y // 2).to_bytes(3, "little")
        size = (51).to_bytes(3, "little") + (39).to_bytes(3, "little")
        first = _chunk(b"ANMF", place + size + bytes([100, 0, 0, 0]) + _coded(frame))
        colors = _chunk(b"ANIM", b"\xff\xff\xff\xff\0\0")
        canvas = np.zeros((90, 80, 3), np.uint8)
        canvas[y : y + 40, x : x + 52] = _others(frame)
        data = _riff(_extended(80, 90, 2), colors, first, first)
        yield "webp animation", data, canvas, 2, ()
        yield "cut webp animation", data[: len(data) - 9], None, 0, DAMAGED
