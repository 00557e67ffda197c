"""Sources of more than 8 bits that do not fill their range: asked before the first row."""

import cv2
import numpy as np
import pytest
from PIL import Image
from support.images import encode, photo, write
from support.raw_files import chunk, png, png_header, png_pixels
from support.trees import snapshot

import imgmem
from imgmem.core.errors import InputError


def twelve(seed=0, factor=16):
    return photo(40, 56, seed)[:, :, 1].astype(np.uint16) * factor + 7


def folder(path, count=6, factor=16):
    for number in range(count):
        write(path / "ab"[number % 2] / f"{number}.png", twelve(number, factor))
    return path


def doubt(source, out, **options):
    with pytest.raises(InputError) as caught:
        imgmem.build(source, out, size=8, **options)
    (found,) = caught.value.facts["doubts"]
    assert not out.exists()
    assert found["name"] == "depth"
    return found


def test_twelve_bits_in_sixteen_never_become_thirteen_levels(tmp_path):
    found = doubt(folder(tmp_path / "x"), tmp_path / "out")
    assert "4087" in found["evidence"]
    assert found["remedies"][0]["options"] == {"levels": "0,4095"}


def test_every_remedy_settles_the_doubt(tmp_path):
    source = folder(tmp_path / "x")
    for number, remedy in enumerate(doubt(source, tmp_path / "out")["remedies"]):
        result = imgmem.build(source, tmp_path / f"out{number}", size=8, **remedy["options"])
        assert result.shape[0] == 6


def test_the_first_remedy_fills_the_range(tmp_path):
    imgmem.build(folder(tmp_path / "x"), tmp_path / "out", size="native", levels=(0, 4095))
    rows = np.load(tmp_path / "out" / "X.npy")
    wanted = np.rint(twelve(0).astype(float) * 255 / 4095)
    assert np.array_equal(rows[0, :, :, 0], wanted)


def test_images_that_fill_the_range_are_no_doubt(tmp_path):
    result = imgmem.build(folder(tmp_path / "x", factor=256), tmp_path / "out", size=8)
    assert result.converted == {"16-bit": 6}


def test_one_bright_image_is_enough_and_the_others_are_counted(tmp_path):
    source = folder(tmp_path / "x")
    write(source / "a" / "bright.png", twelve(9, 250))
    result = imgmem.build(source, tmp_path / "out", size=8)
    assert result.converted == {"16-bit": 7, "16-bit-low": 6}


def test_what_the_file_says_of_its_bits_counts_beyond_a_quarter(tmp_path):
    """15 bits in 16: half the range, but not all of it."""
    rows = [row.astype(">u2").tobytes() for row in twelve(0, 120)]
    said = chunk(b"sBIT", b"\x0f")
    data = png(png_header(56, 40, 16, 0), said, png_pixels(rows))
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "0.png").write_bytes(data)
    found = doubt(tmp_path / "x", tmp_path / "out")
    assert found["remedies"][0]["options"] == {"levels": "0,32767"}


def test_deep_images_among_many_of_eight_bits_are_found(tmp_path):
    source = folder(tmp_path / "x", count=2)
    for number in range(40):
        write(source / "a" / f"e{number}.png", photo(8, 8, number))
    doubt(source, tmp_path / "out")


def test_damaged_images_are_not_asked(tmp_path):
    source = folder(tmp_path / "x", factor=256)
    (source / "a" / "bad.png").write_bytes((source / "a" / "0.png").read_bytes()[:200])
    imgmem.build(source, tmp_path / "out", size=8, on_error="skip")


def test_formats_that_say_their_bits_are_scaled_by_them(tmp_path):
    values = twelve().astype(">u2").tobytes()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "0.pgm").write_bytes(b"P5 56 40 4095\n" + values)
    imgmem.build(tmp_path / "x", tmp_path / "out", size="native")
    rows = np.load(tmp_path / "out" / "X.npy")
    assert rows.max() > 250


def test_a_dry_run_has_the_doubt_and_its_end(tmp_path):
    from imgmem.core.build.preview import preview_build

    preview = preview_build(folder(tmp_path / "x"), tmp_path / "out", size=8)
    assert [found["name"] for found in preview.doubts] == ["depth"]
    assert isinstance(preview.problem, InputError)


def test_levels_are_part_of_what_a_dataset_is(tmp_path):
    source = folder(tmp_path / "x")
    imgmem.build(source, tmp_path / "out", size=8, levels=(0, 4095))
    before = snapshot(tmp_path / "out")
    assert imgmem.build(source, tmp_path / "out", size=8, levels="0,4095").already_done
    assert snapshot(tmp_path / "out") == before
    with pytest.raises(imgmem.DatasetError, match="levels"):
        imgmem.build(source, tmp_path / "out", size=8, levels=(0, 1000))


@pytest.mark.parametrize("value", ["", "4095", "0,4095,1", "9,3", "a,b", "0,inf"])
def test_levels_that_mean_nothing_are_refused(tmp_path, value):
    with pytest.raises(imgmem.UsageError, match="levels"):
        imgmem.build(folder(tmp_path / "x", count=1), tmp_path / "out", levels=value)


SIBLINGS = {
    "RGB TIFF": lambda p: cv2.imencode(".tiff", p)[1].tobytes(),
    "RGB PNG": lambda p: cv2.imencode(".png", p)[1].tobytes(),
    "RGBA PNG": lambda p: cv2.imencode(".png", np.dstack([p, p[:, :, :1] * 0 + 65535]))[
        1
    ].tobytes(),
    "big-endian PGM": lambda p: b"P5 56 40 65535\n" + p[:, :, 0].astype(">u2").tobytes(),
    "without an extension": lambda p: encode(p[:, :, 0], "TIFF"),
}


@pytest.mark.parametrize("name", SIBLINGS)
def test_every_format_of_twelve_bits_in_sixteen_is_a_doubt(tmp_path, name):
    (tmp_path / "x").mkdir()
    for number in range(3):
        values = photo(40, 56, number).astype(np.uint16) * 16 + 7
        (tmp_path / "x" / f"{number}").write_bytes(SIBLINGS[name](values))
    doubt(tmp_path / "x", tmp_path / "out")


def test_the_highest_value_that_a_tiff_states_counts(tmp_path):
    values = twelve(0, 100)
    (tmp_path / "x").mkdir()
    data = encode(Image.fromarray(values), "TIFF", tiffinfo={281: 32767})
    (tmp_path / "x" / "0.tif").write_bytes(data)
    assert doubt(tmp_path / "x", tmp_path / "out")["remedies"][0]["options"] == {
        "levels": "0,32767"
    }


def test_signed_values_stop_a_build_with_the_option_that_reads_them(tmp_path):
    values = Image.fromarray(np.arange(-1000, 1240, dtype=np.int32).reshape(40, 56))
    write(tmp_path / "x" / "0.tif", values)
    with pytest.raises(InputError, match="no defined range") as caught:
        imgmem.build(tmp_path / "x", tmp_path / "out", size=8)
    assert "levels='LOW,HIGH'" in str(caught.value)
    imgmem.build(tmp_path / "x", tmp_path / "out", size=8, levels=(-160, 240), restart=True)
