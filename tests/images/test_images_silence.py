"""Odd files on which decoders keep silent: the right pixels, or the true reason."""

import re
import struct
import zlib

import numpy as np
import pytest
from support.decoded import read, reject
from support.images import encode, oriented, photo
from support.raw_files import chunk, png, png_header, png_pixels

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

PICTURE = photo(48, 64)


# PNG -------------------------------------------------------------------------------------


def interlaced(data):
    """The IHDR of the same image, interlaced."""
    body = data[16:28] + b"\1"
    return chunk(b"IHDR", body)


def rows_of(picture):
    return [row.tobytes() for row in picture]


def adam7(picture):
    """The scanlines of an interlaced RGB image."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4))
    for left, top, across, down in (*passes, (1, 0, 2, 2), (0, 1, 1, 2)):
        yield from rows_of(np.ascontiguousarray(picture[top::down, left::across]))


START = png_header(64, 48, 8, 2)


@pytest.mark.parametrize("missing", [1, 2, 24, 47])
@pytest.mark.parametrize("interlace", [False, True])
def test_a_png_without_its_last_rows_is_truncated_though_all_checksums_are_right(
    missing, interlace
):
    rows = list(adam7(PICTURE)) if interlace else rows_of(PICTURE)
    start = interlaced(png(START)) if interlace else START
    text = chunk(b"tEXt", b"a\0b")
    whole = png(start, text, png_pixels(rows))
    assert np.array_equal(read(whole)[0], PICTURE)
    assert reject(png(start, text, png_pixels(rows[:-missing]))).startswith("truncated")


@pytest.mark.parametrize("color", [0, 2, 3, 4, 6])
@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("interlace", [0, 1])
def test_black_pngs_of_every_kind_are_whole(color, depth, interlace):
    """Their last row is that of one whose last row is missing."""
    if (depth < 8 and color not in (0, 3)) or (depth == 16 and color == 3):
        return
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    for width, height in ((1, 1), (5, 3), (8, 8), (9, 2), (2, 17)):
        start = interlaced(png(png_header(width, height, depth, color)))
        rows = [bytes(-(-width * bits // 8))] * height
        if interlace:
            steps = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4))
            rows = [
                bytes(-(-len(range(left, width, across)) * bits // 8))
                for left, top, across, down in (*steps, (1, 0, 2, 2), (0, 1, 1, 2))
                for _ in range(top, height, down)
                if left < width
            ]
        else:
            start = png_header(width, height, depth, color)
        palette = chunk(b"PLTE", bytes(3)) if color == 3 else chunk(b"tEXt", b"a\0b")
        assert not read(png(start, palette, png_pixels(rows)))[0].any()
        if not interlace and height > 1:
            cut = png(start, palette, png_pixels(rows[:-1]))
            assert reject(cut).startswith(("truncated", "corrupt"))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_only_the_low_bits_of_a_transparent_level_count(depth):
    levels = np.arange(8) % 2**depth
    packed = int("".join(f"{v:0{depth}b}" for v in levels), 2).to_bytes(depth, "big")
    pixels = png_pixels([packed])
    start = png_header(8, 1, depth, 0)
    clear = [chunk(b"tRNS", struct.pack(">H", 1 + high)) for high in (0, 2**depth)]
    plain, masked = (read(png(start, each, pixels), background=(9, 8, 7)) for each in clear)
    assert plain[0][0, 1].tolist() == [9, 8, 7]
    assert np.array_equal(masked[0], plain[0])


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("interlace", [False, True])
def test_a_transparent_color_of_sixteen_bits_is_compared_whole(bands, interlace):
    """Colors of the same upper 8 bits stay."""
    generator = np.random.default_rng(bands)
    values = generator.integers(256, 260, (5, 8, bands)).astype(np.uint16)
    clear = values[0, 0]
    start = png_header(8, 5, 16, 0 if bands == 1 else 2)
    rows = list(adam7(values.astype(">u2"))) if interlace else rows_of(values.astype(">u2"))
    start = interlaced(png(start)) if interlace else start
    data = png(start, chunk(b"tRNS", clear.astype(">u2").tobytes()), png_pixels(rows))
    hidden = (values == clear).all(2)[:, :, None]
    row, notes = read(data, background=(9, 8, 7))
    assert np.array_equal(row, np.where(hidden, np.uint8([9, 8, 7]), np.uint8(1)))
    assert notes == ("16-bit", "16-bit-low", "alpha")
    whole = np.zeros((5, 8, 3), np.uint16)
    decode_into(data, ImageSpec(size=None, background="drop"), whole)
    assert np.array_equal(whole, np.broadcast_to(values, whole.shape))
    with pytest.raises(RejectedImage, match="transparent pixels of more than 8 bits"):
        decode_into(data, ImageSpec(size=None), whole)
    unused = png(start, chunk(b"tRNS", bytes(2 * bands)), png_pixels(rows))
    decode_into(unused, ImageSpec(size=None), whole)
    assert np.array_equal(whole, np.broadcast_to(values, whole.shape))


PALETTE = chunk(b"PLTE", bytes(range(10, 22)))
INDEXED = png_pixels([bytes([0, 1, 2, 3])])


@pytest.mark.parametrize(
    "chunks",
    [
        (PALETTE, chunk(b"tRNS", bytes(5)), INDEXED),
        (chunk(b"tRNS", bytes(4)), PALETTE, INDEXED),
        (PALETTE, chunk(b"tRNS", b""), INDEXED),
        (PALETTE, INDEXED, chunk(b"tRNS", bytes(4))),
    ],
    ids=["too long", "before the palette", "empty", "behind the pixels"],
)
def test_transparency_that_libpng_passes_over_hides_nothing(chunks):
    row, notes = read(png(png_header(4, 1, 8, 3), *chunks))
    assert row.tobytes() == bytes(range(10, 22))
    assert notes == ("png-repaired",)


def test_what_no_png_may_have_is_refused():
    start = png_header(4, 1, 8, 3)
    assert reject(png(start, PALETTE, PALETTE, INDEXED)) == "corrupt: a second PNG chunk PLTE"
    assert reject(png(start, start, PALETTE, INDEXED)).startswith("corrupt: a second PNG chunk")
    uneven = chunk(b"PLTE", bytes(13))
    assert reject(png(start, uneven, INDEXED)).startswith("corrupt: a palette of 13 bytes")
    unknown = chunk(b"ABCD", b"1234")
    assert reject(png(start, PALETTE, unknown, INDEXED)).startswith("unsupported")
    assert read(png(start, PALETTE, chunk(b"abCd", b""), INDEXED))[1] == ()


def test_the_png_of_apple_is_named():
    data = png(chunk(b"CgBI", bytes(4)), START, chunk(b"IDAT", zlib.compress(b"")[2:-4]))
    assert reject(data).startswith("unsupported: Apple")


# JPEG ------------------------------------------------------------------------------------

PROGRESSIVE = encode(PICTURE, "JPEG", quality=90, progressive=True)
JPEG = encode(PICTURE, "JPEG", quality=90)


def scans(data):
    """(start, end) of each scan, with its data."""
    pattern = re.compile(rb"\xff\xda(?:[^\xff]|\xff\0)+", re.DOTALL)
    return [found.span() for found in pattern.finditer(data)]


def test_a_progressive_jpeg_without_any_of_its_scans_is_rejected():
    assert read(PROGRESSIVE)[1] == ()
    parts = scans(PROGRESSIVE)
    assert len(parts) == 10
    for start, end in parts:
        without = PROGRESSIVE[:start] + PROGRESSIVE[end:]
        assert reject(without).startswith(("truncated: a JPEG without all", "corrupt"))
        cut = PROGRESSIVE[:start] + b"\xff\xd9"
        assert reject(cut).startswith(("truncated: a JPEG without", "corrupt: a JPEG without"))


def one_color_a_scan(data):
    """The same baseline JPEG of gray, as if it said that it has three colors."""
    frame = data.index(b"\xff\xc0")
    part = b"".join(bytes([number, 0x11, 0]) for number in (1, 2, 3))
    head = data[: frame + 2] + b"\0\x11" + data[frame + 4 : frame + 9] + b"\3" + part
    (scan, end), rest = scans(data)[0], data[frame + 13 :]
    each = [data[scan : scan + 5] + bytes([n]) + data[scan + 6 : end] for n in (1, 2, 3)]
    tables = rest[: scan - frame - 13]
    return head + tables, each


def test_a_jpeg_without_the_scan_of_a_color_is_rejected():
    level = PICTURE[:, :, 0]
    head, each = one_color_a_scan(encode(level, "JPEG", quality=90))
    assert read(head + b"".join(each) + b"\xff\xd9")[0].shape == PICTURE.shape
    for count in (1, 2):
        cut = head + b"".join(each[:count]) + b"\xff\xd9"
        assert reject(cut).startswith("truncated: a JPEG without all of its scans")


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def test_the_first_exif_block_of_a_jpeg_decides():
    def size(*orientations):
        blocks = b"".join(segment(0xE1, oriented(each)) for each in orientations)
        return read_header(JPEG[:20] + blocks + JPEG[20:]).size

    assert size(6) == size(6, 1) == size(6, 3) == (64, 48)
    assert size(1, 6) == size(3, 6) == (48, 64)


def test_an_adobe_transform_that_is_not_defined_means_what_it_means_to_all_decoders():
    bare = JPEG[:2] + JPEG[20:]
    plain = read(bare)[0]
    for transform in (2, 9):
        adobe = segment(0xEE, b"Adobe\0\x64" + bytes(4) + bytes([transform]))
        row, notes = read(bare[:2] + adobe + bare[2:])
        assert np.array_equal(row, plain)
        assert notes == ("jpeg-repaired",)


def test_a_jpeg_that_says_its_height_behind_its_pixels_is_unsupported():
    frame = JPEG.index(b"\xff\xc0")
    data = JPEG[: frame + 5] + bytes(2) + JPEG[frame + 7 :]
    assert reject(data).startswith("unsupported: a JPEG whose height is not in its header")
