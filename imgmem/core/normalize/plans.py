"""What a rewrite leads from and to, worked out before a byte is written."""

from dataclasses import replace

import numpy as np

from imgmem.core.levels.methods import Constants
from imgmem.core.normalize import constants
from imgmem.core.normalize.checks import foreign_constants, item_bytes
from imgmem.core.normalize.job import Job
from imgmem.core.normalize.journal import RewriteState
from imgmem.core.normalize.measure import Measured, measure, require_checksums
from imgmem.core.normalize.recode import Chunking, Rewrite, recoded
from imgmem.core.progress import Progress
from imgmem.core.specs import NormalizeSpec
from imgmem.core.storage import store
from imgmem.core.storage.durable import File
from imgmem.core.storage.record import Normalization, Record


def find_constants(job: Job, record: Record, spec: NormalizeSpec) -> tuple[Constants, Measured]:
    """The constants, and what a pass over the features found."""
    _, rows = constants.own_rows(spec, job.path, record)
    foreign = foreign_constants(job, spec, record)
    chunking = Chunking.of(record, max(record.dtype, spec.dtype, key=item_bytes))
    with File(job.features, writable=False) as features:
        found = measure(features, record, chunking, rows=rows, run=job.run, progress=job.progress)
    return foreign or constants.own(spec, found.sums, record.highest), found


def normalization_of(
    job: Job, record: Record, spec: NormalizeSpec, found: Constants
) -> Normalization:
    """What dataset.json will say about a normalization with these constants."""
    split, rows = constants.own_rows(spec, job.path, record)
    return Normalization(
        method=found.method,
        offset=found.offset,
        scale=found.scale,
        dtype=spec.dtype,
        source_dtype=record.dtype,
        mean=found.mean,
        std=found.std,
        split=split,
        rows=rows[0] if len(rows) == 1 else None,
        on_read=spec.on_read,
    )


def plan_apply(record: Record, new: Normalization, found: Measured) -> tuple[Rewrite, RewriteState]:
    """The rewrite from a dataset that is not normalized to one that is."""
    original = _without_features(record)
    chunking = Chunking.of(record, max(record.dtype, new.dtype, key=item_bytes))
    new = replace(new, original_crc32=chunking.crc32(found.crcs, item_bytes(record.dtype)))
    rewrite = Rewrite(original, replace(original, dtype=new.dtype, normalization=new))
    return rewrite, RewriteState("apply", chunking.chunks, found.crcs, np.zeros_like(found.crcs))


def plan_undo(job: Job, record: Record) -> tuple[Rewrite, RewriteState]:
    """The rewrite back, tried without writing: DatasetError unless it restores the original."""
    done = record.normalization
    assert done is not None
    normalized = _without_features(record)
    original = replace(normalized, dtype=done.source_dtype, normalization=None)
    rewrite = Rewrite(original, normalized)
    with File(job.features, writable=False) as features:
        state = _tried_undo(job, features, rewrite)
        chunking = rewrite.chunking
        require_checksums(features.path, record, chunking.checksums(record, state.normalized))
        if chunking.crc32(state.original, item_bytes(original.dtype)) != done.original_crc32:
            raise store.damaged(
                features.path,
                f"the normalization in {store.RECORD} does not invert to the original data",
            )
    return rewrite, state


def _tried_undo(job: Job, features: File, rewrite: Rewrite) -> RewriteState:
    """The checksums of every chunk in both forms."""
    chunking = rewrite.chunking
    state = RewriteState("undo", 0, *np.zeros((2, chunking.chunks), np.uint32))
    for piece in recoded(features, rewrite, "undo", range(chunking.chunks), job.run):
        state.original[piece.chunk] = piece.result_crc
        state.normalized[piece.chunk] = piece.source_crc
        done = chunking.bounds(piece.chunk)[1]
        job.progress(Progress("check", done, chunking.values, "values"))
    return state


def _without_features(record: Record) -> Record:
    """The record without the checksums of X, which a rewrite does not know beforehand."""
    rest = {name: blocks for name, blocks in record.checksums.items() if name != "X"}
    return replace(record, checksums=rest)
