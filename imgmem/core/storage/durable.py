"""Every durable file operation, and nothing else that touches a dataset's files.

All of them go through `_system`, so that a test can record them, fail them, kill the
process between them, or drop what was not synced. Files are read as memory maps but
written by `pwrite`: a store into a map cannot report a full disk (it is a SIGBUS).
After a failed sync nothing is retried: the kernel may have marked the pages clean.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Self

from imgmem.core.errors import InputError, ResourceError
from imgmem.core.storage import system
from imgmem.core.storage.system import System
from imgmem.core.units import format_bytes

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FIXED = {errno.EXDEV, errno.EBUSY, errno.EPERM}
"""What a directory answers that cannot be renamed: of a lower layer, mounted, or somebody else's in
a sticky folder such as /tmp."""
_LEADS_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_WRONG_PATH = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
_SWAP = ".swap"
NEW = ".new"
"""Ends the name of a file that is being written, until it is renamed to its own."""

_system = System()
_relaxed = ContextVar("relaxed", default=False)


@contextmanager
def relaxed() -> Iterator[None]:
    """Within, nothing is synced: for scratch disks, where a power loss may cost the result."""
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


class CannotRename(Exception):
    """A directory that has to stay where it is."""


def _no_space(path: str, error: OSError, *, needed: int, missing: int) -> ResourceError:
    """Of `needed` bytes the disk lacks `missing`, unless it is a quota that refuses them."""
    if error.errno == errno.EDQUOT or missing <= 0:
        said = "the disk quota is exceeded" if error.errno == errno.EDQUOT else error.strerror
        return ResourceError(
            f"no space for {path}: {format_bytes(needed)} needed, {said}",
            hint="Free some space within the quota or have it raised, or write to another disk.",
            path=path,
            needed_bytes=needed,
        )
    return ResourceError(
        f"no space for {path}: {format_bytes(needed)} needed, "
        f"{format_bytes(missing)} ({missing} bytes) missing",
        hint="Free some space or write to another disk.",
        path=path,
        missing_bytes=missing,
    )


class File:
    """A file open for durable reading and writing at offsets."""

    def __init__(self, path: str, *, create: bool = False, writable: bool = True) -> None:
        """Open `path` for reading and writing; `create` makes it, and fails if it is there."""
        self.path = path
        flags = os.O_RDWR if writable else os.O_RDONLY
        with _explained("opening", path):
            self._fd = _system.open(path, flags | (os.O_CREAT | os.O_EXCL if create else 0))

    def size(self) -> int:
        return self._facts().st_size

    def modified_ns(self) -> int:
        return self._facts().st_mtime_ns

    def _facts(self) -> os.stat_result:
        with _explained("accessing", self.path):
            return os.fstat(self._fd)

    def pread(self, length: int, offset: int) -> bytes:
        """`length` bytes from `offset`; fewer only at the end of the file."""
        data = bytearray(length)
        return bytes(data[: self.pread_into(data, offset)])

    def pread_into(self, buffer: Any, offset: int) -> int:
        """Fill a contiguous buffer from `offset`; returns how many bytes, fewer only at the end.

        Not through a memory map, where a disk that cannot be read is a SIGBUS.
        """
        view = memoryview(buffer).cast("B")
        done = 0
        with _explained("reading", self.path):
            while part := system.pread_into(self._fd, view[done:], offset + done):
                done += part
        return done

    def pwrite(self, data: Any, offset: int) -> None:
        """Write all of `data` (any contiguous buffer) at `offset`; short writes are continued."""
        view = memoryview(data)
        if not view.nbytes:  # which a cast refuses
            return
        view = view.cast("B")
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
            self.truncate(before)
            missing = size - before - free_bytes(os.path.dirname(self.path) or ".")
            if error.errno in system.UNSUPPORTED and missing <= 0:
                self.truncate(size)
                return
            raise _no_space(self.path, error, needed=size - before, missing=missing) from error

    def forget(self, offset: int = 0, length: int = 0) -> None:
        """Write a range (0 bytes: to the end) back soon, and keep it out of the page cache."""
        with suppress(OSError):
            system.forget(self._fd, offset, length)

    def truncate(self, size: int) -> None:
        with _explained("truncating", self.path):
            _system.truncate(self._fd, size)

    def sync(self) -> None:
        with _explained("syncing", self.path):
            if not _relaxed.get():
                _system.sync(self._fd)

    def close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1  # closed even where that fails
            _system.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def rename(source: str, target: str) -> None:
    """Rename within one file system, replacing a target *file*."""
    with _explained("renaming", source):
        _system.rename(source, target)


def rename_directory(source: str, target: str) -> None:
    """Rename a directory within one parent. CannotRename where it has to stay where it is."""
    with _explained("renaming", source):
        _rename_away(source, target)


def exchange(one: str, other: str) -> None:
    """Let two directories of one parent swap their names: at once where the system can.

    Elsewhere by three renames, which `repair_exchange` finishes after a crash. Durable after
    the next sync of the parent. Raises CannotRename, and changes nothing, where one of them
    cannot be renamed at all.
    """
    with _explained("swapping", one):
        try:
            _system.exchange(one, other)
        except OSError as error:
            if error.errno in _FIXED:
                raise CannotRename from error
            if error.errno not in system.UNSUPPORTED:
                raise
            _rename_away(other, other + _SWAP)
            _system.rename(one, other)
            _system.rename(other + _SWAP, one)


def _rename_away(source: str, target: str) -> None:
    try:
        _system.rename(source, target)
    except OSError as error:
        if error.errno in _FIXED:
            raise CannotRename from error
        raise


def set_time(path: str, ns: int) -> None:
    """Give a file another modification time, where that can be set."""
    with suppress(OSError):
        os.utime(path, ns=(ns, ns))


def exists(path: str) -> bool:
    """Whether anything is at a path; ResourceError where that cannot be found out, which does
    not mean that nothing is there, and InputError where it may not be accessed."""
    return _facts(os.lstat, path) is not None


def is_file(path: str) -> bool:
    """As `exists`, for a regular file, or a link to one."""
    facts = _facts(os.stat, path)
    return facts is not None and stat.S_ISREG(facts.st_mode)


def is_directory(path: str) -> bool:
    """As `exists`, for a directory, or a link to one."""
    facts = _facts(os.stat, path)
    return facts is not None and stat.S_ISDIR(facts.st_mode)


def _facts(look: Callable[[str], os.stat_result], path: str) -> os.stat_result | None:
    with _explained("accessing", path):
        try:
            return look(path)
        except OSError as error:
            if error.errno in _LEADS_NOWHERE:
                return None
            if error.errno in _WRONG_PATH:
                raise InputError(
                    f"{path} cannot be accessed: {error.strerror}",
                    hint="Check the path and its permissions.",
                    path=path,
                ) from None
            raise


def is_being_exchanged(path: str) -> bool:
    """Whether `path` is missing because an `exchange` by renames is under way, or was cut short."""
    return not exists(path) and is_directory(path + _SWAP)


def repair_exchange(one: str, other: str) -> None:
    """Go back or forward to where `one` and `other` both are, after a crash in `exchange`."""
    swap = other + _SWAP
    if is_directory(swap):
        rename(swap, one if is_directory(other) else other)
        sync_directory(os.path.dirname(one) or ".")


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


def touch(path: str) -> None:
    """Make an empty file. Durable after the next sync of its directory."""
    File(path, create=True).close()


def create_lock_file(path: str) -> int:
    """A descriptor of an empty file, made where it is missing. Raises OSError."""
    try:
        return _system.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return _system.open(path, os.O_RDWR)


def make_parents(path: str) -> None:
    """Make the directories above `path` that are missing; they hold nothing yet to lose."""
    with _explained("making the directory of", path):
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)


def rmdir(path: str) -> None:
    """Remove an empty directory."""
    with _explained("removing", path):
        _system.rmdir(path)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable, where a platform can and must."""
    if _relaxed.get() or not system.can_sync_directories():
        return
    with _explained("syncing", os.path.abspath(path)):
        fd = _system.open(path, os.O_RDONLY)
        try:
            _system.sync(fd)
        except OSError as error:
            if error.errno not in system.UNSUPPORTED:
                raise
        finally:
            _system.close(fd)


def write_file(path: str, data: bytes, *, temporary: str = "") -> None:
    """Replace `path` by `data`, all or nothing: a temporary file (`path` and NEW, unless there is
    a name for it), synced, renamed over it."""
    temporary = temporary or path + NEW
    unlink(temporary)
    with File(temporary, create=True) as file:
        file.pwrite(data, 0)
        file.sync()
    rename(temporary, path)
    sync_directory(os.path.dirname(path) or ".")


def free_bytes(directory: str) -> int:
    """Bytes that this user may still write on the file system of `directory`."""
    return shutil.disk_usage(directory).free
