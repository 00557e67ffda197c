"""Normalizing in one pass over the pixels, compiled by Numba (extra "fast").

NumPy takes three passes, and threads wait for the interpreter's lock between them. The values are
the same bits: unless it is asked to, Numba neither reorders nor contracts arithmetic.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from imgmem.core.arrays import Images

Kernel = Callable[[Images, Images, Images, Images], None]
"""kernel(source, offset, scale, out), all of them C-contiguous: uint8 to float32."""


@dataclass(frozen=True)
class Kernels:
    """Compiled arithmetic, which releases the interpreter's lock.

    Attributes:
        lines: source and out (lines, n), offset and scale (n,).
        planes: source (C, at least k, pixels), out (k, C, pixels), offset and scale (C,).
    """

    lines: Kernel
    planes: Kernel


@lru_cache(maxsize=1)
def kernels() -> Kernels | None:
    """Compile them, or load what was compiled before; None where Numba cannot."""
    try:
        import numba
    except ImportError:  # not installed, or not made for this NumPy
        return None
    if getattr(numba.config, "DISABLE_JIT", False):
        return None
    constants = "float32[::1], float32[::1]"
    lines = _compiled(f"void(uint8[:,::1], {constants}, float32[:,::1])", _lines)
    planes = _compiled(f"void(uint8[:,:,::1], {constants}, float32[:,:,::1])", _planes)
    return Kernels(lines, planes) if lines and planes else None


def _compiled(signature: str, function: Kernel) -> Kernel | None:
    """The function compiled, and kept on the disk where that can be done."""
    import numba

    reason: Any = None
    for cache in (True, False):
        try:
            kernel: Kernel = numba.njit(signature, nogil=True, cache=cache)(function)
            return kernel
        except Exception as error:  # a damaged cache, a full disk, LLVM: NumPy can do without
            reason = error
    warnings.warn(f"Numba failed, so NumPy makes the batches: {reason}", stacklevel=2)
    return None


def _lines(source: Images, offset: Images, scale: Images, out: Images) -> None:
    for line in range(out.shape[0]):
        for place in range(out.shape[1]):
            value = np.float32(source[line, place])
            out[line, place] = (value - offset[place]) * scale[place]


def _planes(source: Images, offset: Images, scale: Images, out: Images) -> None:
    for row in range(out.shape[0]):
        for channel in range(out.shape[1]):
            for pixel in range(out.shape[2]):
                value = np.float32(source[channel, row, pixel])
                out[row, channel, pixel] = (value - offset[channel]) * scale[channel]
