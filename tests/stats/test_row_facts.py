"""What is noted about a row while it is built."""

import io
import zlib

import cv2
import numpy as np
import pytest
from support.images import photo

from imgmem.core.rows import facts as row_facts
from imgmem.core.rows import measures
from imgmem.core.rows.facts import ROW_FACTS
from imgmem.core.rows.measures import measure


def rows(count, side=96, first=0):
    return np.stack([photo(side, side, seed) for seed in range(first, first + count)])


def distance(a, b):
    return [int(x).bit_count() for x in np.asarray(a) ^ np.asarray(b)]


@pytest.mark.parametrize("shape", [(64, 64, 3), (97, 131, 3), (224, 224, 1), (9, 300, 3)])
def test_facts_of_a_row_do_not_depend_on_its_neighbors(monkeypatch, shape):
    images = np.random.default_rng(0).integers(0, 256, (9, *shape), np.uint8)
    images[::2] //= 3
    together = measure(images)
    monkeypatch.setattr(measures, "_GROUP_PIXELS", 1)
    assert np.array_equal(together, measure(images))
    assert np.array_equal(together[4:7], measure(images[4:7]))


def test_brightness_and_contrast_are_on_the_gray_scale():
    black, white = np.zeros((1, 50, 50, 1), np.uint8), np.full((1, 50, 50, 1), 255, np.uint8)
    halves = np.concatenate([black[:, :25], white[:, :25]], 1)
    facts = measure(np.concatenate([black, white, halves]))
    assert facts["brightness"].tolist() == [0, 255, 127.5]
    assert facts["contrast"].tolist() == [0, 0, 127.5]


def test_blurring_lowers_sharpness_and_darkening_does_not():
    image = photo(224, 224, 3)
    blurred = cv2.GaussianBlur(image, (0, 0), 3)
    sharp, soft, dark = measure(np.stack([image, blurred, image // 2]))["sharpness"]
    assert soft < sharp / 5
    assert dark == pytest.approx(sharp, rel=0.1)


def test_the_hash_survives_encoding_resizing_and_brightening_and_distinguishes_images():
    images = rows(12, side=128)
    small = [cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA) for image in images]
    back = [cv2.resize(image, (128, 128)) for image in small]
    encoded = [cv2.imdecode(cv2.imencode(".jpg", image)[1], 1) for image in images]
    brighter = [cv2.convertScaleAbs(image, alpha=1, beta=20) for image in images]
    own = measure(images)["hash"]
    for changed in (back, encoded, brighter):
        assert max(distance(own, measure(np.stack(changed))["hash"])) <= 6
    others = np.array([distance(own, np.roll(own, shift)) for shift in range(1, 12)])
    assert others.min() > 6


def test_hashes_do_not_depend_on_how_a_matrix_library_adds():
    """All sums are whole numbers, those of the first product below 2**24 and of the second below
    2**53, so that float32 and float64 are exact."""
    cosines = measures._cosines(63)
    assert np.array_equal(cosines, np.rint(cosines))
    assert np.abs(cosines).sum(1).max() * 255 < 2**24
    assert (np.abs(cosines).sum(1).max() * 255) * np.abs(cosines).sum(1).max() < 2**53


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (63, 127), (127, 127)])
@pytest.mark.parametrize("low", [0, 250])
def test_brightness_and_contrast_have_the_bits_of_opencv(shape, low):
    images = np.random.default_rng(0).integers(low, 256, (50, *shape), np.uint8)
    expected = np.array([cv2.meanStdDev(image) for image in images]).reshape(-1, 2).T
    assert np.array_equal(np.stack(measures._moments(images)), expected)


def test_the_table_is_a_plain_npy_file(tmp_path):
    facts = measure(rows(5, side=32))
    facts["format"] = b"JPEG2000"
    facts["digest"] = row_facts.digest_words("00112233445566778899aabbccddeeff" * 2)
    path = tmp_path / "rows.npy"
    path.write_bytes(row_facts.encode_header(5) + facts.tobytes())
    loaded = np.load(path, allow_pickle=False)
    assert loaded.dtype == ROW_FACTS
    assert np.array_equal(loaded, facts)
    assert loaded["digest"][0].tobytes().hex() == "00112233445566778899aabbccddeeff"


def test_the_header_has_room_for_any_number_of_rows():
    assert len(row_facts.encode_header(10**15)) == row_facts.HEADER_BYTES
    assert np.lib.format.read_magic(io.BytesIO(row_facts.encode_header(0))) == (1, 0)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 1), (2, 2, 3), (300, 1, 3)])
def test_the_smallest_images_have_facts_too(shape):
    facts = measure(np.full((3, *shape), 7, np.uint8))
    assert facts["brightness"].tolist() == [7, 7, 7]
    assert facts["sharpness"].tolist() == [0, 0, 0]


def test_the_facts_of_a_row_are_always_the_same_bytes():
    """`rows.npy` is promised byte for byte: another figure needs another field.

    Enough noise for some frequencies to be near zero, so that any change in the arithmetic shows.
    """
    places = np.arange(400 * 48 * 48 * 3, dtype=np.uint64)
    noise = ((places * np.uint64(2654435761) + np.uint64(12345)) >> np.uint64(11)) % np.uint64(256)
    facts = measure(noise.astype(np.uint8).reshape(400, 48, 48, 3))
    assert zlib.crc32(facts.tobytes()) == 0xD41FF048
