"""The constants of any splits: of `normalize`, of `stats`, and of what readers hand out."""

import json
from dataclasses import replace

import numpy as np
import pytest
from support.images import photo, write

import imgmem
from imgmem.core.errors import DatasetError, UsageError

TEST, FOLDS = range(40, 50), 4


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    for number in range(50):
        image = photo(8, 8, seed=number) // (1 + number % 5) + number
        write(folder / "ab"[number % 2] / f"{number:02}.png", image)
    return folder


@pytest.fixture
def folded(source, tmp_path):
    """Uint8, 8 x 8: fold1 … fold4 of 10 rows each, and test."""
    imgmem.build(source, tmp_path / "d", split="test=0.2,folds=4", size=8, workers=1)
    return tmp_path / "d"


def rows_of(path, *splits):
    images = np.load(path / "X.npy").astype(np.float64)
    ranges = imgmem.open(path).splits
    return np.concatenate([images[slice(*ranges[name])] for name in splits])


def constants_of(path, *splits):
    rows = rows_of(path, *splits)
    return rows.mean((0, 1, 2)), rows.std((0, 1, 2))


OTHERS = ("fold1", "fold2", "fold4")


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_build_keeps_exact_sums_of_every_split(source, tmp_path, dtype):
    imgmem.build(source, tmp_path / "d", split="test=0.2,folds=4", size=8, dtype=dtype)
    sums = json.loads((tmp_path / "d/dataset.json").read_text())["sums"]
    assert list(sums) == ["fold1", "fold2", "fold3", "fold4", "test"]
    for name, found in sums.items():
        rows = rows_of(tmp_path / "d", name).astype(np.int64).reshape(-1, 3)
        assert found == {
            "count": len(rows), "total": rows.sum(0).tolist(), "squares": (rows**2).sum(0).tolist(),
            "minimum": rows.min(0).tolist(), "maximum": rows.max(0).tolist(),
        }  # fmt: skip


def test_sums_of_a_dataset_without_splits_are_of_all_rows(source, tmp_path):
    imgmem.build(source, tmp_path / "d", size=8)
    assert list(json.loads((tmp_path / "d/dataset.json").read_text())["sums"]) == ["all"]


@pytest.mark.parametrize(
    ("choice", "splits"),
    [
        ("!fold3", OTHERS),
        ("fold2,test", ("fold2", "test")),
        (["fold4", "fold1"], ("fold1", "fold4")),
        ("all", (*OTHERS, "fold3", "test")),
    ],
)
def test_normalize_takes_the_constants_of_the_splits(folded, choice, splits):
    mean, std = constants_of(folded, *splits)
    done = imgmem.normalize(folded, stats_split=choice).normalization
    np.testing.assert_allclose(done.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(done.std, std, rtol=1e-12)
    again = imgmem.normalize(folded, stats_split=choice)
    assert again.status == "already normalized"
    assert imgmem.open(folded).normalization == done
    imgmem.undo_normalize(folded)


def test_other_splits_are_another_normalization(folded):
    imgmem.normalize(folded, stats_split="!fold3")
    with pytest.raises(DatasetError, match=r"statistics from !fold3"):
        imgmem.normalize(folded, stats_split="!fold2")


def test_minmax_takes_the_ends_of_the_splits(folded):
    rows = rows_of(folded, "fold1", "fold2")
    done = imgmem.normalize(folded, method="minmax", stats_split="fold1,fold2", on_read=True)
    assert done.normalization.offset == tuple(rows.min((0, 1, 2)))


def test_normalize_asks_which_rows_where_there_are_folds_and_no_train(folded):
    before = (folded / "dataset.json").read_bytes()
    with pytest.raises(UsageError, match="folds and no train") as caught:
        imgmem.normalize(folded, on_read=True)
    assert f"imgmem.normalize('{folded}', on_read=True, stats_split='!fold1')" in caught.value.hint
    assert f"imgmem.normalize('{folded}', on_read=True, stats_split='all')" in caught.value.hint
    assert (folded / "dataset.json").read_bytes() == before
    imgmem.normalize(folded, method="rescale")


def test_constants_that_are_not_of_rows_have_no_splits(folded):
    with pytest.raises(UsageError, match="stats_split has no effect"):
        imgmem.normalize(folded, method="rescale", stats_split="fold1")
    with pytest.raises(UsageError, match="stats_split has no effect"):
        imgmem.normalize(folded, mean=(0, 0, 0), std=(1, 1, 1), stats_split="fold1")
    with pytest.raises(UsageError, match="fold9"):
        imgmem.normalize(folded, stats_split="!fold9")


def test_splits_of_another_dataset_give_the_constants(folded, source, tmp_path):
    imgmem.build(source, tmp_path / "new", size=8)
    mean, _ = constants_of(folded, *OTHERS)
    with pytest.raises(UsageError, match="folds and no train"):
        imgmem.normalize(tmp_path / "new", stats_from=folded)
    done = imgmem.normalize(tmp_path / "new", stats_from=folded, stats_split="!fold3", on_read=True)
    np.testing.assert_allclose(done.normalization.mean, mean, rtol=1e-12)


def test_a_dataset_does_not_lend_itself_constants(folded, tmp_path):
    (tmp_path / "link").symlink_to(folded)
    with pytest.raises(UsageError, match="is the dataset itself"):
        imgmem.normalize(folded, stats_from=tmp_path / "link")


def test_stats_shows_the_constants_of_a_choice_and_none_of_all_rows(folded):
    mean, std = constants_of(folded, *OTHERS)
    shown = imgmem.stats(folded, split="!fold3").standardize
    np.testing.assert_allclose((shown.mean, shown.std), (mean, std), rtol=1e-12)
    stats = imgmem.stats(folded)
    assert stats.standardize is None
    assert any("!fold1" in note for note in stats.notes)


def batch_of(path, split, **options):
    return next(iter(imgmem.open(path, split).batches(100, order="sequential", **options)))[0]


def standardized(path, splits, by):
    mean, std = constants_of(path, *by)
    return (rows_of(path, *splits) - mean) / std


@pytest.mark.parametrize(
    ("split", "rows", "normalize", "by"),
    [
        ("!fold3", OTHERS, "standardize", OTHERS),
        ("fold3", ["fold3"], "standardize", OTHERS),
        (["fold1", "fold2"], ["fold1", "fold2"], "standardize", ["fold1", "fold2"]),
        ("test", ["test"], "!fold3", OTHERS),
        ("fold3", ["fold3"], ["fold1", "test"], ["fold1", "test"]),
        (None, [*OTHERS[:2], "fold3", "fold4", "test"], "test", ["test"]),
    ],
)
def test_a_reader_normalizes_with_the_constants_of_what_is_trained_on(
    folded, split, rows, normalize, by
):
    found = batch_of(folded, split, normalize=normalize)
    np.testing.assert_allclose(found, standardized(folded, rows, by), atol=1e-5)


def test_a_reader_of_folds_never_takes_the_recorded_constants_of_another_fold(folded):
    imgmem.normalize(folded, on_read=True, stats_split="!fold1")
    for split, rows, by in (
        ("!fold1", ("fold2", "fold3", "fold4"), ("fold2", "fold3", "fold4")),
        ("!fold3", OTHERS, OTHERS),
        ("fold3", ("fold3",), OTHERS),
        ("test", ("test",), ("fold2", "fold3", "fold4")),
    ):
        found = batch_of(folded, split)
        np.testing.assert_allclose(found, standardized(folded, rows, by), atol=1e-5)


def test_a_test_set_may_belong_to_any_fold(folded):
    with pytest.raises(UsageError, match="'test' may belong to a model trained on any"):
        batch_of(folded, "test", normalize="standardize")


def test_train_gives_the_constants_where_there_is_one(source, tmp_path):
    imgmem.build(source, tmp_path / "d", split="val=0.2", size=8)
    found = batch_of(tmp_path / "d", "val", normalize="standardize")
    np.testing.assert_allclose(found, standardized(tmp_path / "d", ["val"], ["train"]), atol=1e-5)


def test_constants_survive_a_normalization_in_place(folded):
    before = json.loads((folded / "dataset.json").read_text())["sums"]
    imgmem.normalize(folded, stats_split="!fold3")
    assert json.loads((folded / "dataset.json").read_text())["sums"] == before
    with pytest.raises(UsageError, match="already normalized"):
        batch_of(folded, "!fold3", normalize="standardize")


def test_a_dataset_without_sums_says_so(folded):
    file = folded / "dataset.json"
    record = json.loads(file.read_text())
    del record["sums"]["fold2"]
    file.write_text(json.dumps(record))
    with pytest.raises(UsageError, match="no sums of its splits"):
        batch_of(folded, "!fold3", normalize="standardize")
    assert batch_of(folded, "!fold2", normalize="standardize").dtype == np.float32


def test_a_record_with_the_constants_of_unknown_splits_is_damaged(folded):
    imgmem.normalize(folded, on_read=True, stats_split="!fold1")
    record = imgmem.open(folded).record
    done = replace(record.normalization, split="!fold1,fold9")
    (folded / "dataset.json").write_bytes(replace(record, normalization=done).to_json())
    with pytest.raises(DatasetError, match="names a split that does not exist"):
        imgmem.open(folded)
