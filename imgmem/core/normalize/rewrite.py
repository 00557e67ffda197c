"""Rewriting the features in place, so that a crash at any moment costs nothing.

Chunks are converted in an order in which the bytes that a chunk is written to hold only
sources that are done with, or its own. Before bytes are overwritten that a chunk not yet
durable would be made from again, everything is synced and the journal updated; a chunk that
is written over its own source is kept in the journal first. So whatever is not durable can be
made again, and the checksum of its source shows that it has not been converted yet.
Meanwhile the file has another name, under which no reader looks for it. PROTOCOL.md has the
whole protocol, with a drawing.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from imgmem.core.errors import ResourceError
from imgmem.core.normalize import journal
from imgmem.core.normalize.journal import Journal
from imgmem.core.normalize.recode import Crcs, Direction, Recoded, Region, Rewrite, recoded
from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.specs import RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.checksums import crc_of
from imgmem.core.storage.durable import File
from imgmem.core.storage.record import Record

COMMIT_CHUNKS = 8
"""Chunks between two syncs, where none is needed earlier: what an interruption may cost."""


def begin(path: str, rewrite: Rewrite, state: journal.RewriteState) -> None:
    """Put the dataset at `path` into transition; the features stay as they are until `resume`.

    `resume` reads the journal back from disk: a new and an interrupted rewrite take one path.
    Raises ResourceError, and leaves everything as it was, where the disk has no space.
    """
    journal.create(os.path.join(path, store.JOURNAL), rewrite, state)
    try:
        with _moved(path) as features:
            features.allocate(_largest(rewrite))
    except ResourceError:
        with Journal(os.path.join(path, store.JOURNAL)) as opened, _moved(path) as features:
            _finish(path, opened, features)
        raise


def resume(path: str, direction: Direction, *, run: RunSpec, progress: ProgressCallback) -> Record:
    """Take a partially normalized dataset to its end in `direction`; returns its new record.

    Raises DatasetError where the features or the journal are damaged, ResourceError where
    the disk fails: the dataset then stays partially normalized.
    """
    with Journal(_require_journal(path)) as opened, _moved(path) as features:
        rewriting = _Rewriting(opened, features, run, progress)
        rewriting.recover(direction)
        rewriting.convert()
        return _finish(path, opened, features)


def rewrite_of(path: str) -> Rewrite:
    """The rewrite that a partially normalized dataset is in."""
    with Journal(_require_journal(path)) as opened:
        return opened.rewrite


def _largest(rewrite: Rewrite) -> int:
    """Bytes of the features in the larger of their two forms."""
    return max(side.features_header.file_bytes for side in rewrite.sides("apply"))


def _require_journal(path: str) -> str:
    name = os.path.join(path, store.JOURNAL)
    if not durable.exists(name):
        raise store.damaged(name, f"it is missing, though {store.MOVED} is there")
    return name


@contextmanager
def _moved(path: str) -> Iterator[File]:
    """The features, open, under the name that they have during the rewrite."""
    home, moved = (os.path.join(path, name) for name in (store.FEATURES, store.MOVED))
    at_home, is_moved = durable.exists(home), durable.exists(moved)
    if at_home and is_moved:
        raise store.damaged(home, f"it and {store.MOVED} both exist")
    if not at_home and not is_moved:
        raise store.damaged(home, "it is missing")
    if at_home:
        durable.rename(home, moved)
    durable.sync_directory(path)  # of an earlier run's renames too: it may have ended before this
    with File(moved) as features:
        yield features


def _finish(path: str, opened: Journal, features: File) -> Record:
    """Give features that are all of one side its header, size, name and record."""
    rewrite, state = opened.rewrite, opened.state
    restored = state.left == rewrite.chunking.chunks
    side = rewrite.original if restored else rewrite.normalized
    crcs = state.original if restored else state.normalized
    blocks = rewrite.chunking.checksums(side, crcs)
    record = replace(side, checksums={"X": blocks} | side.checksums)
    features.pwrite(side.features_header.encode(), 0)
    features.truncate(side.features_header.file_bytes)
    features.sync()
    store.write_record(path, record)
    durable.rename(features.path, os.path.join(path, store.FEATURES))
    durable.sync_directory(path)
    durable.unlink(opened.path)
    durable.sync_directory(path)
    return record


class _Rewriting:
    """One run of a rewrite, from wherever the journal says that it is."""

    def __init__(
        self, opened: Journal, features: File, run: RunSpec, progress: ProgressCallback
    ) -> None:
        self._journal = opened
        self._state = opened.state
        self._rewrite = opened.rewrite
        self._chunking = opened.rewrite.chunking
        self._features = features
        self._run = run
        self._progress = progress
        self._pending: list[int] = []
        self._kept = 0

    def recover(self, direction: Direction) -> None:
        """Make whole what an interruption left half-written, and turn to `direction`.

        What is relied on from here is written again: it may have been seen in the page cache
        only, and never have reached the disk.
        """
        size = _largest(self._rewrite)
        if self._features.size() > size:
            raise store.damaged(self._features.path, "it is longer than it can be")
        self._features.allocate(size)
        source, result = self._rewrite.sides(self._state.direction)
        for chunk, data in self._journal.saved():
            self._features.pwrite(data, self._chunking.region(source, chunk).start)
        self._features.sync()
        self._require_whole(*self._state.finished(), result)
        if direction != self._state.direction:
            self._require_whole(*self._state.to_do(), source)
            self._state.turn(direction)
        self._journal.commit()

    def _require_whole(self, chunks: range, crcs: Crcs, side: Record) -> None:
        """DatasetError unless `chunks`, which nobody reads again, are as they were written."""
        for chunk in chunks:
            region = self._chunking.region(side, chunk)
            crc = crc_of(self._features, region.start, region.stop - region.start)
            self._require(crc == crcs[chunk], chunk)

    def convert(self) -> None:
        """Convert what is left, and make it durable."""
        to_do, crcs = self._state.to_do()
        undoing, done = self._state.direction == "undo", self._chunking.values_outside(to_do)
        for piece in recoded(
            self._features, self._rewrite, self._state.direction, to_do, self._run
        ):
            self._require(piece.source_crc == crcs[piece.chunk], piece.chunk)
            if undoing:
                self._require(piece.result_crc == self._state.original[piece.chunk], piece.chunk)
            self._write(piece)
            done += len(piece.result)
            self._progress(Progress("normalize", done, self._chunking.values, "values"))
        self._commit()

    def _write(self, piece: Recoded) -> None:
        source, result = self._rewrite.sides(self._state.direction)
        own = self._chunking.region(source, piece.chunk)
        target = self._chunking.region(result, piece.chunk)
        if self._kept == self._journal.places or self._is_needed(target, source):
            self._commit()
        if target.overlaps(own):
            self._journal.save(piece.chunk, piece.source)
            self._kept += 1
        self._features.pwrite(piece.result, target.start)
        self._state.done(piece.chunk, piece.result_crc)
        self._pending.append(piece.chunk)
        if len(self._pending) == COMMIT_CHUNKS:
            self._commit()

    def _is_needed(self, target: Region, source: Record) -> bool:
        """Whether a region holds what a chunk that is not durable would be made from again."""
        return any(target.overlaps(self._chunking.region(source, c)) for c in self._pending)

    def _commit(self) -> None:
        """Make the pending chunks durable, then the journal that counts them as done."""
        if not self._pending:
            return
        self._features.sync()
        result = self._rewrite.sides(self._state.direction)[1]
        for region in (self._chunking.region(result, chunk) for chunk in self._pending):
            self._features.forget(region.start, region.stop - region.start)
        self._state.advance(len(self._pending))
        self._journal.commit()
        self._pending = []
        self._kept = 0

    def _require(self, condition: bool, chunk: int) -> None:
        if not condition:
            start, stop = self._chunking.bounds(chunk)
            per_row = self._chunking.values // self._rewrite.original.shape[0]
            first, last = start // per_row, -(-stop // per_row) - 1
            raise store.damaged(
                self._features.path,
                f"rows {first}-{last} were modified while normalization was interrupted",
            )
