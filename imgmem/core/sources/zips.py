"""Zip archives, read in place, in memory that does not grow with the number of members.

`zipfile` keeps about 700 bytes of memory for each member, and one lock for all readers; so
the central directory is streamed here (APPNOTE.TXT 6.3.10, PKWARE; the numbers in brackets
are its sections), and members are read at their offsets from any thread.
"""

import bz2
import os
import shlex
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.sources.base import Address, Locator, Member
from imgmem.core.sources.blob import Blob, address_of, damaged, refused
from imgmem.core.sources.names import inner_path, may_be_image
from imgmem.core.storage.crc import crc32

_LOCAL = struct.Struct("<4s22x2H")  # [4.3.7]
_CENTRAL = struct.Struct("<4s4H4x3L3H4x2L")  # [4.3.12]
_END = struct.Struct("<4s4H2LH")  # [4.3.16]
_END64_LOCATOR = struct.Struct("<4sLQL")  # [4.3.15]
_END64 = struct.Struct("<4sQ2H2L4Q")  # [4.3.14]

_MAX_NAME = 4096  # as long as a path may be on Linux

_ENCRYPTED = 0x1  # [4.4.4]
_UTF8 = 0x800
_MADE_ON_UNIX = 3  # [4.4.2]
_MADE_ON_WINDOWS = {0, 10, 14}
_DEFLATE, _BZIP2 = 8, 12  # [4.4.5]
_METHODS: dict[int, Any] = {
    _DEFLATE: lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    _BZIP2: bz2.BZ2Decompressor,
}
_UNREAD = {
    1: "Shrink", 6: "Implode", 9: "Deflate64", 14: "LZMA", 93: "Zstandard", 95: "XZ", 96: "JPEG",
    98: "PPMd", 99: "AES encryption",
}  # fmt: skip
"""Names of methods that are not read [4.4.5]; Windows packs files beyond 2 GB by Deflate64."""
_HEAD_SLACK = {0: 0, _DEFLATE: 512, _BZIP2: 2**20}
"""Packed bytes beyond `length` that give the first `length`: deflate adds at most 5 bytes to
64 KiB that it cannot compress; bzip2 gives nothing before the end of a block of 900 kB."""


@dataclass(frozen=True, slots=True)
class _Record:
    """One record of the central directory."""

    name: str
    name_crc: int
    made_on: int
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int


class ZipSlice(NamedTuple):
    """The locator of a member: where it is, and what it must be.

    offset: of its local header. packed, size: bytes as stored and as they are. crc, name_crc:
    CRC-32 of the bytes and of the name.
    """

    offset: int
    packed: int
    size: int
    method: int
    flags: int
    crc: int
    name_crc: int


class ZipContainer:
    """One zip archive."""

    spool_bytes = 0

    def __init__(self, blob: Blob) -> None:
        """Take over the archive, which is closed with this."""
        self._blob = blob
        self.address: Address | None = address_of(blob, "zip")

    def members(self) -> Iterator[Member]:
        """Raises InputError for a damaged archive, and for members that are never read."""
        for record in _central_directory(self._blob):
            path = self._checked(record)
            if not record.name.endswith("/"):
                self._require_readable(path, record.method)
                locator = ZipSlice(
                    record.offset, record.packed, record.size, record.method, record.flags,
                    record.crc, record.name_crc,
                )  # fmt: skip
                yield Member(path, path, record.size, self._blob.mtime_ns, locator)

    def _checked(self, record: _Record) -> str:
        kind = stat.S_IFMT(record.mode) if record.made_on == _MADE_ON_UNIX else 0
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            what = "which is not a regular file (a link or a device?)"
            raise refused(self._blob.path, record.name, what)
        if record.offset + record.packed > self._blob.size:
            raise damaged(self._blob.path, f"it ends before its member {record.name} does")
        try:
            return inner_path(record.name)
        except ValueError as error:
            what = f"whose name is refused: {error}"
            raise refused(self._blob.path, record.name, what) from None

    def _require_readable(self, path: str, method: int) -> None:
        """InputError, once for the archive, where a possible image is packed in an unread way."""
        if method and method not in _METHODS and may_be_image(path):
            raise _packed_otherwise(self._blob.path, path, method)

    def read(self, locator: Locator, length: int | None) -> bytes:
        where = ZipSlice(*locator)  # type: ignore[arg-type]
        method, size = where.method, where.size
        if where.flags & _ENCRYPTED:
            raise RejectedImage("unreadable", "encrypted in the zip archive")
        if method and method not in _METHODS:
            raise RejectedImage("unreadable", f"packed in the zip archive by method {method}")
        start = self._data_offset(where.offset, where.name_crc)
        if length is not None and length < size:
            return self._head(start, where.packed, method, length)
        data = self._blob.image(where.packed, start)
        if method:
            data = _unpacked(data, method, size + 1)
        if len(data) != size or crc32(data) != where.crc:
            raise RejectedImage("corrupt", "its checksum differs from the one in the zip archive")
        return data

    def _head(self, start: int, packed: int, method: int, length: int) -> bytes:
        data = self._blob.image(min(packed, length + _HEAD_SLACK[method]), start)
        return _unpacked(data, method, length) if method else data[:length]

    def _data_offset(self, offset: int, name_crc: int) -> int:
        """Where a member's data begins: behind its local header, which repeats its name."""
        length = min(_LOCAL.size + _MAX_NAME, self._blob.size - offset)
        if length < _LOCAL.size:
            raise RejectedImage("corrupt", "the zip archive ends there")
        header = self._blob.image(length, offset)
        signature, name, extra = _LOCAL.unpack_from(header)
        start = _LOCAL.size + int(name)
        if signature != b"PK\3\4" or crc32(header[_LOCAL.size : start]) != name_crc:
            raise RejectedImage(
                "corrupt", "the zip archive's directory and the member's own header disagree"
            )
        return offset + start + int(extra)

    def close(self) -> None:
        self._blob.close()


def _packed_otherwise(archive: str, member: str, method: int) -> InputError:
    name = _UNREAD.get(method, f"method {method}")
    folder = os.path.splitext(os.path.basename(archive))[0]
    here, packed = shlex.quote(folder), shlex.quote(f"../{folder}-repacked.zip")
    return InputError(
        f"{archive} is packed by {name}, which is not read (first in {member})",
        hint=f"Unpack it and build from the folder: 7z x {shlex.quote(archive)} -o{here}\n"
        f"Or pack that folder again, and build from the result: (cd {here} && zip -qr {packed} .)",
        path=archive,
        member=member,
    )


def _unpacked(data: bytes, method: int, limit: int) -> bytes:
    """At most `limit` bytes of decompressed data."""
    try:
        return bytes(_METHODS[method]().decompress(data, limit))
    except (zlib.error, OSError, EOFError) as error:
        raise RejectedImage("corrupt", f"the zip archive cannot unpack it: {error}") from None


def _central_directory(blob: Blob) -> Iterator[_Record]:
    """Every record, streamed. Raises InputError for a damaged or truncated archive."""
    try:
        at, end, count, shift = _find_directory(blob)
        with blob.reader() as file:
            file.seek(at)
            while at < end:
                record, length = _next_record(file, shift)
                yield record
                at += length
                count -= 1
    except (struct.error, ValueError, OSError) as error:
        raise damaged(blob.path, f"its list of members cannot be read ({error})") from None
    if count:
        raise damaged(blob.path, "its list of members is not as long as stated")


def _find_directory(blob: Blob) -> tuple[int, int, int, int]:
    """(start, end, records, shift of all offsets) of the central directory.

    An archive may have other data before it (a program that unpacks it): then the offsets
    count from where the archive begins. Raises ValueError or struct.error.
    """
    window = min(blob.size, _END.size + 2**16)
    at = blob.pread(window, blob.size - window).rfind(b"PK\5\6")
    if at < 0:
        raise ValueError("it has no end-of-directory record: truncated, or not a zip archive?")
    end = blob.size - window + at
    _, disk, first, _, count, length, offset, _ = _END.unpack(blob.pread(_END.size, end))
    locator = blob.pread(_END64_LOCATOR.size, max(end - _END64_LOCATOR.size, 0))
    if locator.startswith(b"PK\6\7"):
        end -= _END64_LOCATOR.size + _END64.size
        facts = _END64.unpack(blob.pread(_END64.size, max(end, 0)))
        if facts[0] != b"PK\6\6":
            raise ValueError("its end record is truncated")
        disk, first, _, count, length, offset = facts[4:]
    if disk or first:
        raise ValueError("it is one of several parts")
    shift = end - length - offset
    if shift < 0:
        raise ValueError("its end record is in the wrong place")
    return end - length, end, count, shift


def _next_record(file: BinaryIO, shift: int) -> tuple[_Record, int]:
    """The next record and its length in bytes. Raises ValueError or struct.error."""
    fields = _CENTRAL.unpack(file.read(_CENTRAL.size))
    signature, made_by, _, flags, method, crc, packed, size, *lengths, attributes, offset = fields
    if signature != b"PK\1\2":
        raise ValueError("a record has the wrong signature")
    name, extra = file.read(lengths[0]), file.read(lengths[1])
    file.read(lengths[2])
    size, packed, offset = _large_numbers([size, packed, offset], extra)
    record = _Record(
        name=_name(name, flags, made_by >> 8),
        name_crc=crc32(name),
        made_on=made_by >> 8,
        flags=flags,
        method=method,
        crc=crc,
        packed=packed,
        size=size,
        offset=offset + shift,
        mode=attributes >> 16,
    )
    return record, _CENTRAL.size + sum(lengths)


def _large_numbers(numbers: list[int], extra: bytes) -> list[int]:
    """Numbers that did not fit 32 bits, from the Zip64 extra field [4.5.3]."""
    while extra and 0xFFFFFFFF in numbers:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            large = iter(struct.unpack_from(f"<{length // 8}Q", extra, 4))
            return [next(large) if n == 0xFFFFFFFF else n for n in numbers]
        extra = extra[4 + length :]
    return numbers


def _name(name: bytes, flags: int, made_on: int) -> str:
    """A member's name; without the UTF-8 flag it is UTF-8 all the same, or else code page 437."""
    try:
        decoded = name.decode("utf-8", "surrogateescape" if flags & _UTF8 else "strict")
    except UnicodeDecodeError:
        decoded = name.decode("cp437")
    return decoded.replace("\\", "/") if made_on in _MADE_ON_WINDOWS else decoded
