"""Two real FUSE mounts of one folder: what two clients of a network file system see."""

import os
import shutil
import subprocess
import time

import pytest
from support.program import imgmem
from support.trees import class_folders, snapshot

from imgmem.core.errors import DatasetError
from imgmem.core.storage.locks import Lock

pytestmark = pytest.mark.skipif(
    not (shutil.which("bindfs") and os.access("/dev/fuse", os.W_OK)),
    reason="needs bindfs and /dev/fuse",
)

COUNTS = {"a": 4, "b": 4}
SIZE = ("--size", "8")


class Client:
    """A mount of `folder` at `path`, with its locks forwarded as those of NFS are."""

    def __init__(self, folder, path):
        self.path = path
        path.mkdir()
        command = ["bindfs", "-f", "--multithreaded", "--enable-lock-forwarding"]
        self._server = subprocess.Popen([*command, folder, path])
        while not os.path.ismount(path):
            assert self._server.poll() is None, "bindfs ended"
            time.sleep(0.01)

    def lose_its_server(self):
        self._server.kill()
        self._server.wait()

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=True)
        self._server.wait()


@pytest.fixture
def clients(tmp_path):
    (tmp_path / "disk").mkdir()
    both = [Client(tmp_path / "disk", tmp_path / name) for name in ("one", "two")]
    yield both
    for client in both:
        client.unmount()


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", COUNTS, size=(8, 8))


@pytest.fixture
def built(source, clients):
    one, two = (client.path / "d" for client in clients)
    done = imgmem("build", source, one, *SIZE)
    assert done.returncode == 0, done.stderr
    return one, two


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_a_writer_on_one_client_is_alone_on_both(built, first, second):
    one, two = map(str, built)
    with Lock(one, exclusive=first), pytest.raises(DatasetError, match="in use"):
        Lock(two, exclusive=second)
    Lock(two, exclusive=second).release()


def test_readers_on_two_clients_read_together(built):
    one, two = map(str, built)
    with Lock(one, exclusive=False), Lock(two, exclusive=False):
        pass


def test_normalize_is_refused_while_another_client_reads(built):
    one, two = built
    with Lock(str(one), exclusive=False):
        done = imgmem("normalize", two)
    assert (done.returncode, "in use" in done.stderr) == (4, True)


def test_a_dataset_on_a_mount_has_the_bytes_of_one_on_a_disk(built, source, tmp_path):
    assert imgmem("build", source, tmp_path / "d", *SIZE).returncode == 0
    assert snapshot(built[1]) == snapshot(tmp_path / "d")


def test_a_dataset_on_a_mount_is_replaced(built, source):
    done = imgmem("build", source, built[0], "--size", "6", "--overwrite")
    assert done.returncode == 0, done.stderr
    assert imgmem("stats", built[1], "--verify").returncode == 0


def test_what_is_normalized_on_one_client_is_undone_on_the_other(built):
    before = snapshot(built[0])
    assert imgmem("normalize", built[0]).returncode == 0
    assert imgmem("normalize", built[1], "--undo").returncode == 0
    assert snapshot(built[0]) == before


def test_a_source_whose_server_is_lost_is_not_rejected(clients, source, tmp_path):
    shutil.copytree(source, clients[0].path / "src")
    clients[0].lose_its_server()
    done = imgmem("build", clients[0].path / "src", tmp_path / "d", "--on-error", "skip")
    assert done.returncode == 5, done.stderr
    assert not (tmp_path / "d").exists()


def test_the_lock_file_holds_between_mounts_that_keep_locks_to_themselves(built, monkeypatch):
    monkeypatch.setenv("IMGMEM_LOCKING", "file")
    one, two = map(str, built)
    with Lock(one, exclusive=True), pytest.raises(DatasetError, match="in use"):
        Lock(two, exclusive=True)
    Lock(two, exclusive=True).release()
