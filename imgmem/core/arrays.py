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
