"""Small images for reports: thumbnails of rows, and the mean image of each class."""

from base64 import b64encode
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.core.chunks import ranges_between, rows_per_chunk
from imgmem.core.levels.to_uint8 import to_uint8
from imgmem.core.machine.pipeline import in_order
from imgmem.core.progress import Progress, ProgressCallback, no_progress
from imgmem.core.read.dataset import Dataset, reader_for, row_set
from imgmem.core.sample.encode import encode
from imgmem.core.stats.scan import WINDOW_BYTES, WindowReader
from imgmem.core.storage.labels import class_counts, row_classes

LONGER_SIDE = 144
"""Of a thumbnail, in pixels; half of that on the page, for screens with fine pixels."""


def small_size(height: int, width: int) -> tuple[int, int]:
    """The (height, width) of a thumbnail: never enlarged."""
    factor = min(1.0, LONGER_SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image (H, W, C) at the size of a thumbnail."""
    height, width = small_size(*image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8).reshape(height, width, -1)


def data_uri(image: NDArray[np.uint8]) -> str:
    """An image as the address of an <img> that needs no other file."""
    return "data:image/jpeg;base64," + b64encode(encode(image, ".jpg")).decode()


def thumbnails(dataset: Dataset, rows: Sequence[int]) -> dict[int, str]:
    """Row → address of its thumbnail, each row read once."""
    read = reader_for(dataset, normalize=False)
    images = {}
    for row in sorted(set(rows)):
        (image,) = to_uint8(read(np.array([row])), dataset.record)
        images[row] = data_uri(shrunk(image))
    return images


def mean_images(
    dataset: Dataset,
    labels: Sequence[int],
    *,
    workers: int,
    progress: ProgressCallback = no_progress,
) -> dict[int, str]:
    """Class index → address of the mean of all its rows, for the classes given.

    Sums are of whole numbers, so they depend neither on windows nor on workers.
    """
    if dataset.labels is None or not labels:
        return {}
    totals = _Sums()
    for sums, last in _window_sums(dataset, frozenset(labels), workers):
        for label, part in sums.items():
            totals[label] = totals.get(label, 0.0) + part
        progress(Progress("mean images", last, len(dataset), "rows"))
    counts = class_counts(dataset.labels, 1 + max(totals, default=0))
    return {
        label: data_uri(np.rint(total / counts[label]).astype(np.uint8))
        for label, total in totals.items()
    }


_Sums = dict[int, NDArray[np.float64]]
"""Class index → sum of the shrunk images of its rows."""


def _window_sums(
    dataset: Dataset, wanted: frozenset[int], workers: int
) -> Iterator[tuple[_Sums, int]]:
    """The sums of each window of rows, and where it ends."""
    at_once = rows_per_chunk(dataset.record.features_header.row_bytes, WINDOW_BYTES)
    read, kinds, rows = WindowReader(dataset, at_once), dataset.labels, row_set(dataset)
    assert kinds is not None

    def summed(window: tuple[int, int]) -> tuple[_Sums, int]:
        indices = rows.indices(np.arange(*window))
        sums = _Sums()
        images = to_uint8(read(*window), dataset.record)
        for classes, image in zip(row_classes(kinds[indices]), images, strict=True):
            for label in wanted.intersection(classes):
                sums[label] = sums.get(label, 0.0) + shrunk(image).astype(np.float64)
        return sums, int(indices[-1]) + 1

    windows = (part for each in rows.ranges for part in ranges_between(*each, at_once))
    return in_order(summed, windows, workers=workers, window=2 * workers)
