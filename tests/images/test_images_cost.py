"""What decoding is said to cost is what the operating system measures."""

import json
import os
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from support import heif
from support.images import encode, opencv, oriented, photo
from support.raw_files import chunk, raw_tags, tiff

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.specs import ImageSpec

MIB = 1 << 20
pytestmark = pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are reset through /proc"
)

PEAK = """
import json, sys
import numpy as np
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.specs import ImageSpec

def kib(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1])

path, small, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
if options.get("size"):
    options["size"] = tuple(options["size"])
spec = ImageSpec(**options)
warm = np.empty((20, 20, 3), np.uint8)
decode_into(open(small, "rb").read(), ImageSpec(size=(20, 20)), warm)
header = read_header(open(path, "rb").read())
row = np.ones((*(spec.size or header.size), spec.depth), np.uint8)
open("/proc/self/clear_refs", "w").write("5")
before, libraries = kib("VmRSS"), kib("RssFile")
data = open(path, "rb").read()
decode_into(data, spec, row)
# pages of libraries that are used for the first time come in, and stay: they are no memory of ours
peak = (kib("VmHWM") - before - (kib("RssFile") - libraries)) * 1024
print(json.dumps([peak, decode_cost(header, spec, len(data))]))
"""


def noisy(height, width):
    """A picture that compresses no better than a photograph."""
    noise = np.random.default_rng(0).integers(-6, 7, (height, width, 3), dtype=np.int16)
    return np.clip(photo(height, width).astype(np.int16) + noise, 0, 255).astype(np.uint8)


def with_alpha(picture):
    return np.dstack([picture, np.maximum(picture[:, :, :1], 9)])


def deep(picture):
    return picture.astype(np.uint16) * 257


def heic(array, **options):
    pytest.importorskip("pillow_heif")
    return heif.heic_bytes(array, quality=80, **options)


def avif_grid(picture):
    if min(picture.shape[:2]) < 64:  # the least of a tile
        return heif.avif_bytes(picture)
    items = heif.grid(heif.avif_bytes, picture, 3, 4)
    return heif.write(items, brand=b"avif", compatible=(b"mif1", b"miaf"))


def clear_png(picture):
    """A transparent color among 16-bit pixels."""
    data = opencv(".png", deep(picture), cv2.IMWRITE_PNG_COMPRESSION, 1)
    return data[:33] + chunk(b"tRNS", deep(picture)[0, 0].astype(">u2").tobytes()) + data[33:]


def packed_tif(levels, photometric):
    """Samples of 12 bits in one strip."""
    height, width = levels.shape[:2]
    high = levels.reshape(height, -1, 2).astype(np.uint8)
    strip = np.dstack([high[:, :, 0], high[:, :, 1] >> 4, high[:, :, 1] << 4]).tobytes()
    bands = 1 if levels.ndim == 2 else 3
    return tiff(raw_tags(height, width, bits=(12,) * bands, photometric=photometric), [strip])


def canvas_gif(picture):
    """A frame a little smaller than its canvas."""
    data = bytearray(encode(picture, "GIF"))
    struct.pack_into("<HH", data, 6, picture.shape[1] + 3, picture.shape[0] + 3)
    return bytes(data)


def run_length_bmp(height, width):
    line = b"".join(bytes((8, n & 255)) for n in range(width // 8)) + b"\0\0"
    body, start = line * height + b"\0\1", 14 + 40 + 1024
    info = (40, width, height, 1, 8, 1, len(body), 0, 0, 256, 256)
    head = b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start)
    return head + struct.pack("<IiiHHIIiiII", *info) + bytes(range(256)) * 4 + body


QUICK = {"compress_level": 1}
LARGE = {
    "baseline.jpg": lambda p: encode(p, "JPEG"),
    "baseline 444.jpg": lambda p: encode(p, "JPEG", subsampling=0),
    "progressive.jpg": lambda p: encode(p, "JPEG", progressive=True),
    "progressive 444.jpg": lambda p: encode(p, "JPEG", progressive=True, subsampling=0),
    "gray.jpg": lambda p: encode(p, "JPEG", mode="L"),
    "cmyk.jpg": lambda p: encode(p, "JPEG", mode="CMYK"),
    "turned.jpg": lambda p: encode(p, "JPEG", exif=oriented(6)),
    "rgb.png": lambda p: encode(p, **QUICK),
    "alpha.png": lambda p: encode(with_alpha(p), **QUICK),
    "palette.png": lambda p: encode(p, mode="P", **QUICK),
    "gray.png": lambda p: encode(p, mode="L", **QUICK),
    "deep gray.png": lambda p: encode(deep(p)[:, :, 0], **QUICK),
    "deep.png": lambda p: opencv(".png", deep(p), cv2.IMWRITE_PNG_COMPRESSION, 1),
    "clear deep.png": clear_png,
    "turned.png": lambda p: encode(p, exif=oriented(6), **QUICK),
    "lossy.webp": lambda p: encode(p, "WEBP", method=0),
    "lossless.webp": lambda p: encode(p, "WEBP", lossless=True, method=0, quality=0),
    "alpha.webp": lambda p: encode(with_alpha(p), "WEBP", method=0),
    "palette.gif": lambda p: encode(p, "GIF"),
    "canvas.gif": canvas_gif,
    "rgb.bmp": lambda p: encode(p, "BMP"),
    "run length.bmp": lambda p: run_length_bmp(*p.shape[:2]),
    "raw.tif": lambda p: encode(p, "TIFF"),
    "lzw.tif": lambda p: encode(p, "TIFF", compression="tiff_lzw"),
    "one strip.tif": lambda p: encode(p, "TIFF", compression="tiff_lzw", strip_size=1 << 30),
    "turned.tif": lambda p: encode(p, "TIFF", compression="tiff_lzw", tiffinfo={274: 6}),
    "deep.tif": lambda p: opencv(".tiff", deep(p)),
    "packed.tif": lambda p: packed_tif(p[:, :, 0], 1),
    "packed rgb.tif": lambda p: packed_tif(p, 2),
    "420.avif": lambda p: encode(p, "AVIF", speed=10),
    "444.avif": lambda p: encode(p, "AVIF", speed=10, subsampling="4:4:4"),
    "alpha.avif": lambda p: encode(with_alpha(p), "AVIF", speed=10),
    "photo.heic": heic,
    "alpha.heic": lambda p: heic(with_alpha(p)),
    "grid.heic": lambda p: heic(p, tile_size=512),
    "grid.avif": avif_grid,
    "rgb.jp2": lambda p: encode(p, "JPEG2000", quality_layers=[20]),
    "tiled.jp2": lambda p: encode(p, "JPEG2000", tile_size=(512, 512), quality_layers=[20]),
    "rgb.ppm": lambda p: encode(p, "PPM"),
    "deep.pgm": lambda p: encode(deep(p)[:, :, 0].astype(np.int32), "PPM"),
}
SOME = ("baseline.jpg", "progressive.jpg", "rgb.png", "lossless.webp", "one strip.tif", "rgb.jp2")
OPTIONS = (
    {},
    {"size": None},
    {"size": [1000, 1300], "channels": "gray"},
    {"size": [448, 300], "fit": "crop", "resize": "area"},
    {"size": [448, 448], "fit": "crop", "shorter": 900, "resize": "pillow"},
    {"size": [448, 300], "levels": [0, 4095], "background": "drop"},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("large")


def measured(folder, name, options, picture):
    """(peak, predicted) bytes of decoding the file `name` in a process of its own."""
    for prefix, pixels in (("", picture), ("small ", photo(40, 48))):
        path = folder / (prefix + name)
        if not path.exists():
            path.write_bytes(LARGE[name](pixels))
    command = [sys.executable, "-c", PEAK, folder / name, folder / ("small " + name)]
    run = subprocess.run([*command, json.dumps(options)], capture_output=True, check=True)
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def picture():
    return noisy(1500, 2000)


def check(folder, name, options, picture):
    peak, predicted = measured(folder, name, options, picture)
    assert peak <= predicted, options
    assert predicted <= 2 * peak + 8 * MIB, options


@pytest.mark.parametrize("name", SOME)
def test_the_peak_is_foretold_from_the_header(folder, picture, name):
    check(folder, name, {}, picture)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_the_peak_of_every_format_is_foretold_whatever_is_made_of_it(folder, picture, name):
    for options in OPTIONS:
        check(folder, name, options, picture)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["baseline.jpg", "progressive.jpg", "rgb.png", "lossy.webp"])
def test_it_holds_for_twelve_million_pixels(folder, name):
    peak, predicted = measured(folder, name, {}, noisy(3000, 4000))
    assert peak <= predicted <= 1.5 * peak + 8 * MIB


def test_a_baseline_photograph_of_twelve_megapixels_needs_little_more_than_its_file_twice():
    header = read_header(encode(photo(300, 400), "JPEG"))._replace(height=3000, width=4000)
    assert decode_cost(header, ImageSpec(), 4 * MIB) < 2 * 4 * MIB + 5 * MIB


def test_a_jpeg_in_several_scans_is_known_to_be_held_whole():
    header = read_header(encode(photo(300, 400), "JPEG", progressive=True))
    large = header._replace(height=3000, width=4000)
    assert decode_cost(large, ImageSpec(), 0) > 2 * 1.5 * 12_000_000
