"""Folds for cross-validation: equal parts of train, next to a test set and the author's splits."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import rows, split_of
from support.images import photo, write
from support.trees import class_folders

import imgmem
from imgmem.core.build.split_plan import plan_splits
from imgmem.core.errors import UsageError

SMALL = {"size": 4, "workers": 1}
FIVE = ["fold1", "fold2", "fold3", "fold4", "fold5"]


def test_folds_divide_every_class_alike(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 10, "b": 15}, size=(4, 4))
    result = imgmem.build(source, tmp_path / "out", split="folds=5", **SMALL)
    assert result.splits == dict.fromkeys(FIVE, 5)
    found = Counter((row["class"], row["split"]) for row in rows(tmp_path / "out"))
    assert set(found.values()) == {2, 3}


def test_the_test_set_comes_first_and_does_not_depend_on_the_folds(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 20, "b": 10}, size=(4, 4))
    tests = []
    for number, split in enumerate(
        ("test=0.2", "test=0.2,folds=3", {"test": 0.2, "folds": 4}, "folds=7,test=0.2")
    ):
        imgmem.build(source, tmp_path / str(number), split=split, **SMALL)
        found = split_of(tmp_path / str(number))
        tests.append({path for path, split in found.items() if split == "test"})
    assert len(tests[0]) == 6
    assert all(each == tests[0] for each in tests)


def test_the_authors_train_is_folded_and_the_other_splits_stay(tmp_path):
    for split in ("train", "val", "test"):
        class_folders(tmp_path / "src" / split, {"a": 4, "b": 4}, size=(4, 4))
    result = imgmem.build(tmp_path / "src", tmp_path / "out", split="folds=2", **SMALL)
    assert result.splits == {"fold1": 4, "fold2": 4, "val": 8, "test": 8}
    assert all(
        path.startswith("train/") == split.startswith("fold")
        for path, split in split_of(tmp_path / "out").items()
    )


def test_groups_and_identical_bytes_stay_in_one_fold(tmp_path):
    for patient in range(12):
        for number in range(patient % 4 + 1):
            name = f"src/{'ab'[number % 2]}/p{patient}_{number}.png"
            write(tmp_path / name, photo(4, 4, seed=20 * patient + number))
    copy = tmp_path / "src/a/p11_9.png"
    copy.write_bytes((tmp_path / "src/a/p0_0.png").read_bytes())
    imgmem.build(
        tmp_path / "src", tmp_path / "out", split="test=0.2,folds=3", group="name:^(p[0-9]+)_",
        **SMALL,
    )  # fmt: skip
    found = defaultdict(set)
    for row in rows(tmp_path / "out"):
        found[row["group"]].add(row["split"])
    assert all(len(splits) == 1 for splits in found.values())
    assert found["p0"] == found["p11"]


def test_ten_folds_and_more_keep_their_order_through_another_build(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 24}, size=(4, 4))
    first = imgmem.build(source, tmp_path / "one", split="test=0.25,folds=11", **SMALL)
    again = imgmem.build(tmp_path / "one", tmp_path / "two", **SMALL)
    assert list(first.splits) == list(again.splits) == [f"fold{n}" for n in range(1, 12)] + ["test"]


@pytest.mark.parametrize(
    "split",
    [
        "folds=1",
        "folds=2.5",
        "folds=0.2",
        "folds=nan",
        "folds=-3",
        "folds=five",
        "folds=2,folds=3",
        {"folds": 1.5},
        "!a=0.5",
        "all=0.5",
        "train=0.7,val=0.2",
        "a=0.5,b=0.5,folds=2",
        "fold1=0.5,folds=2",
    ],
)
def test_a_split_that_cannot_be_is_refused(tmp_path, split):
    source = class_folders(tmp_path / "src", {"a": 4}, size=(4, 4))
    with pytest.raises(UsageError, match="split"):
        imgmem.build(source, tmp_path / "out", split=split, **SMALL)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("split", "empty"), [("folds=6", "fold5, fold6"), ("folds=3", "fold3")])
def test_folds_that_would_have_no_image_are_refused(tmp_path, split, empty):
    source = class_folders(tmp_path / "src", {"a": 4}, size=(4, 4))
    group = "name:^0([01])" if split == "folds=3" else None
    if group:
        (source / "a" / "02.png").unlink()
        (source / "a" / "03.png").unlink()
    with pytest.raises(UsageError, match=f"{empty} would have no image"):
        imgmem.build(source, tmp_path / "out", split=split, group=group, **SMALL)


def test_a_split_with_the_name_of_a_fold_is_named(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 9}, size=(4, 4))
    with pytest.raises(UsageError, match="fold1 is named twice: folds=2 makes fold1 to fold2"):
        imgmem.build(source, tmp_path / "out", split="fold1=0.5,folds=2", **SMALL)


@pytest.mark.parametrize("name", ["all", "folds", "!train"])
def test_a_split_of_the_source_is_not_called_what_means_something_else(tmp_path, name):
    class_folders(tmp_path / "src" / name, {"a": 4}, size=(4, 4))
    with pytest.raises(UsageError, match="is not the name of one split") as caught:
        imgmem.build(
            tmp_path / "src", tmp_path / "out", labels="folder:2", split="folder:1", **SMALL
        )
    assert "split_map" in str(caught.value.hint)


@given(st.integers(2, 40), st.floats(0.05, 0.9))
def test_the_shares_of_a_plan_add_up(folds, test):
    plan = plan_splits((("test", test),), set(), folds=folds)
    shares = dict(plan.shares)
    assert list(shares) == [f"fold{n}" for n in range(1, folds + 1)] + ["test"]
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["fold1"] == pytest.approx((1 - test) / folds)
