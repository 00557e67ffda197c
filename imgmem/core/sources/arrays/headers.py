"""What the first bytes of an array's file say: its shape, its values, and where they begin.

`.npy`: numpy.org/doc/stable/reference/generated/numpy.lib.format.html; idx: as MNIST's authors
have it, www.fon.hum.uva.nl/praat/manual/IDX_file_format.html.
"""

import struct
from io import BytesIO
from math import prod
from typing import Any, NamedTuple

import numpy as np

HEAD_BYTES = 2**16
"""No header is longer."""

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}

_NPY_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class ArrayFacts(NamedTuple):
    """Shape and type of an array. start: of its values in the file. columns: whether the first
    index varies fastest (Fortran order), which splits an image over the whole file."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    start: int
    columns: bool = False

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 0

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def file_bytes(self) -> int:
        return self.start + prod(self.shape) * self.dtype.itemsize


def npy_facts(head: bytes) -> ArrayFacts:
    """Of a `.npy` file. Raises ValueError for what is not one."""
    file = BytesIO(head)
    version = np.lib.format.read_magic(file)
    if version not in _NPY_READERS:
        raise ValueError(f"version {version[0]} of the format is not read")
    try:
        shape, columns, dtype = _NPY_READERS[version](file)
    except ValueError:
        raise
    except Exception:  # of the parsers of Python, which NumPy has read the header
        raise ValueError("its header is damaged") from None
    if min(shape, default=0) < 0:
        raise ValueError("its header is damaged")
    return ArrayFacts(shape, dtype, file.tell(), columns and len(shape) > 1)


def idx_facts(head: bytes) -> ArrayFacts:
    """Of an idx file. Raises ValueError for what is not one."""
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _IDX_TYPES or not head[3]:
        raise ValueError("it does not begin as an idx file does")
    start = 4 + 4 * head[3]
    if len(head) < start:
        raise ValueError("it ends in its header")
    shape = struct.unpack(f">{head[3]}I", head[4:start])
    return ArrayFacts(shape, np.dtype(_IDX_TYPES[head[2]]), start)
