"""The contents of `dataset.json`, typed and checked: nonsense is refused by the field's name."""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from imgmem.core.arrays import Indices
from imgmem.core.errors import InputError
from imgmem.core.specs import BUILD_DTYPES, FLOAT_DTYPES, METHODS
from imgmem.core.storage.npy import ArrayHeader

FORMAT = "imgmem dataset"
FORMAT_VERSION = 1
CHECKSUM_BLOCK_BYTES = 16 * 2**20

_MAX_INT = 2**63 - 1
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """What was done to the features: value = (original - offset) * scale, per channel.

    offset, scale: float64, in gray levels 0–255 and their inverse; JSON keeps every digit.
    dtype: of the values. source_dtype: of the features before, whose values are whole numbers.
    mean, std: what the method was given or measured, on the 0–255 scale, where it has them.
    split, rows: the rows of this dataset that gave the constants, or None where none did.
    on_read: the features still are uint8; readers apply the transform.
    original_crc32: CRC-32 of all the features' data before, by which `--undo` is checked.
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
    original_crc32: int | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """The contents of `dataset.json`.

    shape: (N, H, W, C) of the features. classes: names by class index; None if unlabeled.
    splits: name → (start, stop) rows. image: the ImageSpec as built, JSON types only.
    checksums: array name ("X", "y") → CRC-32 of each `checksum_block` bytes of its data.
    build: options, decoder versions and the identity digest of the build.
    """

    shape: tuple[int, int, int, int]
    dtype: str
    classes: tuple[str, ...] | None
    splits: dict[str, tuple[int, int]] = field(default_factory=dict)
    image: dict[str, Any] = field(default_factory=dict)
    normalization: Normalization | None = None
    checksum_block: int = CHECKSUM_BLOCK_BYTES
    checksums: dict[str, list[int]] = field(default_factory=dict)
    build: dict[str, Any] = field(default_factory=dict)

    @property
    def features_header(self) -> ArrayHeader:
        return ArrayHeader(self.shape, np.dtype(self.dtype))

    @property
    def labels_header(self) -> ArrayHeader:
        return ArrayHeader(self.shape[:1], np.dtype(np.int64))

    @property
    def arrays(self) -> dict[str, ArrayHeader]:
        """The headers of the arrays that the dataset has, by their names in `checksums`."""
        labels = {"y": self.labels_header} if self.classes is not None else {}
        return {"X": self.features_header} | labels

    def rows_of(self, split: str | None) -> tuple[int, int]:
        """(start, stop) of a split, or of all rows for None. InputError for an unknown name."""
        if split is None:
            return 0, self.shape[0]
        if split not in self.splits:
            known = ", ".join(self.splits) or "none"
            raise InputError(f"there is no split {split!r}", hint=f"The splits are: {known}.")
        return self.splits[split]

    def split_of_rows(self) -> Indices:
        """(N,) int64: the index of each row's split in `splits`, -1 outside of all."""
        numbers = np.full(self.shape[0], -1, np.int64)
        for number, (start, stop) in enumerate(self.splits.values()):
            numbers[start:stop] = number
        return numbers

    def to_json(self) -> bytes:
        document = {"format": FORMAT, "format_version": FORMAT_VERSION} | asdict(self)
        return to_json(document)


def to_json(document: dict[str, Any]) -> bytes:
    """JSON that people can read, the same bytes for the same contents."""
    return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()


def parse(document: dict[str, Any]) -> Record:
    """The record in a JSON object without its format fields; ValueError names what is wrong."""
    fields = _Fields(document)
    shape = fields.take("shape", _tuple_of(_whole(1, _MAX_INT), 4))
    classes = fields.take("classes", _optional(_distinct_names))
    record = Record(
        shape=(shape[0], shape[1], shape[2], shape[3]),
        dtype=fields.take("dtype", _one_of({*BUILD_DTYPES, *FLOAT_DTYPES})),
        classes=classes,
        splits=fields.take("splits", lambda value: _splits(value, shape[0])),
        image=fields.take("image", _object),
        normalization=fields.take(
            "normalization", _optional(lambda value: _normalization(value, shape))
        ),
        checksum_block=fields.take("checksum_block", _block),
        checksums=fields.take("checksums", _checksums),
        build=fields.take("build", _object),
    )
    fields.end()
    _agree(record)
    return record


def _normalization(value: Any, shape: tuple[int, ...]) -> Normalization:
    fields = _Fields(_object(value))
    channels = _tuple_of(_finite, shape[3])
    normalization = Normalization(
        method=fields.take("method", _one_of({*METHODS, "given"})),
        offset=fields.take("offset", channels),
        scale=fields.take("scale", channels),
        dtype=fields.take("dtype", _one_of(set(FLOAT_DTYPES))),
        source_dtype=fields.take("source_dtype", _one_of(set(BUILD_DTYPES))),
        mean=fields.take("mean", _optional(channels)),
        std=fields.take("std", _optional(channels)),
        split=fields.take("split", _optional(_text)),
        rows=fields.take("rows", _optional(lambda rows: _range(rows, shape[0]))),
        on_read=fields.take("on_read", _flag),
        original_crc32=fields.take("original_crc32", _optional(_whole(0, 2**32 - 1))),
    )
    fields.end()
    return normalization


def _agree(record: Record) -> None:
    """ValueError unless the fields fit each other."""
    done = record.normalization
    expected = done and (done.source_dtype if done.on_read else done.dtype)
    _require(
        record.dtype in BUILD_DTYPES if expected is None else record.dtype == expected,
        "dtype does not go with normalization",
    )
    _require(done is None or 0 not in done.scale, "a scale of normalization is 0")
    _require(
        done is None or done.split is None or done.split in record.splits,
        "normalization names a split that is not there",
    )
    lengths = {name: -(-h.data_bytes // record.checksum_block) for name, h in record.arrays.items()}
    found = {name: len(blocks) for name, blocks in record.checksums.items()}
    _require(
        all(found[name] == lengths.get(name) for name in found),
        f"checksums has {found} blocks, not {lengths}",
    )


class _Fields:
    """The fields of a JSON object, each taken once through its check."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._left = dict(document)

    def take(self, name: str, check: Callable[[Any], T]) -> T:
        _require(name in self._left, f"{name} is missing")
        try:
            return check(self._left.pop(name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def end(self) -> None:
        """ValueError if fields are left that nobody knows."""
        _require(not self._left, f"{', '.join(self._left)}: unknown")


def _require(condition: bool, complaint: str) -> None:
    if not condition:
        raise ValueError(complaint)


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        _require(type(value) is int and low <= value <= high, f"{value!r:.40} is out of range")
        return int(value)

    return check


def _finite(value: Any) -> float:
    _require(type(value) in (int, float), f"{value!r:.40} is not a number")
    _require(math.isfinite(value), f"{value!r:.40} is not finite")
    return float(value)


def _text(value: Any) -> str:
    _require(isinstance(value, str), f"{value!r:.40} is not text")
    return str(value)


def _flag(value: Any) -> bool:
    _require(isinstance(value, bool), f"{value!r:.40} is not true or false")
    return bool(value)


def _object(value: Any) -> dict[str, Any]:
    _require(isinstance(value, dict), f"{value!r:.40} is not an object")
    return dict(value)


def _one_of(choices: set[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        _require(isinstance(value, str) and value in choices, f"{value!r:.40} is unknown")
        return str(value)

    return check


def _optional(check: Callable[[Any], T]) -> Callable[[Any], T | None]:
    return lambda value: None if value is None else check(value)


def _tuple_of(
    check: Callable[[Any], T], length: int | None = None
) -> Callable[[Any], tuple[T, ...]]:
    def check_all(value: Any) -> tuple[T, ...]:
        _require(isinstance(value, list), f"{value!r:.40} is not a list")
        _require(length in (None, len(value)), f"{len(value)} values instead of {length}")
        return tuple(check(item) for item in value)

    return check_all


def _distinct_names(value: Any) -> tuple[str, ...]:
    names = _tuple_of(_text)(value)
    _require(len(set(names)) == len(names), "a name occurs twice")
    return names


def _range(value: Any, rows: int) -> tuple[int, int]:
    start, stop = _tuple_of(_whole(0, rows), 2)(value)
    _require(start <= stop, f"{start} to {stop} is no range")
    return start, stop


def _splits(value: Any, rows: int) -> dict[str, tuple[int, int]]:
    splits = {name: _range(found, rows) for name, found in _object(value).items()}
    ends = sorted(splits.values())
    _require(all(a[1] <= b[0] for a, b in pairwise(ends)), "splits overlap")
    return splits


def _block(value: Any) -> int:
    """Whole values of every dtype fill a block."""
    block = _whole(8, _MAX_INT)(value)
    _require(block % 8 == 0, f"{block} is no multiple of 8")
    return block


def _checksums(value: Any) -> dict[str, list[int]]:
    blocks = _tuple_of(_whole(0, 2**32 - 1))
    return {name: list(blocks(found)) for name, found in _object(value).items()}
