"""A new dataset from another, which stays as it is: made next to it, published by rename."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from imgmem.core.errors import DatasetError
from imgmem.core.normalize.journal import RewriteState
from imgmem.core.normalize.recode import Rewrite, recoded
from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.specs import RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.durable import File
from imgmem.core.storage.locks import LOCKS, Lock
from imgmem.core.storage.record import Record

_COPY_BYTES = 2**20
_REMADE = {store.FEATURES, store.RECORD, store.CHECKSUMS, *LOCKS}


def require_free(new: str) -> None:
    """DatasetError if there is anything at the path of a dataset to be written."""
    if os.path.lexists(new):
        raise DatasetError(
            f"{new} already exists",
            hint="Give another path, or remove it first.",
            path=new,
        )


def write_copy(
    path: str,
    new: str,
    rewrite: Rewrite,
    state: RewriteState,
    *,
    run: RunSpec,
    progress: ProgressCallback,
) -> Record:
    """Write `new` with all the files of the dataset at `path`, and with its features recoded as
    `rewrite` and the direction and checksums of `state` say. Returns the new record.

    Whatever goes wrong, `new` is not there, and nothing else is left behind; a killed process
    may leave `.NEW.normalizing`, which the next one removes.
    """
    with _workshop(new) as workshop:
        for name in _other_files(path):
            _copy(os.path.join(path, name), os.path.join(workshop, name))
        record = _write_features(path, workshop, rewrite, state, run, progress)
        store.write_record(workshop, record)
        durable.rename(workshop, new)
    sync_name(new)
    return record


def sync_name(new: str) -> None:
    """Make it durable that `new` is there, if it is: an ended process may only have renamed it."""
    if os.path.lexists(new):
        durable.sync_directory(os.path.dirname(new) or ".")


@contextmanager
def _workshop(new: str) -> Iterator[str]:
    """A locked, empty directory next to `new`, gone at the end unless it was renamed."""
    directory, name = os.path.split(os.path.normpath(new))
    workshop = os.path.join(directory, f".{name}.normalizing")
    if not os.path.isdir(workshop):
        durable.mkdir(workshop)
    with Lock(workshop, exclusive=True) as lock:
        for left in set(os.listdir(workshop)) - LOCKS:
            durable.unlink(os.path.join(workshop, left))
        try:
            yield workshop
            lock.moved(new)
        except BaseException:
            durable.remove_tree(workshop)
            raise


def _other_files(path: str) -> list[str]:
    """What a dataset has besides its features and its record."""
    names = set(os.listdir(path)) - _REMADE
    return sorted(name for name in names if os.path.isfile(os.path.join(path, name)))


def _copy(source: str, target: str) -> None:
    with File(source, writable=False) as old, File(target, create=True) as copy:
        size = old.size()
        copy.allocate(size)
        for offset in range(0, size, _COPY_BYTES):
            copy.pwrite(old.pread(_COPY_BYTES, offset), offset)
        copy.sync()


def _write_features(
    path: str,
    workshop: str,
    rewrite: Rewrite,
    state: RewriteState,
    run: RunSpec,
    progress: ProgressCallback,
) -> Record:
    side = rewrite.sides(state.direction)[1]
    chunking = rewrite.chunking
    expected = state.to_do()[1]
    crcs = np.zeros_like(expected)
    name = os.path.join(workshop, store.FEATURES)
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
