"""Ways to go through a dataset: statistics, and normalizing it. For `child.py`."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.pictures import fresh_copy

Work = Callable[[], int]
CHUNK_ROWS = 64
BUFFER_BYTES = 16 * 2**20


def stats_imgmem(path: str) -> Work:
    """Everything that `imgmem stats` tells."""
    import imgmem

    return lambda: _bytes(path) if imgmem.stats(path) else 0


def stats_numpy(path: str) -> Work:
    """Mean and std of the whole array; right only in float64."""
    images = np.load(f"{path}/X.npy", mmap_mode="r")

    def work() -> int:
        images.mean(axis=(0, 1, 2), dtype=np.float64)
        images.std(axis=(0, 1, 2), dtype=np.float64)
        return int(images.nbytes)

    return work


def stats_chunked(path: str) -> Work:
    """Sums in float64, chunk by chunk."""
    images = np.load(f"{path}/X.npy", mmap_mode="r")

    def work() -> int:
        _moments(images)
        return int(images.nbytes)

    return work


def read_alone(path: str) -> Work:
    """The limit: read the file into one buffer."""

    def work() -> int:
        buffer = memoryview(bytearray(BUFFER_BYTES))
        with open(f"{path}/X.npy", "rb", buffering=0) as file:
            while file.readinto(buffer):
                pass
        return _bytes(path)

    return work


def normalize_imgmem(source: str, path: str) -> Work:
    """imgmem normalize, in place, journalled and durable."""
    from imgmem import normalize

    fresh_copy(source, path)
    return lambda: _bytes(path) if normalize(path) else 0


def normalize_whole(source: str, path: str) -> Work:
    """(X - mean) / std on the whole array in float32, and np.save."""
    fresh_copy(source, path)

    def work() -> int:
        images = np.load(f"{path}/X.npy").astype(np.float32)
        images = (images - images.mean(axis=(0, 1, 2))) / images.std(axis=(0, 1, 2))
        np.save(f"{path}/X32.npy", images)
        sync(f"{path}/X32.npy")
        return int(images.nbytes)

    return work


def normalize_chunked(source: str, path: str) -> Work:
    """Two passes over memory maps, chunk by chunk, into a second file."""
    fresh_copy(source, path)

    def work() -> int:
        images = np.load(f"{path}/X.npy", mmap_mode="r")
        mean, std = (figure.astype(np.float32) for figure in _moments(images))
        out = np.lib.format.open_memmap(f"{path}/X32.npy", "w+", np.float32, images.shape)
        for start in range(0, len(images), CHUNK_ROWS):
            rows = slice(start, start + CHUNK_ROWS)
            out[rows] = (images[rows] - mean) / std
        out.flush()
        sync(f"{path}/X32.npy")
        return int(out.nbytes)

    return work


def write_alone(source: str, path: str) -> Work:
    """The limit: write a file of the result's size plainly from one buffer, and sync it."""
    fresh_copy(source, path)
    images = np.load(f"{path}/X.npy", mmap_mode="r")
    total = images.size * 4

    def work() -> int:
        buffer = memoryview(bytes(BUFFER_BYTES))
        with open(f"{path}/plain", "wb", buffering=0) as file:
            for start in range(0, total, BUFFER_BYTES):
                file.write(buffer[: total - start])
        sync(f"{path}/plain")
        return total

    return work


def sync(path: str) -> None:
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)


def _bytes(path: str) -> int:
    return Path(path, "X.npy").stat().st_size - 128


def _moments(images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.float64], ...]:
    """Mean and standard deviation per channel."""
    total = squares = np.zeros(images.shape[-1])
    for start in range(0, len(images), CHUNK_ROWS):
        chunk = images[start : start + CHUNK_ROWS].astype(np.float64)
        total = total + chunk.sum(axis=(0, 1, 2))
        squares = squares + (chunk * chunk).sum(axis=(0, 1, 2))
    mean = total / (images.size / images.shape[-1])
    return mean, np.sqrt(squares / (images.size / images.shape[-1]) - mean * mean)
