"""Rewriting the features in place, so that a crash at any moment costs nothing.

Chunks are converted in an order in which the bytes that a chunk is written to hold only
sources that are done with, or its own. Before bytes are written that a chunk not yet durable
would be made from again, everything is synced and the journal told; a chunk that is written
over its own source is kept in the journal first. So whatever is not durable can be made
again, and the checksum of its source tells that it has not been converted yet.
While this goes on the file has another name, under which no reader looks for it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from imgmem.core.errors import ResourceError
from imgmem.core.normalize import journal
from imgmem.core.normalize.journal import Journal
from imgmem.core.normalize.recode import Crcs, Direction, Plan, Recoded, recoded
from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.specs import RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.checksums import crc_of
from imgmem.core.storage.durable import File
from imgmem.core.storage.record import Record

COMMIT_CHUNKS = 8
"""Chunks between two syncs, where none is needed earlier: what an interruption may cost."""


def begin(path: str, plan: Plan, state: journal.RewriteState) -> None:
    """Put the dataset at `path` into transition; the features are as they were until `resume`.

    Raises ResourceError, and leaves everything as it was, where the disk has no space.
    """
    journal.create(os.path.join(path, store.JOURNAL), plan, state)
    try:
        with _moved(path) as features:
            features.allocate(max(side.features_header.file_bytes for side in plan.sides("back")))
    except ResourceError:
        with Journal(os.path.join(path, store.JOURNAL)) as opened, _moved(path) as features:
            _finish(path, opened, features)
        raise


def resume(path: str, direction: Direction, *, run: RunSpec, progress: ProgressCallback) -> Record:
    """Take a dataset that is in transition to its end in `direction`; gives its new record.

    Raises DatasetError where the features or the journal are damaged, ResourceError where
    the disk fails: the dataset then stays in transition.
    """
    with Journal(_require_journal(path)) as opened, _moved(path) as features:
        rewrite = _Rewrite(opened, features, run, progress)
        rewrite.recover(direction)
        rewrite.convert()
        return _finish(path, opened, features)


def plan_in(path: str) -> Plan:
    """The plan of a dataset that is in transition."""
    with Journal(_require_journal(path)) as opened:
        return opened.plan


def _require_journal(path: str) -> str:
    name = os.path.join(path, store.JOURNAL)
    if not os.path.lexists(name):
        raise store.damaged(name, f"it is missing, though {store.MOVED} is there")
    return name


@contextmanager
def _moved(path: str) -> Iterator[File]:
    """The features, open, under the name that they have in transition."""
    home, moved = (os.path.join(path, name) for name in (store.FEATURES, store.MOVED))
    at_home, is_moved = os.path.lexists(home), os.path.lexists(moved)
    if at_home and is_moved:
        raise store.damaged(home, f"it has come back beside {store.MOVED}")
    if not at_home and not is_moved:
        raise store.damaged(home, "it is missing")
    if at_home:
        durable.rename(home, moved)
    durable.sync_directory(path)  # of an earlier run's renames too: it may have ended before this
    with File(moved) as features:
        yield features


def _finish(path: str, opened: Journal, features: File) -> Record:
    """Give features that are all of one side its header, size, name and record."""
    plan, state = opened.plan, opened.state
    restored = state.left == plan.chunking.chunks
    side, crcs = (plan.before, state.before) if restored else (plan.after, state.after)
    record = replace(side, checksums={"X": plan.chunking.checksums(side, crcs)} | side.checksums)
    features.pwrite(side.features_header.encode(), 0)
    features.truncate(side.features_header.file_bytes)
    features.sync()
    store.write_record(path, record)
    durable.rename(features.path, os.path.join(path, store.FEATURES))
    durable.sync_directory(path)
    durable.unlink(opened.path)
    durable.sync_directory(path)
    return record


class _Rewrite:
    """One run of a rewrite, from wherever the journal says that it is."""

    def __init__(
        self, opened: Journal, features: File, run: RunSpec, progress: ProgressCallback
    ) -> None:
        self._journal = opened
        self._state = opened.state
        self._plan = opened.plan
        self._chunking = opened.plan.chunking
        self._features = features
        self._run = run
        self._progress = progress
        self._pending: list[int] = []
        self._kept = 0

    def recover(self, direction: Direction) -> None:
        """Make whole what an interruption left half-written, and turn to `direction`.

        What is relied on from here is written anew: it may have been seen in the page cache
        only, and never have reached the disk.
        """
        size = max(side.features_header.file_bytes for side in self._plan.sides(direction))
        if self._features.size() > size:
            raise store.damaged(self._features.path, "it is longer than it can be")
        self._features.allocate(size)
        source = self._plan.sides(self._state.direction)[0]
        for chunk, data in self._journal.saved():
            self._features.pwrite(data, self._chunking.region(source, chunk).start)
        self._features.sync()
        self._require_whole(*self._state.results(), self._plan.sides(self._state.direction)[1])
        if direction != self._state.direction:  # what was still to do is done now
            self._require_whole(*self._state.sources(), source)
        self._state.direction = direction
        self._journal.commit()

    def _require_whole(self, chunks: range, crcs: Crcs, side: Record) -> None:
        """DatasetError unless `chunks`, which nobody reads again, are as they were written."""
        for chunk in chunks:
            region = self._chunking.region(side, chunk)
            crc = crc_of(self._features, region.start, region.stop - region.start)
            self._require(crc == crcs[chunk], chunk)

    def convert(self) -> None:
        """Convert what is left, and make it durable."""
        to_do, crcs = self._state.sources()
        for piece in recoded(self._features, self._plan, self._state.direction, to_do, self._run):
            self._require(piece.source_crc == crcs[piece.chunk], piece.chunk)
            if not self._forward:
                self._require(piece.result_crc == self._state.before[piece.chunk], piece.chunk)
            self._write(piece)
            start, stop = self._chunking.bounds(piece.chunk)
            done = self._chunking.values - start if self._forward else stop
            self._progress(Progress("normalize", done, self._chunking.values, "values"))
        self._commit()

    @property
    def _forward(self) -> bool:
        return self._state.direction == "forward"

    def _write(self, piece: Recoded) -> None:
        source, result = self._plan.sides(self._state.direction)
        own, target = (self._chunking.region(side, piece.chunk) for side in (source, result))
        needed = (self._chunking.region(source, chunk) for chunk in self._pending)
        if self._kept == self._journal.places or any(map(target.overlaps, needed)):
            self._commit()
        if target.overlaps(own):
            self._journal.save(piece.chunk, piece.source)
            self._kept += 1
        self._features.pwrite(piece.result, target.start)
        self._state.results()[1][piece.chunk] = piece.result_crc
        self._pending.append(piece.chunk)
        if len(self._pending) == COMMIT_CHUNKS:
            self._commit()

    def _commit(self) -> None:
        if self._pending:
            self._features.sync()
            result = self._plan.sides(self._state.direction)[1]
            for region in (self._chunking.region(result, chunk) for chunk in self._pending):
                self._features.forget(region.start, region.stop - region.start)
            self._state.left += -len(self._pending) if self._forward else len(self._pending)
            self._journal.commit()
            self._pending = []
            self._kept = 0

    def _require(self, condition: bool, chunk: int) -> None:
        if not condition:
            start, stop = self._chunking.bounds(chunk)
            per_row = self._chunking.values // self._plan.before.shape[0]
            raise store.damaged(
                self._features.path,
                f"rows {start // per_row} to {-(-stop // per_row) - 1} were changed in transition",
            )
