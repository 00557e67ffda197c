"""Ways to draw random, normalized batches from a dataset. For `child.py`."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Work = Callable[[], int]
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)


def imgmem(
    path: str,
    batch: int,
    cold: bool = False,
    layout: Any = "NHWC",
    crop: int = 0,
    numba: bool = True,
) -> Work:
    """`Dataset.batches`, with its output buffers used again; warm, in its second epoch, as ffcv,
    which compiles in its first. crop: augment by random parts of this size, and flips. numba:
    whether it is used where it is installed."""
    if not numba:
        sys.modules["numba"] = None  # type: ignore[assignment]
    from imgmem import augment, open

    steps = [augment.RandomResizedCrop(crop), augment.HorizontalFlip()] if crop else []
    batches = open(path).batches(
        batch, normalize=(MEAN, STD), reuse=True, layout=layout, augment=steps
    )
    if not cold:
        _exhaust(batches)
    _forget(path, cold)
    return lambda: _exhaust(batches)


def gather_alone(path: str, batch: int, cold: bool = False) -> Work:
    """The limit: copy the rows of each batch together, and nothing else."""
    images = np.load(f"{path}/X.npy", mmap_mode="r")
    out = np.empty((batch, *images.shape[1:]), np.uint8)
    _forget(path, cold)

    def work() -> int:
        for rows in _random_rows(len(images), batch):
            np.take(images, rows, axis=0, out=out[: len(rows)], mode="clip")
        return len(images)

    return work


def naive(path: str, batch: int, cold: bool = False) -> Work:
    """Item by item, as a Dataset's `__getitem__` has it, and np.stack."""
    items = _Items(path)
    _forget(path, cold)

    def work() -> int:
        for rows in _random_rows(len(items), batch):
            np.stack([items[row][0] for row in rows.tolist()])
        return len(items)

    return work


def crops_item_by_item(path: str, batch: int, crop: int) -> Work:
    """torchvision's random-resized-crop and flip, image by image."""
    import torch
    from torchvision.transforms import v2  # type: ignore[import-not-found]

    items = _Items(path)
    steps = v2.Compose([
        v2.RandomResizedCrop(crop, antialias=True), v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32), v2.Normalize(MEAN, STD),
    ])  # fmt: skip

    def work() -> int:
        for rows in _random_rows(len(items), batch):
            torch.stack([
                steps(torch.from_numpy(items.images[row]).permute(2, 0, 1)) for row in rows.tolist()
            ])  # fmt: skip
        return len(items)

    return work


def torch_imgmem(path: str, batch: int, workers: int) -> Work:
    """`imgmem.torch.loader`."""
    from imgmem.torch import ImageDataset, loader

    images = ImageDataset(path, normalize=(MEAN, STD))
    loading = loader(images, batch, num_workers=workers)
    return lambda: _exhaust(loading)


def torch_naive(path: str, batch: int, workers: int) -> Work:
    """A plain DataLoader over a Dataset that normalizes item by item."""
    from torch.utils.data import DataLoader

    items: Any = _Items(path)
    return lambda: _exhaust(DataLoader(items, batch, shuffle=True, num_workers=workers))


class _Items:
    """The Dataset that people write over a memory map."""

    def __init__(self, path: str) -> None:
        self.images = np.load(f"{path}/X.npy", mmap_mode="r")
        self.labels = np.load(f"{path}/y.npy")
        self.mean, self.std = np.array(MEAN, np.float32), np.array(STD, np.float32)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[npt.NDArray[np.float32], int]:
        image = self.images[row].astype(np.float32)
        return (image - self.mean) / self.std, int(self.labels[row])


def _random_rows(count: int, batch: int) -> Iterator[npt.NDArray[np.int64]]:
    order = np.random.default_rng(0).permutation(count)
    return iter(np.split(order, range(batch, count, batch)))


def _exhaust(batches: Any) -> int:
    """An epoch; how many labels it had, and so how many images."""
    return sum(len(labels) for _, labels in batches)


def _forget(path: str, cold: bool) -> None:
    """Drop the features from the page cache, where that is wanted."""
    if cold:
        fd = os.open(f"{path}/X.npy", os.O_RDONLY)
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
