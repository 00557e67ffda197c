"""A build in progress: the directory `.OUT.partial` next to OUT, always resumable.

Everything beyond the progress record is ignored, and cut off or overwritten on resume; what
it counts is checked against its checksums first.
"""

import faulthandler
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import accumulate
from typing import Any

import numpy as np

from imgmem._version import __version__
from imgmem.core.build import blocks
from imgmem.core.build.csv_text import RowLines
from imgmem.core.build.decoding import Chunk
from imgmem.core.build.files import (
    BLOCKS,
    CRASH,
    PLAN,
    PROGRESS,
    SOURCES,
    SUMS,
    damaged,
    data_start,
    read_manifest,
)
from imgmem.core.build.manifest import BuildManifest
from imgmem.core.build.seen import note_seen
from imgmem.core.build.state import BuildState, Written
from imgmem.core.levels.split_sums import as_field, decoded, encoded
from imgmem.core.read.on_read import renewed
from imgmem.core.rows import facts as row_facts
from imgmem.core.specs import ALL
from imgmem.core.storage import store
from imgmem.core.storage.checksums import crc_of
from imgmem.core.storage.durable import File
from imgmem.core.storage.npy import HEADER_BYTES
from imgmem.core.storage.record import Normalization, Record, required
from imgmem.core.storage.slots import Slots
from imgmem.core.storage.system import naming
from imgmem.core.storage.targets import CLASS, labels_data

_ROWS_AT_ONCE = 65_536
_NEVER_MEASURED = {"empty", "not-an-image", "unreadable"}
"""Reasons for which an image is rejected before its size is known."""


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
        self.state, self.manifest = _durable_state(path, self._slots)
        self._row_bytes = self.manifest.header(0).row_bytes
        self._row_lines = RowLines(self.manifest)
        self._features = self._open(store.FEATURES)
        growing = [store.FACTS, store.ROWS, store.REJECTED, BLOCKS, SUMS]
        if self.manifest.target is not None:
            growing.append(store.LABELS)
        self._growing = {name: self._open(name) for name in growing}
        self._require_whole()

    @property
    def _data_files(self) -> list[File]:
        return [self._features, *self._growing.values()]

    @property
    def crashed(self) -> bool:
        """Whether an earlier run was ended by its own code, as by a bug in a decoder."""
        try:
            return os.path.getsize(os.path.join(self.path, CRASH)) > 0
        except OSError:
            return False

    @contextmanager
    def noting_crashes(self) -> Iterator[None]:
        """Within, a crash of this process leaves a note for the next run.

        Not where the program has a handler for crashes of its own.
        """
        if faulthandler.is_enabled():
            yield
            return
        with open(os.path.join(self.path, CRASH), "ab") as file:
            faulthandler.enable(file, all_threads=False)
            try:
                yield
            finally:
                faulthandler.disable()

    def lines_to_do(self) -> Iterator[bytes]:
        """The lines of `sources.jsonl` that are still to do."""
        return _lines_from(self.path, self.state.sources_bytes)

    def change_max_pixels(self, limit: int) -> bool:
        """Resume with another limit on pixels; False where what is done would be otherwise.

        Durable before it returns.
        """
        raised = limit >= self.manifest.inputs.options["max_pixels"]
        undecided = set(self.state.reasons) - _NEVER_MEASURED
        if "too-large" in undecided or (not raised and (undecided or self.largest_row() > limit)):
            return False
        self.manifest = self.manifest.with_max_pixels(limit)
        self.state = replace(self.state, max_pixels=limit)
        self.commit()
        return True

    def largest_row(self) -> int:
        """Pixels of the largest image that is a row so far."""
        largest, record = 0, row_facts.ROW_FACTS.itemsize
        file, start = self._growing[store.FACTS], data_start(store.FACTS)
        for row in range(0, self.state.rows, _ROWS_AT_ONCE):
            count = min(_ROWS_AT_ONCE, self.state.rows - row)
            data = file.pread(count * record, start + row * record)
            facts = np.frombuffer(data, row_facts.ROW_FACTS)
            pixels = facts["height"].astype(np.int64) * facts["width"]
            largest = max(largest, int(pixels.max()))
        return largest

    def append(self, chunk: Chunk) -> None:
        """Write a chunk's rows and rejects behind those that are there; not yet durable."""
        state = self.state
        start = state.rows * self._row_bytes
        self._features.pwrite(chunk.features, HEADER_BYTES + start)
        data = memoryview(chunk.features.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
        crcs, open_block = blocks.append_checksums(data, start, state.open_block)
        additions = {
            BLOCKS: np.array(crcs, "<u4").tobytes(),
            SUMS: encoded(chunk.sums),
            store.LABELS: labels_data(self.manifest.labels_header(0), chunk.labels),
            store.FACTS: chunk.facts.tobytes(),
            store.ROWS: self._row_lines(chunk, state.rows),
            store.REJECTED: chunk.rejects,
        }
        for name, file in self._growing.items():
            file.pwrite(additions[name], data_start(name) + state.written[name].length)
        self.state = BuildState(
            sources=state.sources + chunk.done,
            sources_bytes=state.sources_bytes + chunk.done_bytes,
            rows=state.rows + len(chunk.features),
            written=state.written
            | {name: state.written[name].plus(additions[name]) for name in self._growing},
            open_block=open_block,
            max_pixels=state.max_pixels,
            splits=_added(state.splits, chunk.splits, len(self.manifest.splits)),
            reasons=_counted(state.reasons, chunk.reasons),
            notes=_counted(state.notes, chunk.notes),
            left=_counted(state.left, chunk.left),
        )

    def commit(self) -> None:
        """Make the state durable: first what it counts, then the record that counts it."""
        for file in self._data_files:
            file.sync()
        self._slots.write(asdict(self.state))
        self._progress.sync()

    def finish(self, on_read: Normalization | None = None) -> None:
        """Turn the directory into a dataset; `dataset.json` appears only when all is durable.

        on_read: a normalization on reading, to be recorded again with constants of these rows.
        """
        record = self._record()
        if on_read is not None:
            record = replace(record, normalization=renewed(on_read, record))
        self._features.truncate(record.features_header.file_bytes)
        self._features.pwrite(record.features_header.encode(), 0)
        for name, file in self._growing.items():
            file.truncate(data_start(name) + self.state.written[name].length)
        self._growing[store.FACTS].pwrite(row_facts.encode_header(self.state.rows), 0)
        if store.LABELS in self._growing:
            self._growing[store.LABELS].pwrite(record.labels_header.encode(), 0)
        name, manifest = self._growing[store.FACTS].path, self.manifest
        note_seen(name, record, manifest.origin, manifest.listed_at)
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

    def _require_whole(self) -> None:
        """DatasetError unless all that is counted still is as it was written."""
        for name, (length, crc) in self.state.written.items():
            with File(os.path.join(self.path, name), writable=False) as file:
                found = crc_of(file, data_start(name), length)
            if found != crc:
                raise damaged(self.path, name)
        length = self.state.rows * self._row_bytes
        crcs = [*self._full_blocks(), self.state.open_block]
        for piece, crc in zip(blocks.block_pieces(0, length), crcs, strict=False):
            start = HEADER_BYTES + piece.start
            if crc_of(self._features, start, piece.stop - piece.start) != crc:
                raise damaged(self.path, store.FEATURES)

    def _full_blocks(self) -> list[int]:
        """CRC-32 of each full block of the features' data."""
        data = self._growing[BLOCKS].pread(self.state.written[BLOCKS].length, 0)
        crcs: list[int] = np.frombuffer(data, "<u4").tolist()
        return crcs

    def _record(self) -> Record:
        manifest, state = self.manifest, self.state
        open_block = state.rows * self._row_bytes % blocks.BLOCK_BYTES
        checksums = {"X": self._full_blocks() + ([state.open_block] if open_block else [])}
        if store.LABELS in self._growing:
            length = manifest.labels_header(state.rows).data_bytes
            checksums["y"] = self._checksums_of(self._growing[store.LABELS], length)
        height, width, depth = manifest.shape
        target = None if manifest.target == CLASS else manifest.target  # as it is without
        return Record(
            shape=(state.rows, height, width, depth),
            dtype=manifest.dtype,
            classes=manifest.classes,
            splits=_ranges(manifest.splits, state.splits),
            target=target,
            target_names=manifest.target_names,
            requires=required(target=target, image=manifest.image),
            group_column=manifest.group_column,
            notes_column=manifest.notes_column,
            sums=self._sums(),
            split_table=manifest.inputs.split_table,
            image=manifest.image,
            checksum_block=blocks.BLOCK_BYTES,
            checksums=checksums,
            build={
                "imgmem": __version__,
                "decoders": manifest.inputs.decoders,
                "options": manifest.inputs.options,
                "source": {
                    "images": manifest.sources,
                    "digest": manifest.inputs.listing,
                    "labels": manifest.labels,
                }
                | ({"prefixes": list(manifest.prefixes)} if manifest.prefixes else {})
                | ({"download": manifest.download} if manifest.download else {}),
                "identity": manifest.inputs.identity,
                "converted": dict(sorted(state.notes.items())),
                "rejected": dict(sorted(state.reasons.items())),
                **({"left_out": dict(sorted(state.left.items()))} if state.left else {}),
            },
        )

    def _sums(self) -> dict[str, Any]:
        """The sums of each split, or of all rows, by name."""
        data = self._growing[SUMS].pread(self.state.written[SUMS].length, 0)
        try:
            found = decoded(data, self.manifest.shape[2])
        except ValueError:
            raise damaged(self.path, SUMS) from None
        names = self.manifest.splits or (ALL,)
        return {name: as_field(found[at]) for at, name in enumerate(names) if at in found}

    def _checksums_of(self, file: File, length: int) -> list[int]:
        return [
            crc_of(file, HEADER_BYTES + piece.start, piece.stop - piece.start)
            for piece in blocks.block_pieces(0, length)
        ]


def peek(path: str) -> tuple[BuildState, BuildManifest]:
    """How far the build in a directory is, and what it builds; nothing is opened for writing."""
    with File(os.path.join(path, PROGRESS), writable=False) as file:
        return _durable_state(path, Slots(file))


def all_lines(path: str) -> Iterator[bytes]:
    """The lines of `sources.jsonl`, those that are done too."""
    return _lines_from(path, 0)


def _lines_from(path: str, offset: int) -> Iterator[bytes]:
    name = os.path.join(path, SOURCES)
    with naming(name), open(name, "rb") as file:
        file.seek(offset)
        yield from file


def _durable_state(path: str, slots: Slots) -> tuple[BuildState, BuildManifest]:
    """The state in force, and the manifest with its limit. Raises DatasetError for damage."""
    try:
        state = BuildState.from_fields(slots.body or {})
        state.written[SUMS]
    except (ValueError, KeyError):  # it may be of a version that kept no sums
        raise damaged(path, PROGRESS) from None
    manifest = read_manifest(path, state.written.get(PLAN, Written()))
    if state.max_pixels is not None:
        manifest = manifest.with_max_pixels(state.max_pixels)
    return state, manifest


def _counted(before: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return dict(Counter(before) + Counter(more))


def _added(counts: list[int], splits: Iterable[int], number: int) -> list[int]:
    """How many rows each split has, with those of `splits` added."""
    more = Counter(splits)
    return [(counts[i] if counts else 0) + more[i] for i in range(number)]


def _ranges(names: tuple[str, ...], counts: list[int]) -> dict[str, tuple[int, int]]:
    """Row ranges of splits that lie one behind the other."""
    ends = list(accumulate(counts))
    return {name: (end - count, end) for name, count, end in zip(names, counts, ends, strict=False)}
