"""Many requests at once, where each takes a way to a server and back."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from imgmem.core.forecast import READ_BYTES
from imgmem.core.machine.pipeline import MemoryGate, in_order
from imgmem.core.sources.base import Source

REQUESTS = 48
"""How many requests are under way at once."""
COPIES = 2
"""What is being read takes its bytes twice: as they came, and as they are handed on."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_remote(source: Source) -> bool:
    """Whether each read of a source is a request to a server."""
    address = source.address
    return address is not None and address.remote


def concurrently(
    source: Source,
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    size: Callable[[Item], int] | None = None,
) -> Iterator[Result]:
    """`work` of each item, in order; many at once where the source is remote.

    size: bytes that the work on an item reads, of which no more than READ_BYTES are then held at
    once; None for a few.
    """
    if not is_remote(source):
        return map(work, items)
    bounded = work if size is None else _Bounded(work, size)
    return in_order(bounded, items, window=2 * REQUESTS, workers=REQUESTS)


class _Bounded(Generic[Item, Result]):
    """Work that waits until there is room for the bytes that it reads."""

    def __init__(self, work: Callable[[Item], Result], size: Callable[[Item], int]) -> None:
        self._work, self._size = work, size
        self._gate = MemoryGate(READ_BYTES, lambda cost: cost)

    def __call__(self, item: Item) -> Result:
        cost = min(COPIES * self._size(item), self._gate.total)
        with self._gate.reserved(cost, ""):
            return self._work(item)
