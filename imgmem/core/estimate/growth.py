"""How the bytes of a source become those of a dataset, and which size the disk has room for."""

from math import prod, sqrt

import numpy as np

_MIN_SIDE = 8
"""Pixels: smaller rows show nothing."""


def fitting_size(
    shape: tuple[int, int, int], *, rows: int, dtype: str, disk_bytes: int, free_bytes: int
) -> tuple[int, int] | None:
    """The largest (height, width) in proportion to `shape` whose dataset the disk has room for.

    Args:
        shape: (H, W, C) of the rows that were asked for.
        rows: How many there are.
        dtype: Of the features.
        disk_bytes: What the dataset takes with rows of that shape.
        free_bytes: What there is.

    Returns:
        None where that shape fits, or where no size that shows anything would.
    """
    features = rows * prod(shape) * np.dtype(dtype).itemsize
    room = free_bytes - (disk_bytes - features)
    if disk_bytes <= free_bytes or room <= 0:
        return None
    factor = sqrt(room / features)
    height, width = int(shape[0] * factor), int(shape[1] * factor)
    return (height, width) if min(height, width) >= _MIN_SIDE else None
