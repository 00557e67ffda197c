"""HEIC by the extra: upright, strict, within its forecast; and by name without it."""

import io

import numpy as np
import pytest
from PIL import Image
from support.images import oriented, photo, unturned

import imgmem
from imgmem.core.decode import heic
from imgmem.core.decode.format import HEAD_BYTES
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into, decoder_versions
from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.specs import ImageSpec

pillow_heif = pytest.importorskip("pillow_heif")
PICTURE = photo(192, 256)


def encode(*pictures, **options):
    """A file of these images, by libheif and x265."""
    first, *others = (Image.fromarray(each) for each in pictures)
    heif = pillow_heif.from_pillow(first)
    for each in others:
        heif.add_from_pillow(each)
    file = io.BytesIO()
    heif.save(file, **{"quality": 90} | options)
    return file.getvalue()


def decode(data, **options):
    spec = ImageSpec(size=None, **options)
    header = read_header(data)
    row = np.zeros((*header.size, 3), np.uint8)
    return row, decode_into(data, spec, row, header=header)


def apart(row, picture):
    return np.abs(row.astype(int) - picture).mean()


WHOLE = encode(PICTURE)


def test_a_photograph_is_read():
    row, decoded = decode(WHOLE)
    assert (decoded.format, decoded.height, decoded.width) == ("HEIC", 192, 256)
    assert decoded.notes == ()
    assert apart(row, PICTURE) < 2


def test_the_head_of_a_file_is_enough_for_its_header():
    data = encode(photo(600, 800), quality=95)
    assert len(data) > HEAD_BYTES
    assert read_header(data[:HEAD_BYTES], complete=False) == read_header(data)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright(orientation):
    """Whoever writes the file turns what the camera says into HEIF's own rotation."""
    stored = np.ascontiguousarray(unturned(PICTURE, orientation))
    row, _ = decode(encode(stored, exif=oriented(orientation)))
    assert row.shape == PICTURE.shape
    assert apart(row, PICTURE) < 2


def test_transparent_pixels_show_the_background():
    alpha = np.full(PICTURE.shape[:2], 255, np.uint8)
    alpha[:96] = 0
    data = encode(np.dstack([PICTURE, alpha]))
    row, decoded = decode(data, background=(9, 8, 7))
    assert (row[:80] == (9, 8, 7)).all()
    assert apart(row[100:], PICTURE[100:]) < 2
    assert "alpha" in decoded.notes


def test_the_first_image_of_several_is_read_and_the_others_are_counted():
    row, decoded = decode(encode(PICTURE, PICTURE[::-1].copy(), PICTURE[:, ::-1].copy()))
    assert (decoded.notes, decoded.left) == (("pages",), 2)
    assert apart(row, PICTURE) < 2


def test_more_than_eight_bits_are_noted():
    deep = Image.fromarray(PICTURE[:, :, 1].astype(np.uint16) * 256)
    file = io.BytesIO()
    pillow_heif.from_pillow(deep).save(file, quality=90)
    row, decoded = decode(file.getvalue())
    assert decoded.notes == ("16-bit",)
    assert apart(row[:, :, 0], PICTURE[:, :, 1]) < 2


DAMAGE = {
    "cut": lambda d, at: d[:at],
    "tail of zeros": lambda d, at: d[:at] + bytes(len(d) - at),
    "hole of zeros": lambda d, at: d[:at] + bytes(1024) + d[at + 1024 :],
    "512 x FF": lambda d, at: d[:at] + b"\xff" * 512 + d[at + 512 :],
    "dropped": lambda d, at: d[:at] + d[at + 512 :],
    "doubled": lambda d, at: d[:at] + d[at - 512 : at] + d[at + 512 :],
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("share", [0.15, 0.3, 0.5, 0.7, 0.9])
def test_damage_that_the_decoder_conceals_is_found(kind, share):
    data = DAMAGE[kind](WHOLE, int(len(WHOLE) * share))[: len(WHOLE)]
    with pytest.raises(RejectedImage) as caught:
        decode(data)
    assert caught.value.reason in ("truncated", "corrupt")


@pytest.mark.parametrize("quality", [1, 50, 100])
@pytest.mark.parametrize("seed", range(3))
def test_good_files_raise_no_alarm(quality, seed):
    picture = photo(64 + 10 * seed, 91, seed)
    decode(encode(picture, quality=quality))
    decode(encode(np.full((70, 90, 3), 80 * seed, np.uint8), quality=quality))
    decode(encode(picture[:, :, 0].copy(), quality=quality))


def test_any_start_of_a_file_is_a_reject():
    for length in range(0, 600, 7):
        with pytest.raises(RejectedImage):
            decode(WHOLE[:length])


def test_the_version_of_the_decoder_is_recorded():
    assert decoder_versions()["pillow-heif"] == pillow_heif.__version__


def test_a_folder_of_them_is_built(tmp_path):
    (tmp_path / "x").mkdir()
    for number in range(3):
        (tmp_path / "x" / f"IMG_{number}.HEIC").write_bytes(encode(photo(64, 80, number)))
    result = imgmem.build(tmp_path / "x", tmp_path / "out", size=32)
    assert result.shape == (3, 32, 32, 3)
    assert imgmem.stats(tmp_path / "out").sources.formats == {"HEIC": 3}


def test_without_the_extra_the_reject_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr(heic, "find_spec", lambda _: None)
    with pytest.raises(RejectedImage, match=r"imgmem\[heic\].*heif-convert") as caught:
        read_header(WHOLE)
    assert caught.value.reason == "unsupported"
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.heic").write_bytes(WHOLE)
    with pytest.raises(InputError, match=r"imgmem\[heic\]"):
        imgmem.build(tmp_path / "x", tmp_path / "out")
