"""Images that tell which row they are."""

import numpy as np

from imgmem.core.storage.record import Normalization

ON_READ = Normalization(
    method="standardize",
    offset=(123.675, 116.28, 103.53),
    scale=(1 / 58.395, 1 / 57.12, 1 / 57.375),
    dtype="float32",
    source_dtype="uint8",
    on_read=True,
)
RESCALE = Normalization(
    method="rescale",
    offset=(0.0,) * 3,
    scale=(1 / 255,) * 3,
    dtype="float32",
    source_dtype="uint8",
    on_read=True,
)


def numbered_images(count, height=6, width=10, depth=3):
    """(count, height, width, depth) uint8 noise with the row number in the first two pixels."""
    images = np.random.default_rng(count).integers(
        0, 256, (count, height, width, depth), dtype=np.uint8
    )
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(count), 256)
    return images


def numbers_of(images):
    """The row numbers in raw NHWC images."""
    images = np.asarray(images).astype(np.int64)
    return (images[:, 0, 0, 0] * 256 + images[:, 0, 1, 0]).tolist()


def reference(images, normalization=ON_READ, dtype=np.float32):
    """What plain NumPy makes of stored images."""
    wide = np.float64 if normalization.method in ("rescale", "minmax") else np.float32
    offset, scale = np.array(normalization.offset, wide), np.array(normalization.scale, wide)
    return ((images.astype(wide) - offset) * scale).astype(dtype)


def put_numbers(dataset, rows, queue):
    """Send the numbers of some rows; here, because a spawned process cannot import test files."""
    queue.put(numbers_of(dataset[rows][0]))
