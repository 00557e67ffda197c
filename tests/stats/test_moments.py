"""Sums of floats are those of the values, whatever the windows; what is not finite is counted."""

import numpy as np
import pytest

from imgmem.core.levels.moments import FloatSums, combined, row_sums


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape)


def moments(images, rows_at_once=7):
    totals = FloatSums(images.shape[3])
    for start in range(0, len(images), rows_at_once):
        totals.add(row_sums(images[start : start + rows_at_once]))
    return totals.moments()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_moments_are_those_of_the_values(dtype):
    images = (noise(30, 8, 9, 3) / 64 - 2).astype(dtype)
    found = moments(images)
    values = images.reshape(-1, 3).astype(np.float64)
    assert np.allclose(found.mean, values.mean(0), rtol=1e-12, atol=1e-12)
    assert np.allclose(found.std, values.std(0), rtol=1e-12)
    assert np.array_equal(found.minimum, values.min(0))
    assert np.array_equal(found.maximum, values.max(0))
    assert found.count.tolist() == [len(values)] * 3


def test_windows_do_not_change_one_bit():
    """Values of all magnitudes, so that every order of adding rounds in its own way."""
    random = np.random.default_rng(1)
    magnitudes = 10.0 ** random.uniform(-9, 9, (64, 5, 7, 3))
    images = (random.normal(size=magnitudes.shape) * magnitudes).astype(np.float32)
    found = [moments(images, rows) for rows in (1, 3, 10, 64)]
    assert len({m.mean.tobytes() + m.std.tobytes() for m in found}) == 1


def test_nan_and_infinity_are_counted_and_left_out():
    images = np.ones((4, 3, 3, 3), np.float32)
    images[1, 0, 0, 0] = np.nan
    images[2, 1, 1] = [np.inf, -np.inf, 5]
    found = moments(images)
    assert found.nan.tolist() == [1, 0, 0]
    assert found.infinite.tolist() == [1, 1, 0]
    assert found.count.tolist() == [34, 35, 36]
    assert found.maximum.tolist() == [1, 1, 5]
    assert found.mean[0] == 1


def test_a_constant_channel_has_no_spread():
    assert moments(np.full((100, 7, 7, 1), 0.1, np.float32)).std.tolist() == [0.0]


def test_nothing_but_nan_has_no_mean():
    found = moments(np.full((2, 3, 3, 1), np.nan, np.float32))
    assert np.isnan([found.mean, found.std, found.minimum, found.maximum]).all()


def test_moments_of_parts_combine_to_those_of_the_whole():
    images = (noise(20, 6, 6, 3) / 7).astype(np.float32)
    images[3, 0, 0, 0] = np.nan
    whole, parts = moments(images), combined([moments(images[:5]), moments(images[5:])])
    assert np.allclose(parts.mean, whole.mean, rtol=1e-13)
    assert np.allclose(parts.std, whole.std, rtol=1e-12)
    for name in ("count", "minimum", "maximum", "nan", "infinite"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name))


def test_a_part_without_values_changes_nothing():
    images = (noise(4, 6, 6, 1) / 7).astype(np.float32)
    empty = moments(np.full((1, 6, 6, 1), np.nan, np.float32))
    assert combined([moments(images), empty]).mean == moments(images).mean
