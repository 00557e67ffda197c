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
    """Arrays for batches: `acquire` one for each.

    reuse: hand out the same `count` arrays in turn, whether or not they are still in use.
    Otherwise memory is reused only when nothing refers to it; at most `count` arrays are kept
    for that.
    """

    def __init__(self, make: Callable[[], Images], *, count: int, reuse: bool = False) -> None:
        self._make = make
        self._pool: deque[Images] = deque(maxlen=count)
        self._reuse = reuse

    def acquire(self) -> Images:
        if self._reuse:
            return self._in_turn()
        try:
            memory = self._pool.popleft()
        except IndexError:
            memory = self._make()
        return leased(memory, self._pool.append)

    def _in_turn(self) -> Images:
        if len(self._pool) < (self._pool.maxlen or 1):
            self._pool.append(self._make())
        else:
            self._pool.rotate(-1)
        return self._pool[-1]
