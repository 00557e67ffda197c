"""The shared pass over images is exact and leaves no trace of windows or workers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imgmem.core import histograms
from imgmem.core.memory import anonymous_bytes
from imgmem.core.specs import RunSpec

shapes = st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 7), st.sampled_from([1, 3]))


@pytest.fixture
def small_windows(monkeypatch):
    """Windows of 100 bytes, so that tiny arrays take many of them."""
    monkeypatch.setattr(histograms, "WINDOW_BYTES", 100)


def noise(*shape, seed=0, dtype=np.uint8):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(dtype)


@settings(max_examples=50, deadline=None)
@given(images=shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape)))
def test_histograms_count_every_pixel_of_every_channel(images):
    found = histograms.channel_histograms(images, run=RunSpec(workers=2))
    expected = [np.bincount(images[..., c].ravel(), minlength=256) for c in range(images.shape[3])]
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)


@settings(max_examples=50, deadline=None)
@given(images=shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape)))
def test_mean_and_std_are_those_of_the_pixels(images):
    mean, std = histograms.mean_std(histograms.channel_histograms(images))
    pixels = images.reshape(-1, images.shape[3]).astype(np.float64)
    assert np.allclose(mean, pixels.mean(0), rtol=1e-13, atol=0)
    assert np.allclose(std, pixels.std(0), rtol=1e-10, atol=1e-10)


def test_windows_and_workers_do_not_change_histograms(small_windows):
    images = noise(40, 9, 7, 3)
    one = histograms.channel_histograms(images, run=RunSpec(workers=1))
    four = histograms.channel_histograms(images, run=RunSpec(workers=4))
    assert np.array_equal(one, four)
    assert one.sum() == images.size


def test_counts_beyond_what_float32_holds_stay_exact():
    """One row of more than 2**24 pixels, as `cv2.calcHist` counts in float32."""
    image = np.zeros((1, 4200, 4200, 1), np.uint8)
    assert histograms.channel_histograms(image)[0, 0] == 4200 * 4200


def test_std_of_a_constant_channel_is_exactly_zero():
    images = np.full((50, 31, 17, 3), 201, np.uint8)
    mean, std = histograms.mean_std(histograms.channel_histograms(images))
    assert mean.tolist() == [201.0] * 3
    assert std.tolist() == [0.0] * 3


def test_means_of_huge_counts_lose_nothing():
    """10**15 pixels, where sums of floats would have dropped the odd one."""
    counts = np.zeros((1, 256), np.int64)
    counts[0, [0, 255]] = 10**15 - 1, 1
    mean, std = histograms.mean_std(counts)
    assert mean[0] == 255 / 10**15
    assert std[0] == pytest.approx(255 * (1e-15 * (1 - 1e-15)) ** 0.5, rel=1e-15)


def test_no_pixels_have_no_mean():
    mean, std = histograms.mean_std(np.zeros((1, 256), np.int64))
    assert np.isnan(mean).all()
    assert np.isnan(std).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_float_moments_are_those_of_the_pixels(dtype):
    images = (noise(30, 8, 9, 3) / 64 - 2).astype(dtype)
    found = histograms.float_moments(images)
    pixels = images.reshape(-1, 3).astype(np.float64)
    assert np.allclose(found.mean, pixels.mean(0), rtol=1e-12, atol=1e-12)
    assert np.allclose(found.std, pixels.std(0), rtol=1e-12)
    assert np.array_equal(found.minimum, pixels.min(0))
    assert np.array_equal(found.maximum, pixels.max(0))
    assert found.count.tolist() == [len(pixels)] * 3


def test_windows_and_workers_do_not_change_one_bit_of_float_moments(monkeypatch):
    images = (noise(64, 5, 7, 3) * 0.1).astype(np.float32)
    seen = set()
    for window in (1, 300, 1_000, 10**9):
        monkeypatch.setattr(histograms, "WINDOW_BYTES", window)
        for workers in (1, 3):
            found = histograms.float_moments(images, run=RunSpec(workers=workers))
            seen.add(found.mean.tobytes() + found.std.tobytes())
    assert len(seen) == 1


def test_nan_and_infinity_are_counted_and_left_out():
    images = np.ones((4, 3, 3, 3), np.float32)
    images[1, 0, 0, 0] = np.nan
    images[2, 1, 1] = [np.inf, -np.inf, 5]
    found = histograms.float_moments(images)
    assert found.nan.tolist() == [1, 0, 0]
    assert found.infinite.tolist() == [1, 1, 0]
    assert found.count.tolist() == [34, 35, 36]
    assert found.maximum.tolist() == [1, 1, 5]
    assert found.mean[0] == 1


def test_a_constant_float_channel_has_no_spread():
    images = np.full((100, 7, 7, 1), 0.1, np.float32)
    assert histograms.float_moments(images).std.tolist() == [0.0]


def test_progress_ends_at_all_rows(small_windows):
    events = []
    histograms.channel_histograms(noise(12, 5, 5, 3), report=events.append)
    assert (events[-1].done, events[-1].total, events[-1].unit) == (12, 12, "rows")
    assert len(events) > 3


def test_anonymous_memory_does_not_follow_the_rows(tmp_path):
    images = np.memmap(tmp_path / "rows", np.uint8, "w+", shape=(2_000, 128, 128, 3))
    histograms.channel_histograms(images[:10])
    before = anonymous_bytes()
    grown = []
    histograms.channel_histograms(
        images, run=RunSpec(workers=2), report=lambda _: grown.append(anonymous_bytes() - before)
    )
    assert max(grown) < 16 * 2**20
