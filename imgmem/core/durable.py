"""Every durable file operation, and nothing else that touches a dataset's files.

All of them go through `_system`, so that a test can record them, fail them, kill the
process between them, or drop what was not synced. Files are read as memory maps but
written by `pwrite`: a store into a map cannot report a full disk (it is a SIGBUS).
After a failed sync nothing is retried: the kernel may have marked the pages clean.
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from imgmem.core.errors import ResourceError
from imgmem.core.units import format_bytes

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}
_SWAP = ".swap"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""From Linux's fcntl.h and renameat2(2)."""


class System:
    """The operating system's calls; a test replaces the one instance to watch or break them."""

    def open(self, path: str, flags: int) -> int:
        return os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o666)

    def pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def allocate(self, fd: int, offset: int, length: int) -> None:
        os.posix_fallocate(fd, offset, length)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def exchange(self, one: str, other: str) -> None:
        _renameat2(one, other)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str) -> None:
        os.mkdir(path)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)


def _renameat2(one: str, other: str) -> None:
    """Linux's renameat2(RENAME_EXCHANGE), which Python does not offer; OSError elsewhere."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        raise OSError(errno.ENOSYS, "no renameat2") from None
    paths = os.fsencode(one), os.fsencode(other)
    if call(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), one)


_system = System()
_relaxed = ContextVar("relaxed", default=False)


@contextmanager
def relaxed() -> Iterator[None]:
    """Within, nothing is synced: for scratch disks, where a power cut may cost the result."""
    token = _relaxed.set(True)
    try:
        yield
    finally:
        _relaxed.reset(token)


@contextmanager
def _explained(doing: str, path: str) -> Iterator[None]:
    """Turn a failed operation into an error that names the file and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise ResourceError(
                f"no space left while {doing} {path}: {error.strerror}",
                hint="Free some space (or raise the quota) and run the same command again.",
                path=path,
            ) from error
        raise ResourceError(
            f"{doing} {path} failed: {error.strerror}",
            hint="Check the disk and the permissions, then run the same command again.",
            path=path,
        ) from error


class File:
    """A file open for durable reading and writing at offsets."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        """Open `path` for reading and writing; `create` makes it, and fails if it is there."""
        self.path = path
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0)
        with _explained("opening", path):
            self._fd = _system.open(path, flags)

    def fileno(self) -> int:
        return self._fd

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def pread(self, length: int, offset: int) -> bytes:
        """`length` bytes from `offset`; fewer only at the end of the file."""
        parts = []
        while length and (part := os.pread(self._fd, length, offset)):
            parts.append(part)
            length -= len(part)
            offset += len(part)
        return b"".join(parts)

    def pwrite(self, data: Any, offset: int) -> None:
        """Write all of `data` (any contiguous buffer) at `offset`; short writes go on."""
        view = memoryview(data).cast("B")
        with _explained("writing", self.path):
            while view:
                written = _system.pwrite(self._fd, view, offset)
                view = view[written:]
                offset += written

    def allocate(self, size: int) -> None:
        """Give the file `size` bytes of real disk space, or leave it as it was and raise.

        ext4 keeps what it got before a failure, so the file is cut back to its old size.
        """
        before = self.size()
        if size <= before:
            return
        try:
            _system.allocate(self._fd, before, size - before)
        except OSError as error:
            _system.truncate(self._fd, before)
            if error.errno in _UNSUPPORTED:
                _system.truncate(self._fd, size)
                return
            missing = size - before - free_bytes(os.path.dirname(self.path) or ".")
            raise ResourceError(
                f"no space for {self.path}: {format_bytes(size - before)} needed, "
                f"{format_bytes(max(missing, 0))} ({max(missing, 0)} bytes) missing",
                hint="Free some space or write to another disk.",
                path=self.path,
                missing_bytes=max(missing, 0),
            ) from error

    def truncate(self, size: int) -> None:
        with _explained("truncating", self.path):
            _system.truncate(self._fd, size)

    def sync(self) -> None:
        with _explained("syncing", self.path):
            if not _relaxed.get():
                _system.sync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            _system.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def rename(source: str, target: str) -> None:
    """Rename within one file system, replacing a target *file*."""
    with _explained("renaming", source):
        _system.rename(source, target)


def exchange(one: str, other: str) -> None:
    """Let two directories of one parent swap their names: at once where the system can.

    Elsewhere by three renames, which `repair_exchange` finishes after a crash.
    """
    with _explained("swapping", one):
        try:
            _system.exchange(one, other)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            _system.rename(other, other + _SWAP)
            _system.rename(one, other)
            _system.rename(other + _SWAP, one)
    sync_directory(os.path.dirname(one))


def repair_exchange(one: str, other: str) -> None:
    """Go back or forward to where `one` and `other` both are, after a crash in `exchange`."""
    swap = other + _SWAP
    if os.path.isdir(swap):
        rename(swap, one if os.path.isdir(other) else other)
        sync_directory(os.path.dirname(one))


def unlink(path: str) -> None:
    """Remove a file; one that is not there is fine."""
    try:
        _system.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        with _explained("removing", path):
            raise error


def mkdir(path: str) -> None:
    with _explained("making", path):
        _system.mkdir(path)


def remove_tree(path: str) -> None:
    """Remove a directory of plain files (the only kind that imgmem makes)."""
    for name in sorted(os.listdir(path)):
        unlink(os.path.join(path, name))
    with _explained("removing", path):
        _system.rmdir(path)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    if _relaxed.get():
        return
    with _explained("syncing", path):
        fd = _system.open(path, os.O_RDONLY)
        try:
            _system.sync(fd)
        finally:
            _system.close(fd)


def write_file(path: str, data: bytes) -> None:
    """Replace `path` by `data`, all or nothing: a temporary file, synced, renamed over it."""
    temporary = path + ".new"
    unlink(temporary)
    with File(temporary, create=True) as file:
        file.pwrite(data, 0)
        file.sync()
    rename(temporary, path)
    sync_directory(os.path.dirname(path) or ".")


def free_bytes(directory: str) -> int:
    """Bytes that this user may still write on the file system of `directory`."""
    facts = os.statvfs(directory)
    return facts.f_bavail * facts.f_frsize
