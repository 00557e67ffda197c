"""`sample`: the rows that were asked for, the same every time, as they look or as they are."""

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo

from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.sample.operation import sample
from imgmem.core.specs import SampleSpec
from imgmem.core.storage.record import Normalization

LABELS = [0] * 30 + [1] * 6 + [2] * 2 + [0] * 10 + [1] * 2


@pytest.fixture(scope="module")
def images():
    return np.stack([photo(24, 20, seed) for seed in range(len(LABELS))])


@pytest.fixture(scope="module")
def dataset(images, tmp_path_factory):
    return write_dataset(
        tmp_path_factory.mktemp("sample") / "set",
        images,
        LABELS,
        classes=["ant", "bee", "cow"],
        splits={"train": (0, 38), "val": (38, 50)},
    )


def rows(dataset, **options):
    return sample(dataset, spec=SampleSpec(**options)).rows.tolist()


def labels(dataset, **options):
    return sample(dataset, spec=SampleSpec(**options)).labels.tolist()


def test_sixteen_different_rows_unless_told_otherwise(dataset):
    assert len(set(rows(dataset))) == 16
    assert len(set(rows(dataset, count=40))) == 40


def test_more_than_there_are_is_all_there_are(dataset):
    assert sorted(rows(dataset, count=1000)) == list(range(50))


def test_the_seed_decides(dataset):
    """The numbers are fixed for good: they must be the same on every machine."""
    assert rows(dataset, count=5) == [16, 38, 43, 30, 2]
    assert rows(dataset, count=5, seed=1) != rows(dataset, count=5)
    assert rows(dataset, count=5) == rows(dataset, count=9)[:5]


def test_balanced_has_as_many_of_each_class(dataset):
    assert np.bincount(labels(dataset, count=6, balanced=True)).tolist() == [2, 2, 2]


def test_balanced_fills_up_where_a_class_is_small(dataset):
    assert np.bincount(labels(dataset, count=18, balanced=True)).tolist() == [8, 8, 2]


def test_per_class_has_that_many_of_each_as_far_as_they_go(dataset):
    assert np.bincount(labels(dataset, per_class=4)).tolist() == [4, 4, 2]


def test_rows_come_in_the_order_asked_for(dataset):
    assert rows(dataset, rows=(17, 3, 17)) == [17, 3, 17]


def test_rows_in_falling_order_are_refused(dataset):
    with pytest.raises(UsageError, match="invalid rows '5-2'"):
        sample(dataset, rows="1,5-2")


def test_a_split_gives_its_own_rows(dataset):
    assert sorted(rows(dataset, split="val", count=50)) == list(range(38, 50))


def test_a_query_gives_rows_of_its_classes(dataset):
    assert set(labels(dataset, classes=("bee", "cow"), count=50)) == {1, 2}
    assert sorted(rows(dataset, classes=("bee",), split="val", count=50)) == [48, 49]


def test_groups_of_classes_and_splits_stand_together(dataset):
    found = sample(dataset, spec=SampleSpec(group="class", count=9))
    assert found.groups == (("ant", 4), ("bee", 3), ("cow", 2))
    assert found.labels.tolist() == sorted(found.labels.tolist())
    found = sample(dataset, spec=SampleSpec(group="split", count=8))
    assert found.groups == (("train", 4), ("val", 4))
    assert [source.split for source in found.sources] == ["train"] * 4 + ["val"] * 4


def test_groups_of_duplicates_are_whole(images, tmp_path):
    doubled = images[:20].copy()
    doubled[11] = doubled[3]
    doubled[[15, 19]] = doubled[7]
    digests = [*range(15), 7, 16, 17, 18, 19]
    path = write_dataset(tmp_path / "set", doubled, digests=digests)
    found = sample(path, spec=SampleSpec(group="duplicates"))
    assert found.groups == (("look the same", 2), ("look the same", 3))
    assert rows(path, group="duplicates") == [3, 11, 7, 15, 19]
    assert rows(path, group="duplicates", count=4) == [3, 11]


def test_groups_say_whether_they_share_bytes_or_looks(tmp_path):
    pictures = np.stack([photo(64, 64, seed % 4) for seed in range(6)])
    path = write_dataset(tmp_path / "set", pictures, digests=[0, 1, 2, 3, 0, 5])
    found = sample(path, spec=SampleSpec(group="duplicates"))
    assert found.groups == (("same bytes", 2), ("look the same", 2))


def test_without_duplicates_there_are_no_groups(tmp_path):
    path = write_dataset(tmp_path / "set", np.stack([photo(64, 64, s) for s in range(5)]))
    found = sample(path, spec=SampleSpec(group="duplicates"))
    assert (found.groups, len(found.images)) == ((), 0)


def test_every_row_says_where_it_came_from(dataset):
    source = sample(dataset, spec=SampleSpec(rows=(33,))).sources[0]
    assert (source.row, source.split, source.class_name) == (33, "train", "bee")
    assert (source.path, source.width, source.height) == ("33.png", 20, 24)


def test_images_are_the_rows(dataset, images):
    found = sample(dataset, spec=SampleSpec(rows=(4, 40)))
    assert np.array_equal(found.images, images[[4, 40]])
    assert np.array_equal(found.pixels, images[[4, 40]])


@pytest.mark.parametrize("on_read", [False, True])
def test_normalized_rows_are_shown_in_true_colors_and_given_as_for_training(
    tmp_path, images, on_read
):
    offset, scale = (90.0, 100.0, 110.0), (0.02, 0.021, 0.019)
    values = ((images - np.array(offset)) * scale).astype(np.float32)
    done = Normalization(
        method="given", offset=offset, scale=scale, dtype="float32", source_dtype="uint8",
        on_read=on_read,
    )  # fmt: skip
    path = write_dataset(tmp_path / "set", images if on_read else values, normalization=done)
    found = sample(path, spec=SampleSpec(rows=(1, 2)))
    assert np.array_equal(found.pixels, images[1:3])
    assert np.allclose(found.images, values[1:3], atol=1e-6)


def test_float_rows_of_pixel_values_look_as_they_are(tmp_path, images):
    path = write_dataset(tmp_path / "set", images[:3].astype(np.float32))
    assert np.array_equal(sample(path, spec=SampleSpec(rows=(2,))).pixels, images[2:3])


@pytest.mark.parametrize(
    "options",
    [
        {"rows": (1,), "count": 3},
        {"rows": (1,), "split": "val"},
        {"rows": (1,), "balanced": True},
        {"rows": (1,), "classes": ("ant",)},
        {"per_class": 2, "count": 3},
        {"per_class": 2, "balanced": True},
        {"group": "duplicates", "balanced": True},
    ],
)
def test_contradictory_options_are_refused_before_the_dataset_is_looked_at(options):
    with pytest.raises(UsageError, match="contradict"):
        sample("nowhere", spec=SampleSpec(**options))


@pytest.mark.parametrize(
    "options",
    [{"balanced": True}, {"per_class": 2}, {"classes": ("ant",)}, {"group": "class"}],
)
def test_what_needs_labels_is_refused_without_them(tmp_path, images, options):
    path = write_dataset(tmp_path / "set", images[:3])
    with pytest.raises(UsageError, match="no labels"):
        sample(path, spec=SampleSpec(**options))


def test_unlabeled_rows_can_be_sampled(tmp_path, images):
    path = write_dataset(tmp_path / "set", images[:3])
    assert sample(path).labels is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": (50,)}, "no row 50"),
        ({"split": "dev"}, "no split 'dev'"),
        ({"classes": ("dog",)}, "no class 'dog'"),
    ],
)
def test_what_is_not_there_is_an_input_error(dataset, options, message):
    with pytest.raises(UsageError, match=message):
        sample(dataset, spec=SampleSpec(**options))


def test_rows_that_do_not_fit_into_memory_are_refused(dataset, monkeypatch):
    monkeypatch.setattr("imgmem.core.machine.memory.budget", lambda _: 10_000)
    with pytest.raises(ResourceError, match="16 rows take"):
        sample(dataset)
