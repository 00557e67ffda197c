"""A normalization on reading that is recorded again, from the sums in dataset.json alone."""

from dataclasses import replace

import pytest
from support.trees import class_folders

import imgmem
from imgmem.core.read.on_read import renewed
from imgmem.core.storage import store

CHOICES = [
    {},
    {"method": "minmax"},
    {"method": "rescale"},
    {"stats_split": "all"},
    {"stats_split": "val"},
    {"stats_split": "!val"},
    {"stats_split": ("train", "test"), "dtype": "float16"},
    {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.2, 0.1)},
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Two datasets with the same splits and other rows."""
    folder = tmp_path_factory.mktemp("renewed")
    for name, counts in (("one", {"a": 8, "b": 6}), ("two", {"b": 9, "c": 8})):
        source = class_folders(folder / f"{name} source", counts, size=(6, 5))
        imgmem.build(source, folder / name, size=(6, 5), split="val=0.3,test=0.2")
    return folder


def normalization(path, choice):
    imgmem.normalize(path, on_read=True, **choice)
    found = store.read_record(str(path)).normalization
    imgmem.undo_normalize(path)
    return found


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_it_is_what_normalize_would_record(built, choice):
    before, wanted = (normalization(built / name, choice) for name in ("one", "two"))
    record = store.read_record(str(built / "two"))
    assert renewed(before, record) == wanted
    assert choice.get("method") == "rescale" or "mean" in choice or before != wanted


def test_constants_of_another_dataset_stay(built):
    before = normalization(built / "one", {"stats_from": built / "two"})
    assert renewed(before, store.read_record(str(built / "two"))) == before


def test_splits_without_rows_have_no_constants(built):
    before = normalization(built / "one", {"stats_split": "val"})
    record = store.read_record(str(built / "two"))
    splits = record.splits | {"val": (0, 0)}
    assert renewed(before, replace(record, splits=splits)) is None
