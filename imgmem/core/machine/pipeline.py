"""Tasks through threads or any executor, results in order, in a bounded window."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from imgmem.core.errors import ResourceError
from imgmem.core.messages import option
from imgmem.core.specs import ExecutorLike
from imgmem.core.units import format_bytes, in_mib

Task = TypeVar("Task")
Result = TypeVar("Result")


def _result(_: Task, future: "Future[Result]") -> Result:
    """Waits for it. An error must not keep its future, which keeps the error, alive."""
    try:
        return future.result()
    finally:
        del future


def in_order(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    window: int | Callable[[], int],
    workers: int = 1,
    executor: ExecutorLike | None = None,
    result_of: Callable[[Task, "Future[Result]"], Result] = _result,
) -> Iterator[Result]:
    """`work(task)` for each task, in the order of the tasks, at most `window` under way.

    A result counts as under way until the caller asks for the next one. Where the caller
    stops early, what has not begun is dropped, and nobody waits for the rest.

    Args:
        work: Picklable, if the executor needs that; so are tasks and results.
        tasks: They are taken when there is room for them.
        window: How many tasks are under way at most; a function that says so at the moment.
        workers: Threads, where there is no executor: the decoders, OpenCV and hashlib release
            the interpreter's lock.
        executor: What runs the work; it stays open.
        result_of: Waits for the result of a task.
    """
    threads = ThreadPoolExecutor(workers, "imgmem") if executor is None else None
    pool: ExecutorLike = executor or threads  # type: ignore[assignment]
    waiting: deque[tuple[Task, Future[Result]]] = deque()
    try:
        for task in tasks:
            waiting.append((task, pool.submit(work, task)))
            while len(waiting) >= (window() if callable(window) else window):
                yield result_of(*waiting.popleft())
        while waiting:
            yield result_of(*waiting.popleft())
    finally:
        for _, future in waiting:
            future.cancel()
        if threads:
            threads.shutdown(wait=False, cancel_futures=True)


class MemoryGate:
    """A pool of bytes from which each image's decoding cost is reserved before it is decoded.

    Whoever waits for much is served before later ones that want little, so that a large
    image runs alone instead of never.
    """

    def __init__(self, total: int, budget_for: Callable[[int], int]) -> None:
        """budget_for: the memory budget, in bytes, whose pool would hold a cost."""
        self.total = total
        self._budget_for = budget_for
        self._free = total
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def reserved(self, cost: int, name: str) -> Iterator[None]:
        """Within, `cost` bytes are taken; waits for them. ResourceError if they never can be."""
        if cost > self.total:
            raise ResourceError(
                f"{name} needs {format_bytes(cost)} to decode, "
                f"the memory budget leaves {format_bytes(self.total)}",
                hint=f"Give {option('memory', in_mib(self._budget_for(cost)))} or more.",
                path=name,
                needed_bytes=cost,
            )
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._free >= cost)
            self._free -= cost
        try:
            yield
        finally:
            with self._changed:
                self._free += cost
                self._changed.notify()
