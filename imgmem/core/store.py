"""The dataset directory: its files, its record (`dataset.json`), and the checks on both."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from imgmem.core import durable
from imgmem.core.errors import DatasetError, InputError
from imgmem.core.npy import HEADER_BYTES, ArrayHeader, decode_header

FEATURES = "X.npy"
LABELS = "y.npy"
RECORD = "dataset.json"
ROWS = "rows.csv"
REJECTED = "rejected.csv"

FORMAT = "imgmem dataset"
FORMAT_VERSION = 1
CHECKSUM_BLOCK_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """What was done to the features: value = (original - offset) * scale, per channel.

    offset, scale: float64, in grey levels 0–255 and their inverse; stored as hex floats too,
    so that nothing is rounded.
    mean, std: what the method was given or measured, on the 0–255 scale, where it has them.
    split, rows: the rows that gave the constants, or None where none did.
    on_read: the features still are uint8; readers apply the transform.
    """

    method: str
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    dtype: str
    source_dtype: str
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    split: str | None = None
    rows: tuple[int, int] | None = None
    on_read: bool = False


@dataclass(frozen=True, kw_only=True)
class Record:
    """The contents of `dataset.json`.

    shape: (N, H, W, C) of the features. classes: names by class index; None if unlabelled.
    splits: name → (start, stop) rows. image: the ImageSpec as built, JSON types only.
    checksums: array name ("X", "y") → CRC-32 of each 16 MiB block of its data.
    build: options, decoder versions and the identity digest of the build.
    """

    shape: tuple[int, int, int, int]
    dtype: str
    classes: tuple[str, ...] | None
    splits: dict[str, tuple[int, int]] = field(default_factory=dict)
    image: dict[str, Any] = field(default_factory=dict)
    normalization: Normalization | None = None
    checksums: dict[str, list[int]] = field(default_factory=dict)
    build: dict[str, Any] = field(default_factory=dict)

    @property
    def features_header(self) -> ArrayHeader:
        return ArrayHeader(self.shape, np.dtype(self.dtype))

    @property
    def labels_header(self) -> ArrayHeader:
        return ArrayHeader(self.shape[:1], np.dtype(np.int64))

    def rows_of(self, split: str | None) -> tuple[int, int]:
        """(start, stop) of a split, or of all rows for None. InputError for an unknown name."""
        if split is None:
            return 0, self.shape[0]
        if split not in self.splits:
            known = ", ".join(self.splits) or "none"
            raise InputError(f"there is no split {split!r}", hint=f"The splits are: {known}.")
        return self.splits[split]

    def to_json(self) -> bytes:
        document = {"format": FORMAT, "format_version": FORMAT_VERSION} | asdict(self)
        return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()


def require_directory(path: str) -> None:
    """InputError unless there is a directory at `path`."""
    if not os.path.isdir(path):
        raise InputError(
            f"there is no dataset at {path}",
            hint="Give the directory that `imgmem build` made.",
            path=path,
        )


def read_record(path: str) -> Record:
    """`dataset.json` of the dataset at `path`; InputError if there is none, else DatasetError."""
    name = os.path.join(path, RECORD)
    try:
        with open(name, "rb") as file:
            document = json.load(file)
    except FileNotFoundError:
        raise InputError(
            f"{path} is not an imgmem dataset (it has no {RECORD})",
            hint="Give the directory that `imgmem build` made.",
            path=path,
        ) from None
    except ValueError as error:
        raise _damaged(name, f"not JSON: {error}") from None
    return _record_from(document, name)


def _record_from(document: Any, name: str) -> Record:
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise _damaged(name, "it is not the record of an imgmem dataset")
    version = document.pop("format_version", None)
    if version != FORMAT_VERSION:
        raise DatasetError(
            f"{name} has format version {version!r}, this imgmem reads {FORMAT_VERSION}",
            hint="Install a newer imgmem.",
            path=name,
        )
    try:
        return _typed_record(document)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(name, f"it holds nonsense ({error})") from None


def _typed_record(document: dict[str, Any]) -> Record:
    """Lists back to tuples; raises TypeError or ValueError for anything of the wrong kind."""
    record = Record(**document)
    rows, height, width, depth = (int(number) for number in record.shape)
    normalization = document["normalization"]
    return replace(
        record,
        shape=(rows, height, width, depth),
        classes=None if record.classes is None else tuple(record.classes),
        splits={name: (int(rows[0]), int(rows[1])) for name, rows in record.splits.items()},
        normalization=normalization and _typed_normalization(normalization),
    )


def _typed_normalization(fields: dict[str, Any]) -> Normalization:
    return Normalization(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})


def write_record(path: str, record: Record) -> None:
    """Replace `dataset.json`, all or nothing."""
    durable.write_file(os.path.join(path, RECORD), record.to_json())


def check_arrays(path: str, record: Record) -> None:
    """DatasetError unless headers and exact sizes of the arrays are as the record says."""
    _check_array(os.path.join(path, FEATURES), record.features_header)
    if record.classes is not None:
        _check_array(os.path.join(path, LABELS), record.labels_header)


def _check_array(name: str, expected: ArrayHeader) -> None:
    try:
        with open(name, "rb") as file:
            found = decode_header(file.read(HEADER_BYTES), name)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise _damaged(name, "it is missing") from None
    if found != expected:
        raise _damaged(name, f"it is {found.dtype} {found.shape}, not as {RECORD} says")
    if size != expected.file_bytes:
        raise _damaged(name, f"it has {size} bytes instead of {expected.file_bytes}")


def _damaged(name: str, what: str) -> DatasetError:
    return DatasetError(
        f"{name} is damaged: {what}",
        hint="Restore it from a copy, or build the dataset again.",
        path=name,
    )
