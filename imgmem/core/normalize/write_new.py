"""A new dataset from another, which stays as it is: complete, or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from imgmem.core.errors import DatasetError
from imgmem.core.normalize.journal import RewriteState
from imgmem.core.normalize.recode import Rewrite, recoded
from imgmem.core.paths import names_in
from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.specs import RunSpec
from imgmem.core.storage import durable, publish, store
from imgmem.core.storage.destination import Destination, is_free, require_only
from imgmem.core.storage.durable import File
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.record import Record

_COPY_BYTES = 2**20
_REMADE = {store.FEATURES, store.RECORD, store.CHECKSUMS}
_OWN = store.FILES | store.LEFTOVERS | publish.MARKERS
SUFFIX = store.WORK[1]


def require_free(new: Destination) -> None:
    """DatasetError if anything but an empty directory is where a dataset is to be written."""
    if not is_free(new):
        raise DatasetError(
            f"{new.out} already exists",
            hint="Give another path, or remove it first.",
            path=new.out,
        )


def write_copy(
    path: str,
    new: Destination,
    rewrite: Rewrite,
    state: RewriteState,
    *,
    run: RunSpec,
    progress: ProgressCallback,
) -> Record:
    """Write `new` with all the files of the dataset at `path`, and with its features recoded as
    `rewrite` and the direction and checksums of `state` say. Returns the new record.

    Whatever goes wrong, `new` is not there, and nothing else is left behind; a killed process
    may leave its working directory, which the next one removes.
    """
    with _working(new) as work:
        for name in _other_files(path):
            _copy(os.path.join(path, name), os.path.join(work, name))
        record = _write_features(path, work, rewrite, state, run, progress)
        store.write_record(work, record)
    finish(new)
    return record


def finish(new: Destination) -> None:
    """Finish what an ended process had begun to publish, and make it durable that it is there."""
    if publish.is_moving(new.work) or publish.has_moved(new.work):
        with Lock(new.work, exclusive=True):
            if publish.is_moving(new.work):
                publish.move_up(new.work, new.path)
            elif publish.has_moved(new.work):
                publish.remove_work(new.work)
        publish.sweep(new.work)
    if durable.is_directory(new.path):
        durable.sync_directory(new.above_work)
        durable.sync_directory(new.path)


@contextmanager
def _working(new: Destination) -> Iterator[str]:
    """A locked, empty directory, which becomes the new dataset at the end, or is removed."""
    if not durable.is_directory(new.work):
        durable.mkdir(new.work)
    with Lock(new.work, exclusive=True) as lock:
        require_only(new.work, _OWN)
        publish.remove_files(new.work, _OWN)
        try:
            yield new.work
            if durable.is_directory(new.path):
                publish.move_up(new.work, new.path)
            else:
                publish.take_name(new.work, new.path, lock)
        except BaseException:
            if durable.is_directory(new.work) and not publish.is_moving(new.work):
                publish.remove_files(new.work, _OWN)
                publish.remove_work(new.work)
            raise
    publish.sweep(new.work)


def _other_files(path: str) -> list[str]:
    """What a dataset has besides its features and its record."""
    return names_in(path, store.FILES - _REMADE)


def _copy(source: str, target: str) -> None:
    """With its time: that of `rows.npy` says when the source was last known to be unchanged."""
    with File(source, writable=False) as old, File(target, create=True) as copy:
        size = old.size()
        copy.allocate(size)
        for offset in range(0, size, _COPY_BYTES):
            copy.pwrite(old.pread(_COPY_BYTES, offset), offset)
        durable.set_time(target, old.modified_ns())
        copy.sync()


def _write_features(
    path: str,
    work: str,
    rewrite: Rewrite,
    state: RewriteState,
    run: RunSpec,
    progress: ProgressCallback,
) -> Record:
    side = rewrite.sides(state.direction)[1]
    chunking = rewrite.chunking
    expected = state.to_do()[1]
    crcs = np.zeros_like(expected)
    name = os.path.join(work, store.FEATURES)
    with (
        File(os.path.join(path, store.FEATURES), writable=False) as old,
        File(name, create=True) as features,
    ):
        features.allocate(side.features_header.file_bytes)
        features.pwrite(side.features_header.encode(), 0)
        for piece in recoded(old, rewrite, state.direction, range(chunking.chunks), run):
            if piece.source_crc != expected[piece.chunk]:
                raise store.damaged(old.path, "it was modified while it was read")
            features.pwrite(piece.result, chunking.region(side, piece.chunk).start)
            crcs[piece.chunk] = piece.result_crc
            done = chunking.bounds(piece.chunk)[1]
            progress(Progress("normalize", done, chunking.values, "values"))
        features.sync()
    return replace(side, checksums={"X": chunking.checksums(side, crcs)} | side.checksums)
