"""Reading a regular file, and never anything else."""

import errno
import os
import stat
import time
from collections.abc import Callable
from typing import Final, TypeVar

from imgmem.core.errors import InputError, RejectedImage, RejectReason, ResourceError
from imgmem.core.messages import option
from imgmem.core.storage.system import pread_into

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO must not hang us
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_OURS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_NAMES = (
    "EIO", "ESTALE", "ENOTCONN", "ETIMEDOUT", "EREMOTEIO", "EHOSTDOWN", "EHOSTUNREACH",
    "ENETDOWN", "ENETUNREACH", "ESHUTDOWN", "ENODEV", "ENXIO", "ENOMEDIUM",
    "EPIPE", "EKEYEXPIRED", "ECONNRESET", "ECONNABORTED", "ENOSPC", "EDQUOT",
)  # fmt: skip
UNREACHABLE = frozenset(getattr(errno, name) for name in _NAMES if hasattr(errno, name))
"""What a disk or share answers that is failing or has gone: no fault of the file that is read.
Those of a full disk come from the caches of network file systems."""

MAX_IN_A_ROW = 8
"""This many images in a row that cannot be reached mean that the source has gone."""
_DENIED = {errno.EACCES, errno.EPERM}
"""An expired login to a share; or one file's permissions, which waiting does not change."""
_PAUSES = (0.05, 0.2, 0.8)
"""Seconds to wait before each further attempt at a file."""

T = TypeVar("T")

UNREADABLE: Final[RejectReason] = "unreadable"
MISSING: Final[RejectReason] = "missing"
NO_LABEL: Final[RejectReason] = "no-label"
REJECTED = (UNREADABLE, MISSING, NO_LABEL)
"""What a locator begins with of an image that the listing found to be none; then why follows."""


COPIED, DROPPED = "copied", "dropped"
"""What a locator begins with of a row that is copied as it is, and of one that is left out: then
its number follows, and its digest, or why."""


def without_label(locator: tuple[int | str, ...], why: str) -> tuple[int | str, ...]:
    """The locator of an image without a label; that of one which is a reject already stays."""
    return locator if locator[:1] in ((UNREADABLE,), (MISSING,)) else (NO_LABEL, why)


def require_usable(locator: tuple[int | str, ...]) -> None:
    """Raises RejectedImage for what the listing found to be unreadable, or without a label."""
    if not locator:
        return
    for reason in REJECTED:
        if locator[0] == reason:
            raise RejectedImage(reason, str(locator[1]))


class Unreachable(RejectedImage):
    """An image that could not be read for a reason that may be the whole source's."""


def persistent(read: Callable[[], T]) -> T:
    """`read()`, tried again where it fails as on a share that has a moment's trouble."""
    for pause in _PAUSES:
        try:
            return read()
        except OSError as error:
            if error.errno not in UNREACHABLE:
                raise
            time.sleep(pause)
    return read()


def unusable(
    error: OSError, message: str, path: str, hint: str = "Check the path and its permissions."
) -> InputError | ResourceError:
    """The error for a file or folder that fails, whose message says so: its own fault, with its
    hint, or the machine's."""
    said = f"{message}: {error.strerror or error}"
    if error.errno in UNREACHABLE | _OURS:
        hint = "Check that the disk or share is there, then run the same command again."
        return ResourceError(said, hint=hint, path=path)
    return InputError(said, hint=hint, path=path)


def looked_at(look: Callable[[], os.stat_result], top: str) -> os.stat_result:
    """`look()` at a file in the folder `top`, tried again where it fails for a moment.

    Raises OSError where the file is at fault, and ResourceError where the folder has gone too.
    """
    try:
        return persistent(look)
    except OSError as error:
        if error.errno in UNREACHABLE:
            require_there(top)
        raise


def require_there(top: str) -> None:
    """ResourceError where a folder cannot be looked at for a reason that is the machine's."""
    try:
        os.stat(top)
    except OSError as error:
        if error.errno in UNREACHABLE:
            raise unusable(error, f"the folder {top} cannot be read any more", top) from None


def open_regular(path: str, dir_fd: int | None = None) -> tuple[int, int]:
    """(descriptor, size in bytes) of a regular file; OSError for anything else."""
    fd = os.open(path, _FLAGS, dir_fd=dir_fd)
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
    except BaseException:
        os.close(fd)
        raise
    return fd, facts.st_size


def read_regular(path: str, *, dir_fd: int | None = None, length: int | None = None) -> bytes:
    """A regular file's bytes, or its first `length`. Raises RejectedImage if it cannot be read.

    A file that shrinks meanwhile yields what is left; the decoder then finds it truncated.
    """

    def read() -> bytes:
        fd, size = open_regular(path, dir_fd)
        try:
            return pread(fd, size if length is None else min(length, size), 0)
        finally:
            os.close(fd)

    try:
        return persistent(read)
    except OSError as error:
        raise rejection(error) from None


def pread(fd: int, length: int, offset: int) -> bytes:
    """`length` bytes from `offset`, fewer only at the end of the file."""
    data = _pread(fd, length, offset)
    while len(data) < length and (more := _pread(fd, length - len(data), offset + len(data))):
        data += more
    return data


def _by_position(fd: int, length: int, offset: int) -> bytes:
    buffer = bytearray(length)
    return bytes(buffer[: pread_into(fd, memoryview(buffer), offset)])


_pread: Callable[[int, int, int], bytes] = getattr(os, "pread", _by_position)


def rejection(error: OSError) -> RejectedImage | ResourceError:
    """What a failed read of one image means: the file's own fault, or the machine's.

    Whether a source that is Unreachable has gone, `ShareWatch` finds out.
    """
    if error.errno in _OURS:
        return ResourceError(
            f"cannot open more files: {error.strerror}",
            hint=f"Raise the limit (ulimit -n) or use fewer {option('workers')}.",
        )
    if error.errno in UNREACHABLE | _DENIED:
        return Unreachable(UNREADABLE, error.strerror or str(error))
    return RejectedImage(UNREADABLE, error.strerror or str(error))
