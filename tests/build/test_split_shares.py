"""Stratified splits: exact, reproducible, and never parting equal files."""

import shutil
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import split_of
from support.images import photo, write
from support.trees import class_folders

import imgmem
from imgmem.core.build.allocate import Apportionment
from imgmem.core.build.split_plan import plan_splits
from imgmem.core.build.splits import assign_splits
from imgmem.core.build.strata import Strata
from imgmem.core.errors import UsageError
from imgmem.core.sources.scratch import scratch_database
from imgmem.core.specs import BuildSpec, ImageSpec

SMALL = ImageSpec(size=(4, 4))


@given(
    st.integers(0, 10_000),
    st.lists(st.integers(1, 100), min_size=1, max_size=6),
)
def test_shares_add_up_and_are_within_one_unit(count, weights):
    fractions = tuple(weight / sum(weights) for weight in weights)
    shares = Apportionment(fractions).shares(count)
    assert sum(shares) == count
    assert all(abs(s - count * f) < 1 for s, f in zip(shares, fractions, strict=True))


def test_each_class_is_split_alike(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 10, "b": 20, "c": 5}, size=(4, 4))
    spec = BuildSpec(image=SMALL, splits=(("train", 0.6), ("val", 0.2), ("test", 0.2)))
    imgmem.build(source, tmp_path / "out", spec=spec)
    counts = {}
    for path, split in split_of(tmp_path / "out").items():
        counts[path[0], split] = counts.get((path[0], split), 0) + 1
    assert counts == {
        ("a", "train"): 6, ("a", "val"): 2, ("a", "test"): 2,
        ("b", "train"): 12, ("b", "val"): 4, ("b", "test"): 4,
        ("c", "train"): 3, ("c", "val"): 1, ("c", "test"): 1,
    }  # fmt: skip


def test_of_equal_remainders_the_earlier_split_gets_the_image(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 5}, size=(4, 4))
    spec = BuildSpec(image=SMALL, splits=(("first", 0.5), ("second", 0.5)))
    imgmem.build(source, tmp_path / "out", spec=spec)
    assert sorted(split_of(tmp_path / "out").values()) == ["first"] * 3 + ["second"] * 2


def test_the_rest_goes_to_train(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 10}, size=(4, 4))
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL, splits=(("val", 0.1),)))
    assert sorted(split_of(tmp_path / "out").values()) == ["train"] * 9 + ["val"]


def test_files_of_equal_bytes_stay_together(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 10}, size=(4, 4))
    for number in range(10):
        for copy in range(3):
            shutil.copy(source / "a" / f"{number:02}.png", source / "a" / f"{number:02}_{copy}.png")
    spec = BuildSpec(image=SMALL, splits=(("train", 0.5), ("val", 0.5)))
    imgmem.build(source, tmp_path / "out", spec=spec)
    splits = split_of(tmp_path / "out")
    for number in range(10):
        names = [f"a/{number:02}.png"] + [f"a/{number:02}_{copy}.png" for copy in range(3)]
        assert len({splits[name] for name in names}) == 1
    assert sorted(splits.values()) == ["train"] * 20 + ["val"] * 20


def test_shares_are_of_images_where_some_have_copies(tmp_path):
    """Neither are the shares missed, nor do copies all go to one split."""
    source = class_folders(tmp_path / "src", {"a": 200, "b": 40}, size=(4, 4))
    for name in sorted((source / "a").iterdir())[:100]:
        for copy in range(2):
            shutil.copy(name, name.with_stem(f"{name.stem}_{copy}"))
    imgmem.build(source, tmp_path / "out", size=4, split="val=0.2")
    val = [path for path, split in split_of(tmp_path / "out").items() if split == "val"]
    of_a = [path for path in val if path.startswith("a/")]
    assert abs(len(of_a) - 80) <= 1
    assert len(val) - len(of_a) == 8
    assert 15 <= sum("_" in path for path in of_a) <= 65  # 40 of the 200 copies, if by chance


def test_another_seed_gives_another_split(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 20}, size=(4, 4))
    for seed in (0, 1):
        spec = BuildSpec(image=SMALL, splits=(("train", 0.5), ("val", 0.5)), seed=seed)
        imgmem.build(source, tmp_path / str(seed), spec=spec)
    assert split_of(tmp_path / "0") != split_of(tmp_path / "1")


def test_the_split_of_a_path_is_the_same_for_ever(tmp_path):
    """Pinned: order by sha256(seed, path), so no library may move a row."""
    source = class_folders(tmp_path / "src", {"a": 6}, size=(4, 4))
    spec = BuildSpec(image=SMALL, splits=(("train", 0.5), ("val", 0.5)))
    imgmem.build(source, tmp_path / "out", spec=spec)
    assert [p for p, s in split_of(tmp_path / "out").items() if s == "val"] == PINNED


PINNED = ["a/01.png", "a/02.png", "a/03.png"]


def test_folders_of_the_author_become_splits_and_are_never_moved(tmp_path):
    for split in ("train", "valid", "test"):
        class_folders(tmp_path / "src" / split, {"a": 4, "b": 4}, size=(4, 4))
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=BuildSpec(image=SMALL))
    splits = split_of(tmp_path / "out")
    assert all(path.split("/")[0].startswith(split) for path, split in splits.items())
    assert list(dict.fromkeys(splits.values())) == ["train", "val", "test"]


def test_a_split_divides_only_the_authors_train(tmp_path):
    for split in ("train", "test"):
        class_folders(tmp_path / "src" / split, {"a": 10}, size=(4, 4))
    spec = BuildSpec(image=SMALL, splits=(("val", 0.2),))
    result = imgmem.build(tmp_path / "src", tmp_path / "out", spec=spec)
    assert result.splits == {"train": 8, "val": 2, "test": 10}
    assert {s for p, s in split_of(tmp_path / "out").items() if p.startswith("test/")} == {"test"}


def test_there_is_nothing_to_divide_without_the_authors_train():
    with pytest.raises(UsageError, match="no train"):
        plan_splits((("val", 0.2),), {"test"})


def test_rejects_shrink_their_split(tmp_path):
    from imgmem.core.specs import RejectPolicy

    source = class_folders(tmp_path / "src", {"a": 10}, size=(4, 4))
    spec = BuildSpec(image=SMALL, splits=(("train", 0.5), ("val", 0.5)))
    imgmem.build(source, tmp_path / "before", spec=spec)
    victim = next(p for p, s in split_of(tmp_path / "before").items() if s == "val")
    (source / victim).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    result = imgmem.build(source, tmp_path / "out", spec=spec, policy=RejectPolicy(on_error="skip"))
    assert result.splits == {"train": 5, "val": 4}


def test_an_unlabeled_source_splits_without_strata(tmp_path):
    for number in range(10):
        write(tmp_path / "src" / f"{number}.png", photo(4, 4, seed=number))
    spec = BuildSpec(image=SMALL, splits=(("train", 0.8), ("val", 0.2)))
    result = imgmem.build(tmp_path / "src", tmp_path / "out", spec=spec)
    assert result.splits == {"train": 8, "val": 2}


@pytest.mark.parametrize(
    "splits",
    [
        (("train", 0.5), ("val", 0.2)),
        (("val", 0.7), ("test", 0.7)),
        (("val", 0.0),),
        (("val", -1.0), ("train", 2.0)),
        (("val", float("nan")),),
        (("a", 0.5), ("a", 0.5)),
        (("", 1.0),),
        (("../x", 1.0),),
    ],
)
def test_fractions_that_do_not_add_up_are_refused(splits):
    with pytest.raises(UsageError):
        plan_splits(splits, set())


def steps_of_assigning(classes, images=4000):
    """How many steps SQLite takes to split images of as many classes."""
    database = scratch_database(
        "CREATE TABLE files (name BLOB, size INTEGER, label BLOB, split TEXT, locator TEXT, "
        "rank BLOB, unit BLOB)"
    )
    database.executemany(
        "INSERT INTO files VALUES (?, ?, ?, NULL, '[]', ?, NULL)",
        ((b"%d" % n, n, b"%d" % (n % classes), b"%08d" % n) for n in range(images)),
    )
    steps = 0

    def count():
        nonlocal steps
        steps += 1

    database.set_progress_handler(count, 1000)
    source = SimpleNamespace(address=None)  # no two files have one size: none is read
    assign_splits(database, source, plan_splits((("val", 0.2),), set()), Strata(), grouped=False)
    return steps


def test_the_work_of_splitting_does_not_grow_with_the_number_of_classes():
    assert steps_of_assigning(1000) < 3 * steps_of_assigning(10)


@pytest.mark.parametrize("wanted", [(("all", 0.5),), (("all", 0.5), ("rest", 0.5))])
def test_a_split_is_not_called_all(wanted):
    with pytest.raises(UsageError, match="invalid split name 'all'"):
        plan_splits(wanted, set())


def test_a_split_of_the_source_that_is_called_all_has_to_be_renamed():
    with pytest.raises(UsageError, match="called 'all'"):
        plan_splits((), {"all", "train"})
