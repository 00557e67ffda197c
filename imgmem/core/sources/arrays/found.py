"""The arrays that a file or a folder holds, by name, with their shapes; values are not read."""

import gzip
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from math import prod
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from imgmem.core.sources.arrays.headers import HEAD_BYTES, ArrayFacts, idx_facts, npy_facts
from imgmem.core.sources.base import Address
from imgmem.core.sources.blob import Blob, BlobPart, address_of, damaged, open_blob
from imgmem.core.sources.scratch import scratch_file
from imgmem.core.sources.spool import copy, windows
from imgmem.core.storage import durable

_IDX = re.compile(r"(.+?)[-.]idx[0-9]-ubyte(\.gz)?", re.IGNORECASE)
FLAT = (28, 28)
"""What rows of 784 bytes are, where there is no other array of images."""
_MOST_FILES = 500
"""A folder that holds more is not one set of arrays."""
_LOCAL = struct.Struct("<4s22x2H")
_FAILURES = (BadZipFile, OSError, EOFError, zlib.error, ValueError, RuntimeError)


@dataclass(frozen=True)
class FoundArray:
    """One array of a set.

    name: in the set. path: of its file; member: its name in an `.npz`. facts: of its values.
    packed: whether it is compressed, so that its rows cannot be read in place. flat: whether its
    rows are flat in the file.
    """

    name: str
    path: str
    facts: ArrayFacts
    member: str = ""
    packed: bool = False
    flat: bool = False

    def open(self, directory: str | None, *, check: bool = False) -> tuple[Blob, int]:
        """The bytes of the array's file, and how many of them are in scratch space.

        Args:
            directory: For what has to be decompressed.
            check: Read the whole member of an `.npz` once, to compare its checksum.

        Raises:
            InputError: It is damaged.
            ResourceError: There is no space to decompress it.
        """
        if not self.member and not self.packed:
            return self._sized(open_blob(self.path)), 0
        blob = _unpacked(self, directory) if self.packed else _in_place(self, check=check)
        return self._sized(blob), blob.size if self.packed else 0

    def _sized(self, blob: Blob) -> Blob:
        if blob.size != self.facts.file_bytes:
            blob.close()
            raise damaged(
                self.path,
                f"the array {self.name} has {blob.size} bytes, not {self.facts.file_bytes}",
            )
        return blob


def is_array_file(path: str) -> bool:
    """Whether a file of this name holds arrays."""
    name = os.path.basename(path)
    return name.lower().endswith((".npz", ".npy")) or bool(_IDX.fullmatch(name))


def arrays_at(path: str) -> str | None:
    """The file or folder of arrays that `path` means, None for none.

    A folder that holds nothing but one folder stands for that.
    """
    if durable.is_file(path):
        return path if is_array_file(path) else None
    try:
        files, folders = _contents(path)
        while not files and len(folders) == 1:
            path = os.path.join(path, folders[0])
            files, folders = _contents(path)
    except OSError:
        return None  # whoever lists it says why it cannot be
    return path if any(map(is_array_file, files)) else None


def _contents(folder: str) -> tuple[list[str], list[str]]:
    """The visible files and folders in a folder, sorted; none of more than _MOST_FILES."""
    with os.scandir(folder) as items:
        visible = (item for item in items if not item.name.startswith("."))
        found = [(item.name, item.is_dir()) for item in islice(visible, _MOST_FILES + 1)]
    if len(found) > _MOST_FILES:
        return [], []
    files = sorted(name for name, is_folder in found if not is_folder)
    return files, sorted(name for name, is_folder in found if is_folder)


def find_arrays(path: str) -> dict[str, FoundArray]:
    """The arrays of a file, or of all files in a folder, by name.

    Raises InputError for a file that is damaged.
    """
    found: dict[str, FoundArray] = {}
    alone = not durable.is_directory(path)
    for file in files_at(path):
        for array in _arrays_of(file, alone=alone):
            found.setdefault(array.name, array)
    if any(len(array.facts.shape) > 2 for array in found.values()):
        return found
    return {name: _unflattened(array) for name, array in found.items()}


def _unflattened(array: FoundArray) -> FoundArray:
    """Rows of as many bytes as MNIST's and Quick, Draw!'s images have, as such images."""
    facts = array.facts
    if facts.shape[1:] != (prod(FLAT),) or facts.dtype != "uint8" or facts.columns:
        return array
    return replace(array, facts=facts._replace(shape=(facts.rows, *FLAT)), flat=True)


def files_at(path: str) -> list[str]:
    """The files of arrays that `path` is, or holds.

    Of a file and the same one compressed, that which can be read in place. With one file of
    idx images goes that of their labels next to it.
    """
    if durable.is_directory(path):
        names = [name for name in _contents(path)[0] if is_array_file(name)]
        files = [os.path.join(path, name) for name in names]
        return [file for file in files if file.removesuffix(".gz") not in set(files) - {file}]
    folder, name = os.path.split(path)
    swapped = re.sub(r"images([-.])idx3", r"labels\1idx1", name)
    beside = os.path.join(folder, swapped)
    return [path, beside] if swapped != name and durable.is_file(beside) else [path]


def file_addresses(path: str) -> tuple[tuple[str, Address], ...]:
    """The files of arrays as they are now, for other processes to compare."""
    found = []
    for file in files_at(path):
        blob = open_blob(file)
        found.append((os.path.basename(file), address_of(blob, "file")))
        blob.close()
    return tuple(found)


def _arrays_of(file: str, *, alone: bool) -> Iterator[FoundArray]:
    name = os.path.basename(file)
    stem = os.path.splitext(name)[0]
    if name.lower().endswith(".npz"):
        yield from _members(file, stem, alone=alone)
    elif match := _IDX.fullmatch(name):
        yield FoundArray(match[1], file, _facts(file, idx_facts), packed=bool(match[2]))
    else:
        yield FoundArray(stem, file, _facts(file, npy_facts))


def _facts(file: str, parse: Callable[[bytes], ArrayFacts]) -> ArrayFacts:
    try:
        with _opened(file) as raw:
            if not file.lower().endswith(".gz"):
                return parse(raw.read(HEAD_BYTES))
            with gzip.open(raw) as data:
                return parse(data.read(HEAD_BYTES))
    except _FAILURES as error:
        raise damaged(file, str(error)) from None


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """A regular file, from its first byte. Raises InputError if that cannot be."""
    blob = open_blob(path)
    try:
        with os.fdopen(os.dup(blob.fileno()), "rb") as raw:
            yield raw
    finally:
        blob.close()


def _members(file: str, stem: str, *, alone: bool) -> Iterator[FoundArray]:
    """The arrays in an `.npz`, called as they are in it; in a folder of several files, after the
    file too."""
    with _archive(file) as archive:
        members = [each for each in archive.infolist() if each.filename.endswith(".npy")]
        for each in members:
            name = each.filename.removesuffix(".npy")
            if len(members) == 1 and (not alone or name.startswith("arr_")):
                name = stem
            elif not alone:
                name = f"{stem}/{name}"
            with archive.open(each) as data:
                facts = npy_facts(data.read(HEAD_BYTES))
            packed = each.compress_type != ZIP_STORED
            yield FoundArray(name, file, facts, member=each.filename, packed=packed)


@contextmanager
def _archive(file: str) -> Iterator[ZipFile]:
    """An open `.npz`; InputError for what goes wrong with it."""
    try:
        with _opened(file) as raw, ZipFile(raw) as archive:
            yield archive
    except _FAILURES as error:
        raise damaged(file, str(error)) from None


def _in_place(array: FoundArray, *, check: bool) -> Blob:
    """The part of an `.npz` that a member is which is not compressed."""
    with _archive(array.path) as archive:
        info = archive.getinfo(array.member)
        if check:
            with archive.open(info) as data:
                for _ in windows(array.path, data):
                    pass
    blob = open_blob(array.path)
    return BlobPart(blob, array.path, _data_offset(blob, info), info.file_size, owns=True)


def _data_offset(blob: Blob, info: ZipInfo) -> int:
    signature, name, extra = _LOCAL.unpack(blob.pread(_LOCAL.size, info.header_offset))
    if signature != b"PK\3\4":
        raise damaged(blob.path, f"{info.filename} does not begin where it should")
    return int(info.header_offset + _LOCAL.size + name + extra)


def _unpacked(array: FoundArray, directory: str | None) -> Blob:
    """The decompressed bytes of an array, in scratch space in `directory`."""
    with scratch_file(directory) as spool:
        with _packed(array) as data:
            copy(array.path, data, spool, directory)
        return Blob(os.dup(spool.fileno()), array.path)


@contextmanager
def _packed(array: FoundArray) -> Iterator[Any]:
    if array.member:
        with _archive(array.path) as archive, archive.open(array.member) as data:
            yield data
        return
    with _opened(array.path) as raw, gzip.open(raw) as data:
        yield data
