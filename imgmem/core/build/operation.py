"""`build`: stream a source of images into a dataset, resumable at every moment.

Workers only decode; one writer (the calling thread) appends in the order of the plan, so
that the result depends neither on the workers nor on the chunks.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from itertools import islice
from math import prod
from typing import Unpack

import numpy as np

from imgmem.core.build import files, workdir
from imgmem.core.build.alone import decode_alone, too_costly
from imgmem.core.build.classes import with_classes
from imgmem.core.build.copying import Copying, datasets_in
from imgmem.core.build.decoding import Chunk, DecodeSpec
from imgmem.core.build.depth import survey_depth
from imgmem.core.build.downloads import download_digest, same_download
from imgmem.core.build.drop import with_options_of
from imgmem.core.build.execution import Execution
from imgmem.core.build.executions import executions
from imgmem.core.build.freshness import note_unchanged, require_unchanged
from imgmem.core.build.manifest import BuildInputs, BuildManifest
from imgmem.core.build.native_size import common_size
from imgmem.core.build.plan import Plan
from imgmem.core.build.prepare import (
    build_inputs,
    open_and_list,
    require_all_there,
    require_consistent,
    require_filled_classes,
    require_labels,
    require_readable,
)
from imgmem.core.build.rejects import reasons_text, require_allowed, require_allowed_in
from imgmem.core.build.replaced import moved_by_drawing
from imgmem.core.build.result import BuildResult, result_of
from imgmem.core.build.split_like import with_split_of
from imgmem.core.build.state import UnreachableRun
from imgmem.core.build.unfinished import UnfinishedBuild
from imgmem.core.chunks import rows_per_chunk
from imgmem.core.errors import DatasetError, InputError, Interrupted
from imgmem.core.forecast import BuildDemand
from imgmem.core.machine import memory, process
from imgmem.core.options.option import applied
from imgmem.core.options.tables import BuildOptions
from imgmem.core.paths import SourcePaths, local_path
from imgmem.core.progress import Progress, ProgressCallback, no_progress
from imgmem.core.sources import Source
from imgmem.core.sources.changed import now_ns
from imgmem.core.sources.concurrently import is_remote
from imgmem.core.sources.labeling import require_certain
from imgmem.core.sources.prefixes import require_no_images, source_paths
from imgmem.core.specs import EXECUTORS, BuildSpec, ExecutorLike, OutPolicy, RejectPolicy, RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.destination import Destination
from imgmem.core.storage.record import Record

CHUNKS_PER_COMMIT = 8
"""A commit syncs some 64 MiB: an interruption costs at most as much work."""
TASK_BYTES = 4 * 2**20
"""Of sources that a worker takes at once, about: some 40 photographs, or one or a few large."""


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One call of `build`, its parts at hand."""

    source: Source
    plan: Plan
    inputs: BuildInputs
    spec: BuildSpec
    policy: RejectPolicy
    run: RunSpec
    budget: int
    listed_at: int
    peak: memory.PeakMemory
    progress: ProgressCallback


def build(
    source: SourcePaths,
    out: str | os.PathLike[str],
    *,
    spec: BuildSpec = BuildSpec(),
    policy: RejectPolicy = RejectPolicy(),
    existing: OutPolicy = OutPolicy(),
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[BuildOptions],
) -> BuildResult:
    """Build a dataset from images, or resume a build that was interrupted.

    On a finished dataset with the same options and unchanged sources it does nothing.

    Args:
        source: A folder, label table, archive, dataset, arrays, an address; or several as one.
        out: The folder of the dataset.
        spec: What decides the bytes of the dataset; `options` change its fields.
        policy: What to do with images that cannot be decoded cleanly.
        existing: What to do with a dataset, or an unfinished build, that is at `out` already.
        run: Workers, memory budget, whether to sync.
        progress: Called with a `Progress` after every chunk.
        **options: The options of the command by their names, e.g. `size=224`,
            `split={"train": 0.8, "val": 0.2}`, `on_error="skip"`, `memory="512MiB"`.

    Returns:
        What became of the build: shape, classes, splits, what was rejected and why.

    Raises:
        UsageError: Options are unknown, or contradict each other or the source.
        InputError: The source or an image cannot be used.
        DatasetError: `out` is something else, locked, or was built with other inputs.
        ResourceError: There is too little disk space or memory.
        Interrupted: KeyboardInterrupt; run it again to resume.
    """
    spec, policy, existing, run = applied(BuildOptions, options, spec, policy, existing, run)
    sources = source_paths(source)
    spec = with_options_of(sources, with_split_of(with_classes(spec)), options)
    destination = Destination.of(local_path(out, "OUT"), workdir.SUFFIX)
    out = os.path.normpath(destination.out)
    require_consistent(policy)
    require_no_images(sources, "build", out)
    workdir.require_not_nested(sources, out)
    workdir.clean_up(destination)
    with ExitStack() as stack:
        stack.enter_context(process.settings())
        peak = stack.enter_context(memory.PeakMemory())
        stack.enter_context(nullcontext() if run.fsync else durable.relaxed())
        record = workdir.finished_record(destination)
        if record is not None and (done := same_download(record, out, sources, spec, policy)):
            return done
        job = _job(stack, peak, sources, destination, spec, policy, run, progress)
        if record is not None and _is_done(record, out, job, overwrite=existing.overwrite):
            require_allowed_in(record, policy, total=job.plan.total, out=out)
            return replace(result_of(out, job.plan), already_done=True)
        workdir.require_replaceable(destination)
        moved = moved_by_drawing(record, out, job.plan)
        resumed_at = _work(destination, job, restart=existing.restart)
        result = result_of(out, job.plan)
        return replace(
            result,
            notes=[*result.notes, *moved],
            resumed_at=resumed_at,
            peak_memory=peak.peak,
            memory=job.budget,
        )


def _job(
    stack: ExitStack, peak: memory.PeakMemory, sources: tuple[str, ...], destination: Destination,
    spec: BuildSpec, policy: RejectPolicy, run: RunSpec, progress: ProgressCallback,
) -> _Job:  # fmt: skip
    """List the source and settle what is to be done; nothing is written yet."""
    listed_at = now_ns()
    images, listing, labeling = open_and_list(stack, sources, destination.scratch, spec, progress)
    require_certain(labeling.doubts)
    plan = Plan.make(images, listing, labeling, spec)
    stack.callback(plan.close)
    require_filled_classes(plan, policy)
    require_all_there(plan, policy)
    require_readable(plan, policy)
    require_labels(plan, policy)
    return _Job(
        source=images, plan=plan, inputs=build_inputs(plan), spec=spec, policy=policy, run=run,
        budget=memory.budget(run.memory), listed_at=listed_at, peak=peak, progress=progress,
    )  # fmt: skip


def _is_done(record: Record, out: str, job: _Job, *, overwrite: bool) -> bool:
    """True where OUT is this very build; DatasetError where it is another and may not go."""
    now = now_ns()
    try:
        if require_unchanged(record, out, job.inputs, job.plan):
            note_unchanged(out, now)
    except DatasetError:
        if not overwrite:
            raise
        return False
    return True


def _work(destination: Destination, job: _Job, *, restart: bool) -> int:
    """Build in the working directory and publish; how many images earlier runs had done."""
    depth = survey_depth(job.plan.images, job.source, job.spec, job.budget)
    require_certain(depth.doubts)
    size = job.spec.image.size or common_size(job.source, job.plan.images())
    manifest = _manifest(job, size, depth.window)
    _demand(manifest, job).divide(job.budget)  # before anything is written
    work = workdir.WorkDir(destination, restart=restart)
    try:
        building = work.open(
            job.inputs,
            job.plan,
            lambda path: files.create_files(path, manifest, job.plan.images()),
        )
        resumed_at = building.state.sources if building else job.plan.total
        if building:
            _fill(building, job)
            _require_rows(building, work, job.plan)
            building.finish()
        else:
            complete = store.read_record(work.path)
            require_allowed_in(complete, job.policy, total=job.plan.total, out=destination.out)
        work.publish()
        return resumed_at
    except KeyboardInterrupt:
        raise _interrupted("what was done is kept") from None
    finally:
        work.release()


def _manifest(
    job: _Job, size: tuple[int, int], window: tuple[float, float] | None
) -> BuildManifest:
    image = job.spec.image
    shown = {} if window is None else {"window": list(window)}
    if job.spec.copies:
        shown = next(iter(datasets_in(job.source).values())).record.image
    return BuildManifest(
        inputs=job.inputs,
        image=asdict(replace(image, size=size)) | {"native": image.size is None} | shown,
        sources=job.plan.total,
        shape=(*size, image.depth),
        dtype=job.spec.dtype,
        classes=job.plan.classes,
        splits=job.plan.splits,
        target=job.plan.target,
        target_names=job.plan.labeling.target_names,
        extra_columns=job.plan.listing.extra_columns,
        group_column=job.plan.listing.group_column,
        labels=job.plan.labeling.rule,
        prefixes=job.plan.listing.sources,
        download=download_digest(job.source, job.spec),
        listed_at=job.listed_at,
    )


def _fill(building: UnfinishedBuild, job: _Job) -> None:
    """Decode what is left: many images at once, and alone those that need more memory."""
    _check_rejects(building, job.policy)
    _tell(building, job)
    executor = job.run.executor
    try:
        with building.noting_crashes():
            while not _fill_by_many(building, job, executor):
                _fill_alone(building, job)
                executor = "threads" if executor in EXECUTORS else executor
    except KeyboardInterrupt:
        building.commit()
        done, total = building.state.sources, building.manifest.sources
        raise _interrupted(f"{done} of {total} images are done and kept") from None


def _fill_by_many(building: UnfinishedBuild, job: _Job, executor: str | ExecutorLike) -> bool:
    """Decode what is left by the first execution that has the memory that it takes.

    False where none has it for the next image.
    """
    for execution in _executions(building, job, executor):
        job.peak.processes = execution.pids
        done = lacking = False
        try:
            done = _filled(building, job, execution)
            lacking = not done
        finally:
            execution.close(wait=lacking)
        if done:
            return True
    return False


def _fill_alone(building: UnfinishedBuild, job: _Job) -> None:
    """Decode the next image with the whole memory budget.

    Raises ResourceError, which names all images like it that are left, if that is too small.
    """
    spec, demand = _decode_spec(building, job), _demand(building.manifest, job)
    line = next(building.lines_to_do())
    chunk = decode_alone(line, job.source, spec, demand, job.budget)
    if not _take(building, chunk, job, UnreachableRun()):
        raise too_costly(
            building.lines_to_do(),
            job.source,
            spec,
            demand,
            job.budget,
            largest_row=building.largest_row(),
        )
    process.return_freed_memory()


def _filled(building: UnfinishedBuild, job: _Job, execution: Execution) -> bool:
    """Append all chunks in order, and make them durable every few chunks' worth of rows.

    False where another execution has to take over.
    """
    lines = building.lines_to_do()
    at_once = min(execution.rows_per_chunk, rows_per_chunk(job.plan.mean_bytes, TASK_BYTES))
    waiting = 0
    run = UnreachableRun()
    for chunk in execution.chunks(iter(lambda: list(islice(lines, at_once)), [])):
        if not _take(building, chunk, job, run):
            return False
        waiting += chunk.done
        if waiting >= CHUNKS_PER_COMMIT * execution.rows_per_chunk:
            building.commit()
            process.return_freed_memory()
            waiting = 0
    return True


def _tell(building: UnfinishedBuild, job: _Job) -> None:
    job.progress(Progress("build", building.state.sources, building.manifest.sources, "images"))


def _take(building: UnfinishedBuild, chunk: Chunk, job: _Job, run: UnreachableRun) -> bool:
    """Append a chunk; where it ends the build, keep what was done before saying why.

    False where it ends for want of memory.
    """
    run.follow(building.state, done=chunk.done, unreachable=chunk.unreachable)
    building.append(chunk)
    _tell(building, job)
    if chunk.failure:
        if "source_gone" in chunk.failure.facts:
            building.state = run.start or building.state
        building.commit()
        if "needed_bytes" in chunk.failure.facts:
            return False
        raise chunk.failure
    _check_rejects(building, job.policy)
    return True


def _executions(
    building: UnfinishedBuild, job: _Job, executor: str | ExecutorLike
) -> Iterator[Execution]:
    spec = _decode_spec(building, job)
    if job.spec.copies:
        plan = _demand(building.manifest, job).divide(job.budget)
        return iter([Copying(job.source, spec, plan.rows_per_chunk)])
    return executions(
        job.source,
        spec,
        _demand(building.manifest, job),
        budget=job.budget,
        executor="processes" if building.crashed else executor,
        mean_bytes=job.plan.mean_bytes,
        lines=building.lines_to_do(),
    )


def _decode_spec(building: UnfinishedBuild, job: _Job) -> DecodeSpec:
    return DecodeSpec(
        image=job.spec.image,
        shape=building.manifest.shape,
        dtype=building.manifest.dtype,
        window=building.manifest.window,
        stop_at_reject=job.policy.on_error == "stop",
    )


def _demand(manifest: BuildManifest, job: _Job) -> BuildDemand:
    return BuildDemand.of(
        rows=manifest.sources,
        values=prod(manifest.shape),
        itemsize=np.dtype(manifest.dtype).itemsize,
        workers=job.run.workers,
        cpus=memory.allowed_cpus(),
        remote=is_remote(job.source),
    )


def _check_rejects(building: UnfinishedBuild, policy: RejectPolicy) -> None:
    """InputError where there are more rejects than the policy allows; what is done is kept."""
    state, total = building.state, building.manifest.sources
    try:
        require_allowed(state.reasons, policy, done=state.sources, total=total)
    except InputError:
        building.commit()
        raise


def _require_rows(building: UnfinishedBuild, work: workdir.WorkDir, plan: Plan) -> None:
    """InputError where nothing is left of the images; there is nothing to keep then."""
    if not building.state.rows:
        first = next(iter(plan.images())).name
        building.close()
        work.discard()
        raise InputError(
            f"no image could be used, from {first} on: {reasons_text(building.state.reasons)}",
            hint="Look at the files; nothing was built.",
            rejected=dict(building.state.reasons),
        )


def _interrupted(kept: str) -> Interrupted:
    return Interrupted(f"interrupted; {kept}", hint="Run the same command again to resume.")
