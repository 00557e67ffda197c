"""What a build makes of folders of images."""

import csv
import json

import cv2
import numpy as np
import pytest
from PIL import Image
from support.datasets import features
from support.images import photo, write
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.build.decoding import LineDecoder
from imgmem.core.errors import DatasetError, InputError, UsageError
from imgmem.core.specs import BuildSpec, ImageSpec, RunSpec

SMALL = ImageSpec(size=(8, 10))


def rows_of(out):
    with open(out / "rows.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_numpy_alone_opens_the_result(tmp_path):
    source = class_folders(tmp_path / "src", {"b": 2, "a": 3})
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    images = np.load(tmp_path / "out" / "X.npy", mmap_mode="r", allow_pickle=False)
    labels = np.load(tmp_path / "out" / "y.npy", mmap_mode="r", allow_pickle=False)
    assert images.shape == (5, 8, 10, 3)
    assert images.dtype == np.uint8
    assert labels.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(("task_bytes", "most"), [(1, 1), (2**20, 5)])
def test_workers_take_few_large_sources_at_once_and_many_small(
    tmp_path, monkeypatch, task_bytes, most
):
    source, taken = class_folders(tmp_path / "src", {"a": 5}), []
    decode = LineDecoder.decode
    monkeypatch.setattr(
        LineDecoder,
        "decode",
        lambda self, x, buffer: taken.append(len(x)) or decode(self, x, buffer),
    )
    monkeypatch.setattr("imgmem.core.build.filling.TASK_BYTES", task_bytes)
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    assert max(taken) == most


def test_a_row_is_the_image_in_rgb_at_native_size(tmp_path):
    picture = photo(24, 32)
    write(tmp_path / "src" / "a" / "x.png", picture)
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=BuildSpec(image=ImageSpec(size=None)))
    assert np.array_equal(features(tmp_path / "out")[0], picture)


def test_rows_come_in_the_byte_order_of_their_paths(tmp_path):
    for name in ("B/z.png", "a/é.png", "a/Z.png", "a/deep/er/x.png", "a/b.png"):
        write(tmp_path / "src" / name, photo(8, 10))
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=BuildSpec(image=SMALL))
    paths = [row["path"] for row in rows_of(tmp_path / "out")]
    assert paths == sorted(paths, key=lambda path: path.encode())
    assert {row["class"] for row in rows_of(tmp_path / "out")} == {"B", "a"}


def test_rows_csv_tells_where_each_row_came_from(tmp_path):
    import hashlib

    source = class_folders(tmp_path / "src", {"cat": 2}, size=(20, 30))
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    data = (source / "cat" / "01.png").read_bytes()
    assert rows_of(tmp_path / "out")[1] == {
        "row": "1", "split": "", "label": "0", "class": "cat", "path": "cat/01.png",
        "width": "30", "height": "20", "digest": hashlib.sha256(data).hexdigest(), "notes": "",
    }  # fmt: skip


def test_one_and_four_workers_give_the_same_bytes(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 40, "b": 30, "c": 20})
    spec = BuildSpec(image=SMALL, splits=(("train", 0.7), ("val", 0.3)), shuffle=True)
    for workers in (1, 4):
        imgmem.build(source, tmp_path / str(workers), spec=spec, run=RunSpec(workers=workers))
    assert snapshot(tmp_path / "1") == snapshot(tmp_path / "4")


def test_the_memory_budget_does_not_change_the_bytes(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 30}, size=(64, 64))
    spec = BuildSpec(image=ImageSpec(size=(300, 300)))
    for budget in (80, 1024):
        run = RunSpec(workers=2, memory=budget * 2**20)
        imgmem.build(source, tmp_path / str(budget), spec=spec, run=run)
    assert snapshot(tmp_path / "80") == snapshot(tmp_path / "1024")


def test_a_copy_of_the_source_gives_the_same_bytes(tmp_path):
    import shutil

    source = class_folders(tmp_path / "src", {"a": 3, "b": 3})
    shutil.copytree(source, tmp_path / "elsewhere" / "copy", copy_function=shutil.copyfile)
    spec = BuildSpec(image=SMALL, splits=(("train", 0.5), ("val", 0.5)))
    imgmem.build(source, tmp_path / "one", spec=spec)
    imgmem.build(tmp_path / "elsewhere" / "copy", tmp_path / "two", spec=spec)
    assert snapshot(tmp_path / "one") == snapshot(tmp_path / "two")


def test_a_flat_folder_has_no_labels(tmp_path):
    write(tmp_path / "src" / "x.png", photo(8, 10))
    result = imgmem.build(tmp_path / "src", tmp_path / "out", spec=BuildSpec(image=SMALL))
    assert result.class_counts is None
    assert not (tmp_path / "out" / "y.npy").exists()
    assert rows_of(tmp_path / "out")[0]["class"] == ""


def test_float32_rows_hold_the_same_levels(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 3})
    imgmem.build(source, tmp_path / "u", spec=BuildSpec(image=SMALL))
    imgmem.build(source, tmp_path / "f", spec=BuildSpec(image=SMALL, dtype="float32"))
    assert features(tmp_path / "f").dtype == np.float32
    assert np.array_equal(features(tmp_path / "f"), features(tmp_path / "u"))


def test_gray_rows_are_made_from_rgb(tmp_path):
    picture = photo(8, 10)
    write(tmp_path / "src" / "a" / "x.png", picture)
    spec = BuildSpec(image=ImageSpec(size=None, channels="gray"))
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=spec)
    assert features(tmp_path / "out").shape == (1, 8, 10, 1)
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    assert np.array_equal(features(tmp_path / "out")[0, :, :, 0], gray)


def test_exif_orientation_is_applied(tmp_path):
    from support.images import oriented

    picture = photo(16, 24)
    source = write(tmp_path / "src" / "a" / "x.png", np.rot90(picture), exif=oriented(6))
    with Image.open(source) as stored:
        assert stored.size == (16, 24)
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=BuildSpec(image=ImageSpec(size=None)))
    assert np.array_equal(features(tmp_path / "out")[0], picture)


def test_native_needs_equal_sizes_and_names_those_found(tmp_path):
    write(tmp_path / "src" / "a" / "x.png", photo(8, 10))
    write(tmp_path / "src" / "a" / "y.png", photo(9, 10))
    with pytest.raises(InputError, match=r"8x10 \(1\), 9x10 \(1\)"):
        imgmem.build(tmp_path / "src", tmp_path / "out", spec=BuildSpec(image=ImageSpec(size=None)))
    assert not list(tmp_path.glob("*out*")) + list(tmp_path.glob(".*"))


def test_limit_spreads_over_the_classes(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 20, "b": 3, "c": 20})
    result = imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL, limit=9))
    assert result.class_counts == {"a": 3, "b": 3, "c": 3}


def test_pinned_classes_keep_their_numbers(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2, "c": 2})
    spec = BuildSpec(image=SMALL, classes=("c", "b", "a"))
    result = imgmem.build(source, tmp_path / "out", spec=spec)
    assert np.load(tmp_path / "out" / "y.npy").tolist() == [2, 2, 0, 0]
    assert "class without rows: b" in result.notes


def test_classes_of_a_dataset_with_other_image_options_are_taken_only_if_insisted_on(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2, "c": 2})
    imgmem.build(source, tmp_path / "one", size=8, classes=["c", "b", "a"])
    for classes in (tmp_path / "one", tmp_path / "one" / "dataset.json"):
        with pytest.raises(DatasetError, match=r"size: \[8, 8\] → \[9, 9\]") as caught:
            imgmem.build(source, tmp_path / "two", size=9, classes=classes)
        assert "allow_mismatch=True" in caught.value.hint
    imgmem.build(source, tmp_path / "two", size=9, classes=tmp_path / "one", allow_mismatch=True)
    with imgmem.open(tmp_path / "two") as two:
        assert list(two.classes) == ["c", "b", "a"]
    imgmem.build(source, tmp_path / "same", size=9, classes=tmp_path / "two")
    assert snapshot(tmp_path / "same") == snapshot(tmp_path / "two")


def test_a_dataset_built_again_keeps_its_class_numbers(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2, "c": 2})
    imgmem.build(source, tmp_path / "one", spec=BuildSpec(image=SMALL, classes=("c", "b", "a")))
    imgmem.build(tmp_path / "one", tmp_path / "two", spec=BuildSpec(image=SMALL))
    with imgmem.open(tmp_path / "two") as two:
        assert list(two.classes) == ["c", "b", "a"]
        assert two.labels.tolist() == [2, 2, 0, 0]


def test_an_unknown_class_is_listed(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 1, "dingo": 1})
    with pytest.raises(InputError, match="dingo"):
        imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL, classes=("a",)))


def test_shuffle_mixes_the_classes_inside_each_split(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 30, "b": 30})
    spec = BuildSpec(image=SMALL, splits=(("train", 0.5), ("val", 0.5)), shuffle=True)
    imgmem.build(source, tmp_path / "out", spec=spec)
    rows = rows_of(tmp_path / "out")
    assert [row["split"] for row in rows] == ["train"] * 30 + ["val"] * 30
    classes = [row["class"] for row in rows[:30]]
    assert classes != sorted(classes)


def test_a_second_run_does_nothing_and_says_so(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2})
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    before = {e.name: e.stat().st_mtime_ns for e in (tmp_path / "out").iterdir()}
    assert imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL)).already_done
    assert {e.name: e.stat().st_mtime_ns for e in (tmp_path / "out").iterdir()} == before


def test_other_options_are_refused_and_named(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2})
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    with pytest.raises(DatasetError, match="seed: 0 → 1"):
        imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL, seed=1))


def test_a_source_edited_to_the_same_size_is_noticed(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2}, extension=".bmp")
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    write(source / "a" / "01.bmp", photo(24, 32, seed=99))
    with pytest.raises(DatasetError, match=r"a/01\.bmp"):
        imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))


def test_touching_a_source_changes_nothing(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2})
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    (source / "a" / "00.png").touch()
    assert imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL)).already_done


def test_overwrite_replaces_a_dataset(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2})
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(), overwrite=True)
    assert features(tmp_path / "out").shape == (2, 224, 224, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "src"]
    assert "plan.json" not in snapshot(tmp_path / "out")


def test_overwrite_never_replaces_what_is_not_a_dataset(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years")
    with pytest.raises(DatasetError, match="is not an imgmem dataset"):
        imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL), overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years"


def test_an_empty_folder_may_become_the_dataset(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2})
    (tmp_path / "out").mkdir()
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    assert len(features(tmp_path / "out")) == 2


@pytest.mark.parametrize("out", ["src", "src/out", "src/a/out"])
def test_the_result_never_lies_in_the_source(tmp_path, out):
    source = class_folders(tmp_path / "src", {"a": 2})
    with pytest.raises(UsageError, match="source"):
        imgmem.build(source, tmp_path / out, spec=BuildSpec(image=SMALL))


def test_dataset_json_holds_no_path_and_no_time(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2})
    imgmem.build(source, tmp_path / "out", spec=BuildSpec(image=SMALL))
    text = (tmp_path / "out" / "dataset.json").read_text()
    assert str(tmp_path) not in text
    assert json.loads(text)["format_version"] == 2


def test_open_gives_arrays_labels_and_splits(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 5, "b": 5})
    spec = BuildSpec(image=SMALL, splits=(("train", 0.8), ("val", 0.2)))
    imgmem.build(source, tmp_path / "out", spec=spec)
    with imgmem.open(tmp_path / "out", split="val") as val:
        assert val.images.shape == (2, 8, 10, 3)
        assert not val.images.flags.writeable
        assert val.labels.tolist() == [0, 1]
        assert list(val.classes) == ["a", "b"]
        assert val.splits == {"train": (0, 8), "val": (8, 10)}
        assert val.normalization is None


def test_space_is_allocated_before_the_first_image_is_read(tmp_path):
    """A folder that cannot fit fails on the number of its files alone."""
    from imgmem.core.errors import ResourceError

    source = class_folders(tmp_path / "src", {"a": 3})
    with pytest.raises(ResourceError) as failure:
        imgmem.build(
            source,
            tmp_path / "out",
            spec=BuildSpec(image=ImageSpec(size=(200_000, 200_000))),
            run=RunSpec(workers=1, memory=2**50),
        )
    assert failure.value.facts["missing_bytes"] > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["src"]
