"""PyTorch: a map-style dataset that fetches whole batches, a sampler and a ready DataLoader.

    train = imgmem.torch.ImageDataset("flowers", split="train")
    for images, labels in imgmem.torch.loader(train, 64, balanced=True, num_workers=2):
        ...

Needs the extra `torch` (PyTorch 2 or newer).
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import torch
from torch.utils.data import DataLoader, Sampler, default_collate, get_worker_info

from imgmem._torch_workers import Batch, SharedBatch
from imgmem.core.arrays import Images, Indices
from imgmem.core.chunks import row_ranges
from imgmem.core.read import dataset as core
from imgmem.core.read.batches import threads_to_fill
from imgmem.core.read.buffers import Buffers
from imgmem.core.read.convert import Normalize
from imgmem.core.read.orders import check_order
from imgmem.core.read.selection import SplitChoice
from imgmem.core.specs import Balance, BatchDtype, Layout, Order, OrderSpec

ROWS_AT_ONCE = 4096
"""Rows that a sampler turns into Python integers at a time."""

Transform: TypeAlias = Callable[[torch.Tensor], torch.Tensor]


class ImageDataset(torch.utils.data.Dataset[Any]):
    """The images of a dataset, or of some splits, as tensors (C, H, W) with their labels.

    `dataset[i]` is (image, label), or the image alone without labels. Works with any
    DataLoader and sampler, in forked and spawned workers; it pickles as its path. A
    DataLoader fetches whole batches from it, which `collate` passes on as they are and
    PyTorch's default collate function copies once.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        split: SplitChoice = None,
        *,
        normalize: Normalize = True,
        dtype: BatchDtype | None = None,
        channels_last: bool = False,
        transform: Transform | None = None,
    ) -> None:
        """Open the dataset at `path`; raises as `imgmem.open` and `Dataset.batches` do.

        Args:
            path: The directory that `imgmem build` made.
            split: As for `imgmem.open`.
            normalize: As for `Dataset.batches`.
            dtype: As for `Dataset.batches`.
            channels_last: Lay the pixels out as torch.channels_last; the shape stays
                (N, C, H, W).
            transform: Called with each batch of images (N, C, H, W), in a DataLoader's worker
                if it has any; a single image is a batch of one.
        """
        self.data = core.open(path, split)
        self._split = split
        self._rows = core.row_set(self.data)
        self.transform = transform
        self._options: dict[str, Any] = {
            "normalize": normalize,
            "dtype": dtype,
            "channels_last": channels_last,
        }
        layout: Layout = "NHWC" if channels_last else "NCHW"
        reader = core.reader_for(self.data, normalize=normalize, dtype=dtype, layout=layout)
        self._in_worker = reader
        self._here = reader.with_threads(threads_to_fill(None))
        self._buffers: dict[int, Buffers] = {}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> Any:
        batch = self._batch([row])
        return batch[0] if isinstance(batch, torch.Tensor) else (batch[0][0], int(batch[1][0]))

    def __getitems__(self, rows: list[int]) -> "Samples":
        """The samples at these rows, all in one batch: what a DataLoader asks for."""
        return Samples(self._batch(rows))

    def _batch(self, rows: list[int]) -> Batch:
        indices = core.resolve(self.data, rows)
        images = self._images(indices)
        if self.transform is not None:
            images = self.transform(images)
        labels = self.data.labels
        return images if labels is None else (images, torch.from_numpy(labels[indices]))

    def _images(self, indices: Indices) -> torch.Tensor:
        reader = self._here if get_worker_info() is None else self._in_worker
        out = self._buffer(len(indices))
        images = torch.from_numpy(reader(self._rows.file_rows(indices), out))
        return images.permute(0, 3, 1, 2) if self._options["channels_last"] else images

    def _buffer(self, count: int) -> Images:
        """Memory for a batch: reused from one that no tensor uses any more, if there is one."""
        if count not in self._buffers:
            self._buffers = {count: Buffers(partial(self._here.empty, count), count=2)}
        return self._buffers[count].acquire()

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.data.path, self._split, self.transform, self._options)


def _reopen(
    path: str, split: SplitChoice, transform: Transform | None, options: dict[str, Any]
) -> ImageDataset:
    return ImageDataset(path, split, transform=transform, **options)


class Samples(list[Any]):
    """The samples of a batch one by one, as any collate function expects, and the batch."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        one_by_one = batch if isinstance(batch, torch.Tensor) else zip(*batch, strict=True)
        super().__init__(one_by_one)


def collate(samples: list[Any]) -> Any:
    """Returns the batch as it was fetched; other samples go through PyTorch's default."""
    if not isinstance(samples, Samples):
        return default_collate(samples)
    return samples.batch if get_worker_info() is None else SharedBatch(samples.batch)


class RowSampler(Sampler[int]):
    """The rows of an epoch in the order of `Dataset.batches`.

    Each iteration is the next epoch, unless `set_epoch` has chosen one.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        *,
        order: Order = OrderSpec.order,
        seed: int = OrderSpec.seed,
        balanced: bool | Balance = OrderSpec.balanced,
    ) -> None:
        """Raises UsageError for an order that contradicts itself or the dataset."""
        self.epoch = 0
        self._rows = core.row_set(dataset.data)
        self._spec = OrderSpec(order=order, seed=seed, balanced=balanced)
        check_order(self._spec, self._rows.labels)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration run this epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._rows.length(self._spec)

    def __iter__(self) -> Iterator[int]:
        order = self._rows.order(self._spec, self.epoch)
        self.epoch += 1
        for start, stop in row_ranges(order.length, ROWS_AT_ONCE):
            yield from order.rows(start, stop).tolist()


def loader(
    dataset: ImageDataset,
    batch_size: int,
    *,
    order: Order = OrderSpec.order,
    seed: int = OrderSpec.seed,
    balanced: bool | Balance = OrderSpec.balanced,
    **options: Any,
) -> DataLoader[Any]:
    """A DataLoader of (images, labels) batches, or of images alone without labels.

    Each iteration is the next epoch; `loader(...).sampler.set_epoch` chooses one.

    Args:
        dataset: Where the images come from.
        batch_size: Rows in a batch.
        order: As for `Dataset.batches`.
        seed: As for `Dataset.batches`.
        balanced: As for `Dataset.batches`.
        options: The DataLoader's own (`num_workers`, `pin_memory`, `drop_last`, …). A `sampler`
            among them replaces the order.

    Raises:
        UsageError: For an order that contradicts itself or the dataset.
    """
    if "sampler" not in options:
        options["sampler"] = RowSampler(dataset, order=order, seed=seed, balanced=balanced)
    return DataLoader(dataset, batch_size, collate_fn=collate, **options)
