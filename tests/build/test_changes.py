"""Where a build finds that its source is not what it was, it counts and names what changed."""

import os
import shutil

import pytest
from support.images import photo, write
from support.trees import class_folders

import imgmem
from imgmem.core.errors import DatasetError

OPTIONS = {"size": 4, "on_error": "skip", "workers": 1}
LATER = 4_000_000_000


@pytest.fixture
def source(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 6, "b": 3}, size=(8, 8))
    (source / "a" / "bad.png").write_bytes(b"")
    return source


def change(source):
    """Five are new, one is gone, two have other bytes, and one is newer with the same bytes."""
    for number in range(5):
        write(source / "c" / f"{number}.png", photo(8, 8, seed=100 + number))
    os.unlink(source / "b" / "01.png")
    shutil.copyfile(source / "a" / "00.png", source / "a" / "02.png")
    write(source / "b" / "00.png", photo(8, 8, seed=200))
    for name in ("a/02.png", "b/00.png", "a/05.png"):
        os.utime(source / name, (LATER, LATER))


def test_a_finished_dataset(tmp_path, source):
    imgmem.build(source, tmp_path / "out", **OPTIONS)
    change(source)
    with pytest.raises(DatasetError) as caught:
        imgmem.build(source, tmp_path / "out", **OPTIONS)
    assert caught.value.message.endswith(
        ": 5 new (c/0.png, c/1.png, c/2.png, …), 1 gone (b/01.png), 2 changed (a/02.png, b/00.png)"
    )


def test_an_unfinished_build_counts_by_size_and_date(tmp_path, source):
    with pytest.raises(imgmem.ImgmemError):
        imgmem.build(source, tmp_path / "out", **OPTIONS | {"on_error": "stop"})
    change(source)
    with pytest.raises(DatasetError) as caught:
        imgmem.build(source, tmp_path / "out", **OPTIONS)
    assert caught.value.message.endswith(
        ": 5 new (c/0.png, c/1.png, c/2.png, …), 1 gone (b/01.png), "
        "3 changed (a/02.png, a/05.png, b/00.png)"
    )


def test_a_rejected_file_that_is_as_it_was_has_not_changed(tmp_path, source):
    imgmem.build(source, tmp_path / "out", **OPTIONS)
    assert imgmem.build(source, tmp_path / "out", **OPTIONS).already_done


def test_names_that_are_not_utf_8(tmp_path, source):
    name = os.path.join(os.fsencode(source), b"a", b"\xff.png")
    shutil.copyfile(source / "a" / "00.png", name)
    imgmem.build(source, tmp_path / "out", **OPTIONS)
    assert imgmem.build(source, tmp_path / "out", **OPTIONS).already_done
    shutil.copyfile(source / "a" / "01.png", name)
    os.utime(name, (LATER, LATER))
    with pytest.raises(DatasetError, match=r"1 changed \(a/.\.png\)"):
        imgmem.build(source, tmp_path / "out", **OPTIONS)
