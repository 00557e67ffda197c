"""`drop`: rows of a dataset are copied as they are, without those that `stats` finds."""

import json

import cv2
import numpy as np
import pytest
from support.datasets import rows, write_dataset
from support.images import photo, write

import imgmem
from imgmem.core.errors import DatasetError, InputError, UsageError


def flawed(tmp_path, **options):
    """A dataset with two equal pairs, one across splits, a conflict and a blank image."""
    images = {f"train/{'ba'[n % 2]}/{n}.png": photo(24, 24, n) for n in range(8)}
    images |= {f"val/{'ba'[n % 2]}/{n}.png": photo(24, 24, n) for n in range(8, 12)}
    images["train/a/twin.png"] = images["train/a/1.png"]  # a duplicate
    images["val/b/leak.png"] = images["train/b/2.png"]  # in both splits
    images["train/b/torn.png"] = images["train/a/3.png"]  # in both classes
    images["val/a/blank.png"] = np.full((24, 24, 3), 9, np.uint8)
    for name, image in images.items():
        write(tmp_path / "src" / name, image)
    path = tmp_path / "d"
    if not path.exists():
        (tmp_path / "classes.txt").write_text("b\na\n")
        imgmem.build(tmp_path / "src", path, size=16, classes=tmp_path / "classes.txt", **options)
    return path


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("duplicates", {"train/a/twin.png", "val/b/leak.png", "train/b/torn.png"}),
        ("leaks:val", {"val/b/leak.png"}),
        ("leaks:train", {"train/b/2.png"}),
        ("leaks:val,leaks:train", {"val/b/leak.png"}),
        ("leaks:train,leaks:val", {"train/b/2.png"}),
        ("blank", {"val/a/blank.png"}),
        ("conflicts", {"train/a/3.png", "train/b/torn.png"}),
        (
            "duplicates,leaks:val,blank,conflicts",
            {"train/a/twin.png", "val/b/leak.png", "val/a/blank.png", "train/a/3.png",
             "train/b/torn.png"},
        ),
    ],
)  # fmt: skip
def test_the_other_rows_stay_as_they_are(tmp_path, words, gone):
    path = flawed(tmp_path)
    result = imgmem.build(path, tmp_path / "clean", drop=words)
    before, after = rows(path), rows(tmp_path / "clean")
    stay = [row for row in before if row["path"] not in gone]
    same = ("split", "label", "class", "path", "width", "height", "digest")
    assert [[row[name] for name in same] for row in after] == [
        [row[name] for name in same] for row in stay
    ]
    kept = [int(row["row"]) for row in stay]
    for name in ("X.npy", "y.npy", "rows.npy"):
        np.testing.assert_array_equal(
            np.load(tmp_path / "clean" / name), np.load(path / name)[kept]
        )
    rejected = rows(tmp_path / "clean", "rejected.csv")
    assert {row["path"] for row in rejected} == gone
    assert sum(result.rejected.values()) == len(gone)
    records = [json.loads((d / "dataset.json").read_text()) for d in (path, tmp_path / "clean")]
    assert records[0]["image"] == records[1]["image"]
    assert records[1]["classes"] == ["b", "a"]


def test_the_reason_names_the_row_that_stays(tmp_path):
    imgmem.build(flawed(tmp_path), tmp_path / "clean", drop="duplicates")
    found = {row["path"]: row for row in rows(tmp_path / "clean", "rejected.csv")}
    assert found["train/a/twin.png"]["reason"] == "dropped-duplicates"
    assert found["train/a/twin.png"]["detail"] == "as train/a/1.png"


def test_what_was_dropped_is_not_found_again(tmp_path):
    words = "duplicates,leaks:val,blank,conflicts,near-duplicates"
    imgmem.build(flawed(tmp_path), tmp_path / "clean", drop=words)
    imgmem.stats(
        tmp_path / "clean", fail_on="leaks,conflicts,duplicates,near-duplicates,blank,rejected"
    )
    again = imgmem.build(tmp_path / "d", tmp_path / "clean", drop=words)
    assert again.already_done


def test_of_near_duplicates_the_first_stays(tmp_path):
    images = np.stack([photo(32, 32, seed) for seed in range(6)])
    images = np.concatenate([images, np.clip(images[1:3].astype(int) + 2, 0, 255).astype(np.uint8)])
    path = write_dataset(tmp_path / "d", images, [0] * 8)
    imgmem.build(path, tmp_path / "clean", drop="near-duplicates")
    assert [row["path"] for row in rows(tmp_path / "clean")] == [f"{n}.png" for n in range(6)]


@pytest.mark.parametrize("normalize", [{"on_read": True}, {}, {"dtype": "float16"}])
def test_a_normalized_dataset_is_taken_back_exactly(tmp_path, normalize):
    path = flawed(tmp_path)
    original = np.load(path / "X.npy")
    imgmem.normalize(path, **normalize)
    imgmem.build(path, tmp_path / "clean", drop="blank")
    kept = [int(row["row"]) for row in rows(path) if "blank" not in row["path"]]
    np.testing.assert_array_equal(np.load(tmp_path / "clean/X.npy"), original[kept])
    assert imgmem.open(tmp_path / "clean").normalization is None


def test_values_that_cannot_be_taken_back_are_refused(tmp_path):
    path = flawed(tmp_path)
    imgmem.normalize(path)
    features = np.load(path / "X.npy", mmap_mode="r+")
    features[3, 0, 0, 0] += 0.001
    features.flush()
    del features
    with pytest.raises(DatasetError, match="not pixel values"):
        imgmem.build(path, tmp_path / "clean", drop="blank")
    assert not (tmp_path / "clean").exists()


def test_a_damaged_image_stays_an_error_but_a_dropped_one_is_none(tmp_path):
    result = imgmem.build(flawed(tmp_path), tmp_path / "clean", drop="blank", on_error="stop")
    assert result.rejected == {"dropped-blank": 1}
    imgmem.build(
        tmp_path / "d", tmp_path / "two", drop="duplicates", on_error="skip", max_rejects=0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": "copies"}, "invalid drop"),
        ({"drop": "leaks"}, "leaks:SPLIT"),
        ({"drop": "blank", "size": 20}, "size"),
        ({"drop": "blank", "channels": "gray"}, "channels"),
        ({"drop": "blank", "dtype": "float32"}, "dtype"),
    ],
)
def test_what_cannot_be_copied_is_refused(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        imgmem.build(flawed(tmp_path), tmp_path / "clean", **options)
    assert not (tmp_path / "clean").exists()


def test_the_options_that_the_rows_have_may_be_given(tmp_path):
    path = flawed(tmp_path, channels="gray")
    imgmem.build(path, tmp_path / "clean", drop="blank", size=16, channels="gray")
    assert imgmem.open(tmp_path / "clean").images.shape[1:] == (16, 16, 1)


def test_only_rows_of_a_dataset_are_dropped(tmp_path):
    flawed(tmp_path)
    with pytest.raises(UsageError, match="is for a dataset"):
        imgmem.build(tmp_path / "src", tmp_path / "clean", drop="blank")
    with pytest.raises(UsageError, match="'test'"):
        imgmem.build(tmp_path / "d", tmp_path / "clean", drop="leaks:test")


def test_nothing_is_left(tmp_path):
    path = write_dataset(tmp_path / "d", np.zeros((3, 8, 8, 3), np.uint8))
    with pytest.raises(InputError, match="no image could be used"):
        imgmem.build(path, tmp_path / "clean", drop="blank")


def test_stats_lists_what_the_next_build_may_leave_out(tmp_path):
    path = flawed(tmp_path)
    imgmem.stats(path, list=tmp_path / "bad.txt")
    gone = {"train/a/twin.png", "val/b/leak.png", "train/a/3.png", "train/b/torn.png"}
    assert set((tmp_path / "bad.txt").read_text().splitlines()) == gone | {"val/a/blank.png"}
    imgmem.build(tmp_path / "src", tmp_path / "new", size=16, exclude=f"@{tmp_path / 'bad.txt'}")
    imgmem.stats(tmp_path / "new", fail_on="leaks,conflicts,duplicates,blank")
    with pytest.raises(UsageError, match="all rows"):
        imgmem.stats(path, list=tmp_path / "more.txt", split="val")


@pytest.mark.parametrize("option", [{"drop": "near-duplicates"}, {"group": "near-duplicates"}])
def test_a_note_says_where_looks_cannot_tell_rows_apart(tmp_path, option):
    path = write_dataset(tmp_path / "d", drawn_digits(700), [0] * 700)
    result = imgmem.build(path, tmp_path / "out", split="val=0.2", **option)
    assert any(note.startswith("near duplicates ") for note in result.notes)


def test_no_note_is_about_looks_where_bytes_decide(tmp_path):
    path = write_dataset(tmp_path / "d", drawn_digits(700), [0] * 700)
    result = imgmem.build(path, tmp_path / "out", drop="duplicates,blank")
    assert not any(note.startswith("near duplicates ") for note in result.notes)


def drawn_digits(count):
    """(n, 28, 28, 1) digits of one font: different images that a perceptual hash takes for one."""
    images = np.zeros((count, 28, 28, 1), np.uint8)
    chance = np.random.default_rng(0)
    for image in images:
        place = (int(chance.integers(4, 9)), int(chance.integers(20, 25)))
        digit, size = str(chance.integers(10)), float(chance.uniform(0.6, 0.9))
        cv2.putText(image, digit, place, 0, size, 255, int(chance.integers(1, 4)))
    return images
