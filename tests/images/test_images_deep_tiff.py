"""TIFF samples of more than 8 bits in layouts for which Pillow has no mode."""

import zlib

import numpy as np
import pytest
from support.images import photo, unturned
from support.raw_files import raw_tags, tiff

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

HEIGHT, WIDTH = 21, 33
generator = np.random.default_rng(0)


def read(data, dtype=np.uint8, **options):
    """The row of native size, and the notes."""
    row = np.zeros((*read_header(data).size, 3), dtype)
    return row, decode_into(data, ImageSpec(size=None, **options), row).notes


def rgb(values):
    return np.broadcast_to(
        values if values.ndim == 3 else values[:, :, None], (*values.shape[:2], 3)
    )


def packed(values, bits, order):
    """Rows of samples of so many bits, each row filled up to a byte."""
    if bits == 16:
        return [row.astype(order + "u2").tobytes() for row in values]
    lines = ["".join(f"{v:0{bits}b}" for v in row.reshape(-1)) for row in values]
    lines = [line + "0" * (-len(line) % 8) for line in lines]
    return [int(line, 2).to_bytes(len(line) // 8, "big") for line in lines]


def deep_tiff(values, bits, *, order="<", photometric=1, planar=1, rows=6, compression=1, **more):
    values = values if values.ndim == 3 else values[:, :, None]
    bands = values.shape[2]
    planes = [values[:, :, [band]] for band in range(bands)] if planar == 2 else [values]
    strips = [
        b"".join(packed(plane[top : top + rows], bits, order))
        for plane in planes
        for top in range(0, len(values), rows)
    ]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    layout = {"t284": (3, [planar]), "t259": (3, [compression]), **more}
    size = values.shape[:2]
    tags = raw_tags(*size, bits=(bits,) * bands, photometric=photometric, rows=rows, **layout)
    return tiff(tags, strips, order)


def samples(bits, *bands):
    return generator.integers(0, 2**bits, (HEIGHT, WIDTH, *bands)).astype(np.uint16)


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("photometric", [0, 1])
def test_gray_of_any_depth_keeps_its_upper_eight_bits_or_all(bits, order, compression, photometric):
    values = samples(bits)
    stored = 2**bits - 1 - values if photometric == 0 else values
    options = {"order": order, "compression": compression, "photometric": photometric}
    data = deep_tiff(stored, bits, **options)
    row, notes = read(data)
    assert np.array_equal(row, rgb(values >> bits - 8))
    assert notes == ("16-bit",)
    assert np.array_equal(read(data, np.uint16)[0], rgb(values))
    levels, _ = read(data, levels=(0, 2**bits - 1))
    assert np.array_equal(levels, rgb(np.rint(values * 255.0 / (2**bits - 1))))


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("rows", [HEIGHT, 4])
def test_packed_rgb_is_read(bits, planar, rows):
    values = samples(bits, 3)
    data = deep_tiff(values, bits, photometric=2, planar=planar, rows=rows)
    assert np.array_equal(read(data)[0], values >> bits - 8)
    assert np.array_equal(read(data, np.uint16)[0], values)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("photometric", [0, 1])
def test_deep_gray_with_transparency_is_laid_on_the_background(bits, photometric):
    values = samples(bits, 2)
    stored = values.copy()
    if photometric == 0:
        stored[:, :, 0] = 2**bits - 1 - values[:, :, 0]
    data = deep_tiff(stored, bits, photometric=photometric, t338=(3, [2]))
    row, notes = read(data)
    color, alpha = (values >> bits - 8).astype(float).transpose(2, 0, 1)
    assert np.abs(row - rgb(color * alpha / 255)).max() <= 1
    assert notes == ("16-bit", "alpha")
    dropped, notes = read(data, background="drop")
    assert np.array_equal(dropped, rgb(color))
    assert notes == ("16-bit", "alpha-dropped")
    assert np.array_equal(read(data, np.uint16, background="drop")[0], rgb(values[:, :, 0]))
    with pytest.raises(RejectedImage, match="transparent pixels of more than 8 bits"):
        read(data, np.uint16)


def test_deep_premultiplied_gray_is_not_darkened_twice():
    gray = photo(HEIGHT, WIDTH)[:, :, 0].astype(np.uint16) * 257
    alpha = np.full_like(gray, 128 * 257)
    data = deep_tiff(np.dstack([gray // 2, alpha]), 16, t338=(3, [1]))
    assert np.abs(read(data)[0].astype(int) - rgb(gray >> 9)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [12, 16])
def test_they_are_turned_upright(orientation, bits):
    values = samples(bits)
    stored = unturned(values[:, :, None], orientation)
    data = deep_tiff(stored, bits, photometric=1, t274=(3, [orientation]))
    assert np.array_equal(read(data)[0], rgb(values >> bits - 8))
    assert np.array_equal(read(data, np.uint16)[0], rgb(values))


def test_they_are_rejected_where_they_are_cut():
    for compression in (1, 8):
        data = deep_tiff(samples(12), 12, compression=compression)
        with pytest.raises(RejectedImage) as caught:
            read(data[: len(data) - 60])
        assert caught.value.reason in ("truncated", "corrupt")


def test_other_layouts_are_named():
    data = deep_tiff(samples(12, 3), 12, photometric=8)
    with pytest.raises(RejectedImage, match="12/12/12 bits and photometric interpretation 8"):
        read(data)
