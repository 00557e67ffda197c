"""What is measured of every row while it is built: the pixels' part of `rows.npy`.

All figures come from whole numbers, so they do not depend on the CPU, and each row's only on
that row.
"""

from math import prod
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import row_ranges, rows_per_chunk
from imgmem.core.levels.to_uint8 import windowed
from imgmem.core.rows.facts import ROW_FACTS

_GROUP_PIXELS = 2**21 // 3
"""Measured at a time: they and their figures stay in the second-level cache."""
_GROUP_ROWS = 160
"""But never more of them: the frequencies of a tiny row take more than its pixels."""
_SMALL_SIDE = 128
"""Brightness, contrast and sharpness are of the image halved until a side is below this."""
_HASH_SIDE = 64
_FREQUENCIES = sorted(
    ((v, u) for v in range(12) for u in range(12) if v + u), key=lambda vu: (sum(vu), vu[0])
)[:64]
"""The 64 lowest of a two-dimensional DCT in zigzag order, without the constant one."""
_COSINE_SCALE = 512
_BITS = np.uint64(1) << np.arange(64, dtype=np.uint64)


def measure(rows: NDArray[Any], window: tuple[float, float] = (0, 255)) -> NDArray[np.void]:
    """A ROW_FACTS record for each row, (n,), with the figures that come from the pixels.

    rows: (n, H, W, C), C 1 or 3: uint8, or values of which `window` says which look black and
    white. Digest, height, width and format are left zero, for
    whoever knows the sources. Takes less memory than the larger of 4 MiB and half a row.
    """
    facts = np.zeros(len(rows), ROW_FACTS)
    step = min(_GROUP_ROWS, rows_per_chunk(max(1, prod(rows.shape[1:3])), _GROUP_PIXELS))
    for start, stop in row_ranges(len(rows), step):
        group = np.ascontiguousarray(rows[start:stop])
        shown = group if group.dtype == np.uint8 else windowed(group, window)
        _measure_group(shown, facts[start:stop])
    return facts


def _measure_group(rows: NDArray[np.uint8], facts: NDArray[np.void]) -> None:
    small = _halved(_gray(rows), _SMALL_SIDE)
    mean, std = _moments(small)
    facts["brightness"] = mean
    facts["contrast"] = std
    facts["sharpness"] = _edge_energy(small) / np.maximum(std * std, 1)
    facts["hash"] = _hashes(_halved(small, _HASH_SIDE))


def _gray(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, H, W) gray values of (n, H, W, C) rows, all in one call."""
    n, height, width, depth = rows.shape
    if depth == 1:
        return rows.reshape(n, height, width)
    tall = rows.reshape(n * height, width, depth)
    gray: NDArray[Any] = cv2.cvtColor(tall, cv2.COLOR_RGB2GRAY)
    return gray.reshape(n, height, width)


def _halved(images: NDArray[np.uint8], limit: int) -> NDArray[np.uint8]:
    """Each side of (n, H, W) halved until it is below `limit`, by exact means of pixels.

    An odd line at the end is left out, so that images on top of each other never mix.
    """
    while max(images.shape[1:]) >= limit:
        n, height, width = images.shape
        down, across = (2 if side >= limit else 1 for side in (height, width))
        new = height // down, width // across
        even = np.ascontiguousarray(images[:, : new[0] * down, : new[1] * across])
        tall = even.reshape(-1, even.shape[2])
        halved: NDArray[Any] = cv2.resize(tall, (new[1], n * new[0]), interpolation=cv2.INTER_AREA)
        images = halved.reshape(n, *new)
    return images


def _moments(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each of (n, H, W) images with sides below 128.

    The sums of a line stay below 2**24, so float32 is exact. The bits are those of
    `cv2.meanStdDev`, in a third of its time.
    """
    values = images.astype(np.float32)
    sums = np.einsum("nhw->nh", values).sum(1, dtype=np.float64)
    squares = np.einsum("nhw,nhw->nh", values, values).sum(1, dtype=np.float64)
    scale = 1 / images[0].size
    mean = sums * scale
    return mean, np.sqrt(np.maximum(squares * scale - mean * mean, 0))


def _edge_energy(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean square of the Laplacian of each (H, W) image, borders left out.

    The variance of the Laplacian (Pech-Pacheco et al. 2000; its mean is 0 but for borders):
    the usual figure for focus.
    """
    n, height, width = images.shape
    laplacian = cv2.Laplacian(images.reshape(n * height, width), cv2.CV_16S)
    inner = np.asarray(laplacian).reshape(n, height, width)[:, 1:-1, 1:-1]
    energies = [cv2.norm(image, cv2.NORM_L2SQR) if image.size else 0.0 for image in inner]
    sums: NDArray[np.float64] = np.array(energies)
    return sums / float(max(1, inner[0].size))


def _hashes(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64-bit perceptual hashes of (n, H, W) images with sides below 64.

    Bit i is the sign of the i-th of the lowest frequencies of a DCT (after the pHash of
    Zauner 2010). The cosines are rounded to whole numbers and the sums stay below 2**24 and
    2**53, so that both products are exact and every matrix library gives the same bits.
    """
    down, across = (_cosines(side) for side in images.shape[1:])
    columns = down.astype(np.float32) @ images.astype(np.float32)
    waves = columns.astype(np.float64) @ across.T
    v, u = zip(*_FREQUENCIES, strict=True)
    bits = np.where(waves[:, list(v), list(u)] > 0, _BITS, np.uint64(0))
    hashes: NDArray[np.uint64] = bits.sum(1, dtype=np.uint64)
    return hashes


def _cosines(side: int) -> NDArray[np.float64]:
    """The 12 lowest rows of a DCT-II of that length, as whole numbers."""
    angles = np.pi * np.arange(12)[:, None] * (2 * np.arange(side) + 1) / (2 * side)
    waves: NDArray[np.float64] = np.rint(_COSINE_SCALE * np.cos(angles))
    return waves
