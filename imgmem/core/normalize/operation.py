"""Normalizing a dataset: in place, on reading, or into a new one; and undoing it."""

import os
from dataclasses import dataclass, replace
from typing import Unpack

import numpy as np

from imgmem.core.levels import lookup
from imgmem.core.machine import memory, process
from imgmem.core.normalize import constants, rewrite
from imgmem.core.normalize.checks import (
    require_possible,
    require_restorable,
    require_same,
    require_target,
)
from imgmem.core.normalize.job import Job, Path, at_work
from imgmem.core.normalize.journal import RewriteState
from imgmem.core.normalize.plans import find_constants, normalization_of, plan_apply, plan_undo
from imgmem.core.normalize.recode import Chunking, Direction, Rewrite
from imgmem.core.normalize.write_new import write_copy
from imgmem.core.options.option import applied
from imgmem.core.options.tables import NormalizeOptions, UndoOptions
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.read.row_set import taken
from imgmem.core.read.selection import ranges_of
from imgmem.core.rows.background import background_note, background_share
from imgmem.core.rows.facts import read_facts
from imgmem.core.specs import NormalizeSpec, RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.record import Normalization, Record
from imgmem.core.text import array_text, summary


@dataclass(frozen=True, kw_only=True, repr=False)
class NormalizeResult:
    """What became of a dataset.

    status: "normalized", "undone", "already normalized" or "not normalized" (nothing to undo).
    shape, dtype: of the features on disk. normalization: as recorded, None if there is none.
    warnings: what the user should know. notes: what was inferred. to: where it was written, None
    for in place.
    peak_memory: bytes of anonymous memory that this run reached; memory: its budget.
    """

    path: str
    to: str | None
    status: str
    shape: tuple[int, ...]
    dtype: str
    normalization: Normalization | None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    peak_memory: int = 0
    memory: int = 0

    def __repr__(self) -> str:
        return summary(
            self,
            self.status,
            array_text(self.shape, self.dtype),
            self.normalization.method if self.normalization else "",
        )


@process.settings()
def normalize(
    path: Path,
    *,
    spec: NormalizeSpec = NormalizeSpec(),
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[NormalizeOptions],
) -> NormalizeResult:
    """Normalize the features of a dataset, in place: value = (pixel value - offset) * scale.

    Resumes an earlier run that was interrupted; does nothing if it has been done already.

    Args:
        path: The dataset.
        spec: The method and its constants, the dtype of the result; `options` change its fields.
        run: Workers, memory budget, whether to sync.
        progress: Called with a `Progress` after every chunk.
        **options: The options of the command by their names, e.g. `method="rescale"`,
            `mean=(0.485, 0.456, 0.406)`, `dtype="float16"`, `to="normalized"`.

    Returns:
        What was done, with the shape and dtype of the features now on disk.

    Raises:
        UsageError: Options contradict each other or the dataset.
        InputError: There is no dataset.
        DatasetError: It is damaged, in use, normalized differently, linked or read-only.
        ResourceError: The disk is full or fails.
        Interrupted: KeyboardInterrupt; run it again to resume.
    """
    require_callback(progress)
    spec, run = applied(NormalizeOptions, options, spec, run)
    spec = constants.with_method(spec, options)
    job = Job.of(path, spec.to, run, progress)
    constants.require_consistent(spec)
    with at_work(job) as peak:
        if spec.undo:
            return _result(job, peak, *_undone(job))
        done = _result(job, peak, *_normalized(job, spec))
        return replace(done, notes=constants.notes(spec))


@process.settings()
def undo_normalize(
    path: Path,
    *,
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[UndoOptions],
) -> NormalizeResult:
    """Restore the features that the dataset had before `normalize`, exactly.

    Also rolls back an interrupted `normalize`.

    Args:
        path: The dataset.
        run: Workers, memory budget, whether to sync.
        progress: Called with a `Progress` after every chunk.
        **options: `workers`, `memory`, `fsync`, and `to`: write the original to a new dataset,
            and leave this one as it is.

    Returns:
        What was done, with the shape and dtype of the features now on disk.

    Raises:
        UsageError, InputError, DatasetError, ResourceError, Interrupted: As `normalize` does.
    """
    require_callback(progress)
    spec, run = applied(UndoOptions, options, NormalizeSpec(undo=True), run)
    return normalize(path, spec=spec, run=run, progress=progress)


Outcome = tuple[str, Record, tuple[str, ...]]
"""Status, the record as it is now, warnings."""


def _result(
    job: Job, peak: memory.PeakMemory, status: str, record: Record, warnings: tuple[str, ...]
) -> NormalizeResult:
    peak.sample()
    return NormalizeResult(
        path=job.path,
        to=job.to.out if job.to else None,
        status=status,
        shape=record.shape,
        dtype=record.dtype,
        normalization=record.normalization,
        warnings=warnings,
        peak_memory=peak.peak,
        memory=memory.budget(job.run.memory),
    )


def _normalized(job: Job, spec: NormalizeSpec) -> Outcome:
    if job.to is None and store.in_transition(job.path):
        require_same(job, spec, rewrite.rewrite_of(job.path).normalized)
        return "normalized", _resume(job, "apply"), ()
    record = _checked(job.path)
    done = record if job.to is None else _copy_of(record, job.to.path)
    if done is not None and done.normalization is not None:
        require_same(job, spec, done)
        return "already normalized", done, ()
    require_possible(job, record, spec)
    found, measured = find_constants(job, record, spec)
    normalization = normalization_of(job, record, spec, found)
    lookup.require_reversible(normalization)
    warnings = (*found.warnings, *_background(job, record, normalization))
    if spec.on_read:
        new = _write_record(job, replace(record, normalization=normalization))
        return "normalized", new, warnings
    new = _carry_out(job, *plan_apply(record, normalization, measured))
    return "normalized", new, warnings


def _background(job: Job, record: Record, normalization: Normalization) -> list[str]:
    """A note, where the constants are of rows that padding is a part of."""
    if not normalization.from_own_rows or record.image.get("fit") != "pad":
        return []
    facts = read_facts(job.path, record.shape[0])
    measured = taken(ranges_of(record, normalization.split), facts)
    return background_note(background_share(measured, record.image))


def _undone(job: Job) -> Outcome:
    if job.to is None and store.in_transition(job.path):
        return "undone", _resume(job, "undo"), ()
    record = _checked(job.path)
    done = record.normalization
    if done is None:
        return "not normalized", record, ()
    require_restorable(job.path, done)
    require_target(job, on_read=done.on_read)
    if done.on_read:
        return "undone", _write_record(job, replace(record, normalization=None)), ()
    return "undone", _carry_out(job, *plan_undo(job, record)), ()


def _write_record(job: Job, record: Record) -> Record:
    """All that changes is the record."""
    store.write_record(job.path, record)
    return record


def _copy_of(record: Record, new: str) -> Record | None:
    """The record of the dataset at `new`, if that was made from the features of `record`."""
    if not durable.exists(os.path.join(new, store.RECORD)):
        return None
    done = _checked(new)
    blocks = Chunking(record.features_header.data_bytes, record.checksum_block)
    original = blocks.crc32(np.array(record.checksums["X"], np.uint32), 1)
    made_from = done.normalization and done.normalization.original_crc32
    return done if made_from == original and done.shape == record.shape else None


def _carry_out(job: Job, planned: Rewrite, state: RewriteState) -> Record:
    """Rewrite in place or into a new dataset; returns the record of the result."""
    if job.to is not None:
        return write_copy(job.path, job.to, planned, state, run=job.run, progress=job.progress)
    rewrite.begin(job.path, planned, state)
    return _resume(job, state.direction)


def _resume(job: Job, direction: Direction) -> Record:
    return rewrite.resume(job.path, direction, run=job.run, progress=job.progress)


def _checked(path: str) -> Record:
    """The record of a dataset whose files have the right sizes and headers."""
    record = store.read_record(path)
    store.check_arrays(path, record)
    return record
