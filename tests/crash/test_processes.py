"""Real processes, signals and file systems, beside the model."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest
from support.datasets import write_dataset
from support.program import run
from support.trees import snapshot

from imgmem.core.errors import DatasetError, Interrupted, ResourceError
from imgmem.core.normalize.operation import normalize, undo_normalize
from imgmem.core.storage import durable, system

FORKED = """
import os, sys
from imgmem.core.normalize.operation import normalize, undo_normalize
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        (normalize if line.strip() == "normalize" else undo_normalize)(sys.argv[1])
        os._exit(0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


@pytest.fixture
def path(tmp_path):
    """A dataset of many small chunks."""
    images = np.random.default_rng(0).integers(0, 256, (200, 32, 32, 3), np.uint8)
    return write_dataset(tmp_path / "data", images, [0] * 200, checksum_block=16384)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_killed_at_random_moments_processes_lose_nothing(path, by_tier):
    """(d) SIGKILL, from outside, while the features are rewritten or a recovery is under way."""
    before = snapshot(path)
    normalize(path)
    after = snapshot(path)
    chance, rounds = random.Random(0), by_tier(10, 40, 200)
    killed = midway = 0
    with subprocess.Popen(
        [sys.executable, "-c", FORKED, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        for _ in range(rounds):
            server.stdin.write(chance.choice(["normalize\n", "undo\n"]))
            server.stdin.flush()
            pid = int(server.stdout.readline())
            while (path / "X.npy").exists() and is_running(pid):
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.03))
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            killed += os.WIFSIGNALED(int(server.stdout.readline()))
            midway += not (path / "X.npy").exists()
            if (path / "X.npy").exists():
                assert (path / "X.npy").read_bytes() in (before["X.npy"], after["X.npy"])
    assert killed > rounds // 3
    assert midway > rounds // 4
    normalize(path)
    assert snapshot(path) == after
    undo_normalize(path)
    assert snapshot(path) == before


def test_in_transition_every_command_says_how_to_resume_or_roll_back(path, monkeypatch):
    import imgmem

    monkeypatch.setattr("imgmem.core.normalize.rewrite._finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        normalize(path)
    commands = {
        "build": lambda: imgmem.build(path, path.with_name("new")),
        "stats": lambda: imgmem.stats(path),
        "normalize --to": lambda: normalize(path, to=path.with_name("new")),
        "sample": lambda: imgmem.sample(path),
        "estimate": lambda: imgmem.estimate(path),
        "open": lambda: imgmem.open(path),
    }
    for name, command in commands.items():
        with pytest.raises(DatasetError, match="partially normalized") as caught:
            command()
        assert "undo=True)` to roll back" in caught.value.hint, name
    assert not (path / "X.npy").exists()


def test_a_full_file_system_costs_nothing_and_is_told_in_bytes(tmp_path):
    """(f) A small tmpfs where it can be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "imgmem-test", str(disk)]
    if os.geteuid() or run(mount).returncode:
        pytest.skip("needs root and mount")
    try:
        images = np.random.default_rng(0).integers(0, 256, (100, 32, 32, 3), np.uint8)
        path = write_dataset(disk / "data", images, [0] * 100, checksum_block=16384)
        before = snapshot(path)
        with pytest.raises(ResourceError, match="no space") as caught:
            normalize(path)
        assert caught.value.facts["missing_bytes"] > 0
        assert snapshot(path) == before
    finally:
        assert run(["umount", disk]).returncode == 0


def test_a_limit_on_file_sizes_is_an_ordinary_error(path):
    """(f) RLIMIT_FSIZE: EFBIG (its signal is ignored by Python), and all is as it was."""
    before = snapshot(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, hard))
    try:
        with pytest.raises(ResourceError):
            normalize(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert snapshot(path) == before


@pytest.mark.parametrize("call", ["pwrite", "preadv", "posix_fallocate", "posix_fadvise"])
def test_without_a_system_call_the_result_is_the_same(path, monkeypatch, call):
    before = snapshot(path)
    normalize(path)
    after = snapshot(path)
    undo_normalize(path)
    monkeypatch.delattr(os, call)
    normalize(path)
    assert snapshot(path) == after
    undo_normalize(path)
    assert snapshot(path) == before


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_directories_is_used_without(path, monkeypatch, error):
    class NoDirectorySync(system.System):
        def sync(self, fd):
            if os.path.isdir(f"/proc/self/fd/{fd}"):
                raise OSError(error, os.strerror(error))
            super().sync(fd)

    monkeypatch.setattr(durable, "_system", NoDirectorySync())
    assert normalize(path).status == "normalized"


@pytest.mark.parametrize(
    ("phase", "message"),
    [("statistics", "nothing was changed"), ("normalize", "no data is lost")],
)
def test_ctrl_c_keeps_the_state_and_says_how_to_resume(path, phase, message):
    """Exit code 130; the same command then comes to the bytes of an undisturbed run."""
    before = snapshot(path)
    normalize(path)
    after = snapshot(path)
    undo_normalize(path)

    def interrupt(progress):
        if progress.phase == phase:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=message) as caught:
        normalize(path, progress=interrupt)
    assert caught.value.exit_code == 130
    assert caught.value.hint
    normalize(path)
    assert snapshot(path) == after
    undo_normalize(path)
    assert snapshot(path) == before
