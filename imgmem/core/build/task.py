"""Some lines of the plan in, a chunk out, in any process that reaches the source.

`decode_task` is a pure, picklable function, so that any executor can run it.
"""

import threading
import time
import weakref
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache

from imgmem.core.build.decoding import Chunk, DecodeSpec, LineDecoder, Watch, hung
from imgmem.core.build.reading import ReadAhead, read_ahead
from imgmem.core.forecast import BuildDemand
from imgmem.core.machine import process, worker
from imgmem.core.machine.pipeline import MemoryGate
from imgmem.core.sources import Address, Source, open_address


@dataclass(frozen=True, kw_only=True)
class DecodeJob:
    """What `decode_task` needs to know besides the lines; small, picklable, the same for all.

    decode_bytes: memory for decoding that one process has. demand: says how much more would do.
    patience: seconds that an image may take, unless the machine is stuck. processes: how many
    share what there is for reading ahead.
    """

    address: Address
    spec: DecodeSpec
    demand: BuildDemand
    decode_bytes: int
    patience: float
    processes: int = 1


def decode_task(job: DecodeJob, lines: list[bytes]) -> Chunk:
    """Decode `lines` in any process that can reach the source.

    Raises ResourceError for an image that takes too long, except in a worker process of our own,
    which ends by itself then.
    """
    decoder = _decoder(job)
    if worker.serving():
        return _decoded(decoder, job, lines)
    return _watched(decoder, job, lines)


def _decoded(decoder: LineDecoder, job: DecodeJob, lines: list[bytes]) -> Chunk:
    with process.settings():
        return decoder.decode(decoder.expect(lines), job.spec.buffer(len(lines)))


def _watched(decoder: LineDecoder, job: DecodeJob, lines: list[bytes]) -> Chunk:
    """The chunk, decoded by a thread that is left alone if it is stuck."""
    future: Future[Chunk] = Future()

    def work() -> None:
        try:
            future.set_result(_decoded(decoder, job, lines))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="imgmem-task", daemon=True).start()
    while not futures.wait([future], timeout=_look_seconds(job)).done:
        if name := decoder.watch.overdue(job.patience):
            raise hung(f"{name} is")
    return future.result()


@lru_cache(maxsize=1)
def _decoder(job: DecodeJob) -> LineDecoder:
    """This process's decoder for a job; the one before is let go."""
    gate = MemoryGate(job.decode_bytes, job.demand.budget_for)
    source = open_address(job.address)
    ahead = read_ahead(source, processes=job.processes)
    decoder = LineDecoder(source, job.spec, gate, ahead)
    weakref.finalize(decoder, _close, source, ahead).atexit = False
    if worker.serving():
        threading.Thread(target=_guard, args=(decoder.watch, job), daemon=True).start()
    return decoder


def _close(source: Source, ahead: ReadAhead | None) -> None:
    if ahead:
        ahead.close()
    source.close()


def forget_decoder() -> None:
    """Let go of what `decode_task` keeps in this process."""
    _decoder.cache_clear()


def _guard(watch: Watch, job: DecodeJob) -> None:
    """Give up where an image takes too long; its decoding cannot be ended otherwise."""
    while (name := watch.overdue(job.patience)) is None:
        time.sleep(_look_seconds(job))
    worker.give_up(hung(f"{name} is"))


def _look_seconds(job: DecodeJob) -> float:
    return min(1.0, job.patience / 4)
