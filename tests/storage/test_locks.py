"""Locks, on file systems that have them and on those that refuse them."""

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
from support.datasets import write_dataset

import imgmem
from imgmem.core.errors import DatasetError, InputError, UsageError
from imgmem.core.normalize.operation import normalize
from imgmem.core.storage import holder, locks
from imgmem.core.storage.locks import LOCK, LOCKING, Lock

REFUSALS = [
    524, errno.EIO, errno.ENOTCONN, errno.EACCES, errno.EPERM, errno.ENOTSUP, errno.ESTALE,
    errno.EREMOTEIO, errno.ESHUTDOWN, errno.EPIPE, errno.EROFS, errno.ENOLCK,
]  # fmt: skip


@pytest.fixture
def path(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), np.uint8)
    return write_dataset(tmp_path / "data", images, [0, 1, 2, 0, 1, 2])


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(holder, "BEAT_SECONDS", 0.02)
    monkeypatch.setattr(holder, "STILL_SECONDS", 0.4)


def refuse(monkeypatch, code, *calls):
    def refused(*_):
        raise OSError(code, os.strerror(code))

    for call in calls:
        monkeypatch.setattr(fcntl, call, refused)


@pytest.fixture
def refused(monkeypatch, quick):
    monkeypatch.setattr(locks, "_warned", set())
    refuse(monkeypatch, errno.ENOTSUP, "flock", "lockf", "fcntl")


def is_free(path, exclusive):
    try:
        Lock(str(path), exclusive=exclusive).release()
    except DatasetError:
        return False
    return True


@pytest.mark.parametrize("calls", [(), ("flock",)])
@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_a_writer_is_alone(path, monkeypatch, calls, first, second):
    refuse(monkeypatch, errno.ENOLCK, *calls)
    with Lock(str(path), exclusive=first):
        assert not is_free(path, second)
    assert is_free(path, second)


def test_readers_are_not_alone(path):
    with Lock(str(path), exclusive=False):
        assert is_free(path, exclusive=False)


def test_it_ends_at_once_though_a_child_still_has_the_file(path):
    lock = Lock(str(path), exclusive=True)
    numbers = [int(name) for name in os.listdir("/proc/self/fd")]
    kept = [os.dup(fd) for fd in numbers if is_in(path, fd)]
    lock.release()
    assert kept
    assert is_free(path, exclusive=True)
    for fd in kept:
        os.close(fd)


def is_in(path, fd):
    link = f"/proc/self/fd/{fd}"
    return os.path.lexists(link) and os.readlink(link).startswith(str(path))


def test_a_process_that_holds_it_itself_is_told_to_close_it(path):
    with imgmem.open(path), pytest.raises(DatasetError, match="in use by process") as caught:
        normalize(path)
    assert "close()" in caught.value.hint


@pytest.mark.parametrize("code", REFUSALS)
def test_where_only_flock_is_refused_a_record_lock_takes_its_place(path, monkeypatch, code):
    refuse(monkeypatch, code, "flock")
    with warnings.catch_warnings(), Lock(str(path), exclusive=True):
        warnings.simplefilter("error")
        assert not is_free(path, exclusive=False)


@pytest.mark.parametrize("code", REFUSALS)
def test_where_all_locks_are_refused_readers_continue_with_one_warning(path, monkeypatch, code):
    monkeypatch.setattr(locks, "_warned", set())
    refuse(monkeypatch, code, "flock", "lockf", "fcntl")
    with pytest.warns(RuntimeWarning, match="refuses locks: reading without") as found:
        for _ in range(3):
            imgmem.open(path).close()
    assert len(found) == 1


def test_where_all_locks_are_refused_a_file_keeps_others_out(path, refused):
    with pytest.warns(RuntimeWarning, match="refuses locks: using a lock file"):
        lock = Lock(str(path), exclusive=True)
    for exclusive in (True, False):
        with pytest.raises(DatasetError, match=f"in use by process {os.getpid()} on "):
            Lock(str(path), exclusive=exclusive)
    lock.release()
    assert is_free(path, exclusive=True)
    assert not (path / holder.HOLDER).exists()


def test_a_host_with_locks_respects_the_file_of_one_without(path, monkeypatch, refused):
    with pytest.warns(RuntimeWarning):
        lock = Lock(str(path), exclusive=True)
    monkeypatch.undo()
    assert not is_free(path, exclusive=True)
    lock.release()


def left_behind(path, **facts):
    (path / holder.HOLDER).write_text(json.dumps(holder._own_facts() | facts))


def test_the_file_of_an_ended_process_counts_no_more(path, monkeypatch):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left_behind(path, pid=ended.pid)
    monkeypatch.setattr(holder, "_beats", None)  # is not waited for
    assert is_free(path, exclusive=True)
    assert not (path / holder.HOLDER).exists()


@pytest.mark.parametrize(
    "facts",
    [
        {"host": "a1b2c3", "pid": 7, "boot_id": "another"},  # another machine
        {"host": "a1b2c3", "pid_namespace": "pid:[1]"},  # a container of this machine
        {"pid": "seven"},
        {"token": None},
    ],
)
def test_a_file_that_stands_still_counts_no_more(path, quick, facts):
    left_behind(path, **facts)
    with pytest.warns(RuntimeWarning, match="still running"):
        assert is_free(path, exclusive=True)


def test_a_damaged_file_counts_no_more_when_it_stands_still(path, quick):
    (path / holder.HOLDER).write_bytes(b"\xff[[[")
    with pytest.warns(RuntimeWarning, match="still running"):
        assert is_free(path, exclusive=True)


def test_a_file_that_beats_elsewhere_counts(path, quick):
    facts = {"host": "a1b2c3", "boot_id": "another"}
    left_behind(path, **facts)
    done = threading.Event()

    def beat():
        number = 0
        while not done.wait(0.02):
            number += 1
            left_behind(path, **facts, token="x", beat=number)

    thread = threading.Thread(target=beat)
    thread.start()
    with pytest.warns(RuntimeWarning, match="still running"):
        assert not is_free(path, exclusive=True)
    done.set()
    thread.join()


def test_the_counter_of_the_file_rises(path, refused):
    with pytest.warns(RuntimeWarning), Lock(str(path), exclusive=True):
        first = json.loads((path / holder.HOLDER).read_text())["beat"]
        end = time.monotonic() + 20
        while json.loads((path / holder.HOLDER).read_text() or "{}").get("beat", first) == first:
            assert time.monotonic() < end
            time.sleep(0.01)


def test_locking_can_be_turned_off(path, monkeypatch):
    monkeypatch.setenv(LOCKING, "off")
    with Lock(str(path), exclusive=True), Lock(str(path), exclusive=True):
        pass


def test_locking_by_a_file_can_be_asked_for(path, monkeypatch):
    monkeypatch.setenv(LOCKING, "file")
    with Lock(str(path), exclusive=True):
        assert (path / holder.HOLDER).exists()
        assert not is_free(path, exclusive=False)


def test_another_word_for_locking_is_refused(path, monkeypatch):
    monkeypatch.setenv(LOCKING, "maybe")
    with pytest.raises(UsageError, match="IMGMEM_LOCKING is 'maybe'"):
        Lock(str(path), exclusive=True)


def test_a_dataset_without_a_lock_file_is_locked_by_its_directory(path):
    (path / LOCK).unlink()
    with Lock(str(path), exclusive=False):
        assert not is_free(path, exclusive=True)
    assert not (path / LOCK).exists() or is_free(path, exclusive=True)


def test_a_reader_writes_nothing(path):
    (path / LOCK).unlink()
    imgmem.open(path).close()
    assert not (path / LOCK).exists()


def test_a_lock_file_that_cannot_be_opened_is_named(path, monkeypatch):
    def denied(name, *_):
        raise PermissionError(errno.EACCES, "Permission denied", name)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(InputError, match=r"\.lock cannot be opened: Permission denied"):
        Lock(str(path), exclusive=True)
