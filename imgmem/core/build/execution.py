"""Who runs the decoding of a build: threads, worker processes, or an executor from outside.

Each hands out the chunks of some tasks in their order; the rows are the same whoever decodes.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

import numpy.typing as npt

from imgmem.core.build.decoding import Chunk, DecodeSpec, LineDecoder, crashed, hung, joined
from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.reading import read_ahead
from imgmem.core.build.remote import RemoteJob, decode_remotely
from imgmem.core.build.task import DecodeJob, decode_task, forget_decoder
from imgmem.core.errors import InputError, ResourceError
from imgmem.core.forecast import BuildDemand, BuildMemory
from imgmem.core.machine.pipeline import MemoryGate, in_order
from imgmem.core.machine.processes import ProcessExecutor, WorkerDied
from imgmem.core.messages import option
from imgmem.core.sources import Address, Source
from imgmem.core.sources.files import UNREADABLE
from imgmem.core.specs import ExecutorLike

PATIENCE_SECONDS = 600.0
"""How long one image may take. A slow disk is not a fault, but a file that hangs must not be waited
for without end."""
_LOOK_SECONDS = 1.0

Lines = list[bytes]


class Execution(Protocol):
    """Decodes tasks, each some lines of the plan.

    rows_per_chunk: the most lines of a task.
    """

    rows_per_chunk: int

    def pids(self) -> Iterable[int]:
        """The processes whose memory counts in addition to this one's."""

    def chunks(self, tasks: Iterable[Lines]) -> Iterator[Chunk]:
        """Their chunks, in order; each is valid until the next one is asked for."""

    def close(self, *, wait: bool = False) -> None:
        """End; what has not begun is dropped. wait: until its memory is free."""


class InThreads:
    """Decodes in threads of this process, into a fixed set of buffers."""

    def __init__(
        self, source: Source, spec: DecodeSpec, plan: BuildMemory, gate: MemoryGate
    ) -> None:
        self.rows_per_chunk = plan.rows_per_chunk
        self._decoder = LineDecoder(source, spec, gate, read_ahead(source))
        self._plan = plan
        self._threads = ThreadPoolExecutor(plan.workers, "imgmem")
        self._buffers: SimpleQueue[npt.NDArray[Any]] = SimpleQueue()
        for _ in range(plan.slots):
            self._buffers.put(spec.buffer(plan.rows_per_chunk))

    def pids(self) -> Iterable[int]:
        return ()

    def chunks(self, tasks: Iterable[Lines]) -> Iterator[Chunk]:
        plan = self._plan
        results = in_order(
            self._decode,
            map(self._decoder.expect, tasks),
            window=plan.slots,
            executor=self._threads,
            result_of=self._result,
        )
        for buffer, chunk in results:
            yield chunk
            self._buffers.put(buffer)

    def _decode(self, lines: Lines) -> tuple[npt.NDArray[Any], Chunk]:
        buffer = self._buffers.get()
        return buffer, self._decoder.decode(lines, buffer)

    def _result(
        self, _: Lines, future: "Future[tuple[npt.NDArray[Any], Chunk]]"
    ) -> tuple[npt.NDArray[Any], Chunk]:
        while not futures.wait([future], timeout=_LOOK_SECONDS).done:
            if name := self._decoder.watch.overdue(PATIENCE_SECONDS):
                raise hung(f"{name} is")
        return future.result()

    def close(self, *, wait: bool = False) -> None:
        self._decoder.stop()
        self._threads.shutdown(wait=wait, cancel_futures=True)


class InExecutor:
    """Decodes by `decode_task` in an executor, which need not share memory with this process."""

    def __init__(
        self,
        executor: ExecutorLike,
        job: DecodeJob,
        *,
        rows_per_chunk: int,
        window: int | Callable[[], int],
        work: Callable[[Lines], Chunk] | None = None,
    ) -> None:
        """work: what the executor runs, if it is not `decode_task`."""
        self.rows_per_chunk = rows_per_chunk
        self._executor = executor
        self._job = job
        self._window_size = window
        self._work = work or partial(decode_task, job)

    def pids(self) -> Iterable[int]:
        return ()

    def chunks(self, tasks: Iterable[Lines]) -> Iterator[Chunk]:
        return in_order(
            self._work,
            tasks,
            window=self._window_size,
            executor=self._executor,
            result_of=self._result,
        )

    def _result(self, lines: Lines, future: Any) -> Chunk:
        if not futures.wait([future], timeout=2 * self._job.patience * len(lines)).done:
            raise hung(f"{names(lines)} are")
        try:
            return future.result()  # type: ignore[no-any-return]
        except WorkerDied as died:
            if died.crashed:
                return self._one_by_one(lines)
            raise lost(died, lines) from None

    def _one_by_one(self, lines: Lines) -> Chunk:
        """Decode each image in a process that it alone may crash."""
        chunks = []
        with ProcessExecutor(1) as alone:
            for line in lines:
                chunks.append(self._alone(alone, line))
                if chunks[-1].failure:
                    break
        return joined(chunks)

    def _alone(self, alone: ProcessExecutor, line: bytes) -> Chunk:
        try:
            return alone.submit(decode_task, self._job, [line]).result()  # type: ignore[no-any-return]
        except WorkerDied as died:
            if died.crashed:
                return crashed(self._job.spec, line, str(died))
            raise lost(died, [line]) from None

    def close(self, *, wait: bool = False) -> None:
        """The executor is its owner's."""


class InForeign(InExecutor):
    """Decodes in an executor of the caller's, whose processes may be on other machines."""

    def __init__(
        self,
        executor: ExecutorLike,
        job: DecodeJob,
        remote: RemoteJob,
        *,
        rows_per_chunk: int,
        window: int | Callable[[], int],
    ) -> None:
        work = partial(decode_remotely, remote.versions, remote.packed)
        super().__init__(executor, job, rows_per_chunk=rows_per_chunk, window=window, work=work)

        self._here: ProcessExecutor | None = None

    def chunks(self, tasks: Iterable[Lines]) -> Iterator[Chunk]:
        try:
            yield from super().chunks(tasks)
        except BrokenExecutor as error:  # it takes no more tasks
            raise _broken(error) from error

    def _result(self, lines: Lines, future: Any) -> Chunk:
        """What a worker cannot read is for this machine to say: it may be the worker's fault.

        So is which image ends the process that decodes it.
        """
        try:
            chunk = self._finished(lines, future)
        except BrokenExecutor:
            return self._decoded_here(lines)
        if UNREADABLE in chunk.reasons or isinstance(chunk.failure, InputError):
            return self._decoded_here(lines)
        return chunk

    def _finished(self, lines: Lines, future: Any) -> Chunk:
        """What became of a task. Raises BrokenExecutor where its process has ended."""
        return super()._result(lines, future)

    def _decoded_here(self, lines: Lines) -> Chunk:
        """Decode in a process of this machine, which may crash."""
        self._here = self._here or ProcessExecutor(1)
        return super()._result(lines, self._here.submit(decode_task, self._job, lines))

    def close(self, *, wait: bool = False) -> None:
        if self._here:
            self._here.shutdown(cancel_futures=True)
        forget_decoder()


class InProcesses(InExecutor):
    """Decodes in worker processes of our own."""

    def __init__(
        self, job: DecodeJob, plan: BuildMemory, own: ProcessExecutor | None = None
    ) -> None:
        """own: processes of the plan that have been started, to be closed with this."""
        self._own = own or ProcessExecutor(plan.workers)
        super().__init__(
            self._own,
            job,
            rows_per_chunk=plan.rows_per_chunk,
            window=2 * plan.workers,
        )

    def pids(self) -> Iterable[int]:
        return self._own.pids()

    def close(self, *, wait: bool = False) -> None:
        self._own.shutdown(wait=True, cancel_futures=True)


def decode_job(
    address: Address, spec: DecodeSpec, demand: BuildDemand, plan: BuildMemory
) -> DecodeJob:
    """What all tasks in other processes need to know."""
    return DecodeJob(
        address=address,
        spec=spec,
        demand=demand,
        decode_bytes=plan.image_bytes,
        patience=PATIENCE_SECONDS,
        processes=plan.workers,
    )


def names(lines: Lines) -> str:
    """Which images a task has, for a message."""
    first, last = (PlannedImage.from_line(line).name for line in (lines[0], lines[-1]))
    return f"{len(lines)} images from {first} to {last}"


def lost(died: WorkerDied, lines: Lines) -> ResourceError:
    """The error for a worker that was ended from outside."""
    return ResourceError(
        f"a worker process was lost ({died}) while it decoded {names(lines)}",
        hint="Finished work is kept: run the same command again. If the system ended it for want "
        f"of memory, lower {option('memory')} or {option('workers')}.",
    )


def _broken(error: BrokenExecutor) -> ResourceError:
    """The error for an executor of the caller's that has lost its workers."""
    return ResourceError(
        f"the executor has lost its workers ({error})",
        hint="Finished work is kept: run it again with a new executor.",
    )
