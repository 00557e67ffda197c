"""Odd image files by the thousand, each with the row or the reject that it must become.

Seeded: the same files every time. `corpus()` yields all; `kinds(files)` counts them.
"""

import io
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image

from support.images import encode, oriented, photo, unturned
from support.odd_web import web_files
from support.raw_files import (
    bmp,
    chunk,
    png,
    png_header,
    png_pixels,
    raw_tags,
    tiff,
    with_depth,
)

try:
    import imagecodecs
    import tifffile
except ImportError:  # there are not wheels for every platform
    imagecodecs = tifffile = None

SIZES = ((37, 52), (64, 41), (96, 96), (1, 23))
DAMAGED = ("truncated", "corrupt")


class OddFile(NamedTuple):
    """A file and what must become of it.

    pixels: (H, W, 3) of the row of native size; None where the file must be rejected, or where
    two decoders do not agree. tolerance: of each pixel value. reasons: of the reject; with
    pixels too, the file may be either, but never anything else.
    """

    kind: str
    data: bytes
    pixels: Any = None
    tolerance: int = 0
    reasons: tuple[str, ...] = ()


def corpus() -> Iterator[OddFile]:
    """All files, at least 2,000."""
    for make in (_good, _mutants, _jpegs, _pngs, _gifs, _bmps, _tiffs, _ppms, _jpeg2000s, _others):
        yield from make()
    yield from (OddFile(*fields) for fields in web_files())


def kinds(files: Iterator[OddFile]) -> Counter[str]:
    return Counter(file.kind for file in files)


def gray(array: Any) -> Any:
    return np.repeat(np.asarray(array, np.uint8)[:, :, None], 3, 2)


# Good files ------------------------------------------------------------------------------

LOSSLESS = {
    "png": ("PNG", {}),
    "png best": ("PNG", {"compress_level": 9}),
    "png stored": ("PNG", {"compress_level": 0}),
    "webp lossless": ("WEBP", {"lossless": True, "exact": True}),
    "bmp": ("BMP", {}),
    "ppm": ("PPM", {}),
    "jp2": ("JPEG2000", {}),
    "j2k": ("JPEG2000", {"no_jp2": True}),
    "jp2 tiles": ("JPEG2000", {"tile_size": (32, 32)}),
    "tiff": ("TIFF", {}),
    "tiff lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "tiff deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "tiff packbits": ("TIFF", {"compression": "packbits"}),
    "tiff lzma": ("TIFF", {"compression": "lzma"}),
    "tiff zstd": ("TIFF", {"compression": "zstd"}),
    "tiff strips": ("TIFF", {"compression": "tiff_lzw", "strip_size": 512}),
}
LOSSY = {
    "jpeg": ("JPEG", {"quality": 90}),
    "jpeg 444": ("JPEG", {"quality": 95, "subsampling": 0}),
    "jpeg 422": ("JPEG", {"subsampling": 1}),
    "jpeg progressive": ("JPEG", {"progressive": True}),
    "jpeg restarts": ("JPEG", {"restart_marker_blocks": 1}),
    "webp": ("WEBP", {"quality": 90}),
    "avif": ("AVIF", {"speed": 10, "quality": 90}),
    "avif 444": ("AVIF", {"speed": 10, "quality": 95, "subsampling": "4:4:4"}),
    "jp2 lossy": ("JPEG2000", {"quality_layers": [8], "irreversible": True}),
    "tiff jpeg": ("TIFF", {"compression": "jpeg", "quality": 95}),
}
GRAY = ("png", "png best", "jp2", "j2k", "tiff", "tiff lzw", "tiff deflate", "bmp", "ppm")
ORIENTED = ("png", "webp lossless", "tiff lzw", "tiff", "jpeg", "webp", "avif")


def _good() -> Iterator[OddFile]:
    """Every format and mode: what was drawn; or what two other decoders agree on."""
    for size, seed in product(SIZES, range(4)):
        picture = photo(*size, seed)
        for name, (format, options) in LOSSLESS.items():
            yield OddFile(f"good {name}", encode(picture, format, **options), picture)
            if name in GRAY:
                level = picture[:, :, 1]
                yield OddFile(f"good {name} gray", encode(level, format, **options), gray(level))
        for name, (format, options) in LOSSY.items():
            yield _agreed(f"good {name}", encode(picture, format, **options))
    for orientation, name in product(range(1, 9), ORIENTED):
        format, options = (LOSSLESS | LOSSY)[name]
        stored = photo(37, 52)
        pixels = _agreed("", encode(stored, format, **options)).pixels
        data = encode(stored, format, exif=oriented(orientation), **options)
        back = {6: 8, 8: 6}.get(orientation, orientation)
        yield OddFile(f"turned {name}", data, unturned(pixels, back), 2)


def _agreed(kind: str, data: bytes) -> OddFile:
    """What two decoders agree on, neither of them imgmem's for the format."""
    found = _by_others(data)
    assert len(found) == 2 or imagecodecs is None
    for pixels in found:
        assert np.abs(pixels.astype(int) - found[0]).max() <= 2, kind
    return OddFile(kind, data, found[0], 2)


def _by_others(data: bytes) -> list[Any]:
    """The pixels as OpenCV and, where it is installed, imagecodecs decode them."""
    found = [cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)]
    if imagecodecs and data[:2] in (b"II", b"MM"):
        found.append(tifffile.imread(io.BytesIO(data)))
    elif imagecodecs:
        found.append(imagecodecs.imread(data))
    return found


# Mutants ---------------------------------------------------------------------------------

_PIXELS = photo(160, 200)
WHOLE = {
    name: encode(_PIXELS, format, **options)
    for name, (format, options) in (LOSSLESS | LOSSY).items()
    if name not in ("png best", "tiff strips", "jpeg 422")
} | {
    "gif": encode(_PIXELS, "GIF"),
    "tiff group4": encode(_PIXELS, "TIFF", mode="1", compression="group4"),
    "tiff group3": encode(_PIXELS, "TIFF", mode="1", compression="group3"),
}
LEAST_ZEROS = 512
"""A hole that is found in WebP of this size; in JPEG one in four of them passes."""
RAW = ("bmp", "ppm", "tiff", "png stored")
"""Without compression: zeros among their pixels are as good as any others (PNG has its CRC)."""


def _mutants() -> Iterator[OddFile]:
    """Cut at k, zeros to the end from k, a hole at k: of pixels, so that each is damage."""
    generator = np.random.default_rng(7)
    for name, data in WHOLE.items():
        for share in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, *generator.uniform(0.3, 0.97, 8)):
            at = int(len(data) * share)
            yield OddFile(f"cut {name}", data[:at], None, 0, DAMAGED)
            if name in RAW and not name.startswith("png"):
                continue
            if len(data) - at < LEAST_ZEROS:
                continue
            yield OddFile(f"zeros {name}", data[:at] + bytes(len(data) - at), None, 0, DAMAGED)
            length = LEAST_ZEROS
            end = min(len(data) - 200, at + length)
            if "jpeg" not in name and share < 0.75 and end - at == length:
                hole = data[:at] + bytes(length) + data[end:]
                yield OddFile(f"hole {name}", hole, None, 0, DAMAGED)
    yield from _checksums()


def _checksums() -> Iterator[OddFile]:
    """One wrong bit in every chunk of a PNG, and in the deflated strips of a TIFF."""
    data, row = encode(_PIXELS, "PNG", exif=oriented(1), icc_profile=bytes(500)), _PIXELS
    at = 8
    while at < len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        damaged = _flipped(data, at + 8 + length)
        needed = name in (b"IHDR", b"IDAT", b"eXIf")
        expected = (None, 0, ("corrupt",)) if needed else (row, 0, ())
        yield OddFile(f"crc png {name.decode()}", damaged, *expected)
        at += 12 + length
    strips = WHOLE["tiff deflate"]
    for at in range(20, len(strips) - 400, len(strips) // 40):
        yield OddFile("bit tiff deflate", _flipped(strips, at), None, 0, DAMAGED)


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]


# JPEG ------------------------------------------------------------------------------------


def _jpegs() -> Iterator[OddFile]:
    """Untidy files of which all pixels are there, and such of which one byte is not."""
    generator = np.random.default_rng(3)
    for seed, progressive, quality in product(range(6), (False, True), (50, 85, 95)):
        data = encode(photo(64, 80, seed), "JPEG", quality=quality, progressive=progressive)
        row = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        first = 4 + struct.unpack(">H", data[4:6])[0]
        fill = bytes([int(generator.choice([0, 0x55, 0xAA, 0xFF]))]) * int(
            generator.integers(4, 99)
        )
        for kind, odd in {
            "no end": data[:-2],
            "fill": data[:-2] + fill + data[-2:],
            "zeros for end": data[:-2] + bytes(int(generator.integers(2, 5000))),
            "between": data[:first] + bytes(18) + data[first:],
            "behind start": data[:2] + bytes(10) + data[2:],
            "jfif 0.00": data[:11] + b"\0\0" + data[13:],
            "behind end": data + bytes(generator.integers(0, 256, 50).astype(np.uint8)),
        }.items():
            if kind != "zeros for end" or data[-3] or data[-4] == 0xFF:  # else a zero is data
                yield OddFile(f"jpeg {kind}", odd, row, 1)
        yield OddFile("jpeg a byte short", data[:-3], None, 0, DAMAGED)
        yield OddFile("jpeg a byte short, end", data[:-4] + b"\xff\xd9", None, 0, DAMAGED)
        scan = data.rindex(b"\xff\xda")
        if progressive:
            yield OddFile("jpeg a scan short", data[:scan], None, 0, DAMAGED)


# PNG -------------------------------------------------------------------------------------


def _pngs() -> Iterator[OddFile]:
    generator = np.random.default_rng(5)
    for depth, seed in product((1, 2, 4, 8), range(8)):
        levels = generator.integers(0, 2**depth, (6, 8 * (seed + 1)))
        packed = _packed(levels, depth)
        clear = int(levels[0, 0])
        shown = gray(levels * 255 // (2**depth - 1))
        start = png_header(levels.shape[1], 6, depth, 0)
        yield OddFile(f"png gray {depth}", png(start, png_pixels(packed)), shown)
        row = np.where((levels == clear)[:, :, None], 0, shown)
        hidden = chunk(b"tRNS", struct.pack(">H", clear))
        yield OddFile(f"png clear {depth}", png(start, hidden, png_pixels(packed)), row)
        palette = generator.integers(0, 256, (2**depth, 3), dtype=np.uint8)
        indexed = png_header(levels.shape[1], 6, depth, 3)
        body = png_pixels(packed)
        whole = png(indexed, chunk(b"PLTE", palette.tobytes()), body)
        yield OddFile(f"png palette {depth}", whole, palette[levels])
        short = chunk(b"PLTE", palette[: levels.max()].tobytes())
        yield OddFile(
            f"png short palette {depth}", png(indexed, short, body), None, 0, ("corrupt",)
        )
    for kind, at in product((b"tEXt", b"zTXt", b"iCCP", b"pHYs"), (33, -12)):
        data = encode(_PIXELS, "PNG")
        bad = struct.pack(">I", 9) + kind + b"k\0\0" + b"123456" + bytes(4)
        end = len(data) + at if at < 0 else at
        yield OddFile("png bad metadata", data[:end] + bad + data[end:], _PIXELS)


def _packed(levels: Any, depth: int) -> list[bytes]:
    rows = ["".join(f"{v:0{depth}b}" for v in row) for row in levels]
    return [int(row, 2).to_bytes(len(row) // 8, "big") for row in rows]


# GIF, BMP, PPM ---------------------------------------------------------------------------


def _gifs() -> Iterator[OddFile]:
    for seed, interlace in product(range(6), (0, 1)):
        data = encode(photo(50, 60, seed), "GIF", interlace=interlace)
        with Image.open(io.BytesIO(data)) as image:
            row = np.asarray(image.convert("RGB"))
        for kind, odd in {
            "whole": data,
            "no trailer": data[:-1],
            "no terminator": data[:-2],
            "zeros for trailer": data[:-1] + bytes(200),
            "junk": data[:-1] + b"junk;",
        }.items():
            yield OddFile(f"gif {kind}", odd, row)


def _bmps() -> Iterator[OddFile]:
    generator = np.random.default_rng(2)
    for bits, colors, seed in product((4, 8), (2, 7, 16), range(6)):
        indices = generator.integers(0, colors, (5, 16))
        for levels in (np.arange(colors), np.linspace(0, 255, colors).astype(int)):
            palette = [(int(v),) * 3 for v in levels]
            yield OddFile(f"bmp gray {bits}", bmp(indices, palette, bits), gray(levels[indices]))
        palette = generator.integers(0, 256, (colors, 3)).tolist()
        row = np.array(palette, np.uint8)[indices]
        yield OddFile(f"bmp palette {bits}", bmp(indices, palette, bits), row)
        if seed == 0:
            short = bmp(indices, palette, bits, colors - 1)
            yield OddFile(f"bmp short palette {bits}", short, None, 0, DAMAGED)


def _ppms() -> Iterator[OddFile]:
    generator = np.random.default_rng(4)
    for kind, highest, _ in product("2356", (1, 15, 100, 255, 1000, 65535), range(5)):
        channels = 3 if kind in "36" else 1
        values = generator.integers(0, highest + 1, (5, 7, channels))
        head = f"P{kind}\n# note\n7 5\n{highest}\n".encode()
        body = values.astype(">u2" if highest > 255 else "u1").tobytes()
        if kind in "23":
            body = b" ".join(b"%d" % v for v in values.reshape(-1))
        row = np.broadcast_to(np.rint(values * 255 / highest).astype(np.uint8), (5, 7, 3))
        yield OddFile(f"ppm P{kind}", head + body, row, 1 if highest > 255 else 0)
        cut = body.rindex(b" ") if kind in "23" else -1
        yield OddFile(f"ppm P{kind} cut", head + body[:cut], None, 0, ("truncated",))


# TIFF, JPEG 2000 -------------------------------------------------------------------------


def _tiffs() -> Iterator[OddFile]:
    """Layouts of uncompressed pixels: planes, depth, order, strips, alpha."""
    picture = photo(48, 64)
    for order, planar, bits, rows, channels in product(
        "<>", (1, 2), (8, 16), (48, 16, 7), (1, 3, 4)
    ):
        if planar == 2 and channels == 1:
            continue
        values = np.dstack([picture, np.full((48, 64, 1), 255, np.uint8)])[:, :, :channels]
        stored = values.astype(f"{order}u{bits // 8}")
        if bits == 16:
            stored = (values.astype(np.uint16) * 256 + 55).astype(f"{order}u2")
            stored[:, :, 3:] = 65535
        planes = [stored[:, :, [n]] for n in range(channels)] if planar == 2 else [stored]
        strips = [
            plane[top : top + rows].tobytes() for plane in planes for top in range(0, 48, rows)
        ]
        more = {"t284": (3, [planar])} | ({"t338": (3, [2])} if channels == 4 else {})
        photometric = 1 if channels == 1 else 2
        tags = raw_tags(48, 64, bits=(bits,) * channels, photometric=photometric, rows=rows, **more)
        row = gray(values[:, :, 0]) if channels == 1 else values[:, :, :3]
        data = tiff(tags, strips, order)
        kind = f"tiff {bits} bits, {'planes' if planar == 2 else 'pixels'}"
        yield OddFile(kind, data, row)
        yield OddFile(f"{kind}, cut", data[:-1], None, 0, ("truncated",))
    for code in (34712, 34887, 34926, 50001, 50002, 22610, 77):
        tags = raw_tags(48, 64) | {259: (3, [code])}
        yield OddFile(
            "tiff compression", tiff(tags, [picture.tobytes()]), None, 0, ("unsupported",)
        )
    for height in (8, 16, 24, 40):
        strips = [picture[top : top + 8].tobytes() for top in range(0, 48, 8)]
        data = tiff(raw_tags(height, 64, rows=8), strips)
        yield OddFile("tiff surplus strips", data, picture[:height])


def _jpeg2000s() -> Iterator[OddFile]:
    generator = np.random.default_rng(6)
    for bits, side, bare in product((1, 2, 3, 4, 5, 6, 7, 8), (32, 50, 64), (False, True)):
        values = generator.integers(0, 2**bits, (side, side))
        written = (values + 128 - 2 ** (bits - 1)).astype(np.uint8)
        data = with_depth(encode(written, "JPEG2000", no_jp2=bare), bits)
        yield OddFile(f"jpeg 2000 of {bits} bits", data, gray(values * 255 // (2**bits - 1)))


# What is not read ------------------------------------------------------------------------


def _others() -> Iterator[OddFile]:
    generator = np.random.default_rng(9)
    named = {
        "dicom": bytes(128) + b"DICM",
        "nifti": struct.pack("<i", 348) + bytes(340) + b"n+1\0",
        "czi": b"ZISRAWFILE",
        "raw": b"II*\0\x10\0\0\0CR\2\0",
        "jxl": b"\xff\x0a",
        "psd": b"8BPS\0\1",
        "video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
        "svg": b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>",
        "exr": b"\x76\x2f\x31\x01",
        "pdf": b"%PDF-1.7\n",
    }
    for (name, start), length in product(named.items(), (0, 10, 1000, 70_000)):
        yield OddFile(f"named {name}", start + bytes(length), None, 0, ("unsupported",))
    for length in (0, 1, 3, 100, 5000):
        reasons = ("empty", "corrupt", "not-an-image")
        yield OddFile("zeros", bytes(length), None, 0, reasons)
        noise = b"\x80" + generator.bytes(length)
        yield OddFile("noise", noise, None, 0, ("not-an-image",))
    for data in WHOLE.values():
        for length in (4, 8, 12, 16, 24, 30):
            reasons = (*DAMAGED, "not-an-image", "unsupported")
            yield OddFile("start", data[:length], None, 0, reasons)
    body = zlib.compress(bytes(3000))
    claims = png(png_header(60_000, 60_000, 8, 2), chunk(b"IDAT", body))
    yield OddFile("bomb png", claims, None, 0, ("too-large",))
    for width, height in ((65535, 65535), (65535, 40000)):
        start = b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0x80, 0, 0) + bytes(6)
        frame = b"\x21\xf9\4\x08\0\0\0\0\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0)
        data = start + frame + b"\2\2\x44\1\0\x3b"
        yield OddFile("bomb gif", data, None, 0, ("too-large",))
    head = struct.pack("<IiiHHIIiiII", 40, 2**31 - 1, 2**31 - 1, 1, 8, 0, 0, 0, 0, 0, 0)
    bomb = b"BM" + struct.pack("<IHHI", 0, 0, 0, 54) + head
    yield OddFile("bomb bmp", bomb, None, 0, ("too-large",))
