"""Many requests at once, where each takes a way to a server and back."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Generic, TypeVar

from imgmem.core.forecast import READ_BYTES
from imgmem.core.machine.pipeline import MemoryGate, in_order
from imgmem.core.sources.base import Source

REQUESTS = 48
"""How many requests are under way at once."""
_DISK_READS = 8
"""How many files are read at once: from a disk 4 times as fast as one (files of 1 KB that were not
in memory: 230 µs each by one thread, 118 by two, 50 by eight), and no slower from memory."""
_BATCH = 16
COPIES = 2
"""What is being read takes its bytes twice: as they came, and as they are handed on."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def concurrently(
    source: Source,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    size: Callable[[Item], int] | None = None,
    disk: bool = False,
) -> Iterator[Result]:
    """`work` of each item, in order; many at once where the source is remote.

    size: bytes that the work on an item reads, of which no more than READ_BYTES are then held at
    once; None for a few. disk: whether to read what is on this machine so, too: where all of it
    is read, and little else is done.
    """
    bounded = work if size is None else _Bounded(work, size)
    if source.remote:
        return in_order(bounded, items, window=2 * REQUESTS, workers=REQUESTS)
    return _in_batches(bounded, items) if disk else map(work, items)


def _in_batches(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`work` of each item, in order, in some threads that take several items at a time."""
    rest = iter(items)
    batches = iter(lambda: list(islice(rest, _BATCH)), [])
    done = in_order(
        lambda batch: list(map(work, batch)), batches, window=2 * _DISK_READS, workers=_DISK_READS
    )
    return chain.from_iterable(done)


class _Bounded(Generic[Item, Result]):
    """Work that waits until there is room for the bytes that it reads."""

    def __init__(self, work: Callable[[Item], Result], size: Callable[[Item], int]) -> None:
        self._work, self._size = work, size
        self._gate = MemoryGate(READ_BYTES, lambda cost: cost)

    def __call__(self, item: Item) -> Result:
        cost = min(COPIES * self._size(item), self._gate.total)
        with self._gate.reserved(cost, ""):
            return self._work(item)
