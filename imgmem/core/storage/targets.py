"""What y.npy holds: class indices, flags of several classes, or numbers; and how rows.csv has it.

A target is planned as a class index, as a tuple of class indices, or as a tuple of numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.storage.npy import ArrayHeader

CLASS, MULTILABEL, NUMBER = "class", "multilabel", "number"
SEPARATOR = "|"
"""Between the labels, the classes or the numbers of one row in rows.csv."""


def labels_header(target: str | None, rows: int, *, classes: int, names: int) -> ArrayHeader:
    """Of y.npy: (N,) int64 class indices, (N, K) uint8 flags or (N,) or (N, T) float32.

    classes: how many there are. names: how many columns of numbers are named.
    """
    if target == MULTILABEL:
        return ArrayHeader((rows, classes), np.dtype(np.uint8))
    if target == NUMBER:
        shape = (rows, names) if names > 1 else (rows,)
        return ArrayHeader(shape, np.dtype(np.float32))
    return ArrayHeader((rows,), np.dtype(np.int64))


def label_bytes(target: str | None, *, classes: int, names: int) -> int:
    """Bytes of a row of y.npy; 0 where there is none. target: None without labels."""
    if target is None:
        return 0
    return labels_header(target, 0, classes=classes, names=names).row_bytes


def labels_data(header: ArrayHeader, planned: Sequence[Any]) -> bytes:
    """The data of some rows of y.npy. header: of an array of any number of rows.

    planned: (n,) targets, of the kind that the header is for.
    """
    if header.dtype == np.uint8:
        return _flags(planned, header.shape[1]).tobytes()
    return np.array(planned, header.dtype).tobytes()


def _flags(planned: Sequence[Sequence[int]], classes: int) -> npt.NDArray[np.uint8]:
    flags = np.zeros((len(planned), classes), np.uint8)
    for row, indices in zip(flags, planned, strict=True):
        row[list(indices)] = 1
    return flags


def row_cells(target: str | None, planned: Any, classes: Sequence[str] | None) -> tuple[Any, str]:
    """What rows.csv says of a row: the cells `label` and `class`."""
    if target == NUMBER:
        return SEPARATOR.join(map(str, planned)), ""
    if classes is None:
        return "", ""
    if target == MULTILABEL:
        names = SEPARATOR.join(classes[index] for index in planned)
        return SEPARATOR.join(map(str, planned)), names
    return planned, classes[planned]


def indices_in(cell: str) -> list[int]:
    """The class indices in the cell `label` of a row with several labels. Raises ValueError."""
    found = [int(part) for part in cell.split(SEPARATOR)] if cell else []
    if min(found, default=0) < 0:
        raise ValueError(f"{cell!r} has a negative index")
    return found
