"""Odd files that viewers show, or decoders read wrong: the right pixels, or the true reason."""

import gzip
import io
import struct

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from support.images import encode, opencv, oriented, photo
from support.raw_files import bmp, chunk, png, png_header, png_pixels, raw_tags, tiff, with_depth

from imgmem.core.decode.foreign import UNRECOGNIZED, named
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import NOTES, decode_into
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.errors import RejectedImage
from imgmem.core.sources.names import ignored_file
from imgmem.core.specs import ImageSpec

PICTURE = photo(48, 64)
MIB = 2**20


def read(data, **options):
    """The row of native size, and the notes."""
    spec = ImageSpec(size=None, **options)
    row = np.zeros((*read_header(data).size, 3), np.uint8)
    notes = decode_into(data, spec, row).notes
    assert set(notes) <= set(NOTES)
    return row, notes


def reject(data):
    with pytest.raises(RejectedImage) as caught:
        read(data)
    return str(caught.value)


def gray(array):
    return np.repeat(np.asarray(array, np.uint8)[:, :, None], 3, 2)


# JPEG ------------------------------------------------------------------------------------

JPEG = encode(PICTURE, "JPEG", quality=90)
PROGRESSIVE = encode(PICTURE, "JPEG", quality=90, progressive=True)
FIRST = 4 + struct.unpack(">H", JPEG[4:6])[0]
"""Where the segment behind JFIF begins."""


def jfif(major, minor):
    data = bytearray(JPEG)
    at = data.index(b"JFIF\0")
    data[at + 5 : at + 7] = major, minor
    return bytes(data)


def with_segment(marker, body, at=FIRST):
    return JPEG[:at] + bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body + JPEG[at:]


TIDIED = {
    "JFIF 0.00": jfif(0, 0),
    "JFIF 2.00": jfif(2, 0),
    "fill before the end": JPEG[:-2] + b"\x55" * 99 + JPEG[-2:],
    "zeros before the end": JPEG[:-2] + bytes(64) + JPEG[-2:],
    "no end": JPEG[:-2],
    "zeros instead of the end": JPEG[:-2] + bytes(5000),
    "bytes between segments": JPEG[:FIRST] + bytes(18) + JPEG[FIRST:],
    "bytes behind the start": JPEG[:2] + bytes(10) + JPEG[2:],
    "half a profile": with_segment(0xE2, b"ICC_PROFILE\0\x05\x01" + bytes(16)),
    "progressive without end": PROGRESSIVE[:-2],
}


@pytest.mark.parametrize("name", TIDIED)
def test_an_untidy_jpeg_of_which_every_pixel_is_there_is_read(name):
    whole = PROGRESSIVE if "progressive" in name else JPEG
    row, notes = read(TIDIED[name])
    assert np.array_equal(row, read(whole)[0])
    assert notes == ("jpeg-repaired",)


def scans(data):
    return [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]


@pytest.mark.parametrize(
    "data",
    [
        JPEG[:-3],
        JPEG[: len(JPEG) // 2],
        JPEG[: len(JPEG) // 2] + bytes(1000),
        JPEG[: len(JPEG) // 2] + bytes(1000) + b"\xff\xd9",
        PROGRESSIVE[: scans(PROGRESSIVE)[-1]],
        PROGRESSIVE[: scans(PROGRESSIVE)[1]],
    ],
    ids=["a byte", "half", "zeros", "zeros and end", "a scan", "all but one scan"],
)
def test_a_jpeg_that_lacks_pixels_is_not_repaired(data):
    assert reject(data).startswith(("truncated", "corrupt"))


def test_damaged_pixels_are_never_taken_for_fill():
    """Holes of every kind, also such as end where the pixels end."""
    good, wrong = read(JPEG)[0], 0
    start = JPEG.index(b"\xff\xda") + 14
    generator = np.random.default_rng(0)
    for value in (0, 0x55, 0xFF):
        for length in (8, 30, 64, 200, 500):
            for at in [*generator.integers(start, len(JPEG) - length, 6), len(JPEG) - 2 - length]:
                data = JPEG[:at] + bytes([value]) * length + JPEG[at + length :]
                try:
                    row, notes = read(data)
                except RejectedImage:
                    continue
                wrong += "jpeg-repaired" in notes and not np.array_equal(row, good)
    assert wrong == 0


def test_an_orientation_behind_the_frame_header_counts():
    data = encode(PICTURE, "JPEG", exif=oriented(6))
    at = data.index(b"\xff\xe1")
    end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
    scan = data.index(b"\xff\xda", end)
    moved = data[:at] + data[end:scan] + data[at:end] + data[scan:]
    assert np.array_equal(read(moved)[0], read(data)[0])
    assert read_header(moved).size == (64, 48)


def test_an_app1_segment_without_the_exif_prefix_turns_nothing():
    assert read_header(with_segment(0xE1, oriented(6).removeprefix(b"Exif\0\0"))).size == (48, 64)
    assert read_header(with_segment(0xE1, oriented(6))).size == (64, 48)


def test_an_arithmetic_jpeg_or_an_odd_subsampling_is_unsupported_in_words():
    frame = JPEG.index(b"\xff\xc0")
    arithmetic = JPEG[: frame + 1] + b"\xcb" + JPEG[frame + 2 :]
    assert reject(arithmetic).startswith("unsupported")
    odd = JPEG[: frame + 11] + b"\x42" + JPEG[frame + 12 :]
    assert reject(odd) == "unsupported: a chroma subsampling that is not read; re-save it"


# PNG -------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_the_transparent_level_of_a_gray_png_is_one_of_its_own_levels(depth):
    levels = 2**depth - 1
    row = np.arange(8) * levels // 7
    transparent = int(row[3])
    bits = np.array([f"{v:0{depth}b}" for v in row])
    packed = int("".join(bits), 2).to_bytes(depth, "big")
    clear = chunk(b"tRNS", struct.pack(">H", transparent))
    data = png(png_header(8, 1, depth, 0), clear, png_pixels([packed]))
    shown, notes = read(data, background=(9, 8, 7))
    expected = [[9, 8, 7] if v == transparent else [v * 255 // levels] * 3 for v in row]
    assert shown[0].tolist() == expected
    assert notes == ("alpha",)


@pytest.mark.parametrize("palette", [b"", b"\1\2\3" * 2], ids=["empty", "short"])
def test_colors_that_a_palette_does_not_have_are_corrupt(palette):
    data = png(png_header(4, 1, 8, 3), chunk(b"PLTE", palette), png_pixels([bytes([0, 1, 2, 3])]))
    assert reject(data).startswith("corrupt")
    assert "palette" in reject(data)
    assert reject(png(png_header(4, 1, 8, 3), png_pixels([bytes(4)]))).startswith("corrupt")


def test_texts_and_profiles_of_any_size_or_damage_are_passed_over():
    info = PngImagePlugin.PngInfo()
    for number in range(70):
        info.add_text(f"k{number}", "x" * (MIB - 10), zip=True)
    info.add_itxt("workflow", "x" * 2 * MIB, zip=True)
    plain = encode(PICTURE)
    large = encode(PICTURE, pnginfo=info, icc_profile=bytes(2 * MIB))
    row, notes = read(large)
    assert np.array_equal(row, PICTURE)
    assert notes == ()
    at = large.index(b"zTXt") + 20
    assert read(large[:at] + b"?" + large[at + 1 :])[1] == ("png-repaired",)
    behind = plain[:-12] + chunk(b"tEXt", b"a\0b")[:-1] + b"?" + plain[-12:]
    assert read(behind)[1] == ("png-repaired",)


# GIF -------------------------------------------------------------------------------------

GIF = encode(PICTURE, "GIF")


@pytest.mark.parametrize(
    "data",
    [GIF[:-1], GIF[:-2], GIF[:-1] + b"\0;", GIF[:-1] + b"junk", GIF[:-1] + bytes(3000)],
    ids=["no trailer", "no terminator", "zero", "junk", "zeros"],
)
def test_a_gif_whose_first_frame_is_whole_is_read(data):
    row, notes = read(data)
    assert np.array_equal(row, read(GIF)[0])
    assert notes == ("gif-repaired",)


@pytest.mark.parametrize("missing", [3, 10, 100, len(GIF) // 2])
def test_a_gif_that_lacks_pixels_is_rejected(missing):
    assert reject(GIF[:-missing]).startswith("truncated")
    if missing > 3:
        assert reject(GIF[:-missing] + bytes(missing)).startswith(("truncated", "corrupt"))


def giant_gif(width, height):
    start = b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0x80, 0, 0) + bytes(6)
    frame = b"\x21\xf9\4\x08\0\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0)
    return start + frame + b"\2\2\x44\1\0\x3b"


def test_a_gif_is_measured_before_its_frame_takes_memory():
    assert read_header(giant_gif(65535, 65535)).size == (65535, 65535)
    assert reject_size(giant_gif(65535, 65535)).startswith("too-large")
    assert reject(giant_gif(65535, 0)).startswith("corrupt")


def reject_size(data):
    with pytest.raises(RejectedImage) as caught:
        decode_into(data, ImageSpec(size=(4, 4)), np.zeros((4, 4, 3), np.uint8))
    return str(caught.value)


# BMP -------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("colors", [2, 16])
def test_indices_of_several_bits_are_not_taken_for_pixels(bits, colors):
    """Palettes that are the gray levels from 0 on, or black and white."""
    indices = np.mgrid[0:6, 0:64][1] // 4 % colors
    levels = [0, 255] if colors == 2 else list(range(16))
    data = bmp(indices, [(v, v, v) for v in levels], bits)
    assert np.array_equal(read(data)[0], gray(np.array(levels)[indices]))


def bmp16(mask_alpha, masks=(0x7C00, 0x3E0, 0x1F)):
    body = struct.pack("<8H", *([0x7FFF] * 8))
    info = struct.pack("<IiiHHIIiiII", 124, 4, 2, 1, 16, 3, 16, 0, 0, 0, 0)
    info += struct.pack("<4I", *masks, mask_alpha) + bytes(124 - 56)
    return b"BM" + struct.pack("<IHHI", 14 + 124 + 16, 0, 0, 138) + info + body


def test_sixteen_bits_of_a_bmp_are_no_deep_channels_and_their_alpha_is_refused():
    row, notes = read(bmp16(0))
    assert row.min() == 255
    assert notes == ()
    assert reject(bmp16(0x8000)).startswith("unsupported")
    assert reject(bmp16(0, (0xF00, 0xF0, 0xF))).startswith("unsupported")


# TIFF ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", "<>")
def test_deep_planes_of_a_tiff_keep_their_upper_eight_bits(order):
    deep = PICTURE.astype(np.uint16) * 256 + 77
    planes = [deep[:, :, n].astype(order + "u2").tobytes() for n in range(3)]
    data = tiff(raw_tags(48, 64, bits=(16, 16, 16), t284=(3, [2])), planes, order)
    row, notes = read(data)
    assert np.array_equal(row, PICTURE)
    assert notes == ("16-bit",)


@pytest.mark.parametrize("height", [8, 24, 40])
def test_strips_beyond_the_last_row_are_not_read(height):
    strips = [PICTURE[top : top + 8].tobytes() for top in range(0, 48, 8)]
    data = tiff(raw_tags(height, 64, rows=8), strips)
    assert np.array_equal(read(data)[0], PICTURE[:height])


def test_a_last_strip_whose_length_is_rounded_up_is_whole():
    tags = raw_tags(44, 64, rows=8)
    strips = [PICTURE[top : top + 8].tobytes() for top in range(0, 40, 8)]
    data = tiff(tags, [*strips, PICTURE[40:48].tobytes()])
    assert np.array_equal(read(data[: -4 * 64 * 3])[0], PICTURE[:44])
    assert reject(data[: -4 * 64 * 3 - 1]).startswith("truncated")


def test_subsampled_chroma_without_compression_is_read_by_libtiff():
    """Two rows of two pixels share their chroma: Y Y Y Y Cb Cr."""
    luma = np.array([[16, 60], [120, 235]], np.uint8)
    block = bytes([*luma.reshape(-1), 128, 128])
    tags = raw_tags(2, 2, photometric=6, t530=(3, [2, 2]))
    row, _ = read(tiff(tags, [block]))
    assert np.abs(row.astype(int) - gray(luma)).max() <= 1


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"])
def test_rows_per_strip_of_two_to_the_thirty_second_are_one_strip(compression):
    data = encode(
        photo(240, 256),
        "TIFF",
        compression=compression,
        strip_size=1 << 30,
    )
    entry = struct.pack("<HHI", 278, 3, 1) + struct.pack("<I", 240)
    assert data.count(entry) == 1
    data = data.replace(entry, struct.pack("<HHII", 278, 4, 1, 2**32 - 1))
    assert decode_cost(read_header(data), ImageSpec(), len(data)) < 8 * MIB
    assert read(data)[0].shape == (240, 256, 3)


@pytest.mark.parametrize("compression", ["jpeg", "group3", "group4", "tiff_ccitt", "packbits"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_damage_that_libtiff_only_mutters_about_is_corrupt(compression, part):
    picture = Image.fromarray(photo(256, 256))
    bilevel = compression in ("group3", "group4", "tiff_ccitt")
    data = encode(picture.convert("1") if bilevel else picture, "TIFF", compression=compression)
    read(data)
    tags = Image.open(io.BytesIO(data)).tag_v2
    start, length = tags[273][0], tags[279][0]
    at, end = start + int(length * part), min(start + length, start + int(length * part) + 400)
    assert reject(data[:at] + bytes(end - at) + data[end:]).startswith("corrupt")


@pytest.mark.parametrize("code", [34712, 50001, 34887, 50002, 99])
def test_compressions_that_are_not_read_are_named(code):
    tags = raw_tags(48, 64) | {259: (3, [code])}
    assert reject(tiff(tags, [PICTURE.tobytes()])).startswith(
        f"unsupported: TIFF compression {code}"
    )


def test_a_big_tiff_in_big_endian_order_is_unsupported():
    data = b"MM\0+\0\x08\0\0" + struct.pack(">Q", 16) + bytes(200)
    assert reject(data).startswith("unsupported: a BigTIFF")


def test_a_second_band_that_is_not_transparency_is_not_passed_over():
    tags = raw_tags(4, 5, bits=(8, 8), photometric=1)
    for more in ({}, {338: (3, [0])}):
        said = reject(tiff(tags | more, [bytes(40)]))
        assert said.startswith("unsupported: an image of 2 bands")


@pytest.mark.parametrize("premultiplied", [True, False])
@pytest.mark.parametrize("channels", ["rgb", "gray"])
def test_gray_with_transparency_is_laid_on_the_background(premultiplied, channels):
    gray = np.full((4, 5), 100, np.uint8)
    alpha = np.full((4, 5), 128, np.uint8)
    stored = np.dstack([gray // 2 if premultiplied else gray, alpha])
    tags = raw_tags(4, 5, bits=(8, 8), photometric=1, t338=(3, [1 if premultiplied else 2]))
    row, notes = read(tiff(tags, [stored.tobytes()]), channels=channels)[:2]
    assert (notes, int(np.abs(row.astype(int) - 50).max())) == (("alpha", "alpha-blank"), 0)


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize(
    ("photometric", "bands"), [(1, 3), (1, 4), (1, 13), (2, 5), (2, 8), (5, 6)]
)
def test_an_image_of_more_bands_than_rgb_is_refused_with_their_number(photometric, bands, planar):
    tags = raw_tags(4, 5, bits=(8,) * bands, photometric=photometric, t284=(3, [planar]))
    strips = [bytes(20)] * bands if planar == 2 else [bytes(20 * bands)]
    assert reject(tiff(tags, strips)).startswith(f"unsupported: an image of {bands} bands")


# PPM -------------------------------------------------------------------------------------


@pytest.mark.parametrize("highest", [1, 7, 200, 255, 1023, 65535])
@pytest.mark.parametrize("kind", ["P2", "P3", "P5", "P6"])
def test_every_maximum_of_a_ppm_is_scaled(kind, highest):
    channels = 3 if kind in ("P3", "P6") else 1
    values = np.random.default_rng(highest).integers(0, highest + 1, 5 * 7 * channels)
    head = f"{kind} # a comment\n7 5\n{highest}\n".encode()
    if kind in ("P2", "P3"):
        body = b" ".join(b"%d" % v for v in values) + b"\n"
    else:
        body = values.astype(">u2" if highest > 255 else "u1").tobytes()
    row, notes = read(head + body)
    shown = row if channels == 3 else row[:, :, :1]
    exact = values.reshape(shown.shape) * 255 / highest
    assert np.abs(shown - exact).max() <= (1 if highest > 255 else 0.5)
    assert notes == (("16-bit",) if highest > 255 else ())
    cut = body.rstrip().rfind(b" ") if kind in ("P2", "P3") else -1
    assert reject(head + body[:cut]).startswith("truncated")


@pytest.mark.parametrize("kind", ["P1", "P4"])
def test_ones_of_a_bitmap_are_black(kind):
    bits = np.random.default_rng(0).integers(0, 2, (5, 13))
    plain = b"\n".join(b"".join(b"%d" % v for v in row) for row in bits)
    body = plain if kind == "P1" else np.packbits(bits, axis=1).tobytes()
    assert np.array_equal(read(f"{kind}\n13 5\n".encode() + body)[0], gray((1 - bits) * 255))


def test_plain_values_may_be_any_number_of_blocks_with_comments_between():
    values = np.random.default_rng(0).integers(0, 256, 300 * 200)
    words = [b"%d" % v for v in values]
    words[7000] = b"# not a value: 77\n" + words[7000]
    row, _ = read(b"P2 300 200 255\n" + b" ".join(words))
    assert np.array_equal(row, gray(values.reshape(200, 300)))
    assert reject(b"P2 2 1 255\n1 x").startswith("corrupt: a letter")
    assert reject(b"P2 2 1 100\n1 101").startswith("corrupt: a value")


# JPEG 2000 -------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [9, 10, 12, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_deep_jpeg_2000_keeps_its_upper_eight_bits_also_where_it_is_white(bits, channels):
    """The depth is patched: OpenCV writes 16 bits, whose values are shifted by half the range."""
    ramp = np.linspace(0, 2**bits - 1, 128).round().astype(int)
    values = np.repeat(np.repeat(ramp[None, :, None], 128, 0), channels, 2)
    values[:40], values[-20:] = 2**bits - 1, 0
    if channels == 4:
        values[:, :, 3] = 2**bits - 1
    written = (values + 2**15 - 2 ** (bits - 1)).astype(np.uint16)
    data = opencv(".jp2", written[:, :, [2, 1, 0, 3][:channels]] if channels > 1 else written)
    row, notes = read(with_depth(data, bits))
    expected = (values >> (bits - 8))[:, :, :3]
    assert np.abs(row - expected).max() <= 4  # OpenCV's encoder is not lossless
    assert row[:32].min() >= 251
    assert notes == ("16-bit",)


@pytest.mark.parametrize("bits", [1, 2, 4, 5, 7])
def test_shallow_jpeg_2000_is_scaled_to_white(bits):
    values = np.random.default_rng(0).integers(0, 2**bits, (64, 64))
    written = (values + 128 - 2 ** (bits - 1)).astype(np.uint8)
    row, notes = read(with_depth(encode(written, "JPEG2000"), bits))
    assert np.array_equal(row, gray(values * 255 // (2**bits - 1)))
    assert notes == ()


def test_jpeg_2000_of_components_of_different_depths_is_unsupported():
    data = bytearray(encode(PICTURE, "JPEG2000", no_jp2=True))
    data[42] = 11
    assert reject(bytes(data)).startswith("unsupported")


# Zeros where data is missing -------------------------------------------------------------

LARGE = photo(384, 384)
COMPRESSED = {
    "webp": encode(LARGE, "WEBP"),
    "webp lossless": encode(LARGE, "WEBP", lossless=True),
    "webp alpha": encode(np.dstack([LARGE, LARGE[:, :, :1]]), "WEBP"),
    "avif": encode(LARGE, "AVIF", speed=10),
    "avif alpha": encode(np.dstack([LARGE, LARGE[:, :, :1]]), "AVIF", speed=10),
    "jp2": encode(LARGE, "JPEG2000"),
    "jp2 lossy": encode(LARGE, "JPEG2000", quality_layers=[20], irreversible=True),
    "tiff zstd": encode(LARGE, "TIFF", compression="zstd"),
    "tiff jpeg": encode(LARGE, "TIFF", compression="jpeg"),
    "tiff packbits": encode(LARGE, "TIFF", compression="packbits"),
    "tiff group4": encode(LARGE, "TIFF", mode="1", compression="group4"),
}


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_tail_or_a_hole_of_zeros_is_found(name):
    data = COMPRESSED[name]
    read(data)
    tail = len(data) * 6 // 10
    assert reject(data[:tail] + bytes(len(data) - tail)).startswith(("corrupt", "truncated"))
    for at in (len(data) // 4, len(data) // 3, len(data) * 2 // 5):
        end = min(len(data), at + 4096)
        assert reject(data[:at] + bytes(end - at) + data[end:]).startswith(("corrupt", "truncated"))


def flat_pictures():
    for height, width in ((64, 64), (512, 768)):
        for level in (0, 255):
            half = photo(height, width)
            half[height // 3 :] = level
            yield np.full((height, width, 3), level, np.uint8)
            yield half


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("WEBP", {}),
        ("WEBP", {"method": 0}),
        ("WEBP", {"quality": 1}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {"speed": 10}),
        ("JPEG2000", {}),
        ("JPEG2000", {"precinct_size": (64, 64), "quality_layers": [40, 20, 10]}),
        ("JPEG2000", {"tile_size": (64, 64)}),
        ("TIFF", {"compression": "zstd"}),
        ("TIFF", {"compression": "jpeg"}),
        ("TIFF", {"compression": "group3", "mode": "1"}),
    ],
    ids=str,
)
def test_flat_areas_are_no_holes(format, options):
    for picture in flat_pictures():
        read(encode(picture, format, **options))


def test_zeros_in_metadata_are_no_holes():
    exif = oriented(1) + bytes(5000)
    for format in ("WEBP", "AVIF"):
        read(encode(PICTURE, format, exif=exif, icc_profile=bytes(3000), xmp=bytes(2000)))


# What is not read ------------------------------------------------------------------------

NIFTI = struct.pack("<i", 348) + bytes(340) + b"n+1\0"
NAMED = {
    "DICOM": bytes(128) + b"DICM" + bytes(2000),
    "NIfTI": NIFTI,
    "CZI": b"ZISRAWFILE" + bytes(100),
    "a Canon raw": b"II*\0\x10\0\0\0CR\2\0" + bytes(100),
    "Fujifilm raw": b"FUJIFILMCCD-RAW 0201" + bytes(100),
    "TGA": encode(PICTURE, "TGA"),
    "PCX": encode(PICTURE, "PCX"),
    "FITS": b"SIMPLE  =                    T" + bytes(100),
    "JPEG XL": b"\xff\x0a" + bytes(100),
    "JPEG-LS": b"\xff\xd8\xff\xf7\0\x0b\x08\0\x10\0\x10\1\1\x11\0" + bytes(100),
    "gzip": gzip.compress(NIFTI),
    "ZIP": b"PK\3\4" + bytes(100),
    "SVG": b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("name", NAMED)
def test_formats_that_are_not_read_are_named_with_how_to_convert(name):
    data = NAMED[name]
    said = reject(data)
    assert said.startswith("unsupported: ")
    assert name in said
    assert "first" in said


def test_the_extension_names_what_the_bytes_do_not():
    noise = RejectedImage("not-an-image", UNRECOGNIZED)
    assert str(named(noise, "a/b.tga")) == "unsupported: TGA is not read; convert it to PNG first"
    assert named(noise, "a/b.png") is noise
    packed = RejectedImage(*reject(gzip.compress(NIFTI)).split(": ", 1))
    assert "NIfTI" in str(named(packed, "b.nii.gz"))
    assert named(packed, "b.img") is packed
    assert named(RejectedImage("corrupt", "?"), "b.tga").reason == "corrupt"


@pytest.mark.parametrize("name", ["x.dcm", "x.IMA", "x.nii.gz", "x.svs", "x.CR3", "x.dng"])
def test_files_that_are_passed_over_are_named_with_how_to_convert(name):
    assert "first" in (ignored_file(name) or "")
