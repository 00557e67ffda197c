"""Contact sheets are even, readable, and as large as they need to be."""

import numpy as np
import pytest
from support.images import photo

from imgmem.core.sample import sheet
from imgmem.core.sample.sheet import Section, Tile, draw, fit, plan

PICTURE = photo(64, 64)


def sections(*counts, captions=("cat", "row 3", "a/very/long/name/of/a/picture.jpg")):
    tile = Tile(lambda: PICTURE, captions)
    return [Section("title" if len(counts) > 1 else "", (tile,) * count) for count in counts]


def unused(count, columns):
    return -count % columns


@pytest.mark.parametrize("count", [1, 4, 9, 16, 50, 100, 400])
def test_the_grid_is_even_and_not_far_from_a_page(count):
    grid = plan(sections(count), (224, 224))
    lines = -(-count // grid.columns)
    page = grid.columns * grid.cell[1] / (lines * grid.cell[0])
    assert unused(count, grid.columns) <= count / 8
    assert count < 8 or 0.7 < page < 2.5


@pytest.mark.parametrize("count", [4, 400])
def test_captions_have_room_for_words(count):
    grid = plan(sections(count), (224, 224))
    assert grid.width >= 120
    assert grid.text >= 11


@pytest.mark.parametrize(("height", "width"), [(32, 32), (224, 224), (180, 320), (2000, 1500)])
def test_images_keep_their_shape(height, width):
    grid = plan(sections(12), (height, width))
    assert grid.height / grid.width == pytest.approx(height / width, rel=0.02)


def test_a_sheet_is_as_large_as_planned():
    sheet = draw(sections(7), (64, 64))
    grid = plan(sections(7), (64, 64))
    assert sheet.shape[1] == 12 + grid.columns * grid.cell[1]


def test_every_group_has_its_title():
    one, three = draw(sections(6), (64, 64)), draw(sections(2, 2, 2), (64, 64))
    assert three.size > one.size + 3 * 26 * 2 * 128


@pytest.mark.parametrize("counts", [(2,) * 12, (9, 1, 1, 1, 30), (1,) * 50, (5, 5)])
def test_groups_fill_the_page_and_do_not_overlap(counts):
    groups = sections(*counts)
    grid = plan(groups, (64, 64))
    corners, (height, width) = sheet._laid_out(groups, grid)
    taken = np.zeros((height, width), int)
    for group, (left, top) in zip(groups, corners, strict=True):
        down, across = grid.box(group)
        taken[top : top + down, left : left + across] += 1
    assert taken.max() == 1
    assert taken.sum() == sum(np.prod(grid.box(group)) for group in groups)
    assert taken.mean() > 0.5
    assert 0.4 < width / height < 3.5


def test_ink_is_under_every_image():
    sheet = draw(sections(3), (64, 64))
    grid = plan(sections(3), (64, 64))
    for column in range(3):
        left = 12 + column * grid.cell[1]
        under = sheet[12 + grid.height + 2 : 12 + grid.height + 20, left : left + grid.width]
        assert under.min() < 100


def test_names_that_are_no_ascii_are_drawn():
    plain, named = (
        draw(sections(1, captions=(caption,)), (64, 64)) for caption in ("", "Küche № 7 \x1b")
    )
    assert not np.array_equal(plain, named)


def test_small_images_are_enlarged_to_square_pixels():
    tiny = np.array([[[0], [255]], [[255], [0]]], np.uint8)
    assert np.unique(fit(tiny, 20, 20)).tolist() == [0, 255]
