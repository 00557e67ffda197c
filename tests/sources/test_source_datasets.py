"""A dataset as a source: its rows come back as images, to the very gray level."""

import json

import numpy as np
import pytest
from support.datasets import features
from support.sources import exhausted, listed
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, RejectedImage
from imgmem.core.specs import BuildSpec, ImageSpec, NormalizeSpec


def spec(size=(24, 32), **options):
    channels = options.pop("channels", "rgb")
    return BuildSpec(image=ImageSpec(size=size, channels=channels), **options)


def make(tmp_path, **options):
    images = class_folders(tmp_path / "images", {"cat": 6, "dog": 4})
    imgmem.build(images, tmp_path / "first", spec=spec(**options))
    return tmp_path / "first"


def rebuilt(dataset, name="second", **options):
    """The dataset built from another, at its own size."""
    out = dataset.parent / name
    imgmem.build(dataset, out, spec=spec(**options))
    return out


def by_path(dataset):
    """Path → pixels, from the rows of rows.csv."""
    lines = (dataset / "rows.csv").read_text().splitlines()[1:]
    rows = zip(lines, features(dataset), strict=True)
    return {line.split(",")[4]: row.tolist() for line, row in rows}


def test_each_row_is_an_image_with_its_path_class_and_split(tmp_path):
    dataset = make(tmp_path, splits=(("val", 0.5),))
    entries = listed(dataset)
    assert len(entries) == 10
    assert entries["cat/00.png"].label == "cat"
    assert sorted({entry.split for entry in entries.values()}) == ["train", "val"]
    assert {entry.split for entry in listed(dataset, auto_split=False).values()} == {None}
    assert {entry.label for entry in listed(dataset, labels="none").values()} == {None}


@pytest.mark.parametrize("options", [{}, {"dtype": "float32"}, {"channels": "gray"}])
def test_a_dataset_built_from_another_has_its_very_pixels(tmp_path, options):
    dataset = make(tmp_path, **options)
    again = rebuilt(dataset, **options)
    assert np.array_equal(features(again), features(dataset))
    assert (again / "y.npy").read_bytes() == (dataset / "y.npy").read_bytes()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("method", ["standardize", "rescale", "minmax"])
def test_a_normalization_is_undone_to_the_very_pixel_values(tmp_path, method, dtype):
    dataset = make(tmp_path)
    before = np.array(features(dataset))
    imgmem.normalize(dataset, spec=NormalizeSpec(method=method, dtype=dtype))
    assert features(dataset).dtype == dtype
    assert np.array_equal(features(rebuilt(dataset)), before)


def test_it_can_be_split_again_and_resized(tmp_path):
    dataset = make(tmp_path, splits=(("val", 0.5),))
    again = rebuilt(dataset, size=(8, 8), splits=(("test", 0.2),), auto_split=False)
    assert json.loads((again / "dataset.json").read_text())["splits"] == {
        "train": [0, 8],
        "test": [8, 10],
    }
    assert features(again).shape == (10, 8, 8, 3)


def test_recorded_splits_stay_as_they_were(tmp_path):
    dataset = make(tmp_path, splits=(("val", 0.5),))
    again = rebuilt(dataset)
    assert by_path(again) == by_path(dataset)
    for line in ("splits", "classes"):
        documents = [json.loads((d / "dataset.json").read_text())[line] for d in (dataset, again)]
        assert documents[0] == documents[1]


def test_extra_columns_are_carried_on(tmp_path):
    images = class_folders(tmp_path / "images", {"cat": 2, "dog": 2})
    (images / "list.csv").write_text("path,label,note\ncat/00.png,cat,nice\ndog/00.png,dog,\n")
    imgmem.build(images / "list.csv", tmp_path / "first", spec=spec())
    source = exhausted(tmp_path / "first")
    assert source.extra_columns == ("note",)
    assert listed(tmp_path / "first")["cat/00.png"].extra == ("nice",)


def test_classes_that_are_not_in_sorted_order_are_said_to_need_pinning(tmp_path):
    dataset = make(tmp_path, classes=("dog", "emu", "cat"))
    source = exhausted(dataset)
    assert source.class_names == ("dog", "emu", "cat")
    assert f"classes='{dataset}'" in source.notes[-1]


def test_an_unlabeled_dataset_gives_unlabeled_images(tmp_path, opened):
    dataset = make(tmp_path, labels="none")
    assert not exhausted(dataset).labeled
    assert {entry.label for entry in listed(dataset).values()} == {None}


def test_the_dataset_is_left_as_it_was_and_cannot_be_changed_meanwhile(tmp_path, opened):
    dataset = make(tmp_path)
    before = snapshot(dataset, metadata=True)
    source = opened(dataset)
    for entry in source.listing().entries:
        assert len(source.read(entry.name, entry.locator)) == entry.size
    with pytest.raises(DatasetError):
        imgmem.normalize(dataset)
    assert snapshot(dataset, metadata=True) == before


def test_read_head_gives_the_first_bytes(tmp_path, opened):
    source = opened(make(tmp_path))
    entry = next(iter(source.listing().entries))
    assert source.read_head(entry.name, entry.locator, 20) == source.read(*row(entry))[:20]


def row(entry):
    return entry.name, entry.locator


def require_corrupt(source, number):
    """The row is rejected, and not the one before it."""
    entries = list(source.listing().entries)
    source.read(*row(entries[number - 1]))
    with pytest.raises(RejectedImage, match=r"^corrupt: "):
        source.read(*row(entries[number]))


def test_a_float_row_with_values_that_are_not_pixel_values_is_rejected(tmp_path, opened):
    dataset = make(tmp_path, dtype="float32")
    for value in (0.5, 256, -1, np.nan):
        array = np.load(dataset / "X.npy", mmap_mode="r+")
        array[3, 0, 0, 0] = value
        array.flush()
        require_corrupt(opened(dataset), 3)


def test_a_normalized_row_with_values_that_are_not_pixel_values_is_rejected(tmp_path, opened):
    dataset = make(tmp_path)
    imgmem.normalize(dataset)
    array = np.load(dataset / "X.npy", mmap_mode="r+")
    array[3, 0, 0, 0] += np.float32(1e-3)
    array.flush()
    require_corrupt(opened(dataset), 3)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
        lambda text: text + text.splitlines()[-1] + "\n",
        lambda text: text.rsplit(",", 1)[0] + "\n",
        lambda text: text.replace("label", "number", 1),
        lambda text: "",
    ],
)
def test_a_dataset_whose_rows_csv_is_not_whole_is_refused(tmp_path, damage):
    dataset = make(tmp_path)
    text = (dataset / "rows.csv").read_text()
    (dataset / "rows.csv").write_text(damage(text))
    with pytest.raises(DatasetError, match=r"rows\.csv is damaged"):
        listed(dataset)


def test_a_folder_with_some_other_dataset_json_is_a_folder(tmp_path):
    class_folders(tmp_path, {"cat": 1, "dog": 1})
    (tmp_path / "dataset.json").write_text("{}")
    assert set(listed(tmp_path)) == {"cat/00.png", "dog/00.png"}


def test_a_dataset_in_transition_is_refused_as_one(tmp_path):
    dataset = make(tmp_path)
    (dataset / "X.npy").rename(dataset / "X.in-transition")
    with pytest.raises(DatasetError, match="partially normalized"):
        listed(dataset)


def test_splits_of_any_name_stay(tmp_path):
    dataset = make(tmp_path, splits=(("fold-1", 0.5), ("fold-2", 0.5)))
    again = rebuilt(dataset)
    splits = [json.loads((d / "dataset.json").read_text())["splits"] for d in (dataset, again)]
    assert splits == [{"fold-1": [0, 5], "fold-2": [5, 10]}] * 2
