"""Odd GIF and TIFF files on which decoders keep silent: the right pixels, or the true reason."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image
from support.decoded import read, reject
from support.images import encode, photo
from support.raw_files import raw_tags, tiff

PICTURE = photo(48, 64)


# GIF -------------------------------------------------------------------------------------

LEVELS = np.random.default_rng(1).integers(0, 16, (20, 30), dtype=np.uint8)
COLORS = np.random.default_rng(2).integers(0, 256, (16, 3), dtype=np.uint8)
CLEAR = b"\x21\xf9\4\1\0\0%c\0"


def coded(levels, bits=4):
    """The image data of a GIF: every code is one color, so that none is of several pixels."""
    clear, end = 1 << bits, (1 << bits) + 1
    codes, room = [], (1 << bits) - 2
    for at, level in enumerate(levels.reshape(-1).tolist()):
        codes += [clear] if at % room == 0 else []
        codes.append(level)
    number = sum(code << (bits + 1) * at for at, code in enumerate([*codes, end]))
    data = number.to_bytes(-(-len(codes) * (bits + 1) // 8) + 2, "little")
    blocks = [data[at : at + 255] for at in range(0, len(data), 255)]
    return bytes([bits]) + b"".join(bytes([len(each)]) + each for each in blocks) + b"\0"


def table(colors):
    """The flags and the bytes of a color table."""
    return (0x80 | len(colors).bit_length() - 2, colors.tobytes()) if len(colors) else (0, b"")


def gif(screen=(20, 30), at=(0, 0), *, colors=COLORS, local=(), background=0, before=b"", bits=4):
    flags, palette = table(colors)
    own_flags, own = table(local)
    height, width = screen
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, flags, background, 0) + palette
    frame = b"\x2c" + struct.pack("<HHHHB", at[1], at[0], 30, 20, own_flags) + own
    return head + before + frame + coded(LEVELS, bits) + b"\x3b"


def canvas(color, picture):
    whole = np.full((40, 50, 3), color, np.uint8)
    whole[6:26, 8:38] = picture
    return whole


@pytest.mark.parametrize("background", [0, 5, 15])
@pytest.mark.parametrize("own", [False, True])
def test_what_a_gif_leaves_of_its_canvas_has_the_background_color_of_the_screen(background, own):
    local = 255 - COLORS if own else ()
    row, notes = read(gif((40, 50), (6, 8), local=local, background=background))
    shown = (255 - COLORS if own else COLORS)[LEVELS]
    assert np.array_equal(row, canvas(COLORS[background], shown))
    assert notes == ()


@pytest.mark.parametrize("options", [{"colors": (), "local": COLORS}, {"background": 16}])
def test_a_canvas_without_a_background_color_is_transparent(options):
    row, notes = read(gif((40, 50), (6, 8), **options), background=(1, 2, 3))
    assert np.array_equal(row, canvas((1, 2, 3), COLORS[LEVELS]))
    assert notes == ("alpha",)


def test_a_transparent_gif_leaves_its_canvas_transparent():
    row, notes = read(gif((40, 50), (6, 8), before=CLEAR % 3), background=(1, 2, 3))
    shown = np.where((LEVELS == 3)[:, :, None], np.uint8([1, 2, 3]), COLORS[LEVELS])
    assert np.array_equal(row, canvas((1, 2, 3), shown))
    assert notes == ("alpha",)


def test_a_color_that_the_palette_of_a_gif_does_not_have_is_corrupt():
    assert reject(gif(colors=COLORS[:8])).startswith("corrupt: color 15 is used, and the palette")
    assert reject(gif(local=COLORS[:8])).startswith("corrupt: color 15 is used, and the palette")
    assert reject(gif(colors=())) == "corrupt: a GIF without a palette"
    assert np.array_equal(read(gif(local=COLORS, colors=COLORS[:2]))[0], COLORS[LEVELS])


def test_a_transparent_color_need_not_be_in_the_palette():
    few = COLORS[:8]
    levels = np.where(LEVELS < 8, LEVELS, 9)
    data = gif(colors=few, before=CLEAR % 9).replace(coded(LEVELS), coded(levels))
    shown = np.where((levels == 9)[:, :, None], 0, few[levels % 8])
    assert np.array_equal(read(data)[0], shown)


def test_codes_of_less_than_two_bits_are_corrupt():
    data = gif()
    at = data.index(coded(LEVELS))
    for bits in (0, 1):
        assert reject(data[:at] + bytes([bits]) + data[at + 1 :]).startswith("corrupt: a GIF whose")


# BMP -------------------------------------------------------------------------------------


def test_a_bmp_of_other_masks_is_named_with_the_remedy():
    info = struct.pack("<IiiHHIIiiII", 40, 2, 1, 1, 32, 3, 0, 0, 0, 0, 0)
    data = b"BM" + struct.pack("<IHHI", 74, 0, 0, 66) + info
    masks = struct.pack("<III", 0x3FF00000, 0xFFC00, 0x3FF)
    said = reject(data + masks + bytes(8))
    assert said == "unsupported: a kind of BMP that is not read; convert it to PNG"


# TIFF ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("compression", [1, 8])
def test_a_color_map_of_eight_bits_is_not_black(bits, compression):
    generator = np.random.default_rng(bits)
    levels = generator.integers(0, 2**bits, (6, 16))
    palette = generator.integers(0, 256, (3, 2**bits))
    text = "".join(f"{v:0{bits}b}" for v in levels.reshape(-1))
    strip = int(text, 2).to_bytes(len(text) // 8, "big")
    strip = zlib.compress(strip) if compression == 8 else strip
    for factor in (1, 256, 257):
        colors = {"t320": (3, (palette * factor).reshape(-1).tolist())}
        tags = raw_tags(6, 16, bits=(bits,), photometric=3, t259=(3, [compression]), **colors)
        row, _ = read(tiff(tags, [strip]))
        assert np.array_equal(row, palette.T[levels]), factor


@pytest.mark.parametrize("count", [3, 383, 384, 765, 769])
def test_a_color_map_of_another_length_is_corrupt(count):
    tags = raw_tags(6, 16, bits=(8,), photometric=3, t320=(3, [1] * count))
    assert reject(tiff(tags, [bytes(96)])) == f"corrupt: a color map of {count} values, not 768"


@pytest.mark.parametrize("rows", [48, 10])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("planar", [1, 2])
def test_a_fourth_band_that_is_not_called_transparency_is_none(planar, compression, rows):
    bands = np.dstack([PICTURE, PICTURE[:, :, 0]])
    planes = [bands[:, :, band] for band in range(4)] if planar == 2 else [bands]
    strips = [plane[top : top + rows].tobytes() for plane in planes for top in range(0, 48, rows)]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    layout = {"t284": (3, [planar]), "t259": (3, [compression])}
    tags = raw_tags(48, 64, bits=(8,) * 4, rows=rows, **layout)
    for extra in ({}, {338: (3, [0])}):
        row, notes = read(tiff(tags | extra, strips))
        assert np.array_equal(row, PICTURE)
        assert notes == ("band-dropped",)


@pytest.mark.parametrize("compression", [1, 8])
def test_a_tiff_that_lacks_strips_is_truncated(compression):
    strips = [PICTURE[top : top + 8].tobytes() for top in range(0, 48, 8)]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    tags = raw_tags(48, 64, rows=8, t259=(3, [compression]))
    assert np.array_equal(read(tiff(tags, strips))[0], PICTURE)
    for count in (1, 3, 5):
        said = reject(tiff(tags, strips[:count]))
        assert said == f"truncated: has {count} of its 6 strips or tiles"


def test_a_tiff_that_does_not_say_what_its_samples_mean_is_corrupt():
    tags = raw_tags(48, 64, bits=(8,), photometric=1)
    del tags[262]
    assert "PhotometricInterpretation" in reject(tiff(tags, [PICTURE[:, :, 0].tobytes()]))


def test_samples_of_no_stated_kind_are_whole_numbers():
    tags = raw_tags(48, 64, t339=(3, [4, 4, 4]))
    assert np.array_equal(read(tiff(tags, [PICTURE.tobytes()]))[0], PICTURE)


def test_a_tiff_without_the_lengths_of_its_strips_is_read():
    data = tiff(raw_tags(48, 64), [PICTURE.tobytes()])
    at = data.index(struct.pack("<HH", 279, 4))
    unknown = data[:at] + struct.pack("<H", 65000) + data[at + 2 :]
    assert np.array_equal(read(unknown)[0], PICTURE)


@pytest.mark.parametrize("across, down", [(2, 1), (2, 2), (1, 1)])
def test_tiles_of_subsampled_jpeg_are_read(across, down):
    subsampling = {(1, 1): 0, (2, 1): 1, (2, 2): 2}[across, down]
    tile = np.ascontiguousarray(PICTURE[:48, :48])
    jpeg = encode(tile, "JPEG", quality=95, subsampling=subsampling)
    tags = raw_tags(48, 48, photometric=6, t259=(3, [7]), t530=(3, [across, down]))
    del tags[278]
    data = tiff(tags | {322: (3, [48]), 323: (3, [48])}, [jpeg])
    data = data.replace(struct.pack("<HH", 273, 4), struct.pack("<HH", 324, 4))
    data = data.replace(struct.pack("<HH", 279, 4), struct.pack("<HH", 325, 4))
    with Image.open(io.BytesIO(jpeg)) as image:
        assert np.abs(read(data)[0].astype(int) - np.asarray(image)).max() <= 2
    damaged = data[: len(data) // 2] + bytes(200) + data[len(data) // 2 + 200 :]
    assert reject(damaged).startswith("corrupt")


@pytest.mark.parametrize("bits", [65, 2**31, 2**32 - 1])
@pytest.mark.parametrize("photometric", [1, 3])
def test_samples_of_billions_of_bits_are_unsupported(bits, photometric):
    tags = raw_tags(6, 16, bits=(8,), photometric=photometric, t258=(4, [bits]))
    assert reject(tiff(tags, [bytes(96)])).startswith(f"unsupported: pixels of {bits} bits")


@pytest.mark.parametrize("kind", [{"t258": (3, [12])}, {"t339": (3, [3])}])
def test_billions_of_samples_take_no_memory(kind):
    tags = raw_tags(6, 16, bits=(8,), photometric=1, t277=(4, [2**32 - 1]), **kind)
    tracemalloc.start()
    assert reject(tiff(tags, [bytes(96)])).startswith("unsupported")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
