"""An update that was cut short: resumed to the same bytes, or refused with the command."""

import shutil

import pytest
from support.images import photo, write
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, Interrupted

SMALL = {"size": 8, "workers": 1, "fsync": False}


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"a": 30, "b": 30}, size=(8, 8))


@pytest.fixture(autouse=True)
def in_small_steps(monkeypatch):
    monkeypatch.setattr("imgmem.core.forecast.CHUNK_BYTES", 8 * 8 * 3 * 4)
    monkeypatch.setattr("imgmem.core.build.filling.COPY_BYTES", 8 * 8 * 3 * 4)


@pytest.fixture
def cut_short(source, tmp_path):
    """A dataset, whose source has changed since, and an update of it that was interrupted."""
    out = tmp_path / "out"
    imgmem.build(source, out, split="val=0.3", **SMALL)
    shutil.copytree(out, tmp_path / "old")
    for number in range(10):
        write(source / f"a/1{number}x.png", photo(8, 8, seed=100 + number))

    def interrupt(progress):
        if progress.phase == "build" and progress.done > 20:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        imgmem.build(source, out, update=True, progress=interrupt, **SMALL)
    assert snapshot(out) == snapshot(tmp_path / "old")
    return out


def test_it_is_resumed_to_the_same_bytes(source, cut_short, tmp_path):
    preview = imgmem.preview_build(source, cut_short, size=8, update=True)
    assert preview.changes.startswith("updated: +10 ~0 −0, 60 kept; resumes an unfinished build")
    result = imgmem.build(source, cut_short, update=True, **SMALL)
    assert result.resumed_at > 0 and result.added == 10
    imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'old'}", **SMALL)
    assert snapshot(cut_short) == snapshot(tmp_path / "new")


def test_a_source_that_changed_meanwhile_is_refused(source, cut_short, tmp_path):
    write(source / "b/late.png", photo(8, 8, seed=200))
    with pytest.raises(DatasetError, match=r"inputs changed: 1 new \(b/late\.png\)") as caught:
        imgmem.build(source, cut_short, update=True, **SMALL)
    assert "restart=True" in caught.value.hint
    preview = imgmem.preview_build(source, cut_short, size=8, update=True)
    assert str(preview.problem) == str(caught.value)
    assert snapshot(cut_short) == snapshot(tmp_path / "old")
    result = imgmem.build(source, cut_short, update=True, restart=True, **SMALL)
    assert (result.added, result.kept) == (11, 60)


def test_a_dataset_that_changed_meanwhile_is_refused(source, cut_short):
    imgmem.normalize(cut_short)
    before = snapshot(cut_short)
    with pytest.raises(DatasetError, match="has changed since its update was started") as caught:
        imgmem.build(source, cut_short, update=True, **SMALL)
    assert "restart=True" in caught.value.hint
    assert snapshot(cut_short) == before


def test_a_build_that_may_not_replace_points_to_update(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    (source / "a/00.png").unlink()
    with pytest.raises(DatasetError) as caught:
        imgmem.build(source, tmp_path / "out", **SMALL)
    assert "Update it with update=True, replace it with overwrite=True" in caught.value.hint
    with pytest.raises(DatasetError) as caught:
        imgmem.build(source, tmp_path / "out", **SMALL | {"size": 4})
    assert "Replace it with overwrite=True" in caught.value.hint


def test_splits_of_another_dataset_are_not_passed_over_in_silence(source, tmp_path):
    imgmem.build(source, tmp_path / "other", split="val=0.3", seed=5, **SMALL)
    like = {"split": f"like:{tmp_path / 'other'}", **SMALL}
    imgmem.build(source, tmp_path / "out", update=True, **like)
    write(source / "a/new.png", photo(8, 8, seed=300))
    result = imgmem.build(source, tmp_path / "out", update=True, **like)
    (note,) = [note for note in result.notes if "kept the splits" in note]
    assert f"resplit=True takes those of {tmp_path / 'other'}" in note
    write(source / "a/newer.png", photo(8, 8, seed=301))
    result = imgmem.build(source, tmp_path / "out", update=True, resplit=True, **like)
    assert not any("kept the splits" in note for note in result.notes)
