"""What network file systems do otherwise, played by what stands for the system."""

import errno
import os
import threading
import time

import pytest
from support.datasets import write_dataset
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, ResourceError
from imgmem.core.storage import durable, store, system
from imgmem.core.storage.system import System

SMALL = {"size": (6, 6), "workers": 1}


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"a": 3, "b": 3}, size=(6, 6))


# Allocation --------------------------------------------------------------------------------


@pytest.fixture
def without_fallocate(monkeypatch):
    """A file system without fallocate(2), on which glibc would write into every block."""

    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    def never(*_):
        raise AssertionError("written block by block")

    monkeypatch.setattr(system, "_require_fallocate", refuse)
    monkeypatch.setattr(os, "posix_fallocate", never)


def test_without_fallocate_a_file_gets_its_size_at_once(tmp_path, without_fallocate):
    with durable.File(str(tmp_path / "X.npy"), create=True) as file:
        file.allocate(10**8)
        assert file.size() == 10**8
    assert os.stat(tmp_path / "X.npy").st_blocks < 1000


def test_without_fallocate_space_is_looked_for_anyway(tmp_path, without_fallocate, monkeypatch):
    monkeypatch.setattr(durable, "free_bytes", lambda _: 1000)
    with durable.File(str(tmp_path / "X.npy"), create=True) as file:
        with pytest.raises(ResourceError, match="9000 bytes"):
            file.allocate(10_000)
        assert file.size() == 0


def test_a_real_file_is_allocated_on_its_disk(tmp_path):
    with durable.File(str(tmp_path / "X.npy"), create=True) as file:
        file.allocate(10**6)
        assert file.size() == 10**6
    assert os.stat(tmp_path / "X.npy").st_blocks * 512 >= 10**6


# A dataset that is missing while it is replaced ---------------------------------------------


class NoExchange(System):
    """Where two names cannot be exchanged; `between` is called while one of them is missing."""

    def __init__(self, between):
        self.between = between

    def exchange(self, one, other):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), one)

    def rename(self, source, target):
        super().rename(source, target)
        if target.endswith(".swap"):
            self.between()


def test_readers_wait_while_a_dataset_is_replaced(tmp_path, source, monkeypatch):
    out = tmp_path / "out"
    imgmem.build(source, out, size=4, workers=1)
    seen = []

    def read():
        try:
            with imgmem.open(out) as dataset:
                seen.append(dataset.images.shape[1:3])
        except imgmem.ImgmemError as error:  # the writer is not done yet
            seen.append("in use" if "in use by" in str(error) else error)

    readers = [threading.Thread(target=read) for _ in range(3)]

    def between():
        assert not out.exists()
        for reader in readers:
            reader.start()
        time.sleep(0.1)

    monkeypatch.setattr(durable, "_system", NoExchange(between))
    imgmem.build(source, out, overwrite=True, **SMALL)
    for reader in readers:
        reader.join()
    assert len(seen) == 3
    assert set(seen) <= {(6, 6), "in use"}


def test_a_replacement_that_was_cut_short_is_said(tmp_path, monkeypatch):
    write_dataset(tmp_path / "out", [[[[0]]]])
    os.rename(tmp_path / "out", tmp_path / "out.swap")
    monkeypatch.setattr(store, "REPLACED_SECONDS", 0.05)
    with pytest.raises(DatasetError, match="is incomplete"):
        imgmem.open(tmp_path / "out")


# Files that are removed while they are open -------------------------------------------------


class SillyRenames(System):
    """An NFS client: what is removed while it is open has another name until it is closed."""

    def __init__(self, *, by_others=False):
        self.by_others = by_others
        self.kept = []

    def unlink(self, path):
        if os.path.basename(path) != ".lock":
            super().unlink(path)
            return
        os.stat(path)
        hidden = os.path.join(os.path.dirname(path), f".nfs{len(self.kept):08}")
        os.replace(path, hidden)
        self.kept.append(hidden)

    def close_all(self):
        for path in self.kept:
            if os.path.exists(path):
                os.unlink(path)

    def rmdir(self, path):
        hidden = [name for name in os.listdir(path) if name.startswith(".nfs")]
        if hidden and not self.by_others and not _is_open(os.path.join(path, hidden[0])):
            self.close_all()
        super().rmdir(path)


def _is_open(path):
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return any(os.path.lexists(link) and os.readlink(link) == path for link in links)


WRITERS = {
    "build": lambda source, out: imgmem.build(source, out, **SMALL),
    "overwrite": lambda source, out: imgmem.build(source, out, overwrite=True, **SMALL),
    "normalize": lambda source, out: imgmem.normalize(out.parent / "data", to=out, workers=1),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_lock_that_is_removed_while_it_is_held_does_no_harm(
    tmp_path, source, monkeypatch, writer
):
    """That of the working directory, by the process itself."""
    imgmem.build(source, tmp_path / "data", **SMALL)
    out = tmp_path / "out"
    if writer == "overwrite":
        imgmem.build(source, out, size=4, workers=1)
    out.mkdir(exist_ok=True)
    (out / ".gitkeep").touch()
    monkeypatch.setattr(durable, "_system", SillyRenames())
    WRITERS[writer](source, out)
    assert not [path for path in snapshot(tmp_path) if ".partial" in path or ".nfs" in path]
    with imgmem.open(out) as dataset:
        assert len(dataset) == 6


@pytest.mark.parametrize("writer", ["build", "overwrite"])
def test_what_another_client_has_open_is_a_warning_and_swept_by_the_next_run(
    tmp_path, source, monkeypatch, writer
):
    out = tmp_path / "out"
    if writer == "overwrite":
        imgmem.build(source, out, size=4, workers=1)
    out.mkdir(exist_ok=True)
    (out / ".gitkeep").touch()
    share = SillyRenames(by_others=True)
    monkeypatch.setattr(durable, "_system", share)
    with pytest.warns(RuntimeWarning, match="another client still has files of it open"):
        WRITERS[writer](source, out)
    with imgmem.open(out) as dataset:
        assert len(dataset) == 6
    share.close_all()
    monkeypatch.setattr(durable, "_system", System())
    assert imgmem.build(source, out, **SMALL).already_done
    assert not [path for path in snapshot(tmp_path) if ".partial" in path or ".nfs" in path]
