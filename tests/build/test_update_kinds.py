"""`update` for every kind of source: packed again with one other image."""

import os
import shutil
import tarfile
import time
import zipfile

import pytest
from support import kinds
from support.images import photo, write
from support.kinds import KINDS, tar
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, Interrupted


def with_another_image(root, counts, **options):
    """The class folders, one image of them replaced."""
    class_folders(root, counts, **options)
    write(root / next(iter(counts)) / "01.png", photo(5, 6, seed=99))
    return root


def build(kind, out, **options):
    return imgmem.build(kind.path, out, size="native", workers=1, **kind.options, **options)


@pytest.mark.parametrize("name", list(KINDS))
def test_only_what_changed_is_decoded_and_the_bytes_are_those_of_a_full_build(
    name, tmp_path, monkeypatch
):
    (tmp_path / "source").mkdir()
    (tmp_path / "other").mkdir()
    kind = KINDS[name](tmp_path / "source")
    build(kind, tmp_path / "out", split="val=0.3")
    shutil.copytree(tmp_path / "out", tmp_path / "old")
    monkeypatch.setattr(kinds, "class_folders", with_another_image)
    seven = kinds.SEVEN.copy()
    seven[1] = photo(5, 6, seed=99)
    monkeypatch.setattr(kinds, "SEVEN", seven)
    monkeypatch.setattr(kinds, "photo", lambda height, width, seed: seven[seed])
    time.sleep(0.02)
    KINDS[name](tmp_path / "other")
    shutil.rmtree(tmp_path / "source")
    os.rename(tmp_path / "other", tmp_path / "source")
    result = build(kind, tmp_path / "out", update=True)
    changed = 3 if name == "several" else 1  # one of each
    assert (result.added, result.changed, result.removed) == (0, changed, 0)
    assert result.kept == 7 - changed
    build(kind, tmp_path / "new", split=f"like:{tmp_path / 'old'}")
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")
    assert build(kind, tmp_path / "out", update=True).already_done


def pack_tar(images, path):
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in sorted(images.rglob("*.png"), reverse=True):
            archive.add(name, name.relative_to(images))


def pack_compressed_tar(images, path):
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        archive.add(images / "bee", "bee")
        archive.add(images / "ant", "ant")


def pack_zip(images, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(images.rglob("*.png"), reverse=True):
            archive.write(name, name.relative_to(images))


@pytest.mark.parametrize(
    ("name", "pack"),
    [("tar", pack_tar), ("compressed tar", pack_compressed_tar), ("zip", pack_zip)],
)
@pytest.mark.parametrize("options", [{}, {"update": True}], ids=str)
def test_the_same_images_packed_in_another_way_are_up_to_date(name, pack, options, tmp_path):
    kind = KINDS[name](tmp_path)
    build(kind, tmp_path / "out", split="val=0.3")
    before = snapshot(tmp_path / "out")
    packed = kind.path.read_bytes()
    time.sleep(0.02)
    pack(tmp_path / "images", kind.path)
    assert kind.path.read_bytes() != packed
    assert build(kind, tmp_path / "out", split="val=0.3", **options).already_done
    assert snapshot(tmp_path / "out") == before


def test_an_unfinished_build_of_an_archive_that_was_packed_again_is_not_resumed(tmp_path):
    kind = tar(tmp_path)
    reports = []

    def interrupt(report):
        reports.append(report)
        if report.phase == "build":
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        build(kind, tmp_path / "out", progress=interrupt)
    time_before = kind.path.stat().st_mtime_ns
    pack_tar(tmp_path / "images", kind.path)
    os.utime(kind.path, ns=(time_before, time_before))
    with pytest.raises(DatasetError, match=r"unfinished build .* its inputs changed"):
        build(kind, tmp_path / "out")
