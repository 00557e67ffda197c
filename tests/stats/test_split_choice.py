"""`stats` and `sample` of several splits: as of a dataset that has these rows only."""

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo

import imgmem
from imgmem.core.errors import UsageError

SPLITS = {"test": (0, 4), "fold1": (4, 9), "fold2": (9, 14), "fold3": (14, 20)}
CHOSEN = {
    "!fold2": [*range(4, 9), *range(14, 20)],
    "fold3,test": [*range(4), *range(14, 20)],
    "fold1,fold2": [*range(4, 14)],
    "!test": [*range(4, 22)],
    "all": [*range(22)],
}
IMAGES = np.stack([photo(16, 16, seed) for seed in range(20)] + [photo(16, 16, 4)] * 2)
IMAGES[15] = IMAGES[5]
IMAGES[[3, 17]] = 7
DIGESTS = [*range(15), 5, *range(16, 20), 4, 4]
LABELS = np.arange(22) % 3


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    path = tmp_path_factory.mktemp("folded") / "d"
    return write_dataset(path, IMAGES, LABELS, splits=SPLITS, digests=DIGESTS)


def _findings(stats, rows):
    return [
        (f.kind, f.count, [sorted(rows[row.row] for row in item.rows) for item in f.items])
        for f in stats.findings
    ]


@pytest.mark.parametrize("choice", CHOSEN)
def test_stats_of_several_splits_are_those_of_their_rows(folded, tmp_path, choice):
    rows = CHOSEN[choice]
    splits, at = {}, 0
    for name, (start, stop) in SPLITS.items():
        if set(range(start, stop)) <= set(rows):
            splits[name] = (at, at := at + stop - start)
    other = write_dataset(
        tmp_path / "other", IMAGES[rows], LABELS[rows], splits=splits, classes=["c0", "c1", "c2"],
        digests=[DIGESTS[row] for row in rows], names=[f"{row}.png" for row in rows],
    )  # fmt: skip
    found, expected = (
        imgmem.stats(path, split=split, by_class=True)
        for path, split in ((folded, choice), (other, None))
    )
    assert _findings(found, range(22)) == _findings(expected, rows)
    assert found.splits == expected.splits
    same = ("shape", "classes", "balance", "sources", "background", "histogram_step")
    for name in same:
        assert getattr(found, name) == getattr(expected, name)
    key = next(iter(found.channels))
    assert found.channels == {key: expected.channels["all"]} | {
        name: channels for name, channels in expected.channels.items() if name != "all"
    }


@pytest.mark.parametrize("choice", [choice for choice in CHOSEN if choice != "all"])
def test_constants_are_those_of_the_rows_chosen(folded, choice):
    values = IMAGES[CHOSEN[choice]].reshape(-1, 3)
    constants = imgmem.stats(folded, split=choice).standardize
    np.testing.assert_allclose(constants.mean, values.mean(0))
    np.testing.assert_allclose(constants.std, values.std(0))


def test_all_rows_of_folds_have_no_constants(folded):
    """The constants for training must not know the rows that are held out."""
    stats = imgmem.stats(folded)
    assert stats.standardize is None
    assert any("first fold" in note for note in stats.notes)


def test_a_report_shows_several_splits(folded, tmp_path):
    imgmem.stats(folded, split=["fold1", "fold3"], report=tmp_path / "page.html")
    assert "fold1,fold3" in (tmp_path / "page.html").read_text()


def test_two_datasets_are_compared_by_several_splits(folded):
    both = imgmem.compare(folded, folded, split="!fold2")
    assert (both.a.shape[0], both.rows_in_b, both.differences) == (11, 11, [])


@pytest.mark.parametrize("choice", CHOSEN)
def test_a_sample_is_drawn_from_several_splits(folded, choice):
    taken = imgmem.sample(folded, count=30, split=choice)
    assert sorted(taken.rows.tolist()) == CHOSEN[choice]
    np.testing.assert_array_equal(taken.images, IMAGES[taken.rows])
    assert taken.labels.tolist() == LABELS[taken.rows].tolist()


def test_a_query_names_several_splits(folded):
    taken = imgmem.sample(folded, count=30, query="split=fold1,split=fold3,class=c1")
    assert sorted(taken.rows.tolist()) == [4, 7, 16, 19]


def test_duplicates_are_searched_in_several_splits(folded):
    taken = imgmem.sample(folded, group="duplicates", split=["fold1", "fold3"])
    assert sorted(taken.rows.tolist()) == [5, 15]


def test_leaks_are_checked_within_several_splits_only(folded):
    imgmem.stats(folded, split="fold1,fold2", fail_on="leaks")
    with pytest.raises(UsageError, match="more than one split"):
        imgmem.stats(folded, split="fold1", fail_on="leaks")


@pytest.mark.parametrize("choice", ["fold9", "fold1,,fold2", ""])
def test_a_choice_that_cannot_be_is_refused(folded, choice):
    for command in (imgmem.stats, imgmem.sample):
        with pytest.raises(UsageError):
            command(folded, split=choice)
