"""Real memory cgroups for tests, where this process may make them."""

import os
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest


def _home():
    """(directory, limit file) of a hierarchy in which a cgroup can be made, or None."""
    v1 = Path("/sys/fs/cgroup/memory")
    if (v1 / "memory.limit_in_bytes").exists() and os.access(v1, os.W_OK):
        return v1, "memory.limit_in_bytes"
    v2 = Path("/sys/fs/cgroup")
    controllers = v2 / "cgroup.subtree_control"
    if controllers.exists() and "memory" in controllers.read_text() and os.access(v2, os.W_OK):
        return v2, "memory.max"
    return None


needs_cgroup = pytest.mark.skipif(_home() is None, reason="no right to make a cgroup")


@contextmanager
def limited_to(count):
    """A new cgroup that may use `count` bytes; gives what a child calls to join it."""
    home, limit_file = _home()
    group = home / f"imgmem-test-{uuid.uuid4().hex}"
    group.mkdir()
    try:
        (group / limit_file).write_text(str(count))
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        group.rmdir()
