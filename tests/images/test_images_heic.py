"""HEIC by the extra: upright, strict, within its forecast; and by name without it."""

import io
import random
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from support import heif
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


WIDE = photo(256, 384)
GRID = heif.grid(heif.heic_bytes, WIDE, 2, 3)


def of_a_phone(*, gain_map=None):
    """A grid with what a phone puts next to it: a gain map, a depth map and a thumbnail."""
    small = photo(64, 96)
    master, gray = {"references": ((b"auxl", (1,)),), "hidden": True}, small[:, :, 0].copy()
    gain = heif.coded(heif.heic_bytes(gray), heif.auxiliary(heif.GAIN_MAP), **master)
    depth = heif.coded(heif.heic_bytes(gray), heif.auxiliary(heif.DEPTH), **master)
    thumbnail = heif.coded(heif.heic_bytes(small), references=((b"thmb", (1,)),))
    return [*GRID, gain_map(gain) if gain_map else gain, depth, thumbnail]


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"heix"])
def test_a_grid_of_tiles_is_read_without_what_lies_next_to_it(brand):
    row, decoded = decode(heif.write(of_a_phone(), brand=brand))
    assert (decoded.notes, decoded.left) == ((), 0)
    assert apart(row, WIDE) < 2


@pytest.mark.parametrize("quarters", range(4))
def test_a_grid_is_turned(quarters):
    items = heif.grid(heif.heic_bytes, WIDE, 2, 3, heif.turned(quarters))
    row, _ = decode(heif.write(items))
    assert row.shape == np.rot90(WIDE, quarters).shape
    assert apart(row, np.rot90(WIDE, quarters)) < 2


def test_a_grid_of_an_encoder_whose_last_tiles_are_cut_off():
    picture = photo(300, 450)
    row, _ = decode(encode(picture, tile_size=128, exif=oriented(6)))
    assert apart(np.rot90(row), picture) < 2


def test_transparency_of_a_grid():
    alpha = np.zeros(WIDE.shape[:2], np.uint8)
    alpha[128:] = 255
    item = heif.coded(
        heif.heic_bytes(alpha), heif.auxiliary(heif.ALPHA), references=((b"auxl", (1,)),)
    )
    row, decoded = decode(heif.write([*GRID, item]), background=(9, 8, 7))
    assert decoded.notes == ("alpha",)
    assert (row[:120] == (9, 8, 7)).all()


def changed(item, at):
    data = item.data
    return item._replace(data=data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])


@pytest.mark.parametrize("tile", range(1, 7))
def test_damage_in_any_tile_is_found(tile):
    items = list(GRID)
    items[tile] = changed(items[tile], len(items[tile].data) // 3)
    with pytest.raises(RejectedImage, match="corrupt"):
        decode(heif.write(items))


def test_damage_in_a_gain_map_is_not_damage_of_the_image():
    row, _ = decode(heif.write(of_a_phone(gain_map=lambda item: changed(item, 200))))
    assert apart(row, WIDE) < 2


def test_the_primary_image_is_read_wherever_it_stands():
    images = [heif.coded(encode(each)) for each in (PICTURE[::-1].copy(), PICTURE)]
    row, decoded = decode(heif.write(images, primary=2))
    assert (decoded.notes, decoded.left) == (("pages",), 1)
    assert apart(row, PICTURE) < 2


def test_bytes_behind_the_image_are_ignored():
    row, _ = decode(heif.write(GRID) + b"a trailer of the maker of the phone")
    assert apart(row, WIDE) < 2


def jpeg_item():
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, "JPEG")
    return heif.Item(b"jpeg", file.getvalue(), (heif.size(256, 192),))


def a_sequence():
    """Frames of a film, and no image."""
    movie = heif.box(b"moov", heif.box(b"mvhd", bytes(100)))
    return heif.box(b"ftyp", b"hevc", bytes(4), b"msf1") + movie + heif.box(b"mdat", GRID[1].data)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: heif.write([jpeg_item()], brand=b"mif1"), "unsupported: .*jpeg"),
        (a_sequence, "unsupported: .*without a still image"),
        (lambda: heif.write(GRID, primary=99), "corrupt: .*not in it"),
        (lambda: heif.write(GRID[:-1]), "corrupt"),
        (lambda: heif.write([GRID[0]._replace(references=((b"dimg", (1,)),))]), "corrupt"),
    ],
)
def test_what_is_not_a_whole_image_of_hevc_has_a_true_reason(make, reason):
    with pytest.raises(RejectedImage, match=reason):
        decode(make())


def with_size(item, width, height):
    return item._replace(properties=(heif.size(width, height), *item.properties[1:]))


@pytest.mark.parametrize(
    "items",
    [
        [with_size(heif.coded(WHOLE), 64, 64)],
        [with_size(heif.coded(WHOLE), 4000, 3000)],
        [with_size(GRID[0], 64, 64), *GRID[1:]],
        [with_size(GRID[0]._replace(data=GRID[0].data[:4] + b"\0\x40\0\x40"), 64, 64), *GRID[1:]],
        [GRID[0], with_size(GRID[1], 64, 64), *GRID[2:]],
        [GRID[0], *(with_size(tile, 16, 16) for tile in GRID[1:])],
    ],
    ids=["small", "large", "small grid", "small grid, twice", "a tile", "tiles"],
)
def test_a_size_that_is_not_that_of_the_pixels_is_found_before_they_are_decoded(items, monkeypatch):
    monkeypatch.setattr(heic, "_complaint", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(RejectedImage, match="corrupt: "):
        decode_into(heif.write(items), ImageSpec(size=(8, 8)), np.zeros((8, 8, 3), np.uint8))


def test_mutated_boxes_are_rows_or_rejects(by_tier):
    data = heif.write(heif.grid(heif.heic_bytes, photo(64, 128), 1, 2))
    boxes, chance = data.index(b"mdat"), random.Random(5)
    for _ in range(by_tier(25, 1000, 5000)):
        mutant = bytearray(data)
        for _ in range(chance.choice((1, 1, 3))):
            mutant[chance.randrange(boxes)] = chance.choice((0, 1, 127, 255, chance.randrange(256)))
        with suppress(RejectedImage):
            decode_into(bytes(mutant), ImageSpec(size=(8, 8)), np.zeros((8, 8, 3), np.uint8))


def test_bytes_that_no_unit_of_hevc_may_hold_are_found():
    item = heif.coded(WHOLE)
    half = len(item.data) // 2
    for bad in (b"\0\0\0", b"\0\0\1", b"\0\0\2", b"\0\0\3\4"):
        data = item.data[:half] + bad + item.data[half + len(bad) :]
        with pytest.raises(RejectedImage, match="corrupt"):
            decode(heif.write([item._replace(data=data)]))


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
