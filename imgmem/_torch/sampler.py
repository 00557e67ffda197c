"""The rows of an epoch, shared among the processes that train together."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import ConcatDataset, Sampler, Subset

from imgmem._torch.dataset import ImageDataset, KeyedRow
from imgmem.core.arrays import Labels
from imgmem.core.errors import UsageError
from imgmem.core.read.dataset import row_set
from imgmem.core.read.orders import EpochOrder, check_order
from imgmem.core.read.row_set import RowSet
from imgmem.core.read.specs import Balance, Order, OrderSpec

ROWS_AT_ONCE = 4096
"""Rows that a sampler turns into Python integers at a time."""


class RowSampler(Sampler[int]):
    """The rows of an epoch in the order of `Dataset.batches`.

    Each iteration is the next epoch, unless `set_epoch` has chosen one.

    Attributes:
        epoch: The epoch that the next iteration runs.
        first: How many of its rows the next iteration skips; 0 again for the one after.
        is_keyed: Whether the rows come with what decides the draws of `augment`.
    """

    def __init__(
        self,
        dataset: "torch.utils.data.Dataset[Any]",
        *,
        order: Order = OrderSpec.order,
        seed: int = OrderSpec.seed,
        balanced: bool | Balance = OrderSpec.balanced,
        rank: int | None = None,
        world_size: int | None = None,
        drop_last: bool = OrderSpec.drop_last,
    ) -> None:
        """The rows that process `rank` of `world_size` visits.

        Args:
            dataset: An `ImageDataset`, or a Subset, a ConcatDataset or any other dataset with
                a length.
            order: As for `Dataset.batches`.
            seed: As for `Dataset.batches`; the same in all processes.
            balanced: As for `Dataset.batches`.
            rank: As for `OrderSpec`; None as torch.distributed says where it is initialized,
                else 0.
            world_size: As for `OrderSpec`; None likewise, else 1.
            drop_last: As for `OrderSpec`.

        Raises:
            UsageError: For an order that contradicts itself or the dataset.
        """
        self.epoch = self.first = 0
        rank, world_size = _ranks(rank, world_size)
        self._rows = _rows_of(dataset)
        self.is_keyed = any(each.augments for each in image_datasets(dataset))
        self.spec = OrderSpec(
            order=order,
            seed=seed,
            balanced=balanced,
            rank=rank,
            world_size=world_size,
            drop_last=drop_last,
        )
        check_order(self.spec, self._rows.labels)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration run this epoch: from its beginning, or from where a state of it
        stands that was loaded since the last one."""
        if epoch != self.epoch:
            self.epoch, self.first = epoch, 0

    def __len__(self) -> int:
        return self._rows.length(self.spec)

    def __iter__(self) -> "RowIterator":
        iterator = RowIterator(self, self.epoch, self.first)
        self.set_epoch(self.epoch + 1)
        return iterator

    def order(self, epoch: int) -> EpochOrder:
        """What an iteration of this epoch visits."""
        return self._rows.order(self.spec, epoch)


class RowIterator(Iterator[int]):
    """One iteration of a RowSampler; torchdata's StatefulDataLoader saves and loads it."""

    def __init__(self, sampler: RowSampler, epoch: int, first: int) -> None:
        self._sampler = sampler
        self._start(epoch, first)

    def _start(self, epoch: int, first: int) -> None:
        self._epoch, self._place = epoch, first
        self._rows = self._numbers(self._sampler.order(epoch), first)

    def _numbers(self, order: EpochOrder, first: int) -> Iterator[int]:
        for start in range(first, order.length, ROWS_AT_ONCE):
            stop = min(start + ROWS_AT_ONCE, order.length)
            rows = order.rows(start, stop).tolist()
            keyed = self._sampler.is_keyed
            yield from map(KeyedRow, rows, order.keys(start, stop).tolist()) if keyed else rows

    def __next__(self) -> int:
        row = next(self._rows)
        self._place += 1
        return row

    def state_dict(self) -> dict[str, int]:
        """The epoch, and how many of its rows were handed out."""
        return {"epoch": self._epoch, "rows": self._place}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Resume where `state` was taken; the sampler's next iteration is the next epoch."""
        self._start(state["epoch"], state["rows"])
        self._sampler.set_epoch(state["epoch"] + 1)


def _ranks(rank: int | None, world_size: int | None) -> tuple[int, int]:
    if (rank is None) != (world_size is None):
        raise UsageError("rank and world_size go together", hint="Pass both, or neither.")
    if rank is not None and world_size is not None:
        return rank, world_size
    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def _rows_of(dataset: Any) -> RowSet:
    """What orders are made of: all rows of an ImageDataset, or those of a dataset made of some."""
    if isinstance(dataset, ImageDataset):
        return row_set(dataset.data)
    first = image_datasets(dataset)[:1]
    pixels = row_set(first[0].data).pixels if first else 1
    return RowSet(((0, len(dataset)),), _labels_of(dataset), pixels)


def _labels_of(dataset: Any) -> Labels | None:
    """(len(dataset),) class indices; None where they are not known."""
    if isinstance(dataset, ImageDataset):
        return dataset.data.labels
    if isinstance(dataset, Subset):
        labels = _labels_of(dataset.dataset)
        return None if labels is None else labels[np.asarray(dataset.indices, np.int64)]
    if isinstance(dataset, ConcatDataset):
        parts = [_labels_of(part) for part in dataset.datasets]
        known = [part for part in parts if part is not None]
        return np.concatenate(known) if len(known) == len(parts) else None
    return None


def image_datasets(dataset: Any) -> list[ImageDataset]:
    """The ImageDatasets that a dataset is made of."""
    if isinstance(dataset, ImageDataset):
        return [dataset]
    if isinstance(dataset, Subset):
        return image_datasets(dataset.dataset)
    if isinstance(dataset, ConcatDataset):
        return [each for part in dataset.datasets for each in image_datasets(part)]
    return []
