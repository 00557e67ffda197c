"""Tar archives, read in place by the offsets of their members."""

import tarfile
from collections.abc import Iterator
from typing import IO, NamedTuple, cast

from imgmem.core.sources.base import Address, Locator, Member
from imgmem.core.sources.blob import Blob, address_of, damaged, open_blob, refused
from imgmem.core.sources.files import unusable
from imgmem.core.sources.names import inner_path
from imgmem.core.sources.spool import compressed_extension, decompressed

MAX_HEADER_BYTES = 2**20
"""More than this is not the header of one member, its long names and extensions included."""

_WINDOW = 2**20


class TarSlice(NamedTuple):
    """The locator of a member: where its bytes are in the uncompressed archive."""

    offset: int
    size: int


class TarContainer:
    """One tar archive."""

    def __init__(self, blob: Blob) -> None:
        """Take over the uncompressed archive, which is closed with this."""
        self._blob = blob
        self.spool_bytes = 0
        self.address: Address | None = address_of(blob, "tar")

    def members(self) -> Iterator[Member]:
        for path, offset, size in tar_members(self._blob):
            yield Member(path, path, size, self._blob.mtime_ns, TarSlice(offset, size))

    def read(self, locator: Locator, length: int | None) -> bytes:
        where = TarSlice(*locator)  # type: ignore[arg-type]
        return self._blob.image(
            where.size if length is None else min(length, where.size), where.offset
        )

    def close(self) -> None:
        self._blob.close()


class SpooledTar(TarContainer):
    """One compressed tar archive, decompressed first; other processes cannot read it."""

    def __init__(self, path: str, extension: str, *, spool: str | None = None) -> None:
        """Raises InputError if it cannot be read, ResourceError if it has no room to go to."""
        super().__init__(decompressed(open_blob(path), extension, spool))
        self.spool_bytes = self._blob.size
        self.address = None


def open_tar(path: str, *, spool: str | None = None) -> TarContainer:
    """The tar archive at `path`, decompressed where its extension says so."""
    extension = compressed_extension(path)
    if extension is None:
        return TarContainer(open_blob(path))
    return SpooledTar(path, extension, spool=spool)


def tar_members(blob: Blob) -> Iterator[tuple[str, int, int]]:
    """(path, offset, size in bytes) of the regular files in an uncompressed tar archive.

    Raises InputError for a damaged or truncated archive, and for members that are links,
    devices, sparse, or lead out of it.
    """
    headers = _Headers(blob)
    try:
        with tarfile.TarFile(fileobj=cast(IO[bytes], headers), encoding="utf-8") as archive:
            while member := archive.next():
                vars(archive)["members"].clear()  # it would keep them all
                headers.allowance = MAX_HEADER_BYTES
                if member.isdir():
                    continue
                yield _checked(blob, member), member.offset_data, member.size
            _check_end(blob, archive.offset)
    except OSError as error:
        raise unusable(error, f"{blob.path} cannot be read", blob.path) from None
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise damaged(blob.path, str(error)) from None


def _checked(blob: Blob, member: tarfile.TarInfo) -> str:
    """The path of a member that may be read; InputError for others."""
    if not member.isreg():
        raise refused(blob.path, member.name, "which is not a regular file (a link or a device?)")
    if member.issparse():
        raise refused(blob.path, member.name, "which is a sparse file")
    if member.size < 0 or member.offset_data + member.size > blob.size:
        raise damaged(blob.path, f"it ends before its member {member.name} does")
    try:
        return inner_path(member.name)
    except ValueError as error:
        raise refused(blob.path, member.name, f"whose name is refused: {error}") from None


def _check_end(blob: Blob, offset: int) -> None:
    """InputError unless zeros, and nothing else, follow the last member.

    tarfile takes a damaged header for the end, and so do readers of appended archives.
    """
    if blob.size - offset < tarfile.BLOCKSIZE:
        raise damaged(blob.path, "it has no end-of-archive marker (truncated?)")
    while window := blob.pread(_WINDOW, offset):
        if window.count(0) != len(window):
            raise damaged(blob.path, f"there is data that belongs to no member after byte {offset}")
        offset += len(window)


class _Headers:
    """What tarfile reads headers from: a file that stops it from reading more than headers."""

    mode = "rb"
    allowance = MAX_HEADER_BYTES

    def __init__(self, blob: Blob) -> None:
        self._blob = blob
        self._offset = 0

    def tell(self) -> int:
        return self._offset

    def seek(self, offset: int) -> None:
        self._offset = offset

    def read(self, length: int) -> bytes:
        self.allowance -= max(length, 1)
        if length < 0 or self.allowance < 0:
            raise tarfile.ReadError("a header is too long")
        data = self._blob.pread(length, self._offset)
        self._offset += len(data)
        return data
