"""Datasets as several sources are merged: rows are copied with what is known of them."""

import json
import shutil

import numpy as np
import pytest
from support.trees import class_folders, plant, snapshot

import imgmem
from imgmem.core.errors import Interrupted, UsageError


@pytest.fixture
def months(tmp_path):
    """Two folders of images and a dataset of each, under the same names."""
    class_folders(tmp_path / "photos/2026-10", {"cat": 3, "dog": 2}, size=(20, 30))
    class_folders(tmp_path / "photos/2026-11", {"dog": 2, "eel": 2}, size=(30, 20))
    for name in ("2026-10", "2026-11"):
        imgmem.build(tmp_path / "photos" / name, tmp_path / "sets" / name, size=16, fit="pad")
    return tmp_path


def folders(months, kind="sets"):
    return [months / kind / name for name in ("2026-10", "2026-11")]


def test_a_merge_has_the_bytes_of_a_build_of_all_images(months, monkeypatch):
    imgmem.build(folders(months, "photos"), months / "whole", size=16, fit="pad")
    monkeypatch.setattr("imgmem.core.build.decoding.decode_into", None)
    result = imgmem.build(folders(months)[::-1], months / "merged")
    assert result.class_counts == {"cat": 3, "dog": 4, "eel": 2}
    for name in ("X.npy", "y.npy", "rows.csv", "rows.npy"):
        assert (months / "merged" / name).read_bytes() == (months / "whole" / name).read_bytes()


def test_splits_are_joined_by_name(months):
    for name in ("2026-10", "2026-11"):
        imgmem.build(months / "photos" / name, months / "split" / name, size=16, split="val=0.4")
    both = imgmem.build(folders(months, "split"), months / "merged")
    each = [imgmem.open(path).splits for path in folders(months, "split")]
    assert both.splits == {
        name: sum(stop - start for start, stop in (splits[name] for splits in each))
        for name in ("train", "val")
    }


def test_a_normalized_dataset_is_merged_by_its_original_values(months):
    imgmem.build(folders(months), months / "before")
    imgmem.normalize(folders(months)[0])
    imgmem.build(folders(months), months / "after")
    before, after = (np.load(months / name / "X.npy") for name in ("before", "after"))
    assert np.array_equal(before, after)


def test_an_interrupted_merge_resumes_and_a_second_one_has_nothing_to_do(months, monkeypatch):
    monkeypatch.setattr("imgmem.core.build.filling.TASK_BYTES", 1)

    def interrupted(progress):
        if progress.done and progress.phase == "build":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        imgmem.build(folders(months), months / "merged", progress=interrupted)
    assert imgmem.build(folders(months), months / "merged").resumed_at
    imgmem.build(folders(months), months / "straight")
    assert snapshot(months / "merged") == snapshot(months / "straight")
    assert imgmem.build(folders(months), months / "merged").already_done


def test_different_image_options_are_a_usage_error_that_says_what_differs(months):
    imgmem.build(folders(months, "photos")[1], months / "other", size=16, fit="crop")
    with pytest.raises(UsageError, match=r"fit is pad in .* and crop in"):
        imgmem.build([folders(months)[0], months / "other"], months / "merged")
    assert not (months / "merged").exists()


def test_an_option_that_would_make_other_rows_is_a_usage_error(months):
    with pytest.raises(UsageError, match="size differs from theirs"):
        imgmem.build(folders(months), months / "merged", size=32)
    imgmem.build(folders(months), months / "merged", size=16)


def test_unlabeled_datasets_next_to_each_other_are_not_taken_for_classes(months):
    for name in "ab":
        imgmem.build(folders(months, "photos")[0], months / name, size=8, labels="none")
    result = imgmem.build([months / "a", months / "b"], months / "merged")
    assert result.class_counts is None
    record = json.loads((months / "merged/dataset.json").read_text())
    assert record["build"]["source"]["prefixes"] == ["a", "b"]


def test_a_dry_run_of_a_merge_shows_its_classes(months):
    preview = imgmem.preview_build(folders(months), months / "merged")
    assert preview.images == 9
    assert preview.problem is None


def test_datasets_next_to_other_sources_are_decoded(months):
    plant(months, "more/cat/1.png", data=next((months / "photos").rglob("*.png")).read_bytes())
    plant(months, "more/dog/2.png", data=next((months / "photos").rglob("*.png")).read_bytes())
    result = imgmem.build([folders(months)[0], months / "more"], months / "merged", size=16)
    assert result.class_counts == {"cat": 4, "dog": 3}


def test_a_merge_is_updated_where_its_datasets_were(months):
    imgmem.build(folders(months), months / "merged")
    assert imgmem.build(folders(months), months / "merged", update=True).already_done
    class_folders(months / "photos/2026-11", {"dog": 5}, size=(30, 20))
    options = {"size": 16, "fit": "pad", "update": True}
    assert imgmem.build(folders(months, "photos")[1], folders(months)[1], **options).added == 3
    result = imgmem.build(folders(months), months / "merged", update=True)
    assert (result.added, result.removed, result.kept) == (3, 0, 9)
    imgmem.build(folders(months), months / "straight")
    assert snapshot(months / "merged") == snapshot(months / "straight")


def test_a_dataset_of_a_dataset_is_updated(months):
    small = {"size": 8, "split": "val=0.3"}
    imgmem.build(folders(months)[1], months / "small", **small)
    shutil.copytree(months / "small", months / "old")
    class_folders(months / "photos/2026-11", {"dog": 5}, size=(30, 20))
    options = {"size": 16, "fit": "pad", "update": True}
    imgmem.build(folders(months, "photos")[1], folders(months)[1], **options)
    result = imgmem.build(folders(months)[1], months / "small", update=True, **small)
    assert (result.added, result.changed, result.kept) == (3, 0, 4)
    imgmem.build(folders(months)[1], months / "new", size=8, split=f"like:{months / 'old'}")
    assert snapshot(months / "small") == snapshot(months / "new")
