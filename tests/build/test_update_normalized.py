"""What `update` makes of a dataset that is normalized."""

import re

import pytest
from support.datasets import split_of
from support.images import photo, write
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.storage import store

SMALL = {"size": 4, "workers": 1, "fsync": False, "split": "val=0.3"}
CHOICES = [
    {},
    {"method": "minmax", "dtype": "float16"},
    {"method": "rescale"},
    {"stats_split": "all"},
    {"stats_split": "!val"},
    {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1)},
]


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"a": 7, "b": 6}, size=(4, 4))


def update(source, out):
    """A new image, a changed one and one that is gone; returns the result of the update."""
    write(source / "a/new.png", photo(4, 4, seed=100))
    write(source / "b/00.png", photo(4, 4, seed=101))
    (source / "a/03.png").unlink()
    return imgmem.build(source, out, update=True, **SMALL)


def full_build(source, like, out):
    imgmem.build(source, out, **SMALL | {"split": f"like:{like}"})
    return out


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_on_reading_it_is_recorded_again_with_new_constants(source, tmp_path, choice):
    imgmem.build(source, tmp_path / "out", **SMALL)
    imgmem.build(source, tmp_path / "old", **SMALL)
    imgmem.normalize(tmp_path / "out", on_read=True, **choice)
    result = update(source, tmp_path / "out")
    new = full_build(source, tmp_path / "old", tmp_path / "new")
    imgmem.normalize(new, on_read=True, **choice)
    assert snapshot(tmp_path / "out") == snapshot(new)
    assert any("normalized on reading as before" in note for note in result.notes)


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_in_place_the_pixel_values_are_back_and_the_command_is_named(source, tmp_path, choice):
    imgmem.build(source, tmp_path / "out", **SMALL)
    imgmem.build(source, tmp_path / "old", **SMALL)
    imgmem.normalize(tmp_path / "out", **choice)
    result = update(source, tmp_path / "out")
    assert result.kept == 11
    new = full_build(source, tmp_path / "old", tmp_path / "new")
    assert snapshot(tmp_path / "out") == snapshot(new)
    (note,) = [note for note in result.notes if "pixel values again" in note]
    eval(re.search("`(.*)`", note)[1], {"imgmem": imgmem})
    imgmem.normalize(new, **choice)
    assert snapshot(tmp_path / "out") == snapshot(new)


def test_splits_that_have_no_rows_any_more_are_said(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    imgmem.normalize(tmp_path / "out", on_read=True, stats_split="val")
    start, stop = store.read_record(str(tmp_path / "out")).splits["val"]
    assert stop - start > 1
    for path, split in split_of(tmp_path / "out").items():
        if split == "val":
            (source / path).unlink()
    result = imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    assert any("on_read=True, stats_split='val'" in note for note in result.notes)


@pytest.mark.parametrize("on_read", [False, True])
def test_a_dry_run_says_that_it_has_to_be_normalized_again(source, tmp_path, on_read):
    imgmem.build(source, tmp_path / "out", **SMALL)
    imgmem.normalize(tmp_path / "out", on_read=on_read)
    write(source / "a/new.png", photo(4, 4, seed=100))
    preview = imgmem.preview_build(source, tmp_path / "out", update=True, **SMALL)
    assert any("normalized again" in note for note in preview.notes) != on_read
