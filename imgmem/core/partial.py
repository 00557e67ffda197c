"""A build in progress: the directory `.OUT.partial` beside OUT, always resumable.

    plan.json      what is being built: options, digests, classes, splits, row shape
    sources.jsonl  the sources in row order, a line each
    progress       two alternating slots: how far everything is durable
    blocks         CRC-32 of each full 16 MiB block of X.npy's data, 4 bytes each
    X.npy y.npy rows.npy rows.csv rejected.csv    the dataset so far

Everything beyond the progress record is ignored, and cut off or overwritten on resume.
"""

import csv
import hashlib
import io
import json
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import accumulate, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem import __version__
from imgmem.core import durable, rowfacts, store
from imgmem.core.decoding import Chunk, Row
from imgmem.core.durable import File
from imgmem.core.errors import DatasetError
from imgmem.core.npy import HEADER_BYTES, ArrayHeader
from imgmem.core.record import CHECKSUM_BLOCK_BYTES, Record
from imgmem.core.slots import SLOTS_BYTES, Slots

PLAN = "plan.json"
SOURCES = "sources.jsonl"
PROGRESS = "progress"
BLOCKS = "blocks"

ROW_COLUMNS = ("row", "split", "label", "class", "path", "width", "height", "digest")
REJECT_COLUMNS = ("path", "reason", "detail")
_NONE = ("", "")
_CRC_BYTES = 4
_LINES_PER_WRITE = 4096


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked for: everything that must not change between two runs of one build.

    listing: digest of what the source holds; listing_now: with the times of its files.
    """

    options: dict[str, Any]
    decoders: dict[str, str]
    listing: str
    listing_now: str

    @property
    def identity(self) -> str:
        """sha256 of the options and the listing: what `dataset.json` knows a build by."""
        text = json.dumps([self.options, self.listing], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Design:
    """What is being built (`plan.json`). shape: (H, W, C) of a row. sources: how many."""

    order: Order
    image: dict[str, Any]
    sources: int
    shape: tuple[int, int, int]
    dtype: str
    classes: tuple[str, ...] | None
    splits: tuple[str, ...]
    extra_columns: tuple[str, ...]

    def header(self, rows: int) -> ArrayHeader:
        return ArrayHeader((rows, *self.shape), np.dtype(self.dtype))

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Design":
        fields: dict[str, Any] = json.loads(data)
        order = Order(**fields.pop("order"))
        for name, value in fields.items():
            fields[name] = tuple(value) if isinstance(value, list) else value
        return cls(order=order, **fields)


@dataclass(kw_only=True)
class State:
    """How far a build is: sources done, bytes of each growing file, and what was counted."""

    sources: int = 0
    sources_bytes: int = 0
    rows: int = 0
    rows_bytes: int = 0
    rejected_bytes: int = 0
    splits: list[int] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())


class Partial:
    """The files of a build in progress, open for writing; one writer, in row order."""

    def __init__(self, path: str) -> None:
        """Open what `lay_out` made and go back to its last durable state."""
        self.path = path
        self.design = _read_design(path)
        self._row_bytes = self.design.header(0).row_bytes
        self._progress = self._open(PROGRESS)
        self._slots = Slots(self._progress)
        if self._slots.body is None:
            raise _damaged(path, PROGRESS)
        self.state = State(**self._slots.body)
        self._features = self._open(store.FEATURES)
        self._labels = self._open(store.LABELS) if self.design.classes is not None else None
        self._facts = self._open(store.FACTS)
        self._rows = self._open(store.ROWS)
        self._rejected = self._open(store.REJECTED)
        self._blocks = self._open(BLOCKS)
        self._crc = self._crc_of_open_block()

    @property
    def _data_files(self) -> list[File]:
        labels = [self._labels] if self._labels is not None else []
        tables = [self._facts, self._rows, self._rejected, self._blocks]
        return [self._features, *labels, *tables]

    def sources(self) -> Iterator[bytes]:
        """The lines of `sources.jsonl` that are still to do."""
        return self._lines_from(self.state.sources_bytes)

    def all_sources(self) -> Iterator[bytes]:
        """The lines of `sources.jsonl`, those that are done too."""
        return self._lines_from(0)

    def append(self, chunk: Chunk) -> None:
        """Write a chunk's rows and rejects behind those that are there; not yet durable."""
        state = self.state
        rows_text = self._rows_text(chunk.rows, state.rows)
        rejects_text = _csv_lines((r.name, r.reason, r.detail) for r in chunk.rejects)
        self._append_features(chunk.features)
        self._append_labels(chunk.rows)
        self._facts.pwrite(chunk.facts, _facts_bytes(state.rows))
        self._rows.pwrite(rows_text, state.rows_bytes)
        self._rejected.pwrite(rejects_text, state.rejected_bytes)
        self.state = State(
            sources=state.sources + chunk.done,
            sources_bytes=state.sources_bytes + chunk.done_bytes,
            rows=state.rows + len(chunk.rows),
            rows_bytes=state.rows_bytes + len(rows_text),
            rejected_bytes=state.rejected_bytes + len(rejects_text),
            splits=_added(state.splits, (row.split for row in chunk.rows), len(self.design.splits)),
            reasons=_counted(state.reasons, (reject.reason for reject in chunk.rejects)),
            notes=_counted(state.notes, (n for row in chunk.rows for n in row.decoded.notes)),
        )

    def commit(self) -> None:
        """Make the state durable: first what it counts, then the record that counts it."""
        for file in self._data_files:
            file.sync()
        self._slots.write(asdict(self.state))
        self._progress.sync()

    def finish(self) -> None:
        """Turn the directory into a dataset; `dataset.json` appears only when all is durable."""
        record = self._record()
        self._end_array(self._features, record.features_header)
        if self._labels is not None:
            self._end_array(self._labels, record.labels_header)
        self._facts.truncate(_facts_bytes(self.state.rows))
        self._facts.pwrite(rowfacts.encode_header(self.state.rows), 0)
        self._rows.truncate(self.state.rows_bytes)
        self._rejected.truncate(self.state.rejected_bytes)
        for file in self._data_files:
            file.sync()
        store.write_record(self.path, record)
        self.close()

    def close(self) -> None:
        for file in (*self._data_files, self._progress):
            file.close()

    def _open(self, name: str) -> File:
        return File(os.path.join(self.path, name))

    def _lines_from(self, offset: int) -> Iterator[bytes]:
        with open(os.path.join(self.path, SOURCES), "rb") as file:
            file.seek(offset)
            yield from file

    def _append_features(self, features: npt.NDArray[Any]) -> None:
        start = self.state.rows * self._row_bytes
        self._features.pwrite(features, HEADER_BYTES + start)
        data = memoryview(features.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        crcs = []
        for piece in _block_pieces(start, len(data)):
            self._crc = zlib.crc32(data[piece], self._crc)
            if (start + piece.stop) % CHECKSUM_BLOCK_BYTES == 0:
                crcs.append(self._crc)
                self._crc = 0
        self._blocks.pwrite(np.array(crcs, "<u4"), start // CHECKSUM_BLOCK_BYTES * _CRC_BYTES)

    def _append_labels(self, rows: list[Row]) -> None:
        if self._labels is not None:
            labels = np.array([row.label for row in rows], np.int64)
            self._labels.pwrite(labels, HEADER_BYTES + labels.itemsize * self.state.rows)

    def _rows_text(self, rows: list[Row], first: int) -> bytes:
        """Lines of rows.csv for `rows`, of which the first has the number `first`."""
        splits, classes = self.design.splits or ("",), self.design.classes
        return _csv_lines(
            (
                number, splits[row.split], *((row.label, classes[row.label]) if classes else _NONE),
                row.name, row.decoded.width, row.decoded.height, row.digest.hex(), *row.extra,
            )
            for number, row in enumerate(rows, first)
        )  # fmt: skip

    def _crc_of_open_block(self) -> int:
        """CRC-32 of the data behind the last full block, read back from the features."""
        written = self.state.rows * self._row_bytes
        behind = written % CHECKSUM_BLOCK_BYTES
        return zlib.crc32(self._features.pread(behind, HEADER_BYTES + written - behind))

    def _end_array(self, file: File, header: ArrayHeader) -> None:
        file.truncate(header.file_bytes)
        file.pwrite(header.encode(), 0)

    def _record(self) -> Record:
        design, state = self.design, self.state
        blocks = state.rows * self._row_bytes // CHECKSUM_BLOCK_BYTES
        crcs = np.frombuffer(self._blocks.pread(blocks * _CRC_BYTES, 0), "<u4").tolist()
        open_block = state.rows * self._row_bytes % CHECKSUM_BLOCK_BYTES
        checksums = {"X": crcs + ([self._crc] if open_block else [])}
        if self._labels is not None:
            checksums["y"] = self._checksums_of(self._labels, 8 * state.rows)
        height, width, depth = design.shape
        return Record(
            shape=(state.rows, height, width, depth),
            dtype=design.dtype,
            classes=design.classes,
            splits=_ranges(design.splits, state.splits),
            image=design.image,
            checksum_block=CHECKSUM_BLOCK_BYTES,
            checksums=checksums,
            build={
                "imgmem": __version__,
                "decoders": design.order.decoders,
                "options": design.order.options,
                "source": {"images": design.sources, "digest": design.order.listing},
                "identity": design.order.identity,
                "converted": dict(sorted(state.notes.items())),
                "rejected": dict(sorted(state.reasons.items())),
            },
        )

    def _checksums_of(self, file: File, length: int) -> list[int]:
        return [
            zlib.crc32(file.pread(piece.stop - piece.start, HEADER_BYTES + piece.start))
            for piece in _block_pieces(0, length)
        ]


def _read_design(path: str) -> Design:
    try:
        with open(os.path.join(path, PLAN), "rb") as file:
            return Design.from_json(file.read())
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path, PLAN) from None


def _damaged(path: str, name: str) -> DatasetError:
    return DatasetError(
        f"{os.path.join(path, name)} is damaged; the unfinished build cannot go on",
        hint="Begin anew with --restart.",
        path=path,
    )


def lay_out(path: str, design: Design, sources: Iterator[bytes]) -> None:
    """Fill the empty directory `path`: the sources, all the space needed, `plan.json` last."""
    header = design.header(design.sources)
    _create(path, PROGRESS, bytes(SLOTS_BYTES))
    _create(path, BLOCKS)
    _create(path, store.FEATURES, allocate=header.file_bytes)
    if design.classes is not None:
        labels = ArrayHeader((design.sources,), np.dtype(np.int64))
        _create(path, store.LABELS, allocate=labels.file_bytes)
    _create(path, store.FACTS, allocate=_facts_bytes(design.sources))
    rows_text = _csv_lines([(*ROW_COLUMNS, *design.extra_columns)])
    rejects_text = _csv_lines([REJECT_COLUMNS])
    _create(path, store.ROWS, rows_text)
    _create(path, store.REJECTED, rejects_text)
    _write_sources(os.path.join(path, SOURCES), sources)
    with File(os.path.join(path, PROGRESS)) as file:
        start = State(rows_bytes=len(rows_text), rejected_bytes=len(rejects_text))
        Slots(file).write(asdict(start))
        file.sync()
    durable.write_file(os.path.join(path, PLAN), design.to_json())


def drop_plan(path: str) -> None:
    """Remove what only a build in progress needs from a directory that is a dataset now.

    `plan.json` goes last: while it is there, the work is not over.
    """
    for name in (SOURCES, PROGRESS, BLOCKS):
        durable.unlink(os.path.join(path, name))
    if not store.read_record(path).build["rejected"]:
        durable.unlink(os.path.join(path, store.REJECTED))
    durable.sync_directory(path)
    durable.unlink(os.path.join(path, PLAN))
    durable.sync_directory(path)


def _facts_bytes(rows: int) -> int:
    """Where the record of row number `rows` begins in rows.npy, or the file of so many ends."""
    return rowfacts.HEADER_BYTES + rowfacts.ROW_FACTS.itemsize * rows


def _create(path: str, name: str, data: bytes = b"", *, allocate: int = 0) -> None:
    with File(os.path.join(path, name), create=True) as file:
        file.pwrite(data, 0)
        file.allocate(allocate)
        file.sync()


def _write_sources(path: str, sources: Iterator[bytes]) -> None:
    offset = 0
    with File(path, create=True) as file:
        while batch := b"".join(islice(sources, _LINES_PER_WRITE)):
            file.pwrite(batch, offset)
            offset += len(batch)
        file.sync()


def _csv_lines(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """CSV in UTF-8; bytes of a name that are no UTF-8 stand as `\\udc80` to `\\udcff`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _block_pieces(start: int, length: int) -> Iterator[slice]:
    """Cut `length` bytes that lie at offset `start` of the data at the checksum blocks' ends."""
    done = 0
    while done < length:
        room = CHECKSUM_BLOCK_BYTES - (start + done) % CHECKSUM_BLOCK_BYTES
        yield slice(done, min(done + room, length))
        done = min(done + room, length)


def _counted(before: dict[str, int], more: Iterable[str]) -> dict[str, int]:
    return dict(Counter(before) + Counter(more))


def _added(counts: list[int], splits: Iterable[int], number: int) -> list[int]:
    """How many rows each split has, with those of `splits` added."""
    more = Counter(splits)
    return [(counts[i] if counts else 0) + more[i] for i in range(number)]


def _ranges(names: tuple[str, ...], counts: list[int]) -> dict[str, tuple[int, int]]:
    """Row ranges of splits that lie one behind the other."""
    ends = list(accumulate(counts))
    return {name: (end - count, end) for name, count, end in zip(names, counts, ends, strict=False)}
