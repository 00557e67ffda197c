"""How images become rows: geometry, filters, quality, and bytes that no CPU changes."""

import hashlib
import io
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from support.images import encode, oriented, photo

from imgmem.core.decode.geometry import (
    crop_box,
    fitting,
    jpeg_eighths,
    jpeg_scaled,
    pad_box,
    resized,
)
from imgmem.core.decode.images import decode_into
from imgmem.core.errors import UsageError
from imgmem.core.specs import ImageSpec

lengths = st.integers(1, 3000)
sizes = st.tuples(lengths, lengths)


def decode(data, size, **options):
    spec = ImageSpec(size=size, **options)
    row = np.full((*size, spec.depth), 77, np.uint8)
    decode_into(data, spec, row)
    return row


def psnr(row, reference):
    error = np.mean((row.astype(float) - reference) ** 2)
    return 10 * np.log10(255**2 / error) if error else np.inf


def area(picture, height, width):
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


# Geometry --------------------------------------------------------------------------------


@given(sizes, sizes)
@example((3, 2), (1, 1))
def test_a_crop_is_centered_and_as_large_as_its_shape_allows(size, target):
    box = crop_box(size, target)
    assert box.height == size[0] or box.width == size[1]
    assert box.top == round((size[0] - box.height) / 2)
    assert box.left == round((size[1] - box.width) / 2)
    assert 1 <= box.height <= size[0]
    assert 1 <= box.width <= size[1]
    exact = (size[1] * target[0] / target[1], size[0] * target[1] / target[0])
    assert abs(box.height - min(size[0], max(1, exact[0]))) <= 0.5
    assert abs(box.width - min(size[1], max(1, exact[1]))) <= 0.5


@given(sizes, sizes)
def test_a_padded_image_keeps_its_shape_and_touches_two_edges(size, target):
    box = pad_box(size, target)
    assert box.height == target[0] or box.width == target[1]
    scale = min(target[0] / size[0], target[1] / size[1])
    assert abs(box.height - max(1, size[0] * scale)) <= 0.5
    assert abs(box.width - max(1, size[1] * scale)) <= 0.5


@given(sizes, sizes, st.sampled_from(["stretch", "crop", "pad"]))
def test_a_jpeg_scaled_while_decoding_keeps_twice_what_the_row_needs(size, target, fit):
    spec = ImageSpec(size=target, fit=fit)
    eighths = jpeg_eighths(size, spec, target)
    assert eighths in (1, 2, 4, 8)
    if eighths < 8:
        needed = resized(size, spec, target)
        scaled = jpeg_scaled(size, eighths)
        assert scaled[0] >= 2 * needed[0]
        assert scaled[1] >= 2 * needed[1]


def test_the_area_filter_gets_all_pixels():
    assert jpeg_eighths((3000, 4000), ImageSpec(resize="area"), (224, 224)) == 8


def test_crop_takes_the_middle():
    picture = np.zeros((20, 60, 3), np.uint8)
    picture[:, 20:40] = (10, 200, 90)
    assert (decode(encode(picture), (20, 20), fit="crop") == (10, 200, 90)).all()


@pytest.mark.parametrize("size", [(40, 40), (33, 57), (300, 200)])
def test_crop_equals_the_resized_crop(size):
    picture = photo(120, 171)
    box = crop_box((120, 171), size)
    cut = picture[box.top : box.top + box.height, box.left : box.left + box.width]
    assert np.array_equal(decode(encode(picture), size, fit="crop"), decode(encode(cut), size))


@pytest.mark.parametrize("channels", ["rgb", "gray"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("size", [(40, 90), (90, 40), (33, 33)])
def test_pad_puts_the_whole_image_on_the_background(size, mode, channels):
    data = encode(photo(60, 80), mode=mode)
    options = {"channels": channels, "background": (9, 120, 30)}
    row = decode(data, size, fit="pad", **options)
    box = pad_box((60, 80), size)
    inside = (slice(box.top, box.top + box.height), slice(box.left, box.left + box.width))
    assert np.array_equal(row[inside], decode(data, box.size, **options))
    border = np.ones(size, bool)
    border[inside] = False
    color = np.uint8([[options["background"]]])
    wanted = color if channels == "rgb" else cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    assert (row[border] == wanted.reshape(-1)).all()


# As torchvision has it -------------------------------------------------------------------


def torchvision(data, shorter, crop):
    """Resize(shorter), or Resize(crop), then CenterCrop(crop), on PIL images (torchvision 0.20)."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    width, height = image.size
    short, long = sorted((width, height))
    new = int(shorter * long / short)
    size = (shorter, new) if width <= height else (new, shorter)
    image = image.resize(size, Image.Resampling.BILINEAR)
    top, left = (round((side - crop) / 2.0) for side in (image.height, image.width))
    return np.asarray(image.crop((left, top, left + crop, top + crop)))


SHAPES = [(120, 171), (171, 120), (97, 401), (90, 90), (40, 41), (64, 300)]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_shorter_and_pillow_are_resize_and_center_crop_bit_by_bit(size, format):
    data = encode(photo(*size), format)
    row = decode(data, (56, 56), fit="crop", shorter=64, resize="pillow")
    assert np.array_equal(row, torchvision(data, 64, 56))
    row = decode(data, (56, 56), fit="crop", resize="pillow")
    assert np.array_equal(row, torchvision(data, 56, 56))


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_pillow_stretches_as_resize_to_a_size_does(size):
    data = encode(photo(*size), "JPEG")
    image = Image.open(io.BytesIO(data)).resize((50, 60), Image.Resampling.BILINEAR)
    assert np.array_equal(decode(data, (60, 50), resize="pillow"), np.asarray(image))


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_shorter_frames_as_center_crop_does_with_every_filter(size):
    data = encode(photo(*size), "PNG")
    for resize in ("auto", "area"):
        row = decode(data, (56, 56), fit="crop", shorter=64, resize=resize)
        assert psnr(row, torchvision(data, 64, 56)) > 28


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(1, 300), st.integers(0, 200))
def test_the_window_lies_inside_what_shorter_makes(height, width, crop, more):
    spec = ImageSpec(size=(crop, crop), fit="crop", shorter=crop + more)
    fit = fitting((height, width), (height, width), spec, (crop, crop))
    assert min(fit.becomes) == crop + more
    assert 0 <= fit.window.top <= fit.becomes[0] - crop
    assert 0 <= fit.window.left <= fit.becomes[1] - crop


@given(sizes, sizes)
def test_what_covers_a_row_is_never_smaller_than_it(size, target):
    spec = ImageSpec(size=target, fit="crop", resize="pillow")
    becomes = fitting(size, size, spec, target).becomes
    assert becomes[0] >= target[0]
    assert becomes[1] >= target[1]


@pytest.mark.parametrize(
    "options",
    [{"shorter": 256}, {"shorter": 256, "fit": "pad"}, {"shorter": 223, "fit": "crop"}],
    ids=str,
)
def test_shorter_without_a_crop_that_fits_is_refused(options):
    with pytest.raises(UsageError, match="shorter"):
        ImageSpec(**options)
    with pytest.raises(UsageError):
        ImageSpec(size=None, fit="crop", shorter=256)


@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_large_jpeg_is_framed_as_the_same_png_is(fit):
    """The frame comes from the size in the file, not from the scale at which it was decoded."""
    picture = photo(1201, 1603)
    jpeg = decode(encode(picture, "JPEG", quality=95), (90, 70), fit=fit)
    assert psnr(jpeg, decode(encode(picture), (90, 70), fit=fit)) > 36


@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(["auto", "area"]),
    st.sampled_from(["stretch", "crop"]),
)
def test_one_color_stays_one_color(height, width, to_height, to_width, resize, fit):
    picture = np.full((height, width, 3), (3, 250, 117), np.uint8)
    row = decode(encode(picture, "BMP"), (to_height, to_width), resize=resize, fit=fit)
    assert (row == (3, 250, 117)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(50, 30), (300, 211), (16, 16)])
@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_a_turned_jpeg_gives_the_row_of_the_upright_one(orientation, size, fit):
    stored = photo(640, 480)
    turned = np.asarray(
        {
            2: lambda p: p[:, ::-1],
            3: lambda p: p[::-1, ::-1],
            4: lambda p: p[::-1],
            5: lambda p: p.transpose(1, 0, 2),
            6: lambda p: np.rot90(p, -1),
            7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
            8: lambda p: np.rot90(p, 1),
        }.get(orientation, lambda p: p)(stored)
    )
    data = encode(stored, "JPEG", quality=98, subsampling=0, exif=oriented(orientation))
    upright = encode(np.ascontiguousarray(turned), "JPEG", quality=98, subsampling=0)
    assert psnr(decode(data, size, fit=fit), decode(upright, size, fit=fit)) > 44


# Filters and their quality ---------------------------------------------------------------


def test_an_equal_size_is_left_untouched():
    picture = photo(50, 60)
    assert np.array_equal(decode(encode(picture), (50, 60)), picture)


def test_enlarging_is_plain_interpolation():
    picture = photo(50, 60)
    expected = cv2.resize(picture, (130, 120), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(decode(encode(picture), (120, 130)), expected)


@pytest.mark.parametrize("size", [(20, 30), (49, 59), (10, 30)])
def test_the_area_filter_is_the_exact_one_if_wanted(size):
    picture = photo(50, 60)
    expected = area(picture, *size)
    assert np.array_equal(decode(encode(picture), size, resize="area"), expected)


def test_far_shrinking_is_the_exact_area_filter_anyway():
    picture = photo(420, 300)
    assert np.array_equal(decode(encode(picture), (100, 90)), area(picture, 100, 90))


@pytest.mark.parametrize("ratio", [1.1, 1.5, 2.3, 3, 4])
def test_shrinking_up_to_four_times_is_interpolation_and_then_means_of_pairs(ratio):
    picture = photo(round(60 * ratio), round(80 * ratio))
    doubled = cv2.resize(picture, (160, 120), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(decode(encode(picture), (60, 80)), area(doubled, 60, 80))


@pytest.mark.parametrize("resize", ["auto", "area"])
def test_a_side_that_shrinks_is_averaged_though_the_other_grows(resize):
    """OpenCV's area filter falls back to interpolation there, which leaves out pixels."""
    stripes = np.zeros((400, 40, 3), np.uint8)
    stripes[::2] = 200
    row = decode(encode(stripes), (40, 80), resize=resize)
    assert np.abs(row.astype(int) - 100).max() <= 1


# Against Pillow's antialiased bilinear filter, on twelve generated pictures: medians were
# 40.0 to 57.7 dB, and the worst single one 38.8.
RATIOS = (0.5, 0.7, 0.9, 1.1, 1.3, 1.5, 1.7, 2, 2.2, 2.5, 3, 3.5, 4, 4.2, 5, 6, 8, 10, 12)


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_ratio_comes_close_to_an_antialiased_filter(ratio):
    side, found = 96, []
    for seed in range(6):
        picture = photo(round(side * ratio), round(side * ratio), seed)
        reference = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        found.append(psnr(decode(encode(picture, "BMP"), (side, side)), np.asarray(reference)))
    assert np.median(found) >= 39.5
    assert min(found) >= 37


@pytest.mark.parametrize("ratio", [1.3, 1.5, 1.7, 2.2, 2.5, 3])
def test_the_two_steps_are_no_worse_than_the_area_filter_by_more_than_1_db(ratio):
    side, found = 96, []
    for seed in range(6):
        picture = photo(round(side * ratio), round(side * ratio), seed)
        reference = Image.fromarray(picture).resize((side, side), Image.Resampling.BILINEAR)
        data = encode(picture, "BMP")
        auto, exact = (decode(data, (side, side), resize=name) for name in ("auto", "area"))
        found.append(psnr(auto, np.asarray(reference)) - psnr(exact, np.asarray(reference)))
    assert np.median(found) > -1


def test_a_large_jpeg_scaled_while_decoding_is_as_good_as_decoded_in_full():
    data = encode(photo(3000, 4000), "JPEG", quality=90)
    full = np.asarray(Image.open(io.BytesIO(data)))
    assert psnr(decode(data, (224, 224)), area(full, 224, 224)) >= 50


# The same bytes everywhere ---------------------------------------------------------------

DIGEST = """
import hashlib, sys
import numpy as np
from imgmem.core.decode.images import decode_into
from imgmem.core.specs import ImageSpec
digest = hashlib.sha256()
for path in sys.argv[1:]:
    data = open(path, "rb").read()
    for options in ({}, {"resize": "area"}, {"fit": "crop"}, {"fit": "pad", "channels": "gray"}):
        for size in ((224, 224), (97, 131), (700, 600)):
            spec = ImageSpec(size=size, **options)
            row = np.empty((*size, spec.depth), np.uint8)
            decode_into(data, spec, row)
            digest.update(row.tobytes())
print(digest.hexdigest())
"""


def test_bytes_do_not_depend_on_what_the_cpu_can(tmp_path):
    """OpenCV, its Intel primitives and libjpeg-turbo, each with its vector code held back."""
    paths = []
    for seed, (height, width) in enumerate([(375, 500), (481, 333), (1201, 1603), (100, 150)]):
        picture = photo(height, width, seed)
        for name, options in (("JPEG", {}), ("PNG", {"compress_level": 1})):
            paths.append(tmp_path / f"{seed}.{name}")
            paths[-1].write_bytes(encode(picture, name, **options))
    plain = {
        "OPENCV_CPU_DISABLE": "SSE4.1,SSE4.2,AVX,AVX2,AVX512-SKX",
        "OPENCV_IPP": "sse42",
        "JSIMD_FORCENONE": "1",
    }
    found = set()
    for extra in ({}, plain):
        command = [sys.executable, "-c", DIGEST, *paths]
        run = subprocess.run(command, capture_output=True, check=True, env=os.environ | extra)
        found.add(run.stdout)
    assert len(found) == 1
    assert len(found.pop().strip()) == hashlib.sha256().digest_size * 2
