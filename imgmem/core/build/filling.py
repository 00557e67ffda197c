"""The images of a build in progress, decoded and appended in order."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import islice

from imgmem.core.build.alone import decode_alone, too_costly
from imgmem.core.build.copying import Copying
from imgmem.core.build.decoding import Chunk
from imgmem.core.build.execution import Execution
from imgmem.core.build.executions import executions, stand_in_notes, starting
from imgmem.core.build.job import BuildJob, decode_spec, decoding_demand, demand_of
from imgmem.core.build.manifest import BuildManifest
from imgmem.core.build.mixed import Mixed
from imgmem.core.build.planned import to_decode
from imgmem.core.build.rejects import require_allowed
from imgmem.core.build.state import UnreachableRun
from imgmem.core.build.unfinished import UnfinishedBuild
from imgmem.core.build.update import open_copied
from imgmem.core.chunks import rows_per_chunk
from imgmem.core.errors import InputError, Interrupted
from imgmem.core.forecast import COPY_BYTES
from imgmem.core.machine import process
from imgmem.core.machine.processes import ProcessExecutor
from imgmem.core.progress import Progress
from imgmem.core.sources import Source
from imgmem.core.sources.labeling import Labeling
from imgmem.core.specs import EXECUTORS, BuildSpec, ExecutorLike, RejectPolicy, RunSpec

CHUNKS_PER_COMMIT = 32
"""A commit syncs some 64 MiB: an interruption costs at most as much work."""
TASK_BYTES = 4 * 2**20
"""Of sources that a worker takes at once, about: some 40 photographs, or one or a few large."""


def starting_workers(
    source: Source, labeling: Labeling, spec: BuildSpec, run: RunSpec, budget: int
) -> AbstractContextManager[ProcessExecutor | None]:
    """Within, the worker processes of `fill` load their libraries while the build is prepared,
    where it is clear from the listing that they will decode it."""
    image, rows = spec.image, sum(labeling.images.values())
    if spec.copies or spec.limit is not None or image.size is None:
        return nullcontext()
    return starting(
        source,
        decoding_demand(source, run, rows=rows, shape=(*image.size, image.depth), dtype=spec.dtype),
        budget=budget,
        executor=run.executor,
        mean_bytes=max(1, labeling.total_bytes // max(1, rows)),
    )


def executor_notes(manifest: BuildManifest, job: BuildJob) -> list[str]:
    """What the user should know of who decoded the images."""
    if job.spec.copies:
        return []
    demand = demand_of(manifest, job)
    return stand_in_notes(job.source, demand, budget=job.budget, executor=job.run.executor)


def fill(building: UnfinishedBuild, job: BuildJob) -> None:
    """Decode what is left: many images at once, and alone those that need more memory.

    Raises Interrupted, InputError or ResourceError; finished work is kept.
    """
    _check_rejects(building, job.policy)
    _report(building, job)
    executor, workers = job.run.executor, job.workers
    try:
        with ExitStack() as stack:
            copying = _copying(stack, building, job)
            stack.enter_context(building.noting_crashes())
            while not _fill_by_many(building, job, executor, copying, workers):
                _fill_alone(building, job)
                workers = None
                executor = "threads" if executor in EXECUTORS else executor
    except KeyboardInterrupt:
        building.commit()
        done, total = building.state.sources, building.manifest.sources
        raise interrupted(f"{done} of {total} images are done and kept") from None


def _fill_by_many(
    building: UnfinishedBuild,
    job: BuildJob,
    executor: str | ExecutorLike,
    copying: Copying | None,
    workers: ProcessExecutor | None,
) -> bool:
    """Decode what is left by the first execution that has the memory that it takes.

    False where none has it for the next image.
    """
    for execution in _executions(building, job, executor, copying, workers):
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


def _fill_alone(building: UnfinishedBuild, job: BuildJob) -> None:
    """Decode the next image with the whole memory budget.

    Raises ResourceError, which names all images like it that are left, if that is too small.
    """
    spec, demand = decode_spec(building, job), demand_of(building.manifest, job)
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


def _filled(building: UnfinishedBuild, job: BuildJob, execution: Execution) -> bool:
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


def _report(building: UnfinishedBuild, job: BuildJob) -> None:
    job.progress(Progress("build", building.state.sources, building.manifest.sources, "images"))


def _take(building: UnfinishedBuild, chunk: Chunk, job: BuildJob, run: UnreachableRun) -> bool:
    """Append a chunk; where it ends the build, keep what was done before saying why.

    False where it ends for want of memory.
    """
    if not chunk.copied:
        run.follow(building.state, done=chunk.done, unreachable=chunk.unreachable)
    building.append(chunk)
    _report(building, job)
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
    building: UnfinishedBuild,
    job: BuildJob,
    executor: str | ExecutorLike,
    copying: Copying | None,
    workers: ProcessExecutor | None,
) -> Iterator[Execution]:
    if copying is not None and job.spec.copies:
        return iter([copying])
    found = executions(
        job.source,
        decode_spec(building, job),
        demand_of(building.manifest, job),
        budget=job.budget,
        executor=_chosen(building, executor, copying),
        mean_bytes=job.plan.mean_bytes,
        lines=to_decode(building.lines_to_do()),
        started=workers,
    )
    return found if copying is None else (Mixed(each, copying) for each in found)


def _chosen(
    building: UnfinishedBuild, executor: str | ExecutorLike, copying: Copying | None
) -> str | ExecutorLike:
    """What to decode with; where most rows are copied, processes are not worth starting."""
    if building.crashed:
        return "processes"
    return "threads" if copying is not None and executor == "auto" else executor


def _copying(stack: ExitStack, building: UnfinishedBuild, job: BuildJob) -> Copying | None:
    """What copies rows, of SOURCE or of the dataset that is updated; None where there are none."""
    spec, manifest = decode_spec(building, job), building.manifest
    if job.spec.copies:
        plan = demand_of(manifest, job).divide(job.budget)
        return Copying(job.source, spec, plan.rows_per_chunk)
    if manifest.copied_from is None:
        return None
    old = open_copied(job.out, manifest.copied_from, building.path)
    stack.callback(old.close)
    return Copying(old, spec, rows_per_chunk(manifest.copied_row_bytes, COPY_BYTES))


def _check_rejects(building: UnfinishedBuild, policy: RejectPolicy) -> None:
    """InputError where there are more rejects than the policy allows; finished work is kept."""
    state, total = building.state, building.manifest.sources
    try:
        require_allowed(state.reasons, policy, done=state.sources, total=total)
    except InputError:
        building.commit()
        raise


def interrupted(kept: str) -> Interrupted:
    return Interrupted(f"interrupted; {kept}", hint="Run the same command again to resume.")
