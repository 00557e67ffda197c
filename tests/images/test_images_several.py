"""Pages and frames that are left out, transparency that leaves nothing, and masks."""

import io
import struct

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import heif
from support.images import encode, photo

import imgmem
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.decode.several import pages_left
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

ONE, OTHER = (Image.fromarray(photo(30, 40, seed)) for seed in (0, 1))


def decode(data, size=None, **options):
    spec = ImageSpec(size=size, **options)
    header = read_header(data)
    row = np.zeros((*(size or header.size), spec.depth), np.uint8)
    return row, decode_into(data, spec, row, header=header)


def several(format, images=(ONE, OTHER, OTHER), **options):
    file = io.BytesIO()
    images[0].save(file, format, save_all=True, append_images=images[1:], **options)
    return file.getvalue()


FILES = {
    "GIF": several("GIF", (ONE, OTHER, ONE, OTHER)),
    "PNG": several("PNG", (ONE, OTHER, ONE, OTHER)),
    "WEBP": several("WEBP", (ONE, OTHER, ONE, OTHER), lossless=True),
    "AVIF": several("AVIF", (ONE, OTHER, ONE, OTHER)),
    "TIFF": several("TIFF", (ONE, OTHER, ONE, OTHER)),
    "TIFF lzw": several("TIFF", (ONE, OTHER, ONE, OTHER), compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_first_is_read_and_the_others_are_counted(name):
    row, decoded = decode(FILES[name])
    assert np.abs(row.astype(int) - np.asarray(ONE)).mean() < 12
    assert decoded.left == 3
    assert {"animation", "pages"} & set(decoded.notes) == (
        {"pages"} if "TIFF" in name else {"animation"}
    )


def mpo(*kinds):
    """A JPEG of several images of these kinds (CIPA DC-007, table 4), as cameras write them."""
    data = bytearray(several("MPO", (ONE, *[OTHER] * (len(kinds) - 1))))
    index = data.index(b"MPF\0") + 4
    order = {b"II": "<", b"MM": ">"}[bytes(data[index : index + 2])]
    (at,) = struct.unpack_from(order + "I", data, index + 4)
    (tags,) = struct.unpack_from(order + "H", data, index + at)
    entries = [index + at + 2 + 12 * tag for tag in range(tags)]
    (entry,) = [e for e in entries if struct.unpack_from(order + "H", data, e) == (0xB002,)]
    (where,) = struct.unpack_from(order + "I", data, entry + 8)
    for number, kind in enumerate(kinds):
        struct.pack_into(order + "I", data, index + where + 16 * number, kind)
    return bytes(data)


PRIMARY, STEREO, ANGLE, THUMBNAIL, GAIN_MAP = 0x030000, 0x020002, 0x020003, 0x010001, 0


@pytest.mark.parametrize(
    ("kinds", "left"),
    [
        ((PRIMARY, STEREO), 1),
        ((STEREO, STEREO, ANGLE), 2),
        ((PRIMARY, THUMBNAIL, GAIN_MAP), 0),
        ((PRIMARY, THUMBNAIL, STEREO), 1),
    ],
)
def test_other_views_of_a_jpeg_are_pages_but_not_thumbnails_and_gain_maps(kinds, left):
    row, decoded = decode(mpo(*kinds))
    assert np.abs(row.astype(int) - np.asarray(ONE)).mean() < 12
    assert (decoded.left, decoded.notes) == (left, ("pages",) if left else ())


@given(st.data())
def test_a_damaged_index_of_views_costs_no_image(draw):
    data = bytearray(mpo(PRIMARY, STEREO))
    start = data.index(b"MPF\0") + 4
    at = draw.draw(st.integers(start, start + 60))
    data[at] = draw.draw(st.integers(0, 255))
    assert (decode(bytes(data))[0] == decode(mpo(PRIMARY, STEREO))[0]).all()


def test_other_images_of_an_avif_are_pages_but_not_thumbnails_and_hidden_ones():
    item, other = (heif.coded(heif.avif_bytes(np.asarray(each))) for each in (ONE, OTHER))
    thumbnail = other._replace(references=((b"thmb", (1,)),))
    alone = [item, thumbnail, other._replace(hidden=True)]
    for items, left in ((alone, 0), ([*alone, other, other], 2)):
        _, decoded = decode(heif.write(items, brand=b"avif", compatible=(b"mif1", b"miaf")))
        assert (decoded.left, decoded.notes) == (left, ("pages",) if left else ())


def test_a_default_image_that_is_not_a_frame_leaves_all_frames():
    _, decoded = decode(several("PNG", (ONE, OTHER, ONE), default_image=True))
    assert decoded.left == 2


@pytest.mark.parametrize("name", ["GIF", "PNG", "TIFF"])
def test_an_image_alone_leaves_nothing_and_has_no_note(name):
    _, decoded = decode(encode(ONE, name))
    assert (decoded.left, decoded.notes) == (0, ())


def directory(width, height, reduced, after):
    """One directory without pixels, and the offset behind it."""
    tags = [(254, reduced), (256, width), (257, height)]
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<H", len(tags)) + body + struct.pack("<I", after)


def pages(*sizes):
    """A TIFF of directories alone: (width, height, reduced)."""
    data, at = b"II*\0\x08\0\0\0", 8
    for number, (width, height, reduced) in enumerate(sizes):
        at += 42
        data += directory(width, height, reduced, at if number + 1 < len(sizes) else 0)
    return data


def test_pyramid_levels_and_thumbnails_behind_the_first_page_are_no_pages():
    assert pages_left(None, pages((400, 300, 0), (200, 150, 1), (100, 75, 1))) == 0
    assert pages_left(None, pages((400, 300, 0), (400, 300, 0), (100, 75, 1))) == 1
    assert pages_left(None, pages((400, 300, 0))) == 0


def test_a_first_page_that_is_a_smaller_version_of_another_is_refused():
    with pytest.raises(RejectedImage, match="300×400") as caught:
        pages_left(None, pages((100, 75, 0), (400, 300, 0)))
    assert caught.value.reason == "unsupported"
    assert pages_left(None, pages((100, 75, 0), (300, 400, 0))) == 1  # another shape
    assert pages_left(None, pages((300, 225, 0), (400, 300, 0))) == 1  # hardly larger


def test_directories_in_a_circle_end():
    data = pages((40, 30, 0), (40, 30, 0))
    assert pages_left(None, data[:-4] + b"\x08\0\0\0") == 1


def test_a_file_of_pages_whose_first_is_a_thumbnail_is_rejected_by_name():
    small = ONE.resize((10, 8))
    data = several("TIFF", (small, ONE.resize((40, 32))))
    with pytest.raises(RejectedImage, match="smaller version"):
        decode(data)


def test_a_build_says_how_many_were_left_in_how_many_files(tmp_path):
    (tmp_path / "x").mkdir()
    for number in range(2):
        (tmp_path / "x" / f"{number}.gif").write_bytes(FILES["GIF"])
    (tmp_path / "x" / "2.tif").write_bytes(FILES["TIFF"])
    result = imgmem.build(tmp_path / "x", tmp_path / "out", size=16)
    assert result.converted == {"animation": 2, "pages": 1}
    assert "6 frames left out: of 2 animations the first is read" in result.notes
    assert "3 pages left out: of 1 file with several pages the first is read" in result.notes
    again = imgmem.build(tmp_path / "x", tmp_path / "out", size=16)
    assert again.already_done
    assert again.notes == result.notes


# Transparency ----------------------------------------------------------------------------


def drawn(color, alpha, share=0.3):
    """One color, opaque in a part of the image and clear elsewhere."""
    image = np.zeros((40, 40, 4), np.uint8)
    image[:, :, :3] = color
    image[: int(40 * share), :, 3] = alpha
    return encode(image)


def test_a_black_logo_on_black_is_noted_with_the_remedy(tmp_path):
    assert decode(drawn(0, 255))[1].notes == ("alpha", "alpha-blank")
    assert decode(drawn(200, 255))[1].notes == ("alpha",)
    assert decode(drawn(0, 255), background=(255, 255, 255))[1].notes == ("alpha",)
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "0.png").write_bytes(drawn(0, 255))
    result = imgmem.build(tmp_path / "x", tmp_path / "out", size=16)
    (note,) = [str(note) for note in result.notes if "blank" in note]
    assert "background='255,255,255'" in note
    assert "background='drop'" in note


def test_an_image_that_is_clear_nearly_everywhere_is_noted():
    notes = decode(drawn(200, 255, 0.01))[1].notes
    assert "alpha-empty" in notes
    row, decoded = decode(drawn(200, 255, 0.01), background="drop")
    assert (row == 200).all()
    assert decoded.notes == ("alpha-dropped",)


@pytest.mark.parametrize(
    ("meaning", "notes"), [("unspecified", ("band-dropped",)), ("unassalpha", ("alpha",))]
)
def test_a_fourth_band_that_is_not_transparency_is_left_out_with_a_note(meaning, notes):
    file = io.BytesIO()
    bands = np.dstack([photo(20, 30), np.full((20, 30), 90, np.uint8)])
    tifffile.imwrite(file, bands, photometric="rgb", extrasamples=[meaning])
    row, decoded = decode(file.getvalue())
    assert decoded.notes == notes
    assert (row == photo(20, 30)).all() == (meaning == "unspecified")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_dropping_the_background_keeps_the_colors_under_clear_pixels(mode):
    image = Image.fromarray(np.dstack([photo(20, 30), np.full((20, 30), 90, np.uint8)]))
    if mode == "P":
        image = image.convert("RGB").quantize(16)
        image.info["transparency"] = 3
    data = encode(image if mode == "P" else image.convert(mode))
    row, decoded = decode(data, background="drop")
    with Image.open(io.BytesIO(data)) as opened:
        opened.info.pop("transparency", None)
        wanted = np.asarray(opened.convert("RGB"))
    assert np.array_equal(row, wanted)
    assert "alpha-dropped" in decoded.notes


# Masks -----------------------------------------------------------------------------------


def mask(colors=5):
    indices = (np.arange(64 * 64) * colors // 4096).reshape(64, 64).astype(np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(list(range(3 * 256 // 4)) * 4)
    return encode(image)


def test_a_palette_image_of_few_colors_is_noted_where_it_is_resized():
    assert decode(mask(), (32, 32))[1].notes == ("mask-like",)
    assert decode(mask())[1].notes == ()
    assert decode(mask(), (64, 64))[1].notes == ()
    assert decode(mask(40), (32, 32))[1].notes == ()
    assert decode(encode(ONE.quantize(200)), (16, 16))[1].notes == ()


def test_a_build_of_masks_says_so(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "0.png").write_bytes(mask())
    result = imgmem.build(tmp_path / "x", tmp_path / "out", size=16)
    assert result.converted == {"mask-like": 1}
    assert any("masks" in note for note in result.notes)
