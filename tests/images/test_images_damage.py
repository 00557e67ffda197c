"""Damaged files never become a row; what is no image, or not read, is named."""

import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.images import encode, photo

from imgmem.core.decode.failures import reject
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.errors import REJECT_REASONS, RejectedImage
from imgmem.core.specs import ImageSpec

PICTURE = photo(301, 403)


def decode(data, **options):
    row = np.empty((64, 80, 3), np.uint8)
    return decode_into(data, ImageSpec(size=(64, 80), **options), row)


def reason(data, **options):
    """Why `data` is rejected; also by its header, where that is enough."""
    with pytest.raises(RejectedImage) as caught:
        decode(data, **options)
    assert caught.value.reason in REJECT_REASONS
    assert caught.value.detail
    return caught.value.reason


def animation(format):
    frames = [Image.fromarray(photo(60, 80, seed)) for seed in range(3)]
    return encode(frames[0], format, save_all=True, append_images=frames[1:], duration=40)


JPEGS = {
    "baseline": encode(PICTURE, "JPEG"),
    "4:4:4": encode(PICTURE, "JPEG", subsampling=0, quality=95),
    "progressive": encode(PICTURE, "JPEG", progressive=True),
    "restarts": encode(PICTURE, "JPEG", restart_marker_rows=2),
    "gray": encode(PICTURE, "JPEG", mode="L", quality=95),
    "cmyk": encode(PICTURE, "JPEG", mode="CMYK"),
}
jpegs = pytest.mark.parametrize("data", JPEGS.values(), ids=JPEGS.keys())


@jpegs
@pytest.mark.parametrize("per_cent", [1, 10, 50, 90, 99])
def test_a_jpeg_that_is_cut_is_truncated(data, per_cent):
    assert reason(data[: len(data) * per_cent // 100]) == "truncated"


def pixels(data):
    """The row of native size, and the notes."""
    row = np.zeros((*read_header(data).size, 3), np.uint8)
    return row, decode_into(data, ImageSpec(size=None), row).notes


def assert_repaired(data, original, note):
    row, notes = pixels(data)
    assert np.array_equal(row, pixels(original)[0])
    assert note in notes


@jpegs
@pytest.mark.parametrize("missing", [1, 2])
def test_a_jpeg_that_lacks_only_its_end_mark_is_whole(data, missing):
    assert_repaired(data[:-missing], data, "jpeg-repaired")
    assert_repaired(data[:-missing] + bytes(missing), data, "jpeg-repaired")


@jpegs
@pytest.mark.parametrize("missing", range(3, 17))
def test_a_jpeg_without_its_last_bytes_is_truncated(data, missing):
    assert reason(data[:-missing]) == "truncated"


@jpegs
@pytest.mark.parametrize("length", [3, 4, 5, 10, 100, 1000, 5000])
def test_a_jpeg_with_a_zeroed_tail_is_rejected(data, length):
    assert reason(data[:-length] + bytes(length)) in ("truncated", "corrupt")


@jpegs
@pytest.mark.parametrize("part", [0.2, 0.35, 0.5, 0.65])
def test_a_jpeg_with_a_hole_of_4_kib_is_rejected(data, part):
    at = int(len(data) * part)
    assert reason(data[:at] + bytes(4096) + data[at + 4096 :]) in ("corrupt", "truncated")


@jpegs
def test_a_jpeg_with_a_block_dropped_is_rejected(data):
    at = len(data) // 2
    assert reason(data[:at] + data[at + 512 :]) in ("corrupt", "truncated")


@jpegs
def test_a_jpeg_that_went_through_a_text_mode_transfer_is_rejected(data):
    assert reason(data.replace(b"\n", b"\r\n")) == "corrupt"


@jpegs
def test_a_jpeg_cut_where_it_is_decoded_at_a_smaller_scale_is_rejected_too(data):
    row = np.empty((8, 8, 3), np.uint8)
    with pytest.raises(RejectedImage, match="truncated"):
        decode_into(data[:-2000], ImageSpec(size=(8, 8)), row)


WHOLE = {
    "png": encode(PICTURE),
    "png palette": encode(PICTURE, mode="P"),
    "apng": animation("PNG"),
    "webp": encode(PICTURE, "WEBP"),
    "webp lossless": encode(PICTURE, "WEBP", lossless=True),
    "webp animated": animation("WEBP"),
    "gif": encode(PICTURE, "GIF"),
    "gif animated": animation("GIF"),
    "bmp": encode(photo(30, 40), "BMP"),
    "tiff": encode(PICTURE, "TIFF"),
    "tiff lzw": encode(PICTURE, "TIFF", compression="tiff_lzw"),
    "tiff deflate": encode(PICTURE, "TIFF", compression="tiff_adobe_deflate"),
    "tiff jpeg": encode(PICTURE, "TIFF", compression="jpeg"),
    "tiff packbits": encode(PICTURE, "TIFF", compression="packbits"),
    "avif": encode(PICTURE, "AVIF", speed=10),
    "avif animated": animation("AVIF"),
    "jp2": encode(PICTURE, "JPEG2000"),
    "jp2 lossy": encode(PICTURE, "JPEG2000", quality_layers=[20]),
    "jp2 stream": encode(PICTURE, "JPEG2000", no_jp2=True),
    "ppm": encode(PICTURE, "PPM"),
}
others = pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE.keys())


def end_of_first_frame(data):
    """Where the pixels of a GIF's first frame end."""
    low, high = 0, len(data)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            decode(data[:middle])
            high = middle
        except RejectedImage:
            low = middle
    return low


@others
def test_any_other_format_that_is_cut_is_rejected(data):
    cuts = [len(data) * n // 100 for n in (10, 30, 50, 70, 90, 95, 99)]
    for cut in [*cuts, len(data) - 20, len(data) - 5]:
        if data[:3] == b"GIF" and cut > end_of_first_frame(data):
            assert_repaired(data[:cut], data, "gif-repaired")
        else:
            assert reason(data[:cut]) in ("truncated", "corrupt"), cut
    assert reason(data[: len(data) // 2]) == "truncated"


def test_a_sequence_whose_track_is_not_of_the_size_of_its_frames_is_found():
    data = bytearray(WHOLE["avif animated"])
    at = data.index(b"tkhd") - 4
    end = at + int.from_bytes(data[at : at + 4], "big")
    data[end - 8 : end] = struct.pack(">II", 8 << 16, 8 << 16)
    with pytest.raises(RejectedImage, match="corrupt: its header says 8×8"):
        decode(bytes(data))


@pytest.mark.parametrize("name", ["webp", "avif", "jp2", "jp2 stream"])
def test_the_last_byte_counts_where_a_format_has_an_end(name):
    assert reason(WHOLE[name][:-1]) == "truncated"


def chunks(data):
    """(offset, name) of the chunks of a PNG."""
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield at, data[at + 4 : at + 8]
        at += 12 + length


@pytest.mark.parametrize("name", ["png", "png palette", "apng"])
def test_a_wrong_crc_is_corrupt_where_pixels_depend_on_the_chunk(name):
    data = WHOLE[name]
    for at, kind in chunks(data):
        (length,) = struct.unpack_from(">I", data, at)
        crc = at + 8 + length
        damaged = data[:crc] + bytes([data[crc] ^ 1]) + data[crc + 1 :]
        if kind in (b"IHDR", b"PLTE", b"IDAT"):
            assert reason(damaged) == "corrupt", kind
        else:
            assert_repaired(damaged, data, "png-repaired")


@pytest.mark.parametrize("missing", range(1, 5))
def test_a_png_that_lacks_only_the_crc_of_its_end_is_whole(missing):
    assert_repaired(WHOLE["png"][:-missing], WHOLE["png"], "png-repaired")
    assert reason(WHOLE["png"][: -missing - 4]) == "truncated"


def test_a_png_whose_pixels_are_short_is_rejected_in_spite_of_good_crcs():
    at, _ = next(c for c in chunks(WHOLE["png"]) if c[1] == b"IDAT")
    body = zlib.compress(bytes(3000))
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    assert reason(WHOLE["png"][:at] + chunk + WHOLE["png"][-12:]) in ("truncated", "corrupt")


def test_an_animated_png_with_frames_that_are_damaged_in_sequence_is_read_or_rejected():
    """Good CRCs, nonsense in the animation: it must not crash, and the still picture is whole."""
    data = WHOLE["apng"]
    at, _ = next(c for c in chunks(data) if c[1] == b"acTL")
    for frames in (0, 1, 2**31 - 1, 2**32 - 1):
        body = b"acTL" + struct.pack(">II", frames, 0)
        chunk = struct.pack(">I", 8) + body + struct.pack(">I", zlib.crc32(body))
        assert decode(data[:at] + chunk + data[at + 20 :])[:2] == (60, 80)


def test_a_wrong_checksum_inside_a_deflated_tiff_is_corrupt():
    """Its decoder often stops before the checksum: it passed 12 of 60 such holes."""
    data = encode(photo(90, 121), "TIFF", compression="tiff_adobe_deflate")
    (directory,) = struct.unpack_from("<I", data, 4)
    for at in range(10, directory - 64, directory // 60):
        assert reason(data[:at] + bytes(64) + data[at + 64 :]) == "corrupt", at


NO_IMAGES = {
    "empty": (b"", "empty"),
    "text": (b"hello world, no picture here\n", "not-an-image"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "not-an-image"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "not-an-image"),
    "zeros": (bytes(20_000), "corrupt"),
    "noise": (np.random.default_rng(0).bytes(5000), "not-an-image"),
    "zip": (b"PK\x03\x04" + bytes(100), "unsupported"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(500), "unsupported"),
    "jpeg xl": (b"\xff\x0a" + bytes(100), "unsupported"),
    "psd": (b"8BPS\0\1" + bytes(100), "unsupported"),
    "pdf": (b"%PDF-1.7\n" + bytes(100), "unsupported"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported"),
    "jpeg start": (b"\xff\xd8\xff", "truncated"),
    "png start": (b"\x89PNG\r\n\x1a\n", "truncated"),
    "avif sequence start": (b"\0\0\0\x14ftypavis\0\0\0\0msf1", "truncated"),
    "avif start": (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "truncated"),
}


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_not_an_image_is_named(name):
    data, expected = NO_IMAGES[name]
    assert reason(data) == expected
    with pytest.raises(RejectedImage) as caught:
        read_header(data)
    assert caught.value.reason == expected


def tiff(bits, values, *tags, photometric=1, compression=1, width=0):
    """A one-row gray TIFF of `values`, which follow its directory."""
    width = width or len(values) * 8 // bits
    entries = [(256, width), (257, 1), (258, bits), (259, compression)]
    entries += [(262, photometric), (277, 1)]
    entries += [(278, 1), (279, len(values)), *tags]
    entries = sorted([*entries, (273, 8 + 2 + 12 * (len(entries) + 1) + 4)])
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + bytes(4) + values


@pytest.mark.parametrize(
    "data",
    [
        encode(np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5), "TIFF"),
        encode(np.arange(20, dtype=np.int32).reshape(4, 5), "TIFF"),
        tiff(8, bytes([0, 1, 255, 5]), (339, 2)),
        tiff(8, bytes(4), (254, 1)),
        b"Pf\n1 1\n-1.0\n\0\0\0\0",
    ],
    ids=["float", "int32", "signed", "thumbnail", "pfm"],
)
def test_pixels_without_a_known_range_are_refused_by_name(data):
    assert reason(data) == "unsupported"


def test_the_same_tiff_with_ordinary_samples_is_read():
    row = np.empty((1, 4, 3), np.uint8)
    decode_into(tiff(8, bytes([0, 1, 255, 5])), ImageSpec(size=None), row)
    assert row[0, :, 0].tolist() == [0, 1, 255, 5]


def test_a_compressed_tiff_whose_pixels_come_last_is_truncated_if_cut():
    data = tiff(8, bytes([7, *range(8)]), compression=32773, width=8)
    row = np.empty((1, 8, 3), np.uint8)
    decode_into(data, ImageSpec(size=None), row)
    assert row[0, :, 0].tolist() == list(range(8))
    assert reason(data[:-2]) == "truncated"


def test_pixels_of_another_size_than_the_header_says_are_corrupt():
    data = encode(photo(40, 50), "JPEG")
    header = read_header(data)._replace(height=39)
    row = np.empty((64, 80, 3), np.uint8)
    with pytest.raises(RejectedImage, match="corrupt: decodes to 40×50, not 39×50"):
        decode_into(data, ImageSpec(size=(64, 80)), row, header=header)


@pytest.mark.parametrize(
    "format", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000"]
)
def test_more_pixels_than_allowed_are_rejected_and_as_many_are_not(format):
    data = encode(photo(40, 50), format)
    assert reason(data, max_pixels=1999) == "too-large"
    assert decode(data, max_pixels=2000)[:2] == (40, 50)


def test_another_native_size_is_its_own_reject():
    row = np.empty((40, 51, 3), np.uint8)
    with pytest.raises(RejectedImage, match="wrong-size: 40×50, not 40×51"):
        decode_into(encode(photo(40, 50)), ImageSpec(size=None), row)


def jpeg_that_claims(height, width):
    data = bytearray(JPEGS["baseline"])
    frame = data.index(b"\xff\xc0")
    struct.pack_into(">HH", data, frame + 5, height, width)
    return bytes(data)


def png_that_claims(height, width):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\x0d"
        + body
        + struct.pack(">I", zlib.crc32(body))
        + WHOLE["png"][33:]
    )


@pytest.mark.parametrize("claim", [jpeg_that_claims, png_that_claims])
def test_a_bomb_is_rejected_before_it_takes_memory(claim, tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(claim(30_000, 30_000))
    program = """
import resource, sys
import numpy as np
from imgmem.core.errors import RejectedImage
from imgmem.core.decode.images import decode_into
from imgmem.core.specs import ImageSpec
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_into(open(sys.argv[1], "rb").read(), ImageSpec(), np.empty((224, 224, 3), np.uint8))
except RejectedImage as reject:
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(reject.reason, grown < 20_000)
"""
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, check=True)
    assert run.stdout.split() == [b"too-large", b"True"]


SQUEEZED = """
import resource, sys
import numpy as np
from imgmem.core.decode.images import decode_into
from imgmem.core.specs import ImageSpec
path, side, spare, resize = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
row = np.zeros((side, side, 3), np.uint8)
data = open(path, "rb").read()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + spare,) * 2)
try:
    decode_into(data, ImageSpec(size=(side, side), resize=resize), row)
except MemoryError:
    print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_AS and /proc")
@pytest.mark.parametrize(
    ("data", "side", "spare", "resize"),
    [
        (jpeg_that_claims(9_000, 19_000), 224, 200_000_000, "area"),
        (png_that_claims(9_000, 19_000), 224, 200_000_000, "auto"),
        (encode(np.zeros((2001, 2001, 3), np.uint8)), 2000, 44_000_000, "auto"),
    ],
    ids=["jpeg", "pillow", "opencv"],
)
def test_too_little_memory_is_not_the_fault_of_the_image(data, side, spare, resize, tmp_path):
    """Results must not depend on memory: it is a MemoryError, never a reject."""
    path = tmp_path / "large"
    path.write_bytes(data)
    command = [sys.executable, "-c", SQUEEZED, path, str(side), str(spare), resize]
    run = subprocess.run(command, capture_output=True, check=True)
    assert run.stdout.split() == [b"MemoryError"]


def test_decoders_print_nothing(tmp_path):
    """libtiff, Pillow's warnings and its logger write on stderr if they are let."""
    tiff_file = WHOLE["tiff lzw"]
    directory = struct.unpack_from("<I", tiff_file, 4)[0]
    cases = [
        tiff_file[:2000] + bytes(64) + tiff_file[2064:],
        tiff_file.replace(
            struct.pack("<HHI", 277, 3, 1) + b"\3", struct.pack("<HHI", 277, 3, 1) + b"\xff"
        ),
        tiff_file[: directory + 10] + b"\xff" * 20 + tiff_file[directory + 30 :],
        WHOLE["jp2"][:500],
        JPEGS["baseline"][:-50],
        WHOLE["webp"][:500],
    ]
    for number, data in enumerate(cases):
        (tmp_path / str(number)).write_bytes(data)
    program = """
import os, sys
import numpy as np
from imgmem.core.errors import RejectedImage
from imgmem.core.decode.images import decode_into
from imgmem.core.machine import process
from imgmem.core.specs import ImageSpec
with process.settings():
    for name in os.listdir(sys.argv[1]):
        try:
            data = open(os.path.join(sys.argv[1], name), "rb").read()
            decode_into(data, ImageSpec(), np.empty((224, 224, 3), np.uint8))
        except RejectedImage:
            pass
"""
    environment = {**os.environ, "PYTHONWARNINGS": "default::UserWarning"}
    run = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, check=True, env=environment
    )
    assert (run.stdout, run.stderr) == (b"", b"")


def test_the_guide_names_every_reason():
    page = (Path(__file__).parents[2] / "imgmem/docs/rejects.md").read_text()
    table = page.split("| reason |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == set(REJECT_REASONS)


def test_what_libjpeg_says_of_scan_data_is_not_blamed_on_the_header():
    said = "Corrupt JPEG data: premature end of data segment"
    assert reject(ValueError(said)).detail == said
