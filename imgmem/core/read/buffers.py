"""Reusable memory for batches: page faults of a fresh 40 MB array cost as much as filling it."""

from collections import deque
from collections.abc import Callable

import numpy as np

from imgmem.core.arrays import Images


class _Lease:
    """The owner of memory in NumPy's eyes, kept alive by every array that uses it."""

    def __init__(self, memory: Images, release: Callable[[Images], None]) -> None:
        self.__array_interface__ = memory.__array_interface__
        self._memory = memory
        self._release = release

    def __del__(self) -> None:
        self._release(self._memory)


def leased(memory: Images, release: Callable[[Images], None]) -> Images:
    """An array over `memory`.

    `release(memory)` is called when nothing uses it any more: neither the array, nor a view of
    it, nor a tensor.
    """
    return np.asarray(_Lease(memory, release))


class Buffers:
    """Arrays for batches: `acquire` one for each, from any thread.

    Memory is reused only when nothing refers to it; at most `count` arrays are kept for that.
    """

    def __init__(self, make: Callable[[], Images], *, count: int) -> None:
        self._make = make
        self._pool: deque[Images] = deque(maxlen=count)

    def acquire(self, number: int = 0) -> Images:
        """Memory for a batch, of whatever number."""
        try:
            memory = self._pool.popleft()
        except IndexError:
            memory = self._make()
        return leased(memory, self._pool.append)


class Ring:
    """The same `count` arrays in turn, whether or not they are still in use."""

    def __init__(self, make: Callable[[], Images], *, count: int) -> None:
        self._make = make
        self._arrays: list[Images | None] = [None] * count

    def acquire(self, number: int) -> Images:
        """The array of batch `number`, which is that of batch `number + count` too."""
        place = number % len(self._arrays)
        memory = self._arrays[place]
        if memory is None:
            memory = self._arrays[place] = self._make()
        return memory
