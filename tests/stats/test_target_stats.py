"""What `stats` and `sample` say of several labels and of numbers."""

import re

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo
from support.program import imgmem as run

import imgmem
from imgmem.core.errors import CheckFailed, UsageError

FLAGS = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1], [1, 0, 0]], np.uint8)
AGES = np.array([10, 20, 30, 40, 50, 90], np.float32)
SPLITS = {"train": (0, 4), "val": (4, 6)}


@pytest.fixture
def several(tmp_path):
    images = np.stack([photo(16, 16, seed=n) for n in range(6)])
    return write_dataset(
        tmp_path / "several", images, FLAGS, classes=("a", "b", "c"), target="multilabel",
        splits=SPLITS,
    )  # fmt: skip


@pytest.fixture
def ages(tmp_path):
    images = np.stack([photo(16, 16, seed=n) for n in range(6)])
    return write_dataset(
        tmp_path / "ages", images, AGES, target="number", target_names=("age",), splits=SPLITS
    )


def test_each_class_counts_the_rows_that_have_it(several):
    found = imgmem.stats(several)
    assert [(each.name, each.rows, each.splits) for each in found.classes] == [
        ("a", 4, {"train": 3, "val": 1}), ("b", 2, {"train": 2, "val": 0}),
        ("c", 1, {"train": 0, "val": 1}),
    ]  # fmt: skip
    assert found.balance == 4


def test_labels_that_go_together_are_counted(several):
    found = imgmem.stats(several).label_sets
    assert [(pair.a, pair.b, pair.rows) for pair in found.pairs] == [("a", "b", 2)]
    assert found.by_labels == [1, 3, 2]
    assert found.mean == pytest.approx(7 / 6)


def test_the_pixel_values_of_a_class_are_those_of_all_its_rows(several):
    images = np.load(several / "X.npy").astype(float)
    found = imgmem.stats(several, by_class=True).classes
    for number, each in enumerate(found):
        np.testing.assert_allclose(each.mean, images[FLAGS[:, number] == 1].mean((0, 1, 2)))


def test_a_number_is_described_over_all_rows_and_by_split(ages):
    (found,) = imgmem.stats(ages).numbers
    assert (found.name, list(found.parts)) == ("age", ["all", "train", "val"])
    whole = found.parts["all"]
    assert (whole.rows, whole.mean, whole.minimum, whole.maximum) == (6, 40, 10, 90)
    assert whole.quantiles == np.quantile(AGES, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
    assert sum(whole.histogram) == 6
    assert found.parts["val"].quantiles[2] == 70


def test_of_a_split_only_its_numbers_are_described(ages):
    (found,) = imgmem.stats(ages, split="val").numbers
    assert found.parts["val"].mean == 70


@pytest.mark.parametrize(
    ("labels", "options", "count"),
    [
        (FLAGS[[0, 1]], {"target": "multilabel", "classes": ("a", "b", "c")}, 1),
        (FLAGS[[0, 3]], {"target": "multilabel", "classes": ("a", "b", "c")}, 0),
        (AGES[:2], {"target": "number", "target_names": ("age",)}, 1),
        (AGES[[0, 0]], {"target": "number", "target_names": ("age",)}, 0),
    ],
)
def test_equal_images_with_different_targets_are_a_conflict(tmp_path, labels, options, count):
    images = np.stack([photo(16, 16, seed=1)] * 2)
    path = write_dataset(tmp_path / "same", images, labels, digests=[1, 1], **options)
    found = {finding.kind: finding.count for finding in imgmem.stats(path).findings}
    assert found.get("conflicts", 0) == count


def test_imbalance_is_checked_of_several_labels_and_refused_of_numbers(several, ages):
    with pytest.raises(CheckFailed):
        imgmem.stats(several, fail_on="imbalance>3")
    with pytest.raises(UsageError, match="numbers"):
        imgmem.stats(ages, fail_on="imbalance>3")
    with pytest.raises(UsageError, match="numbers"):
        imgmem.stats(ages, by_class=True)


def test_the_tables_show_both(several, ages):
    shown = run("stats", several).stdout
    assert "a + b 2" in shown
    assert "1.17 per row on average, 1 row without any" in shown
    shown = run("stats", ages).stdout
    assert "age" in shown
    assert "75%" in shown


def test_figures_are_not_cut_where_a_histogram_does_not_fit_in(tmp_path):
    angles = np.array([[n / 97, 1970 + n] for n in range(1, 7)], np.float32)
    path = write_dataset(
        tmp_path / "angles", np.stack([photo(16, 16, seed=n) for n in range(6)]), angles,
        target="number", target_names=("angle of the head", "year"), splits=SPLITS,
    )  # fmt: skip
    out = run("stats", path).stdout
    assert "…" not in out and "histogram" not in out
    assert re.search(r"train +4 +0.02577 +0.01153 +0.01031", out)


@pytest.mark.parametrize("dataset", ["several", "ages"])
def test_the_report_shows_the_targets(dataset, request, tmp_path):
    path = request.getfixturevalue(dataset)
    imgmem.stats(path, report=tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert ("Labels that go together" in page) == (dataset == "several")
    assert ("<h2>Numbers</h2>" in page) == (dataset == "ages")
    if dataset == "ages":
        shown = re.findall(r"<b>([\d.]+)</b>\s*<span>row", page)
        assert list(map(float, shown[:6])) == sorted(AGES.tolist())


def test_two_datasets_differ_in_the_labels_of_rows(several, tmp_path):
    changed = FLAGS.copy()
    changed[1] = [0, 1, 0]
    images = np.load(several / "X.npy")
    other = write_dataset(
        tmp_path / "other", images, changed, classes=("a", "b", "c"), target="multilabel"
    )
    found = {each.kind: each.count for each in imgmem.compare(several, other).differences}
    assert found["relabeled"] == 1


def shown(dataset, **options):
    found = imgmem.sample(dataset, **options)
    return found.rows.tolist()


def test_a_query_takes_rows_that_have_any_of_the_classes(several):
    assert sorted(shown(several, query="class=a")) == [0, 1, 3, 5]
    assert sorted(shown(several, query="class=b,class=c")) == [0, 3, 4]
    assert sorted(shown(several, query="class=a,split=val")) == [5]


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("age>=30", [2, 3, 4, 5]),
        ("age>30,age<=50", [3, 4]),
        ("age=20", [1]),
        ({"age": [">30", "<90"], "split": "val"}, [4]),
        ({"age": 40}, [3]),
    ],
)
def test_a_query_takes_rows_by_a_number(ages, query, rows):
    assert sorted(shown(ages, query=query)) == rows


@pytest.mark.parametrize("query", ["age>old", "weight", "age>=,split=val"])
def test_a_malformed_query_is_refused(ages, query):
    with pytest.raises(UsageError):
        shown(ages, query=query)


def test_a_query_for_an_unknown_number_names_those_there_are(ages, several):
    with pytest.raises(UsageError, match="age"):
        shown(ages, query="weight>3")
    with pytest.raises(UsageError, match="none"):
        shown(several, query="weight>3")


def test_rows_of_each_class_and_of_none_are_shown(several):
    found = imgmem.sample(several, per_class=1, group="class")
    assert [title for title, _ in found.groups] == ["a", "b", "c", "no class"]
    assert [rows for _, rows in found.groups] == [1, 1, 1, 1]


@pytest.mark.parametrize("count", [1, 3, 4, 6])
def test_a_balanced_sample_shows_every_row_once(several, count):
    rows = shown(several, balanced=True, count=count)
    assert len(rows) == len(set(rows)) == count


def test_a_balanced_sample_visits_every_class(several):
    flags = FLAGS[shown(several, balanced=True, count=4)]
    assert flags.any(axis=0).all()
    assert not flags.any(axis=1).all()


def test_numbers_cannot_be_balanced(ages):
    for options in ({"balanced": True}, {"per_class": 2}, {"group": "class"}):
        with pytest.raises(UsageError, match="numbers"):
            shown(ages, **options)


def test_captions_show_the_targets(several, ages, tmp_path):
    for dataset in (several, ages):
        origin = imgmem.sample(dataset, rows=[0]).sources[0]
        assert origin.shown_label == {"several": "a|b", "ages": "10.0"}[dataset.name]
    imgmem.sample(ages, out=tmp_path / "batch.npz")
    with np.load(tmp_path / "batch.npz") as batch:
        np.testing.assert_array_equal(batch["labels"], AGES[batch["rows"]])


def test_labels_of_many_classes_are_distinguished(tmp_path):
    flags = np.eye(4, 70, 66, dtype=np.uint8)
    images = np.stack([photo(16, 16, seed=1)] * 4)
    path = write_dataset(
        tmp_path / "same", images, flags, digests=[1] * 4, target="multilabel",
        classes=tuple(f"c{n:02}" for n in range(70)),
    )  # fmt: skip
    assert {f.kind: f.count for f in imgmem.stats(path).findings}["conflicts"] == 1
