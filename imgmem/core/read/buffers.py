"""Memory for batches, used again: a fresh array of 40 MB costs as much in page faults as
filling it does."""

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[Any]


class _Lease:
    """The owner of memory in NumPy's eyes, kept alive by every array that uses it."""

    def __init__(self, memory: Images, give_back: Callable[[Images], None]) -> None:
        self.__array_interface__ = memory.__array_interface__
        self._memory = memory
        self._give_back = give_back

    def __del__(self) -> None:
        self._give_back(self._memory)


def lend(memory: Images, give_back: Callable[[Images], None]) -> Images:
    """An array over `memory`, which is given back when nothing uses it any more: neither the
    array, nor a view of it, nor a tensor."""
    return np.asarray(_Lease(memory, give_back))


class Buffers:
    """Arrays for batches: `take` one for each.

    reuse: hand out the same `count` arrays in turn, whoever still looks at them. Otherwise
    memory is used again only when nothing refers to it; at most `count` wait for that.
    """

    def __init__(self, make: Callable[[], Images], *, count: int, reuse: bool = False) -> None:
        self._make = make
        self._pool: deque[Images] = deque(maxlen=count)
        self._reuse = reuse

    def take(self) -> Images:
        if self._reuse:
            return self._in_turn()
        try:
            memory = self._pool.popleft()
        except IndexError:
            memory = self._make()
        return lend(memory, self._pool.append)

    def _in_turn(self) -> Images:
        if len(self._pool) < (self._pool.maxlen or 1):
            self._pool.append(self._make())
        else:
            self._pool.rotate(-1)
        return self._pool[-1]
