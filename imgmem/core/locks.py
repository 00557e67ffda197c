"""One writer or many readers for a dataset directory, by `flock` on the directory itself.

A lock on the directory's descriptor needs no lock file (an unlinked one would admit two
holders), moves along with a rename, and vanishes with a killed process.
"""

import os
from typing import Self

from imgmem.core.errors import DatasetError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


class Lock:
    """A shared (reader's) or exclusive (writer's) lock, until `release` or the process ends."""

    def __init__(self, directory: str, *, exclusive: bool) -> None:
        """Take the lock at once or raise DatasetError, naming the holder where it can be told."""
        self._fd = os.open(directory, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        if fcntl is None:
            return
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._fd)
            self.release()
            raise DatasetError(
                f"{directory} is in use by {holder}",
                hint="Wait until it has finished, then run the same command again.",
                path=directory,
            ) from None

    def holds(self, directory: str) -> bool:
        """True where the path still leads to what is locked, not to something renamed there."""
        try:
            return os.path.samestat(os.stat(directory), os.fstat(self._fd))
        except FileNotFoundError:
            return False

    def release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _holder(fd: int) -> str:
    """Who holds a lock on this inode, from /proc/locks (Linux); elsewhere nobody can tell."""
    inode = f":{os.fstat(fd).st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as table:
            fields = [line.split() for line in table]
    except OSError:
        return "another process"
    holders = [row[4] for row in fields if row[1] == "FLOCK" and row[5].endswith(inode)]
    return f"process {holders[0]}" if holders else "another process"
