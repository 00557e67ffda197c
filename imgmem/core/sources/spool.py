"""Compressed tar archives: decompressed once to an unnamed scratch file, then read in place."""

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, BinaryIO
from zipfile import BadZipFile

from imgmem.core.sources.blob import Blob, BlobPart, damaged
from imgmem.core.sources.files import unusable
from imgmem.core.sources.scratch import explained, scratch_file


def _gzip(file: BinaryIO) -> Any:
    return gzip.GzipFile(fileobj=file)


OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    ".tar.gz": _gzip,
    ".tgz": _gzip,
    ".tar.bz2": bz2.BZ2File,
    ".tbz": bz2.BZ2File,
    ".tbz2": bz2.BZ2File,
    ".tar.xz": lzma.LZMAFile,
    ".txz": lzma.LZMAFile,
}
"""What reads a compressed archive, by the extension of its name."""
ARCHIVES = (".tar", ".zip", *OPENERS)
"""Extensions of all archives that are read."""

_DAMAGE = (
    gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, ValueError, BadZipFile
)  # fmt: skip
_WINDOW = 2**20


def compressed_extension(path: str) -> str | None:
    """The extension that says how `path` is compressed, or None."""
    return next((extension for extension in OPENERS if path.lower().endswith(extension)), None)


def decompressed(archive: Blob, extension: str, directory: str | None) -> Blob:
    """The decompressed bytes of `archive`, which is closed, in scratch space in `directory`.

    Their time is that of the archive itself.

    Raises InputError for a damaged file, ResourceError where there is no space.
    """
    try:
        with scratch_file(directory) as spool:
            decompress(archive, extension, spool, directory)
            plain = Blob(os.dup(spool.fileno()), archive.path)
        plain.mtime_ns = archive.mtime_ns
        return plain
    finally:
        archive.close()


def decompress(archive: Blob, extension: str, spool: BinaryIO, directory: str | None) -> None:
    """Append the decompressed bytes of `archive` to `spool`, a scratch file in `directory`."""
    with archive.reader() as file, OPENERS[extension](file) as data:
        copy(archive.path, data, spool, directory)


class Spooled:
    """Several files of the folder at `path`, one behind the other in one unnamed scratch file."""

    def __init__(
        self,
        path: str,
        names: Iterable[str],
        write: Callable[[str, BinaryIO], None],
        directory: str | None,
    ) -> None:
        """write: appends the bytes of the file of a name to the scratch file in `directory`."""
        self._path = path
        self._parts: dict[str, tuple[int, int]] = {}
        with scratch_file(directory) as file:
            for name in names:
                start = file.tell()
                write(name, file)
                self._parts[name] = start, file.tell() - start
            with explained(directory):
                file.flush()
            self._blob = Blob(os.dup(file.fileno()), path)
        self.size = self._blob.size

    def region(self, name: str) -> BlobPart:
        """The bytes of one of the files."""
        start, size = self._parts[name]
        return BlobPart(self._blob, f"{self._path}/{name}", start, size)

    def close(self) -> None:
        self._blob.close()


def copy(path: str, data: IO[bytes], spool: BinaryIO, directory: str | None) -> None:
    """Append what `data`, of the file at `path`, still has to a scratch file in `directory`."""
    for window in windows(path, data):
        with explained(directory):
            spool.write(window)
    with explained(directory):
        spool.flush()


def windows(path: str, data: IO[bytes]) -> Iterator[bytes]:
    """What `data` still has. Raises InputError, with the file's `path`, where it is damaged."""
    try:
        while window := data.read(_WINDOW):
            yield window
    except _DAMAGE as error:
        raise damaged(path, f"it cannot be decompressed: {error}") from None
    except OSError as error:  # also what bz2 says of damage
        raise unusable(error, f"{path} cannot be decompressed", path) from None
