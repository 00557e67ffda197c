"""Which execution decodes a build."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from imgmem.core.build import task
from imgmem.core.build.dask_cluster import SCHEME, InDask, client_of, connected
from imgmem.core.build.decoding import DecodeSpec
from imgmem.core.build.execution import (
    Execution,
    InForeign,
    InProcesses,
    InThreads,
    decode_job,
)
from imgmem.core.build.remote import remote_job
from imgmem.core.forecast import CLIENT_BYTES, BuildDemand
from imgmem.core.machine.pipeline import MemoryGate
from imgmem.core.machine.processes import ProcessExecutor, can_start
from imgmem.core.messages import Message, option
from imgmem.core.sources import Address, Source
from imgmem.core.specs import ExecutorLike
from imgmem.core.units import in_mib


@contextmanager
def starting(
    source: Source, demand: BuildDemand, *, budget: int, executor: str | ExecutorLike,
    mean_bytes: int,
) -> Iterator[ProcessExecutor | None]:  # fmt: skip
    """Within, the worker processes start that `executions` will choose; None where it will not.

    They load their libraries while the caller still prepares. The arguments are those of
    `executions`.
    """
    by_processes = _by_processes(source, demand, budget, executor, mean_bytes)
    if by_processes is None:
        yield None
        return
    workers = ProcessExecutor(by_processes.divide(budget).workers)
    workers.start(task.__name__, at_once=max(1, demand.cpus - 1))  # this process works, too
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def _by_processes(
    source: Source, demand: BuildDemand, budget: int, executor: str | ExecutorLike, mean_bytes: int
) -> BuildDemand | None:
    """The demand by worker processes of our own; None where others are to decode."""
    if source.address is None or executor not in ("auto", "processes") or not can_start():
        return None
    return demand.by_processes(str(executor), budget=budget, mean_bytes=mean_bytes)


def stand_in_notes(
    source: Source, demand: BuildDemand, *, budget: int, executor: str | ExecutorLike
) -> list[str]:
    """A note where threads of this process decode although others were asked for."""
    if executor in ("auto", "threads"):
        return []
    processes = replace(demand, processes=True)
    if source.address is None:
        why = "other processes cannot read this source in place"
    elif executor == "processes" and budget < processes.floor:
        why = f"worker processes need {option('memory', in_mib(processes.floor))} or more"
    elif executor == "processes" and not can_start():
        why = "this program cannot start worker processes"
    else:
        return []
    return [Message(f"decoded in threads of this process: {why}")]


def executions(
    source: Source,
    spec: DecodeSpec,
    demand: BuildDemand,
    *,
    budget: int,
    executor: str | ExecutorLike,
    mean_bytes: int,
    lines: Iterable[bytes],
    started: ProcessExecutor | None = None,
) -> Iterator[Execution]:
    """Who is to decode a build, in this order; each may lack memory for an image.

    Args:
        source: Of the images.
        spec: What all tasks have in common.
        demand: What the build is to do, by threads.
        budget: The memory budget, in bytes.
        executor: "threads", "processes", "auto" for what is likely to be faster, "dask:ADDRESS",
            or an executor that belongs to the caller. Threads stand in for processes that have no
            room in the budget or do not reach the source.
        mean_bytes: Of an image's file.
        lines: Those of the plan that are still to do.
        started: What `starting` returned for these arguments.
    """
    plan = demand.divide(budget)
    if source.address is not None and executor != "threads":
        if not isinstance(executor, str) or executor.startswith(SCHEME):
            yield _foreign(source, source.address, spec, demand, budget, executor, lines)
            return
        by_processes = _by_processes(source, demand, budget, executor, mean_bytes)
        if by_processes is not None:
            divided = by_processes.divide(budget)
            job = decode_job(source.address, spec, by_processes, divided)
            yield InProcesses(job, divided, started)
            if executor == "processes":
                return
    yield InThreads(source, spec, plan, MemoryGate(plan.image_bytes, demand.budget_for))


def _foreign(
    source: Source,
    address: Address,
    spec: DecodeSpec,
    demand: BuildDemand,
    budget: int,
    executor: str | ExecutorLike,
    lines: Iterable[bytes],
) -> Execution:
    """Decoding by processes that others have started."""
    owned = isinstance(executor, str)
    if owned:
        demand = replace(demand, client_bytes=demand.client_bytes + CLIENT_BYTES)
    plan = demand.divide(budget)
    job = decode_job(address, spec, demand, plan)
    remote = remote_job(job, source, lines)
    rows = plan.rows_per_chunk
    client = (
        connected(executor.removeprefix(SCHEME))
        if isinstance(executor, str)
        else client_of(executor)
    )
    if client is not None:
        return InDask(
            client, job, remote, rows_per_chunk=rows, chunk_bytes=plan.chunk_bytes, owned=owned
        )
    assert not isinstance(executor, str)
    return InForeign(executor, job, remote, rows_per_chunk=rows, window=plan.slots)
