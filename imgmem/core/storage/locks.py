"""One writer or many readers for a dataset directory.

The lock is on a small regular file in the directory, `.lock`, which is never replaced: a lock
on a directory would be local to each host of a network file system. It moves along with a
rename of the directory and ends with the process. `flock` takes it, or where the file system
has none, a record lock. Where both are refused, writers keep a file instead (`holder.py`), and
readers only look for one.
"""

import errno
import os
import struct
import sys
import warnings
from contextlib import suppress
from typing import Self

from imgmem.core.errors import DatasetError, InputError, ResourceError, UsageError
from imgmem.core.messages import Message
from imgmem.core.storage import durable
from imgmem.core.storage.holder import HOLDER, Holder, living_holder
from imgmem.core.storage.system import naming

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
LOCKS = frozenset({LOCK, HOLDER})
"""What may lie in a directory for locks' sake."""
LOCKING = "IMGMEM_LOCKING"
"""The environment variable: "off" locks nothing, "file" always keeps a file instead."""

_CONFLICTS = {errno.EAGAIN} if sys.platform == "linux" else {errno.EAGAIN, errno.EACCES}
"""What a record lock that somebody else holds answers."""
_warned: set[str] = set()


class Lock:
    """A shared (reader's) or exclusive (writer's) lock, until `release` or the process ends."""

    def __init__(self, directory: str, *, exclusive: bool) -> None:
        """Take the lock at once, or raise DatasetError, naming the holder where that is known.

        InputError where the directory or its lock file cannot be opened.
        """
        self._directory = directory
        self._fds: list[int] = []
        self._holder: Holder | None = None
        mode = _mode()
        if mode == "off":
            return
        try:
            locked = mode != "file" and self._lock_file(exclusive=exclusive)
            self._respect_holder()
            if not locked:
                self._stand_in(exclusive=exclusive, wanted=mode == "file")
        except BaseException:
            self.release()
            raise

    def _lock_file(self, *, exclusive: bool) -> bool:
        """Lock `.lock`; False where the file system refuses."""
        if fcntl is None:
            return False
        fd = _open(self._directory, exclusive=exclusive)
        self._fds.append(fd)
        if exclusive:  # whoever found no `.lock` to read-lock has locked the directory
            self._lock_directory()
        return self._locked(fd, exclusive=exclusive)

    def _lock_directory(self) -> None:
        try:
            fd = os.open(self._directory, os.O_RDONLY)
        except OSError:
            return
        self._fds.append(fd)
        self._locked(fd, exclusive=True)

    def _locked(self, fd: int, *, exclusive: bool) -> bool:
        for take in (_flock, _record_lock):
            try:
                take(fd, exclusive=exclusive)
            except BlockingIOError:
                raise _in_use(self._directory, *_holder_of(fd)) from None
            except OSError:
                continue
            return True
        return False

    def _respect_holder(self) -> None:
        """Somebody for whom the file system has no locks may be at work."""
        if holder := living_holder(self._directory):
            raise _in_use(self._directory, holder)

    def _stand_in(self, *, exclusive: bool, wanted: bool) -> None:
        if not wanted:
            _warn(self._directory, exclusive=exclusive)
        if exclusive:
            self._holder = Holder(self._directory)

    def holds(self, directory: str) -> bool:
        """True where the path still leads to what is locked, not to something renamed there."""
        try:
            if self._fds:
                name = os.path.join(directory, LOCK)
                with naming(name):
                    return os.path.samestat(os.stat(name), os.fstat(self._fds[0]))
            return durable.is_directory(directory) if self._holder is None else self._holder.holds()
        except FileNotFoundError:
            return False

    def moved(self, directory: str) -> None:
        """Note that what is locked has been renamed to `directory`."""
        self._directory = directory
        if self._holder is not None:
            self._holder.moved(directory)

    def release(self) -> None:
        if self._holder is not None:
            self._holder.release()
            self._holder = None
        fds, self._fds = self._fds, []
        for fd in fds:
            _unlock(fd)
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _mode() -> str:
    mode = os.environ.get(LOCKING, "")
    if mode not in ("", "off", "file"):
        raise UsageError(
            f"{LOCKING} is {mode!r}, not off or file",
            hint="Unset it for locks that the file system provides.",
        )
    return mode


def _open(directory: str, *, exclusive: bool) -> int:
    """`.lock`, made by a writer where it is missing; a reader then takes the directory."""
    name = os.path.join(directory, LOCK)
    try:
        try:
            return os.open(name, (os.O_RDWR if exclusive else os.O_RDONLY) | os.O_CLOEXEC)
        except FileNotFoundError:
            if exclusive:
                return durable.create_lock_file(name)
            return os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError as error:
        raise InputError(
            f"{error.filename or name} cannot be opened: {error.strerror}",
            hint="Check its permissions.",
            path=directory,
        ) from None
    except OSError as error:
        raise ResourceError(
            f"{error.filename or name} cannot be opened: {error.strerror}",
            hint="Check the disk, then run the same command again.",
            path=directory,
        ) from None


def _flock(fd: int, *, exclusive: bool) -> None:
    fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)


def _unlock(fd: int) -> None:
    """End a lock at once: closing the file ends it later where a server keeps it, and not at all
    where a child has the file, too."""
    with suppress(OSError):  # of a share that has gone, or a record lock, which a close ends
        fcntl.flock(fd, fcntl.LOCK_UN)


def _record_lock(fd: int, *, exclusive: bool) -> None:
    """A lock on the whole file that, where the system can, belongs to the descriptor."""
    try:
        if hasattr(fcntl, "F_OFD_SETLK"):
            kind = fcntl.F_WRLCK if exclusive else fcntl.F_RDLCK
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))
        else:
            kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
            fcntl.lockf(fd, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _CONFLICTS:
            raise BlockingIOError(error.errno, error.strerror) from None
        raise


def _warn(directory: str, *, exclusive: bool) -> None:
    """Say once that a directory cannot be locked."""
    if directory in _warned:
        return
    _warned.add(directory)
    instead = (
        "using a lock file instead; make sure no process reads the dataset meanwhile"
        if exclusive
        else "reading without a lock; make sure no process writes to the dataset meanwhile"
    )
    warnings.warn(
        f"{directory}: this file system refuses locks: {instead}", RuntimeWarning, stacklevel=4
    )


def _in_use(directory: str, holder: str, pid: int = 0) -> DatasetError:
    if pid == os.getpid():
        hint = "This process has it open: call close() on its datasets, then try again."
    else:
        hint = (
            "Wait until it has finished, then run the same command again. If it is a notebook "
            "or a Python session, call close() on the dataset there, or restart it."
        )
    return DatasetError(f"{directory} is in use by {holder}", hint=Message(hint), path=directory)


def _holder_of(fd: int) -> tuple[str, int]:
    """Who holds a lock on this inode, from /proc (Linux); elsewhere nobody can tell."""
    try:
        inode = f":{os.fstat(fd).st_ino}"
        with open("/proc/locks", encoding="ascii") as table:
            fields = [line.split() for line in table]
    except OSError:
        return "another process", 0
    holders = [row[4] for row in fields if row[1] == "FLOCK" and row[5].endswith(inode)]
    if not holders:
        return "another process", 0
    return f"process {holders[0]}{_command_of(holders[0])}", int(holders[0])


def _command_of(pid: str) -> str:
    """What a process runs, in brackets; "" if nobody can tell."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = os.fsdecode(file.read()).split("\0")
    except OSError:
        return ""
    return f" ({' '.join(words).strip():.100})" if words[0] else ""
