"""One writer or many readers for a dataset directory, by `flock` on the directory itself.

A lock on the directory's descriptor needs no lock file (an unlinked one would admit two
holders), moves along with a rename, and vanishes with a killed process. Where there is no
`flock` (Windows, some network file systems) writers keep a lock file beside the directory
instead, with a warning: it does not see readers, and a crash of the machine leaves it behind.
"""

import errno
import os
import socket
import warnings
from contextlib import suppress
from typing import Self

from imgmem.core.errors import DatasetError, InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NO_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_FLOCK |= {errno.EBADF}  # NFS wants a descriptor open for writing, which no directory has


class Lock:
    """A shared (reader's) or exclusive (writer's) lock, until `release` or the process ends."""

    def __init__(self, directory: str, *, exclusive: bool) -> None:
        """Take the lock at once or raise DatasetError, naming the holder where it can be told."""
        self._fd = -1
        self._lock_file: str | None = None
        self._facts = os.stat(directory)
        if not self._flock(directory, exclusive=exclusive):
            self._take_lock_file(directory, exclusive=exclusive)

    def _flock(self, directory: str, *, exclusive: bool) -> bool:
        """Lock the directory; False where that cannot be done."""
        if fcntl is None:
            return False
        try:
            self._fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        except PermissionError as error:
            raise InputError(
                f"{directory} cannot be read: {error.strerror}",
                hint="Check its permissions.",
                path=directory,
            ) from None
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self._fd)
            self.release()
            raise _in_use(directory, holder) from None
        except OSError as error:
            self.release()
            if error.errno not in _NO_FLOCK:
                raise
            return False
        return True

    def _take_lock_file(self, directory: str, *, exclusive: bool) -> None:
        """Put down a lock file, as a writer; as a reader see that there is none."""
        name = lock_file(directory)
        holder = _writer_in(name)
        if holder:
            raise _in_use(directory, f"{holder} (if that is gone, remove {name})")
        if not exclusive:
            return
        warnings.warn(
            f"{directory}: this file system has no flock, so a lock file stands in for it; "
            "see to it that nobody reads the dataset while it is written to",
            RuntimeWarning,
            stacklevel=4,
        )
        try:
            fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            raise _in_use(directory, _writer_in(name) or "another process") from None
        with open(fd, "w", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {socket.gethostname()}")
        self._lock_file = name

    def holds(self, directory: str) -> bool:
        """True where the path still leads to what is locked, not to something renamed there."""
        try:
            return os.path.samestat(os.stat(directory), self._facts)
        except FileNotFoundError:
            return False

    def release(self) -> None:
        if self._lock_file is not None:
            with suppress(FileNotFoundError):
                os.unlink(self._lock_file)
            self._lock_file = None
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def lock_file(directory: str) -> str:
    """The file that stands in for a lock on the directory."""
    parent, name = os.path.split(os.path.abspath(directory))
    return os.path.join(parent, f".{name}.lock")


def _in_use(directory: str, holder: str) -> DatasetError:
    return DatasetError(
        f"{directory} is in use by {holder}",
        hint="Wait until it has finished, then run the same command again.",
        path=directory,
    )


def _writer_in(name: str) -> str:
    """Who has put down a lock file; "" if nobody, or a process of this host that has ended."""
    try:
        with open(name, encoding="utf-8") as file:
            pid, _, host = file.read().partition(" ")
    except FileNotFoundError:
        return ""
    if host == socket.gethostname() and pid.isdigit() and not _runs(int(pid)):
        os.unlink(name)
        return ""
    return f"process {pid} on {host}"


def _runs(pid: int) -> bool:
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _holder(fd: int) -> str:
    """Who holds a lock on this inode, from /proc (Linux); elsewhere nobody can tell."""
    inode = f":{os.fstat(fd).st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as table:
            fields = [line.split() for line in table]
    except OSError:
        return "another process"
    holders = [row[4] for row in fields if row[1] == "FLOCK" and row[5].endswith(inode)]
    return f"process {holders[0]}{_command_of(holders[0])}" if holders else "another process"


def _command_of(pid: str) -> str:
    """What a process runs, in brackets; "" if nobody can tell."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = os.fsdecode(file.read()).split("\0")
    except OSError:
        return ""
    return f" ({' '.join(words).strip():.100})" if words[0] else ""
