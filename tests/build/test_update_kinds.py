"""`update` for every kind of source: packed again with one other image."""

import os
import shutil
import time

import pytest
from support import kinds
from support.images import photo, write
from support.kinds import KINDS
from support.trees import class_folders, snapshot

import imgmem


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
