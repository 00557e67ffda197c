"""The dataset directory: its files, reading and writing its record, and the checks on both."""

import json
import os
import stat
import time
import zlib
from typing import Any

from imgmem.core.errors import RESTORE, DatasetError, InputError
from imgmem.core.messages import command
from imgmem.core.storage import durable, record
from imgmem.core.storage.npy import HEADER_BYTES, ArrayHeader, decode_header
from imgmem.core.storage.record import CHECKSUM_BLOCK_BYTES, Normalization, Record
from imgmem.core.storage.system import naming

__all__ = ["CHECKSUM_BLOCK_BYTES", "Normalization", "Record"]

FEATURES = "X.npy"
LABELS = "y.npy"
RECORD = "dataset.json"
CHECKSUMS = "checksums.json"
ROWS = "rows.csv"
FACTS = "rows.npy"
REJECTED = "rejected.csv"
FILES = frozenset({FEATURES, LABELS, RECORD, CHECKSUMS, ROWS, FACTS, REJECTED})
"""All that a dataset consists of, its lock aside; nothing else is ever replaced or removed."""
WORK = (".partial", ".normalizing")
"""The working directories of `build` and `normalize`, where they are inside a destination."""
LEFTOVERS = frozenset(name + durable.NEW for name in (RECORD, CHECKSUMS))
"""What a killed process may leave in a dataset; of no worth."""
ARRAYS = {"X": FEATURES, "y": LABELS}

JOURNAL = "normalize.journal"
MOVED = "X.in-transition"
"""The features' name while they are being rewritten, so that NumPy finds nothing half-done."""

REPLACED_SECONDS = 5.0
"""How long a reader waits for a dataset that is being replaced. Where the file system cannot
exchange two names, it is missing for a moment."""
_POLL_SECONDS = 0.02

INLINE_CHECKSUMS = 64
"""More blocks than these stand in a file of their own."""


def require_directory(path: str) -> None:
    """InputError unless there is a directory at `path`; DatasetError where it is being replaced,
    for longer than a moment."""
    end = time.monotonic() + REPLACED_SECONDS
    while durable.is_being_exchanged(path):
        if time.monotonic() > end:
            raise _unfinished(path)
        time.sleep(_POLL_SECONDS)
    try:
        if stat.S_ISDIR(os.stat(path).st_mode):
            return
    except (FileNotFoundError, NotADirectoryError, ValueError):
        pass
    raise InputError(
        f"there is no dataset at {path}",
        hint="Give the directory that `build` made.",
        path=path,
    )


def read_record(path: str) -> Record:
    """`dataset.json` of the dataset at `path`.

    Raises InputError if there is none, and DatasetError if it is damaged, of an unknown
    version, or if the dataset is partially normalized.
    """
    if in_transition(path):
        raise DatasetError(
            f"{path} is partially normalized (interrupted); no data is lost",
            hint=f"Run `{command('normalize', path)}` with the same options to resume, or "
            f"`{command('normalize', path, undo=True)}` to roll back.",
            path=path,
        )
    return load_record(path)


def in_transition(path: str) -> bool:
    """Whether the features are being rewritten, or were when that was interrupted."""
    return any(durable.exists(os.path.join(path, name)) for name in (JOURNAL, MOVED))


def clean_up(path: str) -> None:
    """Remove what a killed process had not finished writing, and make durable all names that it
    had not made so. Only for who has the dataset alone."""
    for name in (JOURNAL, RECORD, CHECKSUMS):
        durable.unlink(os.path.join(path, name + durable.NEW))
    durable.sync_directory(path)


def load_record(path: str, *, checksums: bool = True) -> Record:
    """`read_record` for whoever handles a transition; `checksums` False leaves their file unread,
    and the record without any."""
    document = _load_document(path)
    name = os.path.join(path, RECORD)
    if not isinstance(document, dict) or document.pop("format", None) != record.FORMAT:
        raise damaged(name, "it is not the record of an imgmem dataset")
    version = document.get("format_version")
    if type(version) is not int or version not in record.READABLE_VERSIONS:
        raise DatasetError(
            f"{name} has format version {version!r:.40}; this imgmem reads "
            f"{' and '.join(map(str, record.READABLE_VERSIONS))}",
            hint="Install a newer imgmem.",
            path=name,
        )
    try:
        found = record.parse(_with_checksums(path, document, wanted=checksums))
    except ValueError as error:
        raise damaged(name, f"invalid contents ({error})") from None
    missing = [array for array in found.arrays if array not in found.checksums]
    if checksums and missing:
        raise damaged(name, f"invalid contents (checksums has none of {', '.join(missing)})")
    return found


def _load_document(path: str) -> Any:
    name = os.path.join(path, RECORD)
    try:
        with naming(name), open(name, "rb", opener=open_regular) as file:
            return json.load(file)
    except (FileNotFoundError, NotADirectoryError):
        if any(durable.is_directory(os.path.join(path, name)) for name in WORK):
            raise _unfinished(path) from None
        raise InputError(
            f"{path} is not an imgmem dataset (it has no {RECORD})",
            hint="Give the directory that `build` made.",
            path=path,
        ) from None
    except (ValueError, RecursionError) as error:
        raise damaged(name, f"not JSON: {error}") from None


def _unfinished(path: str) -> DatasetError:
    return DatasetError(
        f"{path} is incomplete: the command that was writing it was interrupted",
        hint="Run that command again to finish it.",
        path=path,
    )


def _with_checksums(path: str, document: dict[str, Any], *, wanted: bool) -> dict[str, Any]:
    """The document with the checksums that stand in a file of their own, or without any."""
    found = document.get("checksums")
    if not wanted:
        return document | {"checksums": {}}
    if not isinstance(found, dict) or found.get("file") != CHECKSUMS:
        return document
    name = os.path.join(path, CHECKSUMS)
    try:
        with naming(name), open(name, "rb", opener=open_regular) as file:
            data = file.read()
    except FileNotFoundError:
        raise damaged(name, "it is missing") from None
    if zlib.crc32(data) != found.get("crc32"):
        raise damaged(name, f"its checksum does not match the one in {RECORD}")
    try:
        return document | {"checksums": json.loads(data)}
    except (ValueError, RecursionError) as error:
        raise damaged(name, f"not JSON: {error}") from None


def write_record(path: str, new: Record) -> None:
    """Replace `dataset.json`, all or nothing, and the file of checksums that belongs to it."""
    files = record_files(new)
    for name in sorted(files):  # the checksums first: `dataset.json` puts them in force
        durable.write_file(os.path.join(path, name), files[name])
    if CHECKSUMS not in files:
        durable.unlink(os.path.join(path, CHECKSUMS))


def record_files(new: Record) -> dict[str, bytes]:
    """The files that a record is written to, by name."""
    if sum(map(len, new.checksums.values())) <= INLINE_CHECKSUMS:
        return {RECORD: new.to_json()}
    data = record.to_json(new.checksums)
    document = json.loads(new.to_json())
    document["checksums"] = {"file": CHECKSUMS, "crc32": zlib.crc32(data)}
    return {CHECKSUMS: data, RECORD: record.to_json(document)}


def check_arrays(path: str, expected: Record) -> None:
    """DatasetError unless headers and exact sizes of the arrays are as the record says."""
    for name, header in expected.arrays.items():
        check_array(os.path.join(path, ARRAYS[name]), header)


def check_array(name: str, expected: ArrayHeader) -> None:
    """DatasetError unless one array has that header, and the exact size that goes with it."""
    try:
        with naming(name), open(name, "rb", opener=open_regular) as file:
            found = decode_header(file.read(HEADER_BYTES), name)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise damaged(name, "it is missing") from None
    if found != expected:
        raise damaged(name, f"it is {found.dtype} {found.shape}, not as {RECORD} says")
    if size != expected.file_bytes:
        raise damaged(name, f"it has {size} bytes instead of {expected.file_bytes}")


def open_regular(name: str, flags: int) -> int:
    """Open a file, but never wait for the other end of a pipe that has taken its place."""
    fd = os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        with naming(name):
            is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
        if not is_regular:
            raise damaged(name, "not a regular file")
    except BaseException:
        os.close(fd)
        raise
    return fd


def damaged(name: str, what: str) -> DatasetError:
    """The error for a file of a dataset that is not as imgmem left it."""
    return DatasetError(
        f"{name} is damaged: {what}",
        hint=RESTORE,
        path=name,
    )
