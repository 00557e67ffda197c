"""What padding adds is measured, and told by all that compute constants."""

import numpy as np
import pytest
from support.datasets import features
from support.images import write

import imgmem
from imgmem.core.rows.background import background_share
from imgmem.core.rows.facts import ROW_FACTS


@pytest.fixture
def padded(tmp_path):
    """White images of several shapes, padded with black; most in val."""
    for number, size in enumerate([(10, 20), (20, 10), (16, 16), (7, 31), (300, 100)]):
        folder = "train" if number < 2 else "val"
        image = np.full((*size, 3), 255, np.uint8)
        write(tmp_path / f"src/{folder}/a/{number}.png", image)
    return tmp_path


def built(folder, **options):
    return imgmem.build(folder / "src", folder / "out", size=16, **options)


def test_the_share_of_the_background_is_that_of_the_black_pixels(padded):
    built(padded, fit="pad")
    black = float((np.array(features(padded / "out")) == 0).mean())
    assert imgmem.stats(padded / "out").background == pytest.approx(black, abs=1e-12)


def test_build_stats_and_normalize_tell_it(padded):
    notes = built(padded, fit="pad").notes
    assert any("of the pixels are background of fit=pad" in note for note in notes)
    assert any("of the pixels are background" in n for n in imgmem.stats(padded / "out").notes)
    warnings = imgmem.normalize(padded / "out").warnings
    assert any(warning.startswith("50.0% of the pixels are background") for warning in warnings)


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_without_padding_there_is_none(padded, fit):
    notes = built(padded, fit=fit).notes
    assert imgmem.stats(padded / "out").background is None
    assert not any("background" in note for note in notes)


def test_images_that_fill_the_row_have_a_background_of_0():
    facts = np.zeros(3, ROW_FACTS)
    facts["height"], facts["width"] = [8, 16, 400], [8, 16, 400]
    assert background_share(facts, {"fit": "pad", "size": [16, 16]}) == 0


def test_the_constants_come_as_a_line_to_paste(padded):
    built(padded)
    found = imgmem.stats(padded / "out").standardize
    assert found.split == "train"
    assert found.line is None  # all white: a channel is constant
    image = np.zeros((16, 16, 3), np.uint8)
    image[::2] = (51, 102, 204)
    write(padded / "other/a/0.png", image)
    imgmem.build(padded / "other", padded / "set", size=16)
    expected = "Normalize(mean=[0.1000, 0.2000, 0.4000], std=[0.1000, 0.2000, 0.4000])"
    assert imgmem.stats(padded / "set").standardize.line == expected
    assert imgmem.stats(padded / "set").line is None
    imgmem.normalize(padded / "set", on_read=True)
    assert imgmem.stats(padded / "set").line == expected
    imgmem.normalize(padded / "set", undo=True)
    imgmem.normalize(padded / "set", method="rescale")
    rescaled = "Normalize(mean=[0.0000, 0.0000, 0.0000], std=[1.0000, 1.0000, 1.0000])"
    assert imgmem.stats(padded / "set").line == rescaled
