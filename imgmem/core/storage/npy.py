"""The `.npy` format, version 1.0, with a header of always 128 bytes.

Source of the layout: NumPy's `numpy.lib.format`. The fixed size lets shape and dtype
change in place, where the data stays.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from imgmem.core.errors import RESTORE, DatasetError

HEADER_BYTES = 128
_MAGIC = b"\x93NUMPY\x01\x00"


@dataclass(frozen=True)
class ArrayHeader:
    """Shape and dtype of a C-order array on disk."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize

    @property
    def data_bytes(self) -> int:
        return self.shape[0] * self.row_bytes

    @property
    def file_bytes(self) -> int:
        return HEADER_BYTES + self.data_bytes

    def encode(self) -> bytes:
        """The 128 bytes at the start of the file."""
        text = f"{{'descr': {self.dtype.str!r}, 'fortran_order': False, 'shape': {self.shape!r}, }}"
        room = HEADER_BYTES - len(_MAGIC) - 2
        return _MAGIC + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n"


def decode_header(data: bytes, path: str) -> ArrayHeader:
    """The header in a file's first 128 bytes; DatasetError unless imgmem could have written it."""
    for dtype in ("|u1", "<u2", "<f2", "<f4", "<i8"):
        shape = _shape_in(data, dtype)
        header = ArrayHeader(shape, np.dtype(dtype)) if shape else None
        if header and header.encode() == data:
            return header
    raise DatasetError(
        f"{path} has no header that imgmem writes",
        hint=RESTORE,
        path=path,
    )


def _shape_in(data: bytes, dtype: str) -> tuple[int, ...] | None:
    """The shape that a header for `dtype` spells, or None."""
    start = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': (".encode()
    text = data[len(_MAGIC) + 2 :]
    if not text.startswith(start):
        return None
    numbers = text[len(start) :].split(b")")[0].split(b",")
    if not all(number.strip().isdigit() for number in numbers if number.strip()):
        return None
    return tuple(int(number) for number in numbers if number.strip())
