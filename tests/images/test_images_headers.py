"""What is known of an image before a pixel is decoded."""

import contextlib
import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.images import encode, oriented, photo

from imgmem.core.decode import jpeg
from imgmem.core.decode.exif import exif_orientation
from imgmem.core.decode.format import HEAD_BYTES
from imgmem.core.decode.formats import FORMATS
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decoder_versions
from imgmem.core.errors import RejectedImage

PICTURE = photo(61, 83)
FILES = {
    "AVIF": encode(PICTURE, "AVIF", speed=10),
    "BMP": encode(PICTURE, "BMP"),
    "GIF": encode(PICTURE, "GIF"),
    "JPEG": encode(PICTURE, "JPEG"),
    "JPEG2000": encode(PICTURE, "JPEG2000"),
    "PNG": encode(PICTURE),
    "PPM": encode(PICTURE, "PPM"),
    "TIFF": encode(PICTURE, "TIFF"),
    "WEBP": encode(PICTURE, "WEBP"),
}


def test_every_format_that_is_read_is_tested_here():
    extras = {"HEIC"}  # see test_images_heic
    assert set(FILES) == set(FORMATS) - extras


@pytest.mark.parametrize("format", FILES)
def test_format_and_size_are_read_whatever_the_name(format):
    header = read_header(FILES[format])
    assert (header.format, header.size) == (format, (61, 83))


@pytest.mark.parametrize("format", ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF"])
def test_the_first_bytes_of_a_file_are_enough(format):
    data = encode(photo(400, 500), format)
    head = data[:4096] if len(data) > 4096 else data[: len(data) // 2]
    assert read_header(head, complete=False) == read_header(data)


@pytest.mark.parametrize("format", sorted({*FILES} - {"PPM"}))
def test_a_head_that_is_too_short_asks_for_more(format):
    with pytest.raises(RejectedImage) as caught:
        read_header(FILES[format][:12], complete=False)
    assert caught.value.reason == "truncated"


def test_a_jpeg_head_ends_anywhere_without_a_wrong_answer():
    """An EXIF block that is cut must not be taken for one that says nothing."""
    data = encode(PICTURE, "JPEG", exif=oriented(6), icc_profile=bytes(3000))
    whole = read_header(data)
    assert whole.size == (83, 61)
    for length in range(1, data.index(b"\xff\xda") + 2):
        try:
            assert read_header(data[:length], complete=False) == whole
        except RejectedImage as reject:
            assert reject.reason in ("truncated", "not-an-image")
            assert reject.reason == "truncated" or length < 3


def test_an_ordinary_exif_segment_fits_into_the_head():
    exif = oriented(8) + bytes(60_000)
    data = encode(PICTURE, "JPEG", exif=exif)
    assert read_header(data[:HEAD_BYTES], complete=False).size == (83, 61)


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ({}, ("RGB", False, 1.5)),
        ({"subsampling": 1}, ("RGB", False, 2)),
        ({"subsampling": 0}, ("RGB", False, 3)),
        ({"progressive": True}, ("RGB", True, 1.5)),
        ({"mode": "L"}, ("L", False, 1)),
        ({"mode": "CMYK"}, ("CMYK", False, 4)),
    ],
    ids=str,
)
def test_a_jpeg_says_what_decoding_will_take(options, facts):
    header = read_header(encode(PICTURE, "JPEG", **options))
    assert (header.mode, header.multiscan, header.samples) == facts


USUAL = [
    encode(PICTURE, "JPEG", **options)
    for options in (
        {},
        {"subsampling": 0},
        {"mode": "L"},
        {"progressive": True},
        {"optimize": True},
    )
]


@given(
    data=st.sampled_from(USUAL),
    changes=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=3),
    length=st.integers(600, 800),
)
def test_the_usual_header_is_read_at_once_as_it_is_segment_by_segment(data, changes, length):
    changed = bytearray(data[:length])
    for at, value in changes:
        changed[at % len(changed)] = value
    found = []
    for read in (jpeg.read_jpeg_header, jpeg._read_segments):
        try:
            found.append(read(bytes(changed)))
        except RejectedImage as reject:
            found.append((reject.reason, reject.detail))
    assert found[0] == found[1]


@given(
    value=st.integers(0, 70_000),
    kind=st.sampled_from(["B", "H", "I"]),
    order=st.sampled_from("<>"),
    before=st.integers(0, 5),
    prefix=st.sampled_from([b"", b"Exif\0\0"]),
)
def test_the_orientation_is_the_one_that_pillow_finds(value, kind, order, before, prefix):
    codes = {"B": 1, "H": 3, "I": 4}
    value %= {"B": 1 << 8, "H": 1 << 16, "I": 1 << 32}[kind]
    entries = [struct.pack(f"{order}HHI4s", 256 + n, 3, 1, bytes(4)) for n in range(before)]
    cell = struct.pack(order + kind, value).ljust(4, b"\0")
    entries.append(struct.pack(f"{order}HHI4s", 0x0112, codes[kind], 1, cell))
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    block = start + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    found = exif.get(0x0112)
    assert exif_orientation(prefix + block) == (found if found in range(1, 9) else 1)


@given(st.binary(max_size=200), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_garbage_in_an_exif_block_means_upright_and_raises_nothing(noise, start):
    assert exif_orientation(start + noise) in range(1, 9)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_header_or_a_reject(data):
    for complete in (True, False):
        with contextlib.suppress(RejectedImage):
            assert read_header(data, complete=complete).format in FORMATS


def test_the_versions_that_decide_the_bytes_are_all_there():
    versions = decoder_versions()
    assert {"decoding", "simplejpeg", "pillow", "opencv", "numpy"} <= set(versions)
    assert all(versions.values())


def test_pillow_is_asked_for_no_other_format_than_those_that_are_read():
    """A Targa file, which Pillow would open, has no signature; a PostScript file runs programs."""
    targa = encode(PICTURE, "TGA")
    with Image.open(io.BytesIO(targa)) as image:
        assert image.format == "TGA"
    with pytest.raises(RejectedImage, match="unsupported: TGA"):
        read_header(targa)
