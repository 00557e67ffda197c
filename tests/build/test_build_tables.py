"""Building from label tables."""

import csv

import numpy as np
import pytest
from support.images import photo, write
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, InputError
from imgmem.core.specs import BuildSpec

SMALL = {"size": 4, "workers": 1}


@pytest.fixture
def photos(tmp_path):
    """Six images in train/, each of another gray level."""
    for number in range(6):
        write(tmp_path / f"photos/train/p{number}.png", photo(8, 8, seed=number))
    return tmp_path / "photos"


@pytest.fixture
def table(photos):
    def make(text, name="labels.csv"):
        (photos / name).write_text(text)
        return photos / name

    return make


def rows(dataset, name="rows.csv"):
    with open(dataset / name, newline="") as file:
        return list(csv.DictReader(file))


def test_a_list_as_source_gives_rows_in_its_order(tmp_path, table):
    source = table("id,breed\np4,cat\np0,dog\np2,cat\n")
    imgmem.build(source, tmp_path / "out", **SMALL)
    assert [row["path"] for row in rows(tmp_path / "out")] == [
        "train/p4.png", "train/p0.png", "train/p2.png"
    ]  # fmt: skip
    assert np.load(tmp_path / "out/y.npy").tolist() == [0, 1, 0]


def test_a_list_in_another_order_is_another_dataset(tmp_path, table):
    imgmem.build(table("id,breed\np4,cat\np0,dog\n"), tmp_path / "out", **SMALL)
    source = table("id,breed\np0,dog\np4,cat\n")
    with pytest.raises(DatasetError):
        imgmem.build(source, tmp_path / "out", **SMALL)


def test_a_list_is_built_to_the_same_bytes_by_any_number_of_workers(tmp_path, table):
    source = table("id,breed\np4,cat\np0,dog\np2,cat\np1,dog\n")
    for workers in (1, 3):
        imgmem.build(source, tmp_path / f"out{workers}", size=4, workers=workers)
    assert snapshot(tmp_path / "out1") == snapshot(tmp_path / "out3")


def test_a_column_for_each_class_gives_the_class(tmp_path, photos, table):
    file = table("image,MEL,NV,BCC\np0,0.0,1.0,0.0\np1,1.0,0.0,0.0\np2,0.0,0.0,1.0\n")
    imgmem.build(photos, tmp_path / "out", labels=file, **SMALL)
    assert [row["class"] for row in rows(tmp_path / "out")] == ["NV", "MEL", "BCC"]
    assert np.load(tmp_path / "out/y.npy").tolist() == [2, 1, 0]


def test_lines_without_an_image_end_the_build_before_it_begins(tmp_path, photos, table):
    file = table("id,breed\np0,cat\np1,dog\nx1,cat\nx2,dog\nx3,cat\nx4,cat\np2,cat\n")
    with pytest.raises(InputError, match="4 lines of the label table: x1, x2, x3, …") as caught:
        imgmem.build(photos, tmp_path / "out", labels=file, **SMALL)
    assert caught.value.facts["missing"] == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_lines_without_an_image_are_rejects(tmp_path, photos, table):
    file = table("id,breed\np0,cat\np1,dog\nx1,cat\nx2,dog\np2,cat\n")
    options = {**SMALL, "labels": file, "on_error": "skip"}
    with pytest.raises(InputError, match="max_rejects"):
        imgmem.build(photos, tmp_path / "out", max_rejects=1, **options)
    result = imgmem.build(photos, tmp_path / "out", max_rejects=2, **options)
    assert result.rejected == {"missing": 2}
    assert [row["path"] for row in rows(tmp_path / "out", "rejected.csv")] == ["x1", "x2"]


def test_a_class_that_vanishes_with_its_images_is_a_doubt_that_its_remedies_settle(
    tmp_path, photos, table
):
    file = table("id,breed\np0,cat\np1,dog\nx1,owl\np2,cat\n")
    options = {**SMALL, "labels": file, "on_error": "skip"}
    with pytest.raises(InputError, match="no image of owl") as caught:
        imgmem.build(photos, tmp_path / "out", **options)
    (doubt,) = caught.value.facts["doubts"]
    without, kept = (remedy["options"] for remedy in doubt["remedies"])
    a = imgmem.build(photos, tmp_path / "a", spec=BuildSpec(**without), **options)
    b = imgmem.build(photos, tmp_path / "b", spec=BuildSpec(**kept), **options)
    assert a.class_counts == {"cat": 2, "dog": 1}
    assert b.class_counts == {"cat": 2, "dog": 1, "owl": 0}


def test_the_rows_of_a_dataset_without_splits_are_a_label_table(tmp_path):
    images = class_folders(tmp_path / "images", {"cat": 2, "dog": 2})
    imgmem.build(images, tmp_path / "first", **SMALL)
    again = imgmem.build(images, tmp_path / "again", labels=tmp_path / "first/rows.csv", **SMALL)
    assert again.splits == {}
    assert again.class_counts == {"cat": 2, "dog": 2}


def test_the_rows_of_a_dataset_are_a_label_table(tmp_path, photos, table):
    file = table("id,breed\np0,cat\np1,dog\np3,dog\np2,cat\n")
    imgmem.build(photos, tmp_path / "first", labels=file, split="val=0.5", **SMALL)
    again = {**SMALL, "labels": tmp_path / "first/rows.csv"}
    imgmem.build(photos, tmp_path / "again", **again)
    keys = ("split", "label", "class", "path")
    first, second = (
        sorted(tuple(row[key] for key in keys) for row in rows(tmp_path / name))
        for name in ("first", "again")
    )
    assert first == second


def test_a_parquet_table_gives_labels(tmp_path, photos):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    columns = {"image_id": ["p0", "p1", "p2"], "label": [1, 0, 1], "note": [None, "x", "y"]}
    pq.write_table(pa.table(columns), tmp_path / "labels.parquet")
    imgmem.build(photos, tmp_path / "out", labels=tmp_path / "labels.parquet", **SMALL)
    assert np.load(tmp_path / "out/y.npy").tolist() == [1, 0, 1]
    assert [row["note"] for row in rows(tmp_path / "out")] == ["", "x", "y"]
