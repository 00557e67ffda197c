"""Good files: the row is the picture, upright, in its colors, as an independent reader sees it."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps
from support.images import encode, opencv, oriented, photo, unturned

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.specs import ImageSpec

SIZES = [(37, 52), (64, 41), (1, 1), (1, 23)]
RED_GREEN = (250, 40, 90)


def decode(data, **options):
    """The row of native size, and what became of the image."""
    header = read_header(data)
    spec = ImageSpec(size=None, **options)
    row = np.full((header.height, header.width, spec.depth), 77, np.uint8)
    return row, decode_into(data, spec, row)


def reference(data, background=(0, 0, 0)):
    """RGB by Pillow's own pipeline; transparency by its definition, rounded to nearest."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I"):
        return np.repeat((np.asarray(image).astype(int) // 256)[:, :, None], 3, 2)
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB")).astype(int)
    rgba = np.asarray(image.convert("RGBA")).astype(int)
    color, alpha = rgba[:, :, :3], rgba[:, :, 3:]
    return (2 * (color * alpha + np.array(background) * (255 - alpha)) + 255) // 510


def with_alpha(height, width, seed=0):
    ramp = np.linspace(0, 255, width).astype(np.uint8)
    alpha = np.repeat(ramp[None, :, None], height, 0)
    return np.concatenate([photo(height, width, seed), alpha], 2)


def sixteen_bits(height, width):
    gray = photo(height, width)[:, :, 0].astype(np.uint16)
    return gray * 256 + np.arange(width, dtype=np.uint16) % 256


def animation(format, height=33, width=46):
    frames = [Image.fromarray(photo(height, width, seed)) for seed in range(3)]
    return encode(frames[0], format, save_all=True, append_images=frames[1:], duration=40)


def good_files(height, width):
    """Name → bytes of a file, in every format and mode that Pillow and OpenCV write."""
    picture = photo(height, width)
    rgba = with_alpha(height, width)
    files = {
        "jpeg": encode(picture, "JPEG"),
        "jpeg 4:4:4": encode(picture, "JPEG", subsampling=0, quality=95),
        "jpeg 4:2:2": encode(picture, "JPEG", subsampling=1),
        "jpeg progressive": encode(picture, "JPEG", progressive=True),
        "jpeg gray": encode(picture, "JPEG", mode="L"),
        "jpeg cmyk": encode(picture, "JPEG", mode="CMYK"),
        "jpeg rgb": encode(picture, "JPEG", keep_rgb=True),
        "jpeg restarts": encode(picture, "JPEG", restart_marker_blocks=1),
        "webp lossy": encode(picture, "WEBP"),
        "webp lossless": encode(picture, "WEBP", lossless=True),
        "webp alpha": encode(rgba, "WEBP", lossless=True, exact=True),
        "gif": encode(picture, "GIF"),
        "gif interlaced": encode(picture, "GIF", interlace=1),
        "bmp 32": encode(rgba, "BMP"),
        "avif": encode(picture, "AVIF"),
        "avif alpha": encode(rgba, "AVIF", quality=100),
        "jp2": encode(picture, "JPEG2000"),
        "jp2 stream": encode(picture, "JPEG2000", no_jp2=True, quality_layers=[5]),
        "ppm": encode(picture, "PPM"),
        "png transparent color": encode(picture, transparency=tuple(picture[0, 0].tolist())),
        "tiff jpeg": encode(picture, "TIFF", compression="jpeg"),
        "png 16": encode(sixteen_bits(height, width)),
        "png rgb 16": opencv(".png", np.repeat(sixteen_bits(height, width)[:, :, None], 3, 2)),
        "tiff 16": encode(sixteen_bits(height, width), "TIFF"),
        "tiff 16 lzw": encode(sixteen_bits(height, width), "TIFF", compression="tiff_lzw"),
        "pgm 16": encode(sixteen_bits(height, width).astype(np.int32), "PPM"),
    }
    for mode in ("1", "L", "P", "RGB", "LA", "RGBA"):
        image = Image.fromarray(rgba).convert(mode)
        files[f"png {mode}"] = encode(image)
        files[f"tiff {mode}"] = encode(image, "TIFF", compression="tiff_adobe_deflate")
    for mode in ("CMYK", "LAB", "YCbCr"):
        files[f"tiff {mode}"] = encode(picture, "TIFF", mode=mode)
    for mode in ("1", "L", "P", "RGB"):
        files[f"bmp {mode}"] = encode(picture, "BMP", mode=mode)
    palette = Image.fromarray(picture).quantize(16)
    files["png palette with transparency"] = encode(palette, transparency=5)
    files["png palette with alphas"] = encode(palette, transparency=bytes(range(0, 256, 16)))
    files["gif transparent"] = encode(palette, "GIF", transparency=5)
    return files


NAMES = sorted(good_files(8, 8))


@pytest.fixture(scope="module")
def files():
    return {size: good_files(*size) for size in SIZES}


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_row_equals_what_pillow_reads(files, name, size):
    data = files[size][name]
    row, decoded = decode(data, background=RED_GREEN)
    assert (decoded.height, decoded.width) == size
    allowed = 1 if data.startswith(b"\xff\xd8") else 0
    assert np.abs(row - reference(data, RED_GREEN)).max() <= allowed


@pytest.mark.parametrize("name", NAMES)
def test_gray_is_that_of_the_rgb_pixels_whatever_the_format(files, name):
    data = files[SIZES[0]][name]
    color, _ = decode(data, background=RED_GREEN)
    gray, _ = decode(data, background=RED_GREEN, channels="gray")
    assert np.array_equal(gray[:, :, 0], cv2.cvtColor(color, cv2.COLOR_RGB2GRAY))


def test_gray_is_never_the_luma_of_the_jpeg():
    """The luma of saturated colors, before they are clipped in RGB, is another one."""
    generator = np.random.default_rng(0)
    blocks = generator.choice([0, 255], (6, 6, 3)).astype(np.uint8)
    data = encode(cv2.resize(blocks, (60, 60), interpolation=cv2.INTER_NEAREST), "JPEG", quality=30)
    gray, _ = decode(data, channels="gray")
    image = Image.open(io.BytesIO(data))
    image.draft("L", image.size)
    luma = np.asarray(image).astype(int)
    expected = cv2.cvtColor(reference(data).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    assert np.abs(gray[:, :, 0] - expected.astype(int)).max() <= 1
    assert np.abs(gray[:, :, 0] - luma).max() >= 10


ORIENTED = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ORIENTED)
def test_every_orientation_is_upright(format, orientation):
    """Also against the plain picture, turned by hand: Pillow alone could be wrong like us."""
    picture = photo(30, 47)
    stored = unturned(picture, orientation)
    lossless = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    options = {"quality": 98, "subsampling": 0} if format == "JPEG" else lossless.get(format, {})
    data = encode(stored, format, exif=oriented(orientation), **options)
    row, decoded = decode(data)
    assert (decoded.height, decoded.width) == (30, 47)
    assert read_header(data).size == (30, 47)
    assert np.abs(row - reference(data)).max() <= (1 if format == "JPEG" else 0)
    assert np.abs(row.astype(int) - picture).mean() < 3


def test_an_orientation_behind_the_pixels_of_a_png_counts():
    data = encode(photo(20, 30), exif=oriented(6))
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + int.from_bytes(data[at : at + 4], "big")]
    end = data.index(b"IEND") - 4 - len(chunk)
    without = data[:at] + data[at + len(chunk) :]
    moved = without[:end] + chunk + without[end:]
    row, decoded = decode(moved)
    assert (decoded.height, decoded.width) == (30, 20)
    assert np.array_equal(row, decode(data)[0])


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("jpeg", ()),
        ("jpeg cmyk", ("cmyk",)),
        ("png RGBA", ("alpha",)),
        ("png LA", ("alpha",)),
        ("png palette with alphas", ("alpha",)),
        ("gif transparent", ("alpha",)),
        ("png 16", ("16-bit",)),
        ("png rgb 16", ("16-bit",)),
        ("tiff 16 lzw", ("16-bit",)),
        ("pgm 16", ("16-bit",)),
        ("tiff LAB", ("lab",)),
        ("tiff CMYK", ("cmyk",)),
        ("jp2", ()),
        ("avif", ()),
    ],
)
def test_what_is_lost_is_noted(files, name, notes):
    assert decode(files[SIZES[0]][name])[1].notes == notes


def test_an_alpha_channel_that_hides_nothing_is_not_a_loss():
    opaque = np.dstack([photo(20, 30), np.full((20, 30), 255, np.uint8)])
    row, decoded = decode(encode(opaque))
    assert decoded.notes == ()
    assert np.array_equal(row, opaque[:, :, :3])


@pytest.mark.parametrize("format", ["PNG", "GIF", "WEBP", "AVIF", "TIFF"])
def test_the_first_frame_is_taken_and_noted(format):
    data = animation(format)
    row, decoded = decode(data)
    assert decoded.notes == (("pages",) if format == "TIFF" else ("animation",))
    assert np.array_equal(row, reference(data))


def test_ten_bits_of_avif_and_sixteen_of_jpeg_2000_are_noted():
    deep = np.repeat(sixteen_bits(96, 96)[:, :, None], 3, 2)
    assert decode(opencv(".jp2", deep))[1].notes == ("16-bit",)
    avif = opencv(".avif", deep // 64, cv2.IMWRITE_AVIF_DEPTH, 10)
    assert decode(avif)[1].notes == ("16-bit",)


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255), (10, 200, 30)])
def test_transparent_pixels_show_the_background(background):
    clear = np.zeros((5, 7, 4), np.uint8)
    row, _ = decode(encode(clear), background=background)
    assert np.array_equal(row, np.broadcast_to(np.uint8(background), (5, 7, 3)))


def test_a_large_image_is_converted_in_bands_without_a_seam():
    rgba = with_alpha(700, 900)
    assert np.array_equal(decode(encode(rgba, compress_level=1))[0], reference(encode(rgba)))


@pytest.mark.parametrize("ending", [b"", b"trailing bytes", bytes(5000)], ids=len)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "JPEG2000", "AVIF"])
def test_bytes_after_the_end_are_ignored(format, ending):
    data = encode(photo(40, 50), format)
    assert np.array_equal(decode(data + ending)[0], decode(data)[0])
