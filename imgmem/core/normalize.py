"""Normalizing a dataset: in place, on reading, or into a new one; and undoing it."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from imgmem.core import constants, levels, memory, rewrite, store
from imgmem.core.constants import Constants
from imgmem.core.durable import File
from imgmem.core.errors import DatasetError, Interrupted, UsageError
from imgmem.core.journal import State
from imgmem.core.locks import Lock
from imgmem.core.progress import Progress, Report, silent
from imgmem.core.recode import Chunking, Plan, recoded
from imgmem.core.record import Normalization, Record
from imgmem.core.specs import NormalizeSpec, RunSpec
from imgmem.core.survey import Survey, require_checksums, survey


@dataclass(frozen=True, kw_only=True)
class NormalizeResult:
    """What became of a dataset.

    status: "normalized", "undone", "already normalized" or "not normalized" (nothing to undo).
    shape, dtype: of the features on disk. normalization: as recorded, None if there is none.
    warnings: what the user should know. peak_bytes: most anonymous memory that was seen.
    budget_bytes: the bound that it stays under.
    """

    path: str
    status: str
    shape: tuple[int, ...]
    dtype: str
    normalization: Normalization | None
    warnings: tuple[str, ...] = ()
    peak_bytes: int = 0
    budget_bytes: int = 0


def normalize(
    path: str,
    *,
    spec: NormalizeSpec | None = None,
    run: RunSpec | None = None,
    report: Report = silent,
) -> NormalizeResult:
    """Normalize the features of the dataset at `path`, in place: value = (level - offset) * scale.

    Goes on where an earlier run was interrupted; does nothing if it has been done already.
    Raises UsageError for options that contradict each other or the dataset, InputError if
    there is no dataset, DatasetError if it is damaged, in use, normalized in another way, or
    not ours alone (linked, read-only), ResourceError if the disk is full or fails.
    """
    spec, run = spec or NormalizeSpec(), run or RunSpec()
    constants.require_consistent(spec)
    with _at_work(path, run) as work:
        return work.result(*_normalized(path, spec, run, report))


def undo(path: str, *, run: RunSpec | None = None, report: Report = silent) -> NormalizeResult:
    """Give the dataset at `path` the features back that it had before `normalize`, exactly.

    Works in transition too. Raises what `normalize` raises.
    """
    run = run or RunSpec()
    with _at_work(path, run) as work:
        return work.result(*_undone(path, run, report))


Outcome = tuple[str, Record, tuple[str, ...]]
"""Status, the record as it is now, warnings."""


def _normalized(path: str, spec: NormalizeSpec, run: RunSpec, report: Report) -> Outcome:
    if store.in_transition(path):
        plan = rewrite.plan_in(path)
        _require_same(path, spec, plan.normalization, run, report)
        return "normalized", rewrite.go_on(path, "forward", run=run, report=report), ()
    record = _checked(path)
    if record.normalization is not None:
        _require_same(path, spec, record.normalization, run, report)
        return "already normalized", record, ()
    _require_possible(path, record, spec)
    found, surveyed = _constants(path, record, spec, run, report)
    normalization = _normalization(record, spec, found)
    levels.require_reversible(normalization)
    if spec.on_read:
        record = replace(record, normalization=normalization)
        store.write_record(path, record)
    else:
        record = _rewritten(path, record, normalization, surveyed, run, report)
    return "normalized", record, found.warnings


def _undone(path: str, run: RunSpec, report: Report) -> Outcome:
    if not store.in_transition(path):
        record = _checked(path)
        if record.normalization is None:
            return "not normalized", record, ()
        if record.normalization.on_read:
            record = replace(record, normalization=None)
            store.write_record(path, record)
            return "undone", record, ()
        _require_own(path)
        rewrite.begin(path, *_tried_back(path, record, run, report))
    return "undone", rewrite.go_on(path, "back", run=run, report=report), ()


def _checked(path: str) -> Record:
    """The record of a dataset that is whole, by sizes and headers."""
    record = store.read_record(path)
    store.check_arrays(path, record)
    return record


def _require_possible(path: str, record: Record, spec: NormalizeSpec) -> None:
    if spec.on_read:
        if record.dtype != "uint8":
            raise UsageError(
                f"--on-read is for uint8 features, these are {record.dtype}",
                hint="Normalize them in place.",
            )
        return
    if np.dtype(spec.dtype).itemsize < np.dtype(record.dtype).itemsize:
        raise UsageError(
            f"{record.dtype} features would lose precision as {spec.dtype}",
            hint=f"Leave out --dtype {spec.dtype}, or build the dataset as uint8.",
        )
    _require_own(path)


def _require_own(path: str) -> None:
    """DatasetError unless the features are a file of this directory alone, and writable."""
    name = os.path.join(path, store.FEATURES)
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


def _require_same(
    path: str, spec: NormalizeSpec, done: Normalization, run: RunSpec, report: Report
) -> None:
    """DatasetError unless `spec` asks for what was done, or begun."""
    same = (spec.dtype, spec.on_read) == (done.dtype, done.on_read)
    if same and (spec.stats_from is not None or spec.method == "given"):
        wanted = _foreign(spec, len(done.offset), run, report)
        same = (wanted.method, wanted.offset, wanted.scale) == (
            done.method,
            done.offset,
            done.scale,
        )
    elif same:
        same = spec.method == done.method and (done.rows is not None or done.method == "rescale")
    if not same:
        raise DatasetError(
            f"{path} is normalized in another way already: {_description(done)}",
            hint=f"Run `imgmem normalize {path} --undo` first.",
            path=path,
        )


def _description(done: Normalization) -> str:
    """What was done, in the words of the options."""
    words = [done.method, done.dtype, *(["on read"] if done.on_read else [])]
    if done.rows is None and done.method in ("standardize", "minmax"):
        words.append("with statistics from another dataset")
    return ", ".join(words)


def _foreign(spec: NormalizeSpec, depth: int, run: RunSpec, report: Report) -> Constants:
    """Constants that do not come from the dataset itself."""
    if spec.stats_from is not None:
        return constants.foreign(spec, depth, run=run, report=report)
    return constants.given(spec, depth)


def _constants(
    path: str, record: Record, spec: NormalizeSpec, run: RunSpec, report: Report
) -> tuple[Constants, Survey]:
    """The constants, and what a pass over the features found."""
    foreign = None
    if spec.stats_from is not None or spec.method == "given":
        foreign = _foreign(spec, record.shape[3], run, report)
    chunking = Chunking.of(record, _wider(record.dtype, spec.dtype))
    rows = constants.statistics_rows(record)[1]
    with File(os.path.join(path, store.FEATURES), writable=False) as features:
        found = survey(features, record, chunking, rows=rows, run=run, report=report)
    return foreign or constants.own(spec, found.histograms), found


def _wider(one: str, other: str) -> str:
    return max(one, other, key=lambda name: np.dtype(name).itemsize)


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


def _rewritten(
    path: str, record: Record, new: Normalization, found: Survey, run: RunSpec, report: Report
) -> Record:
    before = _without_features(record)
    chunking = Chunking.of(record, _wider(record.dtype, new.dtype))
    new = replace(new, original_crc32=chunking.crc32(record, found.crcs))
    plan = Plan(before, replace(before, dtype=new.dtype, normalization=new))
    empty = np.zeros_like(found.crcs)
    rewrite.begin(path, plan, State("forward", chunking.chunks, found.crcs, empty))
    return rewrite.go_on(path, "forward", run=run, report=report)


def _tried_back(path: str, record: Record, run: RunSpec, report: Report) -> tuple[Plan, State]:
    """The way back, tried without writing: DatasetError unless it leads to the original."""
    done = record.normalization
    assert done is not None
    after = _without_features(record)
    plan = Plan(replace(after, dtype=done.source_dtype, normalization=None), after)
    chunking = plan.chunking
    state = State("back", 0, *(np.zeros(chunking.chunks, np.uint32) for _ in range(2)))
    with File(os.path.join(path, store.FEATURES), writable=False) as features:
        for piece in recoded(features, plan, "back", range(chunking.chunks), run):
            state.before[piece.chunk], state.after[piece.chunk] = piece.result_crc, piece.source_crc
            report(Progress("check", chunking.bounds(piece.chunk)[1], chunking.values, "values"))
        require_checksums(features.path, record, chunking.checksums(record, state.after))
        if chunking.crc32(plan.before, state.before) != done.original_crc32:
            raise store.damaged(
                features.path, f"the normalization in {store.RECORD} does not lead back"
            )
    return plan, state


def _without_features(record: Record) -> Record:
    """The record without the checksums of X, which the plan of a rewrite does not know."""
    rest = {name: blocks for name, blocks in record.checksums.items() if name != "X"}
    return replace(record, checksums=rest)


class _Work:
    """A dataset that is being worked on, and the memory that it takes."""

    def __init__(self, path: str, budget: int, peak: memory.PeakMemory) -> None:
        self._path, self._budget, self._peak = path, budget, peak

    def result(self, status: str, record: Record, warnings: tuple[str, ...]) -> NormalizeResult:
        self._peak.sample()
        return NormalizeResult(
            path=self._path,
            status=status,
            shape=record.shape,
            dtype=record.dtype,
            normalization=record.normalization,
            warnings=warnings,
            peak_bytes=self._peak.peak,
            budget_bytes=self._budget,
        )


@contextmanager
def _at_work(path: str, run: RunSpec) -> Iterator[_Work]:
    """Within, the dataset at `path` is ours alone, and an interruption says how to go on."""
    if not run.fsync:
        raise UsageError(
            "--no-fsync is not for work in place: a power cut would cost the dataset",
            hint="Leave it out, or write a new dataset with --to NEW.",
        )
    store.require_directory(path)
    with Lock(path, exclusive=True), memory.PeakMemory() as peak:
        try:
            yield _Work(path, memory.budget(run.memory), peak)
        except KeyboardInterrupt:
            raise _interrupted(path) from None


def _interrupted(path: str) -> Interrupted:
    if not store.in_transition(path):
        return Interrupted("interrupted; nothing has been changed", hint="Run it again.")
    return Interrupted(
        f"interrupted; {path} is in transition, and nothing is lost",
        hint=f"Run the same command again to go on, or `imgmem normalize {path} --undo` "
        "to go back.",
        path=path,
    )
