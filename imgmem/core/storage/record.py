"""The contents of `dataset.json`, typed and checked: FORMAT.md says what each field means.

Version 1 had no optional fields. In version 2 a reader ignores fields that it does not know,
and keeps them when it writes the record again, unless `requires` names them.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from imgmem.core.arrays import Indices
from imgmem.core.errors import UsageError
from imgmem.core.specs import BUILD_DTYPES, FLOAT_DTYPES, METHODS, NOT, TARGETS
from imgmem.core.storage.fields import (
    MAX_CRC32,
    MAX_INT,
    Check,
    CheckedFields,
    an_object,
    block_bytes,
    checksum_lists,
    distinct_names,
    finite,
    flag,
    object_of,
    one_of,
    optional,
    require,
    row_range,
    split_ranges,
    text,
    tuple_of,
    whole,
)
from imgmem.core.storage.npy import ArrayHeader
from imgmem.core.storage.targets import MULTILABEL, NUMBER, labels_header

FORMAT = "imgmem dataset"
FORMAT_VERSION = 2
READABLE_VERSIONS = (1, 2)
CHECKSUM_BLOCK_BYTES = 16 * 2**20

KNOWN_REQUIREMENTS: frozenset[str] = frozenset({"target", "levels"})
"""What `requires` may name: optional fields that change what other fields or arrays mean."""

CHECKSUM_ALGORITHMS = ("crc32",)


@dataclass(frozen=True, kw_only=True)
class Normalization:
    """What was done to the features: value = (original - offset) * scale, per channel.

    offset, scale: float64, on the scale of the original values (0-255, or those of the files)
    and its inverse; JSON keeps every digit.
    dtype: of the values. source_dtype: of the features before, whose values are whole numbers.
    mean, std: what the method was given or measured, on the same scale, where it has them.
    split, rows: what the constants come from: a choice of splits of this dataset ("!fold1"), None
    for all rows or for none; its rows, None where they are several ranges.
    on_read: the features still are uint8 or uint16; readers apply the transform.
    original_crc32: CRC-32 of all the features' data before, which undo is checked against.
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

    @property
    def from_own_rows(self) -> bool:
        """Whether the constants come from rows of the dataset itself."""
        return self.rows is not None or self.split is not None

    @property
    def is_final(self) -> bool:
        """Whether the values on disk do not invert to the original ones, several of which
        became the same."""
        return (self.source_dtype, self.dtype) == ("uint16", "float16") and not self.on_read


@dataclass(frozen=True, kw_only=True)
class Record:
    """The contents of `dataset.json`.

    shape: (N, H, W, C) of the features. classes: names by class index; None without classes.
    splits: name → (start, stop) rows. image: the ImageSpec as built, JSON types only.
    checksums: array name ("X", "y") → checksum of each `checksum_block` bytes of its data.
    build: options, decoder versions and the identity digest of the build.

    Optional, absent from the file where they are None or empty:
    target: what y.npy holds, one of TARGETS; "class" where there are classes and it is None.
    target_names: names of the columns of y.npy for "number". group_column: the column of
    rows.csv whose equal cells belong together. notes_column: the column of rows.csv that says what
    was lost or repaired of the image. sums: split → sums of its original pixel
    values, per channel. split_table: sha256 of the split table that was carried over.
    requires: optional fields that a reader must know to read the dataset at all.
    other: fields of the file that this version does not know, kept as they are.
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
    format_version: int = FORMAT_VERSION
    checksum_algorithm: str = "crc32"
    target: str | None = None
    target_names: tuple[str, ...] = ()
    group_column: str | None = None
    notes_column: str | None = None
    sums: dict[str, Any] = field(default_factory=dict)
    split_table: str | None = None
    requires: tuple[str, ...] = ()
    other: dict[str, Any] = field(default_factory=dict)

    @property
    def features_header(self) -> ArrayHeader:
        return ArrayHeader(self.shape, np.dtype(self.dtype))

    @property
    def original_dtype(self) -> str:
        """Of the features before `normalize`."""
        return self.normalization.source_dtype if self.normalization else self.dtype

    @property
    def highest(self) -> int:
        """The highest value that the original features can hold, where these are whole numbers."""
        return 65535 if self.original_dtype == "uint16" else 255

    @property
    def unscaled(self) -> bool:
        """Whether the features are floats of any range: the values of the files."""
        return self.original_dtype == "float32" and self.image.get("levels") == "none"

    @property
    def window(self) -> tuple[float, float]:
        """The original values that are shown as black and as white."""
        low, high = self.image.get("window", (0, 255))
        return float(low), float(high)

    @property
    def labels_header(self) -> ArrayHeader:
        """Of y.npy: (N,) int64 class indices, (N, K) uint8 flags or (N,) or (N, T) float32."""
        classes, names = len(self.classes or ()), len(self.target_names)
        return labels_header(self.target, self.shape[0], classes=classes, names=names)

    @property
    def arrays(self) -> dict[str, ArrayHeader]:
        """The headers of the arrays that the dataset has, by their names in `checksums`."""
        return {"X": self.features_header} | ({"y": self.labels_header} if self.labeled else {})

    @property
    def labeled(self) -> bool:
        """Whether there is a y.npy."""
        return self.classes is not None or self.target is not None

    @property
    def kind(self) -> str | None:
        """What y.npy holds, one of TARGETS; None where there is none."""
        return self.target or ("class" if self.labeled else None)

    def rows_of(self, split: str | None) -> tuple[int, int]:
        """(start, stop) of a split, or of all rows for None. UsageError for an unknown name."""
        if split is None:
            return 0, self.shape[0]
        if split not in self.splits:
            known = ", ".join(self.splits) or "none"
            raise UsageError(f"there is no split {split!r}", hint=f"The splits are: {known}.")
        return self.splits[split]

    def split_of_rows(self) -> Indices:
        """(N,) int64: the index of each row's split in `splits`, -1 outside of all."""
        numbers = np.full(self.shape[0], -1, np.int64)
        for number, (start, stop) in enumerate(self.splits.values()):
            numbers[start:stop] = number
        return numbers

    def document(self) -> dict[str, Any]:
        """The fields as `parse` reads them, optional ones only where they hold something."""
        found = {"format_version": self.format_version} | asdict(self)
        other: dict[str, Any] = found.pop("other")
        if self.format_version == 1:
            return {name: value for name, value in found.items() if name not in _SINCE_2}
        empty = [name for name in _SINCE_2 if found[name] in (None, (), {})]
        return {name: value for name, value in found.items() if name not in empty} | other

    def to_json(self) -> bytes:
        return to_json({"format": FORMAT} | self.document())


def required(*, target: str | None, image: dict[str, Any]) -> tuple[str, ...]:
    """What `requires` names for a dataset with these fields."""
    return (*(["target"] if target else []), *(["levels"] if "window" in image else []))


_SINCE_2 = (
    "checksum_algorithm", "target", "target_names", "group_column", "notes_column", "sums",
    "split_table", "requires",
)  # fmt: skip


def split_names(record: Record, split: str) -> list[str]:
    """The names in a choice of splits; a text that is not a name may have several, with commas."""
    return [split] if split in record.splits else split.split(",")


def to_json(document: dict[str, Any]) -> bytes:
    """JSON that people can read, the same bytes for the same contents."""
    return (json.dumps(document, indent=1, ensure_ascii=True) + "\n").encode()


def parse(document: Any) -> Record:
    """The record in a JSON object, without the field `format`; ValueError says what is wrong."""
    found = CheckedFields(an_object(document))
    version = found.take_or("format_version", 1, one_of(READABLE_VERSIONS))
    shape = found.take("shape", tuple_of(whole(1, MAX_INT), 4))
    record = Record(
        format_version=version,
        shape=(shape[0], shape[1], shape[2], shape[3]),
        dtype=found.take("dtype", one_of((*BUILD_DTYPES, *FLOAT_DTYPES))),
        classes=found.take("classes", optional(distinct_names)),
        splits=found.take("splits", lambda value: split_ranges(value, shape[0])),
        image=found.take("image", an_object),
        normalization=found.take(
            "normalization", optional(lambda value: _normalization(value, shape))
        ),
        checksum_block=found.take("checksum_block", block_bytes),
        checksums=found.take("checksums", checksum_lists),
        build=found.take("build", _build),
        **(_optional_fields(found) if version > 1 else {}),
        other=found.rest(allowed=version > 1),
    )
    _agree(record)
    return record


def _optional_fields(found: CheckedFields) -> dict[str, Any]:
    """The fields that version 2 added. Unknown requirements are told first: what else is
    wrong may be due to them."""
    no_names: tuple[str, ...] = ()
    requires = found.take_or("requires", no_names, tuple_of(text))
    unknown = sorted(set(requires) - KNOWN_REQUIREMENTS)
    require(not unknown, f"it needs a newer imgmem, one that knows {', '.join(unknown)}")
    return {
        "requires": requires,
        "checksum_algorithm": found.take_or(
            "checksum_algorithm", "crc32", one_of(CHECKSUM_ALGORITHMS)
        ),
        "target": found.take_or("target", None, one_of(TARGETS)),
        "target_names": found.take_or("target_names", no_names, distinct_names),
        "group_column": found.take_or("group_column", None, text),
        "notes_column": found.take_or("notes_column", None, text),
        "sums": found.take_or("sums", dict[str, Any](), an_object),
        "split_table": found.take_or("split_table", None, text),
    }


def _build(value: Any) -> dict[str, Any]:
    """How it was built: of the fields that programs read, each may be missing, none wrong."""
    build = an_object(value)
    for name, check in _BUILD_FIELDS.items():
        if name in build:
            CheckedFields(build).take(name, check)
    return build


_BUILD_FIELDS: dict[str, Check[Any]] = {
    "imgmem": text,
    "decoders": object_of(text),
    "options": an_object,
    "identity": text,
    "source": an_object,
    "converted": object_of(whole(0, MAX_INT)),
    "rejected": object_of(whole(0, MAX_INT)),
    "left_out": object_of(whole(0, MAX_INT)),
}


def _normalization(value: Any, shape: tuple[int, ...]) -> Normalization:
    found = CheckedFields(an_object(value))
    channels = tuple_of(finite, shape[3])
    normalization = Normalization(
        method=found.take("method", one_of((*METHODS, "given"))),
        offset=found.take("offset", channels),
        scale=found.take("scale", channels),
        dtype=found.take("dtype", one_of(FLOAT_DTYPES)),
        source_dtype=found.take("source_dtype", one_of(BUILD_DTYPES)),
        mean=found.take("mean", optional(channels)),
        std=found.take("std", optional(channels)),
        split=found.take("split", optional(text)),
        rows=found.take("rows", optional(lambda rows: row_range(rows, shape[0]))),
        on_read=found.take("on_read", flag),
        original_crc32=found.take("original_crc32", optional(whole(0, MAX_CRC32))),
    )
    found.rest(allowed=False)
    return normalization


def _is_range(value: Any) -> bool:
    """Whether a JSON value is two finite numbers, the second of which is higher."""
    try:
        low, high = tuple_of(finite, 2)(value)
    except ValueError:
        return False
    return low < high


def _agree(record: Record) -> None:
    """ValueError unless the fields fit each other."""
    done = record.normalization
    expected = done and (done.source_dtype if done.on_read else done.dtype)
    require(
        record.dtype in BUILD_DTYPES if expected is None else record.dtype == expected,
        "dtype does not fit normalization",
    )
    require(_is_range(record.image.get("window", [0, 255])), "window is not a range of values")
    require(done is None or 0 not in done.scale, "a scale of normalization is 0")
    named = [] if done is None or done.split is None else split_names(record, done.split)
    require(
        all(name.removeprefix(NOT) in record.splits for name in named),
        "normalization names a split that does not exist",
    )
    require(record.target != MULTILABEL or bool(record.classes), "multilabel without classes")
    require(record.target != NUMBER or record.classes is None, "number with classes")
    lengths = {name: -(-h.data_bytes // record.checksum_block) for name, h in record.arrays.items()}
    found = {name: len(blocks) for name, blocks in record.checksums.items()}
    require(
        all(found[name] == lengths.get(name) for name in found),
        f"checksums has {found} blocks, not {lengths}",
    )
