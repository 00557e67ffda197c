"""A build in progress: the directory `.OUT.partial` beside OUT, always resumable.

    plan.json      what is being built: options, digests, classes, splits, row shape
    sources.jsonl  the sources in row order, a line each
    progress       two alternating slots: how far everything is durable
    blocks         CRC-32 of each full 16 MiB block of X.npy's data, 4 bytes each
    X.npy y.npy rows.npy rows.csv rejected.csv    the dataset so far

Everything beyond the progress record is ignored, and cut off or overwritten on resume; what
it counts is held to its checksums first.
"""

import csv
import io
import os
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import accumulate, islice
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imgmem._version import __version__
from imgmem.core.build.decoding import Chunk, Row
from imgmem.core.build.manifest import BuildManifest
from imgmem.core.build.planned import PlannedImage
from imgmem.core.errors import DatasetError
from imgmem.core.rows import facts as row_facts
from imgmem.core.storage import durable, store
from imgmem.core.storage.checksums import crc_of
from imgmem.core.storage.durable import File
from imgmem.core.storage.npy import HEADER_BYTES, ArrayHeader
from imgmem.core.storage.record import CHECKSUM_BLOCK_BYTES, Record
from imgmem.core.storage.slots import SLOTS_BYTES, Slots

PLAN = "plan.json"
SOURCES = "sources.jsonl"
PROGRESS = "progress"
BLOCKS = "blocks"

ROW_COLUMNS = ("row", "split", "label", "class", "path", "width", "height", "digest")
REJECT_COLUMNS = ("path", "reason", "detail")
_NONE = ("", "")
_CRC_BYTES = 4
_LINES_PER_WRITE = 4096
_STARTS = {store.LABELS: HEADER_BYTES, store.FACTS: row_facts.HEADER_BYTES}
"""Where what is appended begins, in files with a header that is only written at the end."""


class Written(NamedTuple):
    """What has been put into a file: how many bytes, and their CRC-32."""

    length: int = 0
    crc: int = 0

    def plus(self, data: bytes) -> "Written":
        """The same with `data` behind it."""
        return Written(self.length + len(data), zlib.crc32(data, self.crc))


@dataclass(kw_only=True)
class BuildState:
    """How far a build is: sources and rows done, and what was counted.

    written: what has been put into each file, a fixed header aside.
    open_block: CRC-32 of the features' data behind its last full block.
    """

    sources: int = 0
    sources_bytes: int = 0
    rows: int = 0
    written: dict[str, Written] = field(default_factory=dict)
    open_block: int = 0
    splits: list[int] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "BuildState":
        """The state that `asdict` made `fields` of, by way of JSON."""
        written = {name: Written(*of) for name, of in fields["written"].items()}
        return cls(**fields | {"written": written})

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())


class UnfinishedBuild:
    """The files of a build in progress, open for writing; one writer, in row order."""

    def __init__(self, path: str) -> None:
        """Open what `create_files` made and go back to its last durable state."""
        self.path = path
        self._files: list[File] = []
        try:
            self._go_back_to_durable_state()
        except BaseException:
            self.close()
            raise

    def _go_back_to_durable_state(self) -> None:
        path = self.path
        self._progress = self._open(PROGRESS)
        self._slots = Slots(self._progress)
        if self._slots.body is None:
            raise _damaged(path, PROGRESS)
        self.state = BuildState.from_fields(self._slots.body)
        self.design = _read_design(path, self.state.written[PLAN])
        self._row_bytes = self.design.header(0).row_bytes
        self._features = self._open(store.FEATURES)
        growing = [store.FACTS, store.ROWS, store.REJECTED, BLOCKS]
        if self.design.classes is not None:
            growing.append(store.LABELS)
        self._growing = {name: self._open(name) for name in growing}
        self._require_whole()

    @property
    def _data_files(self) -> list[File]:
        return [self._features, *self._growing.values()]

    def lines_to_do(self) -> Iterator[bytes]:
        """The lines of `sources.jsonl` that are still to do."""
        return self._lines_from(self.state.sources_bytes)

    def all_lines(self) -> Iterator[bytes]:
        """The lines of `sources.jsonl`, those that are done too."""
        return self._lines_from(0)

    def append(self, chunk: Chunk) -> None:
        """Write a chunk's rows and rejects behind those that are there; not yet durable."""
        state = self.state
        crcs, open_block = self._append_features(chunk.features)
        additions = {
            BLOCKS: np.array(crcs, "<u4").tobytes(),
            store.LABELS: np.array([row.image.label for row in chunk.rows], np.int64).tobytes(),
            store.FACTS: chunk.facts.tobytes(),
            store.ROWS: self._rows_text(chunk.rows, state.rows),
            store.REJECTED: _csv_lines((r.name, r.reason, r.detail) for r in chunk.rejects),
        }
        for name, file in self._growing.items():
            file.pwrite(additions[name], _STARTS.get(name, 0) + state.written[name].length)
        self.state = BuildState(
            sources=state.sources + chunk.done,
            sources_bytes=state.sources_bytes + chunk.done_bytes,
            rows=state.rows + len(chunk.rows),
            written=state.written
            | {name: state.written[name].plus(additions[name]) for name in self._growing},
            open_block=open_block,
            splits=_added(
                state.splits, (row.image.split for row in chunk.rows), len(self.design.splits)
            ),
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
        self._features.truncate(record.features_header.file_bytes)
        self._features.pwrite(record.features_header.encode(), 0)
        for name, file in self._growing.items():
            file.truncate(_STARTS.get(name, 0) + self.state.written[name].length)
        self._growing[store.FACTS].pwrite(row_facts.encode_header(self.state.rows), 0)
        if store.LABELS in self._growing:
            self._growing[store.LABELS].pwrite(record.labels_header.encode(), 0)
        for file in self._data_files:
            file.sync()
        store.write_record(self.path, record)
        self.close()

    def close(self) -> None:
        for file in self._files:
            file.close()

    def _open(self, name: str) -> File:
        file = File(os.path.join(self.path, name))
        self._files.append(file)
        return file

    def _lines_from(self, offset: int) -> Iterator[bytes]:
        with open(os.path.join(self.path, SOURCES), "rb") as file:
            file.seek(offset)
            yield from file

    def _append_features(self, features: npt.NDArray[Any]) -> tuple[list[int], int]:
        """Write rows; gives the CRC-32s of the blocks that they fill, and of the open one."""
        start = self.state.rows * self._row_bytes
        self._features.pwrite(features, HEADER_BYTES + start)
        data = memoryview(features.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        full, crc = [], self.state.open_block
        for piece in _block_pieces(start, len(data)):
            crc = zlib.crc32(data[piece], crc)
            if (start + piece.stop) % CHECKSUM_BLOCK_BYTES == 0:
                full.append(crc)
                crc = 0
        return full, crc

    def _rows_text(self, rows: list[Row], first: int) -> bytes:
        """Lines of rows.csv for `rows`, of which the first has the number `first`."""
        splits, classes = self.design.splits or ("",), self.design.classes
        return _csv_lines(
            (
                number, splits[row.image.split],
                *((row.image.label, classes[row.image.label]) if classes else _NONE),
                row.image.name, row.decoded.width, row.decoded.height, row.digest.hex(),
                *row.image.extra,
            )
            for number, row in enumerate(rows, first)
        )  # fmt: skip

    def _require_whole(self) -> None:
        """DatasetError unless all that is counted still is as it was written."""
        for name, (length, crc) in self.state.written.items():
            with File(os.path.join(self.path, name), writable=False) as file:
                found = crc_of(file, _STARTS.get(name, 0), length)
            if found != crc:
                raise _damaged(self.path, name)
        length = self.state.rows * self._row_bytes
        blocks = [*self._full_blocks(), self.state.open_block]
        for piece, crc in zip(_block_pieces(0, length), blocks, strict=False):
            start = HEADER_BYTES + piece.start
            if crc_of(self._features, start, piece.stop - piece.start) != crc:
                raise _damaged(self.path, store.FEATURES)

    def _full_blocks(self) -> list[int]:
        """CRC-32 of each full block of the features' data."""
        data = self._growing[BLOCKS].pread(self.state.written[BLOCKS].length, 0)
        crcs: list[int] = np.frombuffer(data, "<u4").tolist()
        return crcs

    def _record(self) -> Record:
        design, state = self.design, self.state
        open_block = state.rows * self._row_bytes % CHECKSUM_BLOCK_BYTES
        checksums = {"X": self._full_blocks() + ([state.open_block] if open_block else [])}
        if store.LABELS in self._growing:
            checksums["y"] = self._checksums_of(self._growing[store.LABELS], 8 * state.rows)
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
            crc_of(file, HEADER_BYTES + piece.start, piece.stop - piece.start)
            for piece in _block_pieces(0, length)
        ]


def _read_design(path: str, written: Written) -> BuildManifest:
    with File(os.path.join(path, PLAN), writable=False) as file:
        data = file.pread(file.size(), 0)
    if Written().plus(data) != written:
        raise _damaged(path, PLAN)
    return BuildManifest.from_json(data)


def _damaged(path: str, name: str) -> DatasetError:
    return DatasetError(
        f"{os.path.join(path, name)} is damaged; the unfinished build cannot go on",
        hint="Begin anew with --restart.",
        path=path,
    )


def create_files(path: str, design: BuildManifest, images: Iterable[PlannedImage]) -> None:
    """Fill the empty directory `path`: the sources, all the space needed, `plan.json` last."""
    header = design.header(design.sources)
    _create(path, PROGRESS, bytes(SLOTS_BYTES))
    _create(path, BLOCKS)
    _create(path, store.FEATURES, allocate=header.file_bytes)
    written = {BLOCKS: Written(), store.FACTS: Written()}
    if design.classes is not None:
        labels = ArrayHeader((design.sources,), np.dtype(np.int64))
        _create(path, store.LABELS, allocate=labels.file_bytes)
        written[store.LABELS] = Written()
    _create(path, store.FACTS, allocate=_facts_bytes(design.sources))
    for name, columns in (
        (store.ROWS, (*ROW_COLUMNS, *design.extra_columns)),
        (store.REJECTED, REJECT_COLUMNS),
    ):
        line = _csv_lines([columns])
        _create(path, name, line)
        written[name] = Written().plus(line)
    written[SOURCES] = _write_sources(os.path.join(path, SOURCES), images)
    written[PLAN] = Written().plus(design.to_json())
    with File(os.path.join(path, PROGRESS)) as file:
        Slots(file).write(asdict(BuildState(written=written)))
        file.sync()
    durable.sync_directory(path)  # the plan vouches for all other files
    durable.write_file(os.path.join(path, PLAN), design.to_json())


def remove_build_files(path: str) -> None:
    """Remove what only a build in progress needs from a directory that is a dataset now.

    `plan.json` goes last: while it is there, the work is not over.
    """
    durable.sync_directory(path)  # `dataset.json` must be there for good
    for name in (SOURCES, PROGRESS, BLOCKS):
        durable.unlink(os.path.join(path, name))
    if not store.read_record(path).build["rejected"]:
        durable.unlink(os.path.join(path, store.REJECTED))
    durable.sync_directory(path)
    durable.unlink(os.path.join(path, PLAN))
    durable.sync_directory(path)


def _facts_bytes(rows: int) -> int:
    """Where the record of row number `rows` begins in rows.npy, or the file of so many ends."""
    return row_facts.HEADER_BYTES + row_facts.ROW_FACTS.itemsize * rows


def _create(path: str, name: str, data: bytes = b"", *, allocate: int = 0) -> None:
    with File(os.path.join(path, name), create=True) as file:
        file.pwrite(data, 0)
        file.allocate(allocate)
        file.sync()


def _write_sources(path: str, images: Iterable[PlannedImage]) -> Written:
    """Write the sources, a line each; returns what was written."""
    written = Written()
    lines = (image.to_line() for image in images)
    with File(path, create=True) as file:
        while batch := b"".join(islice(lines, _LINES_PER_WRITE)):
            file.pwrite(batch, written.length)
            written = written.plus(batch)
        file.sync()
    return written


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
