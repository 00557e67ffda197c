"""Pixels of more than 8 bits, signed and floating-point ones, as 0-255 by the levels asked for."""

import io
import os
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image
from support.images import encode, photo, unturned
from support.raw_files import chunk, png, png_header, png_pixels, raw_tags, tiff

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

PICTURE = photo(40, 56)


def decode(data, levels=(0, 65535), **options):
    """The row of native size, and the notes."""
    spec = ImageSpec(size=None, levels=levels, **options)
    header = read_header(data)
    row = np.zeros((*header.size, spec.depth), np.uint8)
    return row, decode_into(data, spec, row, header=header).notes


def stretch(values, low, high):
    return np.rint(np.clip((values.astype(np.float64) - low) * 255 / (high - low), 0, 255))


def as_rgb(row):
    return np.repeat(row[:, :, None], 3, 2) if row.ndim == 2 else row


def opencv(extension, array, *options):
    order = array if array.ndim == 2 else cv2.cvtColor(array, cv2.COLOR_RGB2BGR)
    return cv2.imencode(extension, order, options)[1].tobytes()


def twelve(picture=PICTURE):
    """12 bits in 16: 7 … 4087."""
    return picture.astype(np.uint16) * 16 + 7


def plain_tiff(values, order="<", rows=16, **more):
    """An uncompressed TIFF of (H, W) or (H, W, C) samples of any type."""
    values = values[:, :, None] if values.ndim == 2 else values
    height, width, depth = values.shape
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    stored = values.astype(values.dtype.newbyteorder(order))
    tags = raw_tags(
        height, width, bits=(8 * values.itemsize,) * depth, photometric=1 if depth == 1 else 2,
        rows=rows, **{"t339": (3, [kind] * depth)} | more,
    )  # fmt: skip
    return tiff(tags, [stored[top : top + rows].tobytes() for top in range(0, height, rows)], order)


def ppm(values, highest):
    kind = b"P5" if values.ndim == 2 else b"P6"
    head = b"%s %d %d %d\n" % (kind, values.shape[1], values.shape[0], highest)
    return head + values.astype(">u2").tobytes()


GRAY, COLOR = twelve()[:, :, 1], twelve()
DEEP = {
    "gray PNG": (encode(GRAY), GRAY),
    "RGB PNG": (opencv(".png", COLOR), COLOR),
    "gray TIFF": (encode(GRAY, "TIFF"), GRAY),
    "RGB TIFF": (opencv(".tiff", COLOR), COLOR),
    "LZW TIFF": (encode(GRAY, "TIFF", compression="tiff_lzw"), GRAY),
    "deflated TIFF": (encode(GRAY, "TIFF", compression="tiff_adobe_deflate"), GRAY),
    "big-endian TIFF": (plain_tiff(COLOR, ">"), COLOR),
    "PGM": (ppm(GRAY, 65535), GRAY),
    "PPM of 12 bits": (ppm(COLOR, 4095), COLOR),
    "plain PGM": (
        b"P2 56 40 4095\n" + b" ".join(b"%d" % v for v in GRAY.reshape(-1)), GRAY,
    ),
    "JPEG 2000": (encode(Image.fromarray(GRAY), "JPEG2000"), GRAY),
}  # fmt: skip


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("levels", [(0, 4095), (100, 3000), (0, 65535)])
def test_stored_values_become_the_levels_that_were_asked_for(name, levels):
    data, values = DEEP[name]
    row, notes = decode(data, levels)
    assert np.array_equal(row, as_rgb(stretch(values, *levels)))
    assert notes == (("clipped",) if levels == (100, 3000) else ())


SAMPLES = ("u2", "i1", "i2", "u4", "i4", "f2", "f4", "f8")


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("depth", [1, 3])
def test_samples_of_every_type_of_a_tiff_are_read(kind, order, depth):
    values = (PICTURE[:, :, :depth].astype(np.float64) - 100) / 2
    values = (values + 50 if kind[0] == "u" else values).astype(kind)
    low, high = float(values.min()), float(values.max())
    row, notes = decode(plain_tiff(values, order), (low, high))
    assert np.array_equal(row, np.broadcast_to(stretch(values, low, high), row.shape))
    assert notes == ()


@pytest.mark.parametrize("kind", [kind for kind in SAMPLES if kind != "u2"])
def test_samples_without_a_range_are_refused_without_levels(kind):
    values = PICTURE[:, :, 0].astype(np.float32).astype(kind)
    with pytest.raises(RejectedImage, match="no defined range") as caught:
        decode(plain_tiff(values), None)
    assert caught.value.reason == "unsupported"


def test_hounsfield_units_become_a_window():
    values = np.array([[-1024, -160, 40, 240, 3071]], np.int16)
    row, notes = decode(plain_tiff(values), (-160, 240))
    assert row[0, :, 0].tolist() == [0, 0, 128, 255, 255]
    assert notes == ("clipped",)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_values_that_are_not_finite_are_rejected(odd):
    values = np.array([[0, 1, odd]], np.float32)
    with pytest.raises(RejectedImage, match="not finite"):
        decode(plain_tiff(values), (0, 1))


TIFFFILE = {
    "tiles": {"tile": (16, 32)},
    "planes": {"planarconfig": "separate", "rowsperstrip": 16},
    "tiled planes": {"planarconfig": "separate", "tile": (16, 16)},
    "predictor": {"compression": "deflate", "predictor": True},
    "float predictor": {"compression": "deflate", "predictor": 3},
    "packbits": {"compression": "packbits"},
    "big TIFF": {"bigtiff": True},
}


@pytest.mark.parametrize("layout", TIFFFILE)
@pytest.mark.parametrize("kind", ["u2", "i2", "f4", "f8"])
def test_every_layout_of_a_tiff_is_read(layout, kind):
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    if layout == "float predictor" and kind[0] != "f":
        return
    values = COLOR.astype(kind)
    stored = values.transpose(2, 0, 1).copy() if "planes" in layout else values
    file = io.BytesIO()
    tifffile.imwrite(file, stored, photometric="rgb", **TIFFFILE[layout])
    row, _ = decode(file.getvalue(), (0, 4095))
    assert np.array_equal(row, stretch(values, 0, 4095))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_deep_tiff_is_turned_upright(orientation):
    stored = unturned(COLOR, orientation)
    row, _ = decode(plain_tiff(stored, t274=(3, [orientation])), (0, 4095))
    assert np.array_equal(row, stretch(COLOR, 0, 4095))


def test_a_deep_tiff_whose_zero_is_white_is_inverted():
    data = plain_tiff(65535 - GRAY).replace(
        struct.pack("<HHIHH", 262, 3, 1, 1, 0), struct.pack("<HHIHH", 262, 3, 1, 0, 0)
    )
    assert np.array_equal(decode(data, (0, 4095))[0], as_rgb(stretch(GRAY, 0, 4095)))


@pytest.mark.parametrize("name", ["gray TIFF", "LZW TIFF", "RGB PNG", "PGM", "JPEG 2000"])
def test_deep_files_that_are_cut_are_rejected(name):
    data, _ = DEEP[name]
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(RejectedImage) as caught:
            decode(data[: int(len(data) * share)])
        assert caught.value.reason in ("truncated", "corrupt")


def test_a_deep_png_whose_pixels_are_short_is_rejected_in_spite_of_good_checksums():
    rows = [row.astype(">u2").tobytes() for row in GRAY[:30]]
    with pytest.raises(RejectedImage):
        decode(png(png_header(56, 40, 16, 0), png_pixels(rows)))


def transparent(alpha):
    samples = np.dstack([COLOR, np.full((40, 56), 65535, np.uint16)])
    samples[:20, :, 3] = alpha
    bgra = samples[:, :, [2, 1, 0, 3]]
    return cv2.imencode(".png", bgra)[1].tobytes()


def test_transparent_deep_pixels_are_refused_unless_the_background_is_dropped():
    with pytest.raises(RejectedImage, match="transparent"):
        decode(transparent(1000), (0, 4095))
    row, notes = decode(transparent(1000), (0, 4095), background="drop")
    assert np.array_equal(row, stretch(COLOR, 0, 4095))
    assert notes == ("alpha-dropped",)
    row, notes = decode(transparent(65535), (0, 4095))
    assert np.array_equal(row, stretch(COLOR, 0, 4095))
    assert notes == ()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_images_of_eight_bits_are_stretched_too(format):
    data = encode(PICTURE, format)
    whole, _ = decode(data, None)
    row, notes = decode(data, (50, 200))
    assert np.array_equal(row, stretch(whole, 50, 200))
    assert notes == ("clipped",)


def test_levels_come_before_the_size():
    row = np.zeros((20, 28, 3), np.uint8)
    decode_into(encode(GRAY), ImageSpec(size=(20, 28), levels=(0, 4095)), row)
    small = np.zeros((20, 28, 3), np.uint8)
    eight = stretch(GRAY, 0, 4095).astype(np.uint8)
    decode_into(encode(eight), ImageSpec(size=(20, 28)), small)
    assert np.array_equal(row, small)


def test_an_image_that_stays_in_the_lowest_quarter_is_noted():
    assert decode(encode(GRAY), None)[1] == ("16-bit", "16-bit-low")
    assert decode(encode(GRAY * 16), None)[1] == ("16-bit",)
    assert decode(opencv(".png", COLOR), None)[1] == ("16-bit", "16-bit-low")


def test_the_significant_bits_of_a_png_are_known():
    from imgmem.core.decode.png import open_png, read_png_values

    rows = [row.astype(">u2").tobytes() for row in GRAY]
    said = chunk(b"sBIT", b"\x0c")
    data = png(png_header(56, 40, 16, 0), said, png_pixels(rows))
    stored = read_png_values(open_png(data), read_header(data), data)
    assert (stored.highest, stored.stated) == (65535, 4095)
    assert np.array_equal(stored.values, GRAY)


DIGEST = """
import hashlib, sys
import numpy as np
from imgmem.core.decode.images import decode_into
from imgmem.core.specs import ImageSpec
digest = hashlib.sha256()
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    for options in ({}, {"resize": "area"}, {"fit": "pad", "channels": "gray"}):
        for size in ((112, 112), (97, 131), (400, 300)):
            for dtype in (np.uint16, np.float32):
                spec = ImageSpec(size=size, **options)
                row = np.empty((*size, spec.depth), dtype)
                decode_into(data, spec, row)
                digest.update(row.tobytes())
print(digest.hexdigest())
"""


def test_kept_values_do_not_depend_on_what_the_cpu_can(tmp_path):
    paths = []
    for number, values in enumerate((twelve(photo(224, 333)), twelve(photo(301, 200))[:, :, 0])):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(opencv(".png", values))
    plain = {"OPENCV_CPU_DISABLE": "SSE4.1,SSE4.2,AVX,AVX2,AVX512-SKX", "OPENCV_IPP": "sse42"}
    found = set()
    for extra in ({}, plain):
        command = [sys.executable, "-c", DIGEST, *paths]
        run = subprocess.run(command, capture_output=True, check=True, env=os.environ | extra)
        found.add(run.stdout)
    assert len(found) == 1
