"""Gray levels are counted exactly, and so are the figures that follow from the counts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from imgmem.core.levels import histograms
from imgmem.core.levels.histograms import PixelSums, pixel_histograms

pixels = st.tuples(st.integers(1, 500), st.sampled_from([1, 3])).flatmap(
    lambda shape: hnp.arrays(np.uint8, shape)
)


def sums_of(pixels):
    return PixelSums.of_pixels(pixels, np.empty(pixels.shape[::-1], np.uint8))


@settings(max_examples=50, deadline=None)
@given(pixels=pixels)
def test_every_pixel_of_every_channel_is_counted(pixels):
    found = pixel_histograms(pixels)
    expected = [np.bincount(pixels[:, c], minlength=256) for c in range(pixels.shape[1])]
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)


@settings(max_examples=50, deadline=None)
@given(pixels=pixels)
def test_mean_and_std_are_those_of_the_pixels(pixels):
    mean, std = PixelSums.of(pixel_histograms(pixels)).mean_std()
    assert np.allclose(mean, pixels.mean(0), rtol=1e-13, atol=0)
    assert np.allclose(std, pixels.std(0), rtol=1e-10, atol=1e-10)


@settings(max_examples=50, deadline=None)
@given(pixels=pixels, cut=st.integers(0, 500))
def test_sums_of_parts_are_the_sums_of_the_whole(pixels, cut):
    first, second = pixels[:cut], pixels[cut:]
    together = PixelSums.of(pixel_histograms(first)) + PixelSums.of(pixel_histograms(second))
    whole = PixelSums.of(pixel_histograms(pixels))
    assert whole.minimum.tolist() == pixels.min(0).tolist()
    assert whole.maximum.tolist() == pixels.max(0).tolist()
    for name in ("count", "total", "squares", "minimum", "maximum"):
        assert np.array_equal(getattr(together, name), getattr(whole, name))


@settings(max_examples=50, deadline=None)
@given(pixels=pixels)
def test_sums_of_pixels_are_those_of_their_histograms(pixels):
    fast, slow = sums_of(pixels), PixelSums.of(pixel_histograms(pixels))
    for name in ("count", "total", "squares", "minimum", "maximum"):
        assert getattr(fast, name).tolist() == getattr(slow, name).tolist()


@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("level", [1, 127, 255])
def test_sums_of_many_bright_pixels_overflow_nowhere(depth, level):
    count = 3_000_001
    sums = sums_of(np.full((count, depth), level, np.uint8))
    assert sums.total.tolist() == [count * level] * depth
    assert sums.squares.tolist() == [count * level * level] * depth


def test_counts_beyond_what_float32_holds_stay_exact(monkeypatch):
    """`cv2.calcHist` counts in float32, which is exact up to 2**24 only."""
    many = np.zeros((2**24 + 3, 1), np.uint8)
    assert pixel_histograms(many)[0, 0] == len(many)
    monkeypatch.setattr(histograms, "_EXACT", 2**25)
    assert pixel_histograms(many)[0, 0] != len(many)


def test_std_of_a_constant_channel_is_exactly_zero():
    mean, std = PixelSums.of(pixel_histograms(np.full((26_350, 3), 201, np.uint8))).mean_std()
    assert mean.tolist() == [201.0] * 3
    assert std.tolist() == [0.0] * 3


def test_means_of_huge_counts_lose_nothing():
    """10**14 pixels, where sums of floats would have dropped the odd one."""
    counts = np.zeros((1, 256), np.int64)
    counts[0, [0, 255]] = 10**14 - 1, 1
    mean, std = PixelSums.of(counts).mean_std()
    assert mean[0] == 255 / 10**14
    assert std[0] == pytest.approx(255 * (1e-14 * (1 - 1e-14)) ** 0.5, rel=1e-15)


def test_no_pixels_have_no_mean():
    mean, std = PixelSums.of(np.zeros((1, 256), np.int64)).mean_std()
    assert np.isnan(mean).all()
    assert np.isnan(std).all()
