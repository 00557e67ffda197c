"""Names for the kinds of arrays that modules hand to each other."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Images: TypeAlias = npt.NDArray[Any]
"""(n, H, W, C) or (n, C, H, W): pixels as stored (uint8, uint16, float32,
float16), or normalized."""

Labels: TypeAlias = npt.NDArray[Any]
"""(n,) int64 class indices, (n, K) uint8 flags of classes, or (n,) or (n, T) float32 numbers."""

Indices: TypeAlias = npt.NDArray[np.int64]
"""(n,) numbers of rows: of the file, or of the rows that a reader has selected."""

_AT_ONCE = 2**16
"""NumPy makes 8 bytes of every number that it looks up: of so many, they stay in the cache."""


def look_up(table: npt.NDArray[Any], numbers: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """`table[numbers]` into `out`, in memory that does not grow with them.

    table: (n,). numbers: of any shape, whole, below n. out: of that shape.
    """
    if not (numbers.flags.c_contiguous and out.flags.c_contiguous):
        for each, into in zip(numbers, out, strict=True):
            into[...] = table[each]
        return
    flat, target = numbers.reshape(-1), out.reshape(-1)
    for start in range(0, len(flat), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        np.take(table, flat[part], out=target[part], mode="clip")
