"""`group="near-duplicates"`: a split of a dataset that cannot leak by looks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import rows, write_dataset
from support.images import photo

import imgmem
from imgmem.core.errors import InputError, UsageError
from imgmem.core.rows.looks import _firsts


@pytest.fixture
def bursts(tmp_path):
    """40 images: of every fourth there are three copies, a little brighter each; one pair of the
    same bytes."""
    images = []
    for seed in range(20):
        image = photo(32, 32, seed).astype(int)
        images += [np.clip(image + 2 * step, 0, 255) for step in range(3 if seed % 4 == 0 else 1)]
    images = np.array(images, np.uint8)
    digests = [0 if row == len(images) - 1 else row for row in range(len(images))]
    return write_dataset(tmp_path / "d", images, np.arange(len(images)) % 2, digests=digests)


@pytest.mark.parametrize("split", ["val=0.3", "test=0.2,folds=3"])
def test_rows_that_look_the_same_are_in_one_split(bursts, tmp_path, split):
    imgmem.build(bursts, tmp_path / "out", group="near-duplicates", split=split)
    imgmem.stats(tmp_path / "out", fail_on="leaks,group-leaks")
    groups = {row["path"]: row["group"] for row in rows(tmp_path / "out")}
    assert groups["1.png"] == groups["2.png"] == groups["0.png"] == "0.png"
    assert groups["3.png"] == ""
    before, after = np.load(bursts / "X.npy"), np.load(tmp_path / "out/X.npy")
    order = [int(row["path"].removesuffix(".png")) for row in rows(tmp_path / "out")]
    np.testing.assert_array_equal(after, before[order])


def test_splits_that_part_them_are_a_doubt_that_its_remedy_settles(bursts, tmp_path):
    parted = tmp_path / "parted"
    imgmem.build(bursts, parted, split="val=0.5", size=32)
    with pytest.raises(InputError, match="in more than one split") as caught:
        imgmem.build(parted, tmp_path / "out", group="near-duplicates")
    remedy = caught.value.facts["doubts"][0]["remedies"][0]["options"]
    imgmem.build(parted, tmp_path / "out", group="near-duplicates", **remedy)
    imgmem.stats(tmp_path / "out", fail_on="leaks")


def test_near_duplicates_go_with_what_is_dropped(bursts, tmp_path):
    imgmem.build(
        bursts, tmp_path / "out", group="near-duplicates", drop="duplicates", split="val=0.3"
    )
    imgmem.stats(tmp_path / "out", fail_on="leaks,duplicates")


def test_a_dataset_may_have_none(tmp_path):
    images = np.stack([photo(32, 32, seed) for seed in range(10)])
    path = write_dataset(tmp_path / "d", images, [0] * 10)
    result = imgmem.build(path, tmp_path / "out", group="near-duplicates", split="val=0.2")
    assert result.splits == {"train": 8, "val": 2}


def test_images_are_not_yet_known_by_their_looks(bursts, tmp_path):
    (tmp_path / "src").mkdir()
    with pytest.raises(UsageError, match=r"^group='near-duplicates' is for a dataset"):
        imgmem.build(tmp_path / "src", tmp_path / "out", group="near-duplicates")
    with pytest.raises(UsageError, match="size differs from theirs"):
        imgmem.build(bursts, tmp_path / "out", group="near-duplicates", size=16)


@given(st.lists(st.lists(st.integers(0, 20), min_size=2, max_size=4, unique=True)))
def test_connected_groups_have_one_first_row(groups):
    found = _firsts(groups)
    assert set(found) == {row for group in groups for row in group}
    assert all(len({found[row] for row in group}) == 1 for group in groups)
    assert all(found[least] == least <= row for row, least in found.items())
