"""Small plain PNGs take a way of their own, to the same pixels and the same rejects."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.images import encode, photo
from support.raw_files import chunk

from imgmem.core.decode.formats import OTHER_FORMATS
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.decode.plain_png import read_plain_png
from imgmem.core.decode.png import SIGNATURE
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

RGB = photo(28, 31)
GRAY = RGB[:, :, 0].copy()


def png_of(pixels, filters, *, scanlines=None, extra=b""):
    """A PNG whose rows have these filter types, cyclically; `scanlines` instead of its own."""
    height, width = pixels.shape[:2]
    color = 2 if pixels.ndim == 3 else 0
    rows = [filtered(pixels, row, filters[row % len(filters)]) for row in range(height)]
    body = b"".join(rows) if scanlines is None else scanlines
    start = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0))
    return SIGNATURE + start + chunk(b"IDAT", zlib.compress(body)) + extra + chunk(b"IEND", b"")


def filtered(pixels, row, kind):
    """A scanline after the filter `kind` (PNG, third edition, 9.2)."""
    depth = pixels.shape[2] if pixels.ndim == 3 else 1
    flat = pixels.reshape(len(pixels), -1).astype(int)
    here = flat[row]
    above = flat[row - 1] if row else np.zeros_like(here)
    left = np.concatenate([np.zeros(depth, int), here[:-depth]])
    corner = np.concatenate([np.zeros(depth, int), above[:-depth]])
    guess = left + above - corner
    near = np.stack([abs(guess - each) for each in (left, above, corner)])
    paeth = np.choose(near.argmin(0), [left, above, corner])
    taken = [0, left, above, (left + above) // 2, paeth][kind]
    return bytes([kind]) + ((here - taken) % 256).astype(np.uint8).tobytes()


def decoded(data, spec, row_shape, *, plain):
    """The row, what became of the image; or the reject."""
    row = np.full(row_shape, 7, np.uint8)
    try:
        header = read_header(data)
        return decode_into(data, spec, row, header=header if plain else None), row.tolist()
    except RejectedImage as reject:
        return reject.reason, None


SPECS = [
    (ImageSpec(size=(28, 31)), (28, 31, 3)),
    (ImageSpec(size=(28, 31), channels="gray"), (28, 31, 1)),
    (ImageSpec(size=(40, 20), fit="pad"), (40, 20, 3)),
    (ImageSpec(size=(16, 16), channels="gray", fit="crop"), (16, 16, 1)),
    (ImageSpec(size=(28, 31), channels="gray", levels=(20.0, 200.0)), (28, 31, 1)),
]


@pytest.mark.parametrize(("spec", "shape"), SPECS, ids=lambda value: str(value)[-30:])
@pytest.mark.parametrize("pixels", [RGB, GRAY], ids=["rgb", "gray"])
@pytest.mark.parametrize("filters", [(0,), (1,), (2,), (3,), (4,), (4, 3, 2, 1, 0)], ids=str)
def test_a_plain_png_becomes_the_same_row(pixels, filters, spec, shape):
    data = png_of(pixels, filters)
    np.testing.assert_array_equal(read_plain_png(data, read_header(data)), pixels)
    assert decoded(data, spec, shape, plain=True) == decoded(data, spec, shape, plain=False)


def many():
    """Files that are nearly plain."""
    yield encode(RGB)
    yield encode(GRAY)
    yield encode(RGB, mode="P")
    yield encode(RGB, mode="RGBA")
    yield encode(RGB, dpi=(72, 72))
    yield encode(GRAY, transparency=GRAY[0, 0].item())
    yield png_of(GRAY, (1,), scanlines=bytes(28 * 32 - 1))
    yield png_of(GRAY, (1,), scanlines=bytes(28 * 32 + 1))
    yield png_of(GRAY, (1,), scanlines=b"\5" * (28 * 32))
    yield png_of(GRAY, (1,), extra=chunk(b"gAMA", struct.pack(">I", 45455)))
    yield png_of(GRAY, (1,), extra=chunk(b"IDAT", b""))
    yield png_of(GRAY, (1,)) + b"more"


MANY = list(many())


@given(
    data=st.sampled_from(MANY),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=2),
    cut=st.integers(0, 60),
    fix=st.booleans(),
)
@example(data=MANY[6], changes=[], cut=34, fix=False)
def test_whatever_is_changed_the_row_or_the_reject_is_the_same(data, changes, cut, fix):
    """fix: with checksums that fit, as if a bad encoder had written it."""
    changed = bytearray(data)
    for at, value in changes:
        changed[33 + at % (len(changed) - 33)] = value
    if fix and changed[37:41] == b"IDAT":
        length = int.from_bytes(changed[33:37], "big")
        changed[41 + length : 45 + length] = zlib.crc32(changed[37 : 41 + length]).to_bytes(
            4, "big"
        )
    data = bytes(changed[: len(changed) - cut])
    for spec, shape in SPECS[:2]:
        assert decoded(data, spec, shape, plain=True) == decoded(data, spec, shape, plain=False)


def test_the_plain_way_is_taken_where_it_is_meant():
    taken = [read_plain_png(data, read_header(data)) is not None for data in MANY]
    assert taken == [True, True, *[False] * 10]
    assert [name for name, kind in OTHER_FORMATS.items() if kind.decode_plain] == ["PNG"]
