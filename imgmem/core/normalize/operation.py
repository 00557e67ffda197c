"""Normalizing a dataset: in place, on reading, or into a new one; and undoing it."""

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import numpy as np

from imgmem.core.errors import DatasetError, Interrupted, UsageError
from imgmem.core.levels import lookup
from imgmem.core.machine import memory
from imgmem.core.normalize import constants, rewrite
from imgmem.core.normalize.constants import Constants
from imgmem.core.normalize.journal import RewriteState
from imgmem.core.normalize.measure import Measured, measure, require_checksums
from imgmem.core.normalize.recode import Chunking, Direction, Plan, recoded
from imgmem.core.normalize.write_new import require_free, sync_name, write_copy
from imgmem.core.progress import Progress, ProgressCallback, no_progress
from imgmem.core.specs import NormalizeSpec, RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.durable import File
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.record import Normalization, Record

_Path = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class NormalizeResult:
    """What became of a dataset.

    status: "normalized", "undone", "already normalized" or "not normalized" (nothing to undo).
    shape, dtype: of the features on disk. normalization: as recorded, None if there is none.
    warnings: what the user should know. to: where it was written, None for in place.
    peak_memory: the most anonymous memory that was seen; memory: the bound that it stays under.
    """

    path: str
    to: str | None
    status: str
    shape: tuple[int, ...]
    dtype: str
    normalization: Normalization | None
    warnings: tuple[str, ...] = ()
    peak_memory: int = 0
    memory: int = 0


def normalize(
    path: _Path,
    *,
    spec: NormalizeSpec = NormalizeSpec(),
    run: RunSpec = RunSpec(),
    to: _Path | None = None,
    progress: ProgressCallback = no_progress,
) -> NormalizeResult:
    """Normalize the features of the dataset at `path`, in place: value = (level - offset) * scale.

    Goes on where an earlier run was interrupted; does nothing if it has been done already.
    to: write a new dataset there instead, and leave this one as it is.
    Raises UsageError for options that contradict each other or the dataset, InputError if
    there is no dataset, DatasetError if it is damaged, in use, normalized in another way, or
    not ours alone (linked, read-only), ResourceError if the disk is full or fails.
    """
    job = _Job.of(path, to, run, progress)
    constants.require_consistent(spec)
    with _at_work(job) as work:
        return work.result(*_normalized(job, spec))


def undo(
    path: _Path,
    *,
    run: RunSpec = RunSpec(),
    to: _Path | None = None,
    progress: ProgressCallback = no_progress,
) -> NormalizeResult:
    """Give the dataset at `path` the features back that it had before `normalize`, exactly.

    Works in transition too, and into a new dataset. Raises what `normalize` raises.
    """
    job = _Job.of(path, to, run, progress)
    with _at_work(job) as work:
        return work.result(*_undone(job))


@dataclass(frozen=True)
class _Job:
    """Where and how to work, whichever way."""

    path: str
    to: str | None
    run: RunSpec
    progress: ProgressCallback

    @classmethod
    def of(cls, path: _Path, to: _Path | None, run: RunSpec, progress: ProgressCallback) -> "_Job":
        return cls(os.fspath(path), None if to is None else os.fspath(to), run, progress)

    @property
    def features(self) -> str:
        return os.path.join(self.path, store.FEATURES)


Outcome = tuple[str, Record, tuple[str, ...]]
"""Status, the record as it is now, warnings."""


def _normalized(job: _Job, spec: NormalizeSpec) -> Outcome:
    if job.to is None and store.in_transition(job.path):
        _require_same(job, spec, rewrite.plan_in(job.path).normalization)
        return "normalized", _resume(job, "forward"), ()
    record = _checked(job.path)
    done = record if job.to is None else _copy_of(record, job.to)
    if done is not None and done.normalization is not None:
        _require_same(job, spec, done.normalization)
        return "already normalized", done, ()
    _require_possible(job, record, spec)
    found, surveyed = _constants(job, record, spec)
    normalization = _normalization(record, spec, found)
    lookup.require_reversible(normalization)
    if spec.on_read:
        return "normalized", _put(job, replace(record, normalization=normalization)), found.warnings
    return "normalized", _recoded(job, *_way_there(record, normalization, surveyed)), found.warnings


def _undone(job: _Job) -> Outcome:
    if job.to is None and store.in_transition(job.path):
        return "undone", _resume(job, "back"), ()
    record = _checked(job.path)
    done = record.normalization
    if done is None:
        return "not normalized", record, ()
    _require_own(job, on_read=done.on_read)
    if done.on_read:
        return "undone", _put(job, replace(record, normalization=None)), ()
    return "undone", _recoded(job, *_way_back(job, record)), ()


def _put(job: _Job, record: Record) -> Record:
    """All that changes is the record."""
    store.write_record(job.path, record)
    return record


def _copy_of(record: Record, new: str) -> Record | None:
    """The record of the dataset at `new`, if that was made from the features of `record`."""
    if not os.path.lexists(os.path.join(new, store.RECORD)):
        return None
    done = _checked(new)
    blocks = Chunking(record.features_header.data_bytes, record.checksum_block)
    original = blocks.crc32(np.array(record.checksums["X"], np.uint32), 1)
    made_from = done.normalization and done.normalization.original_crc32
    return done if made_from == original and done.shape == record.shape else None


def _recoded(job: _Job, plan: Plan, state: RewriteState) -> Record:
    """Carry out a plan, in place or into a new dataset; gives the record of the result."""
    if job.to is not None:
        return write_copy(job.path, job.to, plan, state, run=job.run, progress=job.progress)
    rewrite.begin(job.path, plan, state)
    return _resume(job, state.direction)


def _resume(job: _Job, direction: Direction) -> Record:
    return rewrite.resume(job.path, direction, run=job.run, progress=job.progress)


def _checked(path: str) -> Record:
    """The record of a dataset that is whole, by sizes and headers."""
    record = store.read_record(path)
    store.check_arrays(path, record)
    return record


def _require_possible(job: _Job, record: Record, spec: NormalizeSpec) -> None:
    if spec.on_read and record.dtype != "uint8":
        raise UsageError(
            f"--on-read is for uint8 features, these are {record.dtype}",
            hint="Leave it out, and normalize them in place.",
        )
    if not spec.on_read and _bytes(spec.dtype) < _bytes(record.dtype):
        raise UsageError(
            f"{record.dtype} features would lose precision as {spec.dtype}",
            hint=f"Leave out --dtype {spec.dtype}, or build the dataset as uint8.",
        )
    if job.to is not None and record.normalization is not None:
        raise DatasetError(
            f"{job.path} is normalized already",
            hint="Write an original with --undo --to NEW, and normalize that.",
            path=job.path,
        )
    _require_own(job, on_read=spec.on_read)


def _require_own(job: _Job, *, on_read: bool) -> None:
    """Raise unless the features may be written where the job writes: in place they must be a
    file of this directory alone, and a new dataset must have a free name."""
    if on_read and job.to is not None:
        raise UsageError(
            "--on-read leaves the features as they are, so there is nothing to write to a new "
            "dataset",
            hint="Leave out --to.",
        )
    if job.to is not None:
        require_free(job.to)
    elif not on_read:
        _require_writable(job.features)


def _require_writable(name: str) -> None:
    facts = os.lstat(name)
    if stat.S_ISLNK(facts.st_mode):
        problem = "a symbolic link"
    elif facts.st_nlink > 1:
        problem = "hard-linked from elsewhere"
    elif not facts.st_mode & 0o222 or not os.access(name, os.W_OK):
        problem = "read-only"
    else:
        return
    raise DatasetError(
        f"{name} is {problem}, so it is not changed in place",
        hint="Use --to NEW, which writes a new dataset and leaves this one as it is.",
        path=name,
    )


def _require_same(job: _Job, spec: NormalizeSpec, done: Normalization) -> None:
    """DatasetError unless `spec` asks for what was done, or begun."""
    same = (spec.dtype, spec.on_read) == (done.dtype, done.on_read)
    if same and (spec.stats_from is not None or spec.method == "given"):
        wanted = _foreign(job, spec, len(done.offset))
        same = (wanted.method, wanted.offset, wanted.scale) == (
            done.method,
            done.offset,
            done.scale,
        )
    elif same:
        same = spec.method == done.method and (done.rows is not None or done.method == "rescale")
    if not same:
        raise DatasetError(
            f"{job.path} is normalized in another way already: {_description(done)}",
            hint=f"Run `imgmem normalize {job.path} --undo` first.",
            path=job.path,
        )


def _description(done: Normalization) -> str:
    """What was done, in the words of the options."""
    words = [done.method, done.dtype, *(["on read"] if done.on_read else [])]
    if done.rows is None and done.method in ("standardize", "minmax"):
        words.append("with statistics from another dataset")
    return ", ".join(words)


def _foreign(job: _Job, spec: NormalizeSpec, depth: int) -> Constants:
    """Constants that do not come from the dataset itself."""
    if spec.stats_from is not None:
        return constants.foreign(spec, depth, run=job.run, progress=job.progress)
    return constants.given(spec, depth)


def _constants(job: _Job, record: Record, spec: NormalizeSpec) -> tuple[Constants, Measured]:
    """The constants, and what a pass over the features found."""
    foreign = None
    if spec.stats_from is not None or spec.method == "given":
        foreign = _foreign(job, spec, record.shape[3])
    chunking = Chunking.of(record, max(record.dtype, spec.dtype, key=_bytes))
    rows = constants.statistics_rows(record)[1]
    with File(job.features, writable=False) as features:
        found = measure(features, record, chunking, rows=rows, run=job.run, progress=job.progress)
    return foreign or constants.own(spec, found.sums), found


def _bytes(dtype: str) -> int:
    return np.dtype(dtype).itemsize


def _normalization(record: Record, spec: NormalizeSpec, found: Constants) -> Normalization:
    own = spec.stats_from is None and found.method in ("standardize", "minmax")
    split, rows = constants.statistics_rows(record) if own else (None, None)
    return Normalization(
        method=found.method,
        offset=found.offset,
        scale=found.scale,
        dtype=spec.dtype,
        source_dtype=record.dtype,
        mean=found.mean,
        std=found.std,
        split=split,
        rows=rows,
        on_read=spec.on_read,
    )


def _way_there(record: Record, new: Normalization, found: Measured) -> tuple[Plan, RewriteState]:
    """How to get from a dataset that is not normalized to one that is."""
    before = _without_features(record)
    chunking = Chunking.of(record, max(record.dtype, new.dtype, key=_bytes))
    new = replace(new, original_crc32=chunking.crc32(found.crcs, _bytes(record.dtype)))
    plan = Plan(before, replace(before, dtype=new.dtype, normalization=new))
    return plan, RewriteState("forward", chunking.chunks, found.crcs, np.zeros_like(found.crcs))


def _way_back(job: _Job, record: Record) -> tuple[Plan, RewriteState]:
    """The way back, tried without writing: DatasetError unless it leads to the original."""
    done = record.normalization
    assert done is not None
    after = _without_features(record)
    plan = Plan(replace(after, dtype=done.source_dtype, normalization=None), after)
    chunking = plan.chunking
    state = RewriteState("back", 0, *(np.zeros(chunking.chunks, np.uint32) for _ in range(2)))
    with File(job.features, writable=False) as features:
        for piece in recoded(features, plan, "back", range(chunking.chunks), job.run):
            state.before[piece.chunk], state.after[piece.chunk] = piece.result_crc, piece.source_crc
            job.progress(
                Progress("check", chunking.bounds(piece.chunk)[1], chunking.values, "values")
            )
        require_checksums(features.path, record, chunking.checksums(record, state.after))
        if chunking.crc32(state.before, _bytes(plan.before.dtype)) != done.original_crc32:
            raise store.damaged(
                features.path, f"the normalization in {store.RECORD} does not lead back"
            )
    return plan, state


def _without_features(record: Record) -> Record:
    """The record without the checksums of X, which the plan of a rewrite does not know."""
    rest = {name: blocks for name, blocks in record.checksums.items() if name != "X"}
    return replace(record, checksums=rest)


class _Work:
    """A job that is being done, and the memory that it takes."""

    def __init__(self, job: _Job, peak: memory.PeakMemory) -> None:
        self._job, self._peak = job, peak

    def result(self, status: str, record: Record, warnings: tuple[str, ...]) -> NormalizeResult:
        self._peak.sample()
        return NormalizeResult(
            path=self._job.path,
            to=self._job.to,
            status=status,
            shape=record.shape,
            dtype=record.dtype,
            normalization=record.normalization,
            warnings=warnings,
            peak_memory=self._peak.peak,
            memory=memory.budget(self._job.run.memory),
        )


@contextmanager
def _at_work(job: _Job) -> Iterator[_Work]:
    """Within, the dataset is ours (alone, in place), and an interruption says how to go on."""
    if job.to is None and not job.run.fsync:
        raise UsageError(
            "--no-fsync is not for work in place: a power cut would cost the dataset",
            hint="Leave it out, or write a new dataset with --to NEW.",
        )
    store.require_directory(job.path)
    with ExitStack() as stack:
        if not job.run.fsync:
            stack.enter_context(durable.relaxed())
        stack.enter_context(Lock(job.path, exclusive=job.to is None))
        if job.to is None:
            store.clean_up(job.path)
        else:
            sync_name(job.to)
        work = _Work(job, stack.enter_context(memory.PeakMemory()))
        try:
            yield work
        except KeyboardInterrupt:
            raise _interrupted(job) from None


def _interrupted(job: _Job) -> Interrupted:
    if job.to is not None or not store.in_transition(job.path):
        return Interrupted("interrupted; nothing has been changed", hint="Run it again.")
    return Interrupted(
        f"interrupted; {job.path} is in transition, and nothing is lost",
        hint=f"Run the same command again to go on, or `imgmem normalize {job.path} --undo` "
        "to go back.",
        path=job.path,
    )
