"""Small pictures for reports: thumbnails of rows, and the mean picture of each class."""

from base64 import b64encode
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import row_ranges, rows_per_chunk
from imgmem.core.levels.to_uint8 import to_uint8
from imgmem.core.machine.pipeline import in_order
from imgmem.core.progress import Progress, ProgressCallback, no_progress
from imgmem.core.read.dataset import Dataset, reader_for
from imgmem.core.sample.exports import encode
from imgmem.core.stats.scan import WINDOW_BYTES, Rows

LONGER_SIDE = 144
"""Of a thumbnail, in pixels; half of that on the page, for screens with fine pixels."""


def small_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) of a thumbnail: never enlarged."""
    factor = min(1.0, LONGER_SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def shrunk(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, C) at the size of a thumbnail."""
    height, width = small_size(*picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8).reshape(height, width, -1)


def data_uri(picture: NDArray[np.uint8]) -> str:
    """A picture as the address of an <img> that needs no other file."""
    return "data:image/jpeg;base64," + b64encode(encode(picture, ".jpg")).decode()


def thumbnails(dataset: Dataset, rows: Sequence[int]) -> dict[int, str]:
    """Row → address of its thumbnail, each row read once."""
    read = reader_for(dataset, normalize=False)
    pictures = {}
    for row in sorted(set(rows)):
        (picture,) = to_uint8(read(np.array([row])), dataset.normalization)
        pictures[row] = data_uri(shrunk(picture))
    return pictures


def mean_pictures(
    dataset: Dataset,
    labels: Sequence[int],
    *,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> dict[int, str]:
    """Class index → address of the mean of all its rows, for the classes given.

    Sums are of whole numbers, so they depend neither on windows nor on workers.
    """
    at_once = rows_per_chunk(dataset.record.features_header.row_bytes, WINDOW_BYTES)
    read, kinds = Rows(dataset, at_once), dataset.labels
    if kinds is None:
        return {}
    wanted = frozenset(labels)

    def summed(window: tuple[int, int]) -> tuple[dict[int, NDArray[np.float64]], int]:
        sums: dict[int, NDArray[np.float64]] = {}
        pictures = to_uint8(read(*window), dataset.normalization)
        for label, picture in zip(_kinds(kinds, dataset, window), pictures, strict=True):
            if label in wanted:
                sums[label] = sums.get(label, 0.0) + shrunk(picture).astype(np.float64)
        return sums, window[1]

    windows = ((dataset.start + a, dataset.start + b) for a, b in row_ranges(len(dataset), at_once))
    totals: dict[int, NDArray[np.float64]] = {}
    for sums, last in in_order(summed, windows, workers=workers, window=2 * workers):
        for label, part in sums.items():
            totals[label] = totals.get(label, 0.0) + part
        progress(Progress("mean pictures", last - dataset.start, len(dataset), "rows"))
    counts = np.bincount(kinds)
    return {
        label: data_uri(np.rint(total / counts[label]).astype(np.uint8))
        for label, total in totals.items()
    }


def _kinds(labels: NDArray[np.int64], dataset: Dataset, window: tuple[int, int]) -> list[int]:
    kinds: list[int] = labels[window[0] - dataset.start : window[1] - dataset.start].tolist()
    return kinds
