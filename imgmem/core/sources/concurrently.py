"""Many requests at once, where each takes a way to a server and back."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from imgmem.core.machine.pipeline import in_order
from imgmem.core.sources.base import Source

REQUESTS = 48
"""How many requests are under way at once."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def is_remote(source: Source) -> bool:
    """Whether each read of a source is a request to a server."""
    address = source.address
    return address is not None and address.remote


def concurrently(
    source: Source, work: Callable[[Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """`work` of each item, in order; many at once where the source is remote."""
    if not is_remote(source):
        return map(work, items)
    return in_order(work, items, window=2 * REQUESTS, workers=REQUESTS)
