"""The bytes of an archive, at offsets, from any thread."""

import io
import os

from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.sources.base import Address
from imgmem.core.sources.files import open_regular, persistent, pread, rejection, unusable
from imgmem.core.storage.system import naming

_BUFFER_BYTES = 2**16


class Blob:
    """An archive's file, open for reading at offsets; it notices when the file changes."""

    def __init__(self, fd: int, path: str) -> None:
        """Take over the descriptor `fd`; `path` is what errors call it."""
        with naming(path):
            self._facts = os.fstat(fd)
        self._fd = fd
        self.path = path
        self.size = self._facts.st_size
        self.mtime_ns = self._facts.st_mtime_ns

    def fileno(self) -> int:
        return self._fd

    def pread(self, length: int, offset: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the end of the file."""
        return pread(self._fd, length, offset)

    def reader(self, *, owns: bool = False) -> io.BufferedReader:
        """A file object with a position of its own. owns: whether closing it closes this."""
        return io.BufferedReader(_Reader(self, owns=owns), _BUFFER_BYTES)

    def image(self, length: int, offset: int) -> bytes:
        """Exactly `length` bytes of an image. Raises RejectedImage if they cannot be had."""
        try:
            facts, data = persistent(lambda: (os.fstat(self._fd), self.pread(length, offset)))
        except OSError as error:
            raise rejection(error) from None
        if _stamp(facts) != _stamp(self._facts) or len(data) < length:
            raise RejectedImage(
                "changed", f"{os.path.basename(self.path)} changed since it was listed"
            )
        return data

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class BlobPart(Blob):
    """A part of another file's bytes, as a file of its own.

    owns: whether closing it closes that file.
    """

    def __init__(self, blob: Blob, path: str, start: int, size: int, *, owns: bool = False) -> None:
        """`path` is what errors call it."""
        self._owned = blob if owns else None
        self._facts = blob._facts
        self._fd = blob.fileno()
        self._start = start
        self.path = path
        self.size = size
        self.mtime_ns = blob.mtime_ns

    def pread(self, length: int, offset: int) -> bytes:
        return super().pread(max(0, min(length, self.size - offset)), self._start + offset)

    def close(self) -> None:
        if self._owned:
            self._owned.close()


class _Reader(io.RawIOBase):
    """The bytes of a blob from a position that moves."""

    def __init__(self, blob: Blob, *, owns: bool) -> None:
        self._blob = blob
        self._owns = owns
        self._offset = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._blob.pread(len(buffer), self._offset)
        buffer[: len(data)] = data
        self._offset += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._offset, os.SEEK_END: self._blob.size}
        self._offset = bases[whence] + offset
        return self._offset

    def close(self) -> None:
        if self._owns and not self.closed:
            self._blob.close()
        super().close()


def _stamp(facts: os.stat_result) -> tuple[int, int]:
    return facts.st_size, facts.st_mtime_ns


def open_blob(path: str) -> Blob:
    """Open the regular file at `path`. Raises InputError if that cannot be."""
    try:
        fd, _ = open_regular(path)
    except OSError as error:
        raise unusable(error, f"{path} cannot be opened", path) from None
    return Blob(fd, path)


def address_of(blob: Blob, kind: str) -> Address:
    """Where other processes find an archive as it is now."""
    return Address(kind, os.path.abspath(blob.path), blob.size, blob.mtime_ns)


def damaged(path: str, what: str) -> InputError:
    """The error for an archive that cannot be read to its end, or for what is there instead."""
    for start, instead, hint in _INSTEAD:
        if _head(path).lstrip().lower().startswith(start):
            return InputError(f"{path} is {instead}", hint=hint, path=path)
    return InputError(
        f"{path} is damaged: {what}", hint="Download it again, or repack it.", path=path
    )


_PAGE = "a web page: what was to be fetched was not"
_AGAIN = "Fetch it again; look at the page to see why."
_INSTEAD = (
    (b"version https://git-lfs", "a Git LFS pointer", "Fetch the file: git lfs pull"),
    (b"<!doctype html", _PAGE, _AGAIN),
    (b"<html", _PAGE, _AGAIN),
)
"""How files begin that are often found in the place of another one."""


def _head(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(64)
    except OSError:
        return b""


def refused(path: str, member: str, what: str) -> InputError:
    """The error for an archive with a member that is never read."""
    return InputError(
        f"{path} holds {member}, {what}",
        hint="Repack it without that member, or unpack it and build from the folder.",
        path=path,
        member=member,
    )
