"""`build`: stream a source of images into a dataset, resumable at every moment.

Workers only decode; one writer (the calling thread) appends in the order of the plan, so
that the result depends neither on the workers nor on the chunks.
"""

import os
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from typing import Any, Unpack

from imgmem.core.build import files, workdir
from imgmem.core.build.depth import survey_depth
from imgmem.core.build.downloads import same_download
from imgmem.core.build.filling import executor_notes, fill, interrupted, starting_workers
from imgmem.core.build.freshness import note_unchanged, require_files, require_unchanged
from imgmem.core.build.job import BuildJob, demand_of, manifest_of
from imgmem.core.build.known import UpdateCounts
from imgmem.core.build.manifest import BuildManifest
from imgmem.core.build.native_size import common_size
from imgmem.core.build.plan import Plan
from imgmem.core.build.prepare import (
    build_inputs,
    open_and_list,
    require_usable,
)
from imgmem.core.build.rejects import reasons_text, require_allowed_in
from imgmem.core.build.renormalize import normalization_notes, on_read_of
from imgmem.core.build.replaced import moved_by_drawing
from imgmem.core.build.request import BuildRequest
from imgmem.core.build.result import BuildResult, result_of
from imgmem.core.build.unfinished import UnfinishedBuild
from imgmem.core.build.update import compare, like_notes, why_not_copied, with_copies
from imgmem.core.errors import DatasetError, InputError
from imgmem.core.machine import memory, process
from imgmem.core.options.tables import BuildOptions
from imgmem.core.paths import SourcePaths
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.sources.changed import now_ns
from imgmem.core.sources.labeling import require_certain
from imgmem.core.specs import BuildSpec, OutPolicy, RejectPolicy, RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.destination import Destination
from imgmem.core.storage.record import Normalization, Record


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
        The result: shape, classes, splits, what was rejected and why.

    Raises:
        UsageError: Options are unknown, or contradict each other or the source.
        InputError: The source or an image cannot be used.
        DatasetError: `out` is something else, locked, or was built with other inputs.
        ResourceError: There is too little disk space or memory.
        Interrupted: KeyboardInterrupt; run it again to resume.
    """
    require_callback(progress)
    request = BuildRequest.of(source, out, options, spec, policy, existing, run)
    workdir.clean_up(request.destination)
    record = workdir.finished_record(request.destination)
    spec = request.settled(record)
    with ExitStack() as stack:
        stack.enter_context(process.settings())
        peak = stack.enter_context(memory.PeakMemory())
        stack.enter_context(nullcontext() if request.run.fsync else durable.relaxed())
        if record is not None and (done := _same_download(record, request, spec)):
            return done
        job = _job(stack, peak, request, spec, progress, record)
        return _done_or_built(job, request, record)


def _same_download(record: Record, request: BuildRequest, spec: BuildSpec) -> BuildResult | None:
    """The result where archives in a store are those that OUT was built from, unread."""
    if request.existing.resplit or _lacks_files(record, request.out):
        return None
    done = same_download(record, request.out, request.sources, spec, request.policy)
    if done is None or not request.existing.update:
        return done
    return replace(done, **asdict(UpdateCounts(kept=record.shape[0])))


def _lacks_files(record: Record, out: str) -> bool:
    try:
        require_files(record, out)
    except DatasetError:
        return True
    return False


def _job(
    stack: ExitStack,
    peak: memory.PeakMemory,
    request: BuildRequest,
    spec: BuildSpec,
    progress: ProgressCallback,
    record: Record | None,
) -> BuildJob:
    """List the source and settle what is to be done; nothing is written yet.

    record: of the dataset that is there; it may be this very one, and need no workers.
    """
    listed_at = now_ns()
    policy, run, budget = request.policy, request.run, memory.budget(request.run.memory)
    images, listing, labeling = open_and_list(
        stack, request.sources, request.destination.scratch, spec, budget, progress
    )
    require_certain(labeling.doubts)
    workers = None
    if record is None:
        workers = stack.enter_context(starting_workers(images, labeling, spec, run, budget))
    plan = Plan.make(images, listing, labeling, spec)
    stack.callback(plan.close)
    require_usable(plan, policy)
    return BuildJob(
        source=images, out=request.out, plan=plan,
        inputs=build_inputs(plan), workers=workers, spec=spec, policy=policy, run=run,
        budget=budget, listed_at=listed_at, peak=peak, progress=progress,
    )  # fmt: skip


def _done_or_built(job: BuildJob, request: BuildRequest, record: Record | None) -> BuildResult:
    """record: of the dataset that is there."""
    is_done, counts = False, dict[str, Any]()
    if record is not None:
        is_done, counts = _compared(record, job, request.existing)
    if is_done and record is not None:
        require_allowed_in(record, job.policy, total=job.plan.total, out=job.out)
        result = replace(result_of(job.out, job.plan), already_done=True)
    else:
        result = _built(request.destination, job, record, request.existing)
    kept = like_notes(request.spec.split_like, job.plan, job.out)
    return replace(result, **counts, notes=[*result.notes, *kept])


def _compared(record: Record, job: BuildJob, existing: OutPolicy) -> tuple[bool, dict[str, Any]]:
    """Whether OUT is this very build, and what an update of it does, counted.

    DatasetError where it is another build and may not go.
    """
    now = now_ns()
    if existing.update:
        done, counts = compare(record, job.out, job.inputs, job.plan, existing)
        if done:
            note_unchanged(record, job.out, job.plan, now)
        return done, asdict(counts)
    try:
        if require_unchanged(record, job.out, job.inputs, job.plan):
            note_unchanged(record, job.out, job.plan, now)
    except DatasetError:
        if not existing.overwrite:
            raise
        return False, {}
    return True, {}


def _built(
    destination: Destination, job: BuildJob, record: Record | None, existing: OutPolicy
) -> BuildResult:
    """Build and publish, and say what became of it. record: of the dataset that is there."""
    workdir.require_replaceable(destination)
    updated = record if existing.update else None
    moved = moved_by_drawing(record, job.out, job.plan)
    manifest, notes = _manifest(job, updated)
    on_read = on_read_of(updated)
    resumed_at = _work(destination, job, manifest, on_read, restart=existing.restart)
    result = result_of(job.out, job.plan)
    return replace(
        result,
        notes=[
            *result.notes,
            *moved,
            *notes,
            *normalization_notes(updated, store.read_record(job.out), job.out),
            *executor_notes(manifest, job),
        ],
        resumed_at=resumed_at,
        peak_memory=job.peak.peak,
        memory=job.budget,
    )


def _manifest(job: BuildJob, updated: Record | None) -> tuple[BuildManifest, list[str]]:
    """What is built, and a note where rows of the dataset that is `updated` cannot be copied."""
    depth = survey_depth(job.plan, job.source, job.spec, job.budget)
    require_certain(depth.doubts)
    size = job.spec.image.size or common_size(job.source, job.plan.images())
    manifest = manifest_of(job, size, depth.window)
    if updated is None or job.spec.copies:
        return manifest, []
    if why := why_not_copied(updated, job.inputs, manifest):
        return manifest, [f"all images were decoded, because no row could be copied: {why}"]
    return with_copies(manifest, updated, job.out), []


def _work(
    destination: Destination, job: BuildJob, manifest: BuildManifest, on_read: Normalization | None,
    *, restart: bool,
) -> int:  # fmt: skip
    """Build in the working directory and publish; how many images earlier runs had done.

    on_read: a normalization on reading that is recorded again.
    """
    demand_of(manifest, job).divide(job.budget)  # before anything is written
    work = workdir.WorkDir(destination, restart=restart)
    try:
        building = work.open(
            job.inputs,
            job.plan,
            lambda path: files.create_files(
                path, manifest, job.plan.images(copied=manifest.copied_from is not None)
            ),
        )
        resumed_at = building.state.sources if building else job.plan.total
        if building:
            fill(building, job)
            _require_rows(building, work, job.plan)
            building.finish(on_read)
        else:
            complete = store.read_record(work.path)
            require_allowed_in(complete, job.policy, total=job.plan.total, out=destination.out)
        work.publish()
        return resumed_at
    except KeyboardInterrupt:
        raise interrupted("finished work is kept") from None
    finally:
        work.release()


def _require_rows(building: UnfinishedBuild, work: workdir.WorkDir, plan: Plan) -> None:
    """InputError where nothing is left of the images; there is nothing to keep then."""
    if not building.state.rows:
        first = next(iter(plan.images())).name
        building.close()
        work.discard()
        raise InputError(
            f"all images were rejected, from {first} on: {reasons_text(building.state.reasons)}",
            hint="Check the files; nothing was built.",
            rejected=dict(building.state.reasons),
        )
