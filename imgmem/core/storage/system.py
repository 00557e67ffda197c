"""The operating system's calls behind `durable`, with a way round each that a platform lacks."""

import ctypes
import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

UNSUPPORTED = {errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS}
"""What a file system answers to a call that it does not have."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""From Linux's fcntl.h and renameat2(2)."""
_KEEP_SIZE = 1
"""From Linux's falloc.h: allocates without changing the file's size."""
_position = threading.Lock()
_MOUNT_ESCAPES = re.compile(rb"[ \t\n\\]")
"""What the kernel's table of mounts writes in octal."""


class System:
    """The calls that change files; a test replaces the one instance to watch or break them."""

    def open(self, path: str, flags: int) -> int:
        extra = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags | extra, 0o666)

    def pwrite(self, fd: int, data: memoryview, offset: int) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(fd, data, offset)
        with _position:
            os.lseek(fd, offset, os.SEEK_SET)
            return os.write(fd, data)

    def allocate(self, fd: int, offset: int, length: int) -> None:
        if not hasattr(os, "posix_fallocate"):
            raise OSError(errno.ENOSYS, "no posix_fallocate")
        _require_fallocate(fd, offset)
        os.posix_fallocate(fd, offset, length)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        if hasattr(fcntl, "F_FULLFSYNC"):  # macOS: fsync leaves data in the drive's cache
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fsync(fd)

    def close(self, fd: int) -> None:
        os.close(fd)

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def exchange(self, one: str, other: str) -> None:
        _renameat2(one, other)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str) -> None:
        os.mkdir(path)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """Give an OSError of what is done with an open file the name of that file."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = path
        raise


def pread_into(fd: int, buffer: memoryview, offset: int) -> int:
    """Fill (a part of) `buffer` from `offset`; returns the number of bytes, 0 at the end."""
    if hasattr(os, "preadv"):
        return os.preadv(fd, [buffer], offset)
    with _position:
        os.lseek(fd, offset, os.SEEK_SET)
        data = os.read(fd, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def forget(fd: int, offset: int, length: int) -> None:
    """Start writing a range back and let its clean pages go from the page cache, where known."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def can_sync_directories() -> bool:
    """Windows cannot open a directory; its file systems keep names in order by themselves."""
    return hasattr(os, "O_DIRECTORY")


def is_mount(path: str) -> bool:
    """Whether something is mounted at a path, be it a folder of the same file system (Linux)."""
    if os.path.ismount(path):
        return True
    try:
        with open("/proc/self/mountinfo", "rb") as table:
            points = {line.split()[4] for line in table}
    except (OSError, IndexError):
        return False
    name = os.fsencode(os.path.realpath(path))
    return _MOUNT_ESCAPES.sub(lambda m: b"\\%03o" % m[0][0], name) in points


def _require_fallocate(fd: int, offset: int) -> None:
    """OSError where the file system has no fallocate(2).

    glibc's posix_fallocate would write a byte into every block instead: over a network, one round
    trip for each 4 KiB.
    """
    try:
        call = ctypes.CDLL(None, use_errno=True).fallocate
    except (AttributeError, OSError, TypeError):
        return
    one = ctypes.c_long(1)
    if call(fd, _KEEP_SIZE, ctypes.c_long(offset), one) and ctypes.get_errno() in UNSUPPORTED:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _renameat2(one: str, other: str) -> None:
    """Linux's renameat2(RENAME_EXCHANGE), which Python does not offer; OSError elsewhere."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        raise OSError(errno.ENOSYS, "no renameat2") from None
    paths = os.fsencode(one), os.fsencode(other)
    if call(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), one)
