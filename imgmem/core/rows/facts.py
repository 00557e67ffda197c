"""`rows.npy`: what is known of every row, one record each, for inspection.

A plain structured NumPy array, versioned by its own header: a reader asks for fields by name,
ignores those that it does not know and does without those that are optional.
"""

import ast
import os
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.storage import store
from imgmem.core.storage.system import naming

ROW_FACTS = np.dtype(
    [
        ("digest", "<u8", (2,)),  # the first 16 bytes of the sha256 of the source's bytes
        ("hash", "<u8"),  # perceptual hash: see `measures`
        ("brightness", "<f4"),  # mean of the small gray image, 0-255
        ("contrast", "<f4"),  # its standard deviation
        ("sharpness", "<f4"),  # mean square of its Laplacian / its variance
        ("height", "<u4"),  # of the source, upright, in pixels
        ("width", "<u4"),
        ("format", "S8"),  # of the source: "JPEG", "PNG", ...
    ]
)
"""What this version writes, and what every version has: the required fields."""

HEADER_BYTES = 512
"""Of `rows.npy` as written; fixed, so that the number of rows can be filled in at the end."""

_MAGIC = b"\x93NUMPY\x01\x00"
_MAX_HEADER_BYTES = 16 * 2**10
_SIMPLE_TYPE = re.compile(r"[<|][uifSb]\d{1,4}")

Facts = NDArray[np.void]


def encode_header(rows: int) -> bytes:
    """The first HEADER_BYTES bytes of a `rows.npy` of that many rows."""
    text = f"{{'descr': {ROW_FACTS.descr!r}, 'fortran_order': False, 'shape': ({rows},), }}"
    room = HEADER_BYTES - len(_MAGIC) - 2
    return _MAGIC + room.to_bytes(2, "little") + text.ljust(room - 1).encode() + b"\n"


def digest_words(sha256: str) -> tuple[int, int]:
    """The table's digest of a source's sha256 in hex."""
    return (
        int.from_bytes(bytes.fromhex(sha256[:16]), "little"),
        int.from_bytes(bytes.fromhex(sha256[16:32]), "little"),
    )


def read_facts(directory: str, rows: int) -> Facts:
    """`rows.npy` of the dataset in `directory`, mapped: (rows,), with the fields that it has.

    The fields of ROW_FACTS are there, with their types. DatasetError where the table is
    missing, damaged, or not of that many rows.
    """
    name = os.path.join(directory, store.FACTS)
    try:
        with naming(name), open(name, "rb", opener=store.open_regular) as file:
            dtype, found, start = _parse_header(file.read(_MAX_HEADER_BYTES))
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise store.damaged(name, "it is missing") from None
    except ValueError as error:
        raise store.damaged(name, str(error)) from None
    if found != rows or size != start + rows * dtype.itemsize:
        raise store.damaged(name, f"it is not a table of {rows} rows")
    with naming(name):
        return np.memmap(name, dtype, "r", start, (rows,))


def _parse_header(data: bytes) -> tuple[np.dtype[np.void], int, int]:
    """(dtype, rows, where the records start); ValueError says what is wrong."""
    start = len(_MAGIC) + 2 + int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 2], "little")
    if not data.startswith(_MAGIC) or len(data) < start:
        raise ValueError("its header is damaged")
    try:
        header = ast.literal_eval(data[len(_MAGIC) + 2 : start].decode("ascii").strip())
        (rows,) = header["shape"]
        fields = [_field(*described) for described in header["descr"]]
        dtype = np.dtype(fields)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        raise ValueError("its header is damaged") from None
    _require_fields(dtype)
    if type(rows) is not int or header.get("fortran_order") is not False:
        raise ValueError("its header is damaged")
    return dtype, rows, start


def _field(name: str, kind: str, shape: tuple[int, ...] = ()) -> tuple[Any, ...]:
    """One described field, of a simple type: never objects, never nested."""
    lengths = shape if isinstance(shape, tuple) else (None,)
    good = all(type(length) is int and 0 < length <= 2**16 for length in lengths)
    if not (isinstance(name, str) and _SIMPLE_TYPE.fullmatch(kind) and len(lengths) < 3 and good):
        raise ValueError("a field of a kind that is not read")
    return (name, kind, shape)


def _require_fields(dtype: np.dtype[np.void]) -> None:
    for name in ROW_FACTS.names or ():
        if name not in (dtype.names or ()):
            raise ValueError(f"it has no field {name!r}")
        if dtype[name] != ROW_FACTS[name]:
            raise ValueError(f"its field {name!r} is {dtype[name]}, not {ROW_FACTS[name]}")
