"""A split as a folder of PNG files: what `build` makes of it is what it was made of."""

import csv
import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import write_dataset

import imgmem
from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.paths import folded
from imgmem.core.sample.folder import safe_name
from imgmem.core.storage import durable


def noise(seed, dtype=np.uint8, shape=(20, 24, 3)):
    highest = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, highest, shape, dtype, endpoint=True)


def draw(folder, names, dtype=np.uint8):
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), noise(number, dtype))
    return folder


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def listed(folder, name="rows.csv"):
    with open(folder / name, newline="") as file:
        return list(csv.DictReader(file))


def assert_same_rows(exported, old, new):
    """Every row of the new dataset is the row of the old one that its file was made of."""
    old, new = imgmem.open(old), imgmem.open(new)
    rows = {line["file"]: int(line["row"]) for line in listed(exported)}
    assert sorted(new.paths()) == sorted(rows)
    assert new.classes == old.classes
    assert new.target_names == old.target_names
    numbers = [rows[path] for path in new.paths()]
    np.testing.assert_array_equal(new.images, old.images[numbers])
    np.testing.assert_array_equal(new.labels, old.labels[numbers])


@pytest.fixture
def photos(tmp_path):
    """Two classes; names that are alike in both, and in one but for their case."""
    names = [f"{kind}/{name}" for kind in ("cat", "dog") for name in ("a1.png", "A1.png", "b.png")]
    draw(tmp_path / "src", names)
    imgmem.build(tmp_path / "src", tmp_path / "d", size=16)
    return tmp_path / "d"


@pytest.mark.parametrize("normalized", [False, True])
def test_class_folders_are_built_again_alike(photos, tmp_path, normalized):
    imgmem.sample(photos, count=99, group="class", out=f"{tmp_path}/out/")
    imgmem.build(tmp_path / "out", tmp_path / "again", size=16)
    assert_same_rows(tmp_path / "out", photos, tmp_path / "again")
    if normalized:
        imgmem.normalize(photos)
        imgmem.sample(photos, count=99, group="class", out=f"{tmp_path}/of-normalized/")
        for name in files_in(tmp_path / "out"):
            same = [(tmp_path / each / name).read_bytes() for each in ("out", "of-normalized")]
            assert same[0] == same[1]


def test_a_table_of_classes_is_taken_back(photos, tmp_path):
    imgmem.sample(photos, count=99, out=f"{tmp_path}/out/")
    imgmem.build(tmp_path / "out", tmp_path / "b", size=16, labels=tmp_path / "out/labels.csv")
    assert_same_rows(tmp_path / "out", photos, tmp_path / "b")


@pytest.mark.parametrize(
    "target, columns, back",
    [
        ("multilabel", "path=file,label=found", {}),
        ("number", "path=file,label=age", {}),
        ("number", "path=file,label=age,label=score",
         {"columns": "path=file,label=age,label=score"}),
    ],
)  # fmt: skip
def test_tables_of_other_targets_are_taken_back(tmp_path, target, columns, back):
    found = ["a|b", "a", "", "b", "a|b c", "b c"]
    draw(tmp_path / "src", [f"{number}.png" for number in range(6)])
    lines = [f"{n}.png,{text},{n / 3},{-n}" for n, text in enumerate(found)]
    (tmp_path / "t.csv").write_text("\n".join(["file,found,age,score", *lines]) + "\n")
    empty = {"no_label": ""} if target == "multilabel" else {}
    made = {"size": 16, "columns": columns, "target": target, "labels": tmp_path / "t.csv"}
    imgmem.build(tmp_path / "src", tmp_path / "d", **made, **empty)
    imgmem.sample(tmp_path / "d", count=99, out=f"{tmp_path}/out/")
    labels = tmp_path / "out/labels.csv"
    imgmem.build(tmp_path / "out", tmp_path / "b", size=16, labels=labels, target=target, **back)
    assert_same_rows(tmp_path / "out", tmp_path / "d", tmp_path / "b")


def test_more_than_8_bits_are_kept(tmp_path):
    draw(tmp_path / "src", ["a/0.png", "b/1.png"], np.uint16)
    options = {"size": 16, "dtype": "uint16"}
    imgmem.build(tmp_path / "src", tmp_path / "d", **options)
    imgmem.sample(tmp_path / "d", group="class", out=f"{tmp_path}/out/")
    imgmem.build(tmp_path / "out", tmp_path / "again", **options)
    assert_same_rows(tmp_path / "out", tmp_path / "d", tmp_path / "again")


def test_names_that_would_meet_have_their_row(photos, tmp_path):
    imgmem.sample(photos, rows=[3, 0, 1, 2, 0], out=f"{tmp_path}/out/")
    assert files_in(tmp_path / "out") == ["A1.row0.png", "A1.row3.png", "a1.row1.png", "b.png"]


def test_only_the_rows_that_are_asked_for_are_written(photos, tmp_path):
    imgmem.sample(photos, count=9, query={"class": "dog"}, group="class", out=f"{tmp_path}/out/")
    assert {name.split("/")[0] for name in files_in(tmp_path / "out")} == {"dog"}


@pytest.mark.parametrize(
    "classes", [["../ant", "bee"], ["Ant", "ant"], [".ant", "bee"], ["rows.CSV", "bee"],
                ["NUL", "bee"], ["a\x1b", "bee"], ["a" * 200, "bee"]],
)  # fmt: skip
def test_classes_that_cannot_be_folders_are_in_the_table(tmp_path, classes):
    path = write_dataset(tmp_path / "d", np.stack([noise(0), noise(1)]), [0, 1], classes=classes)
    with pytest.raises(UsageError, match="cannot be the name of a folder"):
        imgmem.sample(path, group="class", out=f"{tmp_path}/out/")
    assert os.listdir(tmp_path) == ["d"]
    imgmem.sample(path, out=f"{tmp_path}/out/")
    assert {line["file"] for line in listed(tmp_path / "out", "labels.csv")} == {"0.png", "1.png"}


def test_rows_with_several_labels_have_no_class_folders(tmp_path):
    draw(tmp_path / "src", ["0.png", "1.png"])
    (tmp_path / "t.csv").write_text("file,found\n0.png,a|b\n1.png,b\n")
    labels = {"labels": tmp_path / "t.csv", "target": "multilabel"}
    imgmem.build(tmp_path / "src", tmp_path / "d", size=16, **labels)
    with pytest.raises(UsageError, match="several labels"):
        imgmem.sample(tmp_path / "d", group="class", out=f"{tmp_path}/out/")


@given(st.text(max_size=300))
def test_a_safe_name_is_one_file_anywhere(text):
    name = safe_name(text)
    assert name == safe_name(name)
    assert 0 < len(name.encode()) <= 151
    assert not set(name) & set('/\\\0:*?"<>|\n')
    assert not name.startswith(".") and not name.endswith((".", " "))
    assert folded(name.upper()) == folded(name.upper().lower())


def test_a_folder_that_could_not_be_filled_is_not_there(photos, tmp_path, monkeypatch):
    class Full(durable.System):
        written = 0

        def pwrite(self, fd, data, offset):
            self.written += 1
            if self.written > 4:
                raise OSError(28, "No space left on device")
            return super().pwrite(fd, data, offset)

    (tmp_path / "there").mkdir()
    for out in ("new", "there"):
        monkeypatch.setattr(durable, "_system", Full())
        with pytest.raises(ResourceError):
            imgmem.sample(photos, group="class", out=f"{tmp_path}/{out}/")
    assert sorted(os.listdir(tmp_path)) == ["d", "src", "there"]
    assert os.listdir(tmp_path / "there") == []
