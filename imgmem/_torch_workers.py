"""Batches from a DataLoader's worker to the process that it serves.

PyTorch makes fresh shared memory for every batch, and its page faults cost several times what
it takes to fill it. Here a worker keeps a few pieces of shared memory and reuses each when the
other process has dropped the batch that was in it.
"""

from typing import Any, TypeAlias

import torch

from imgmem.core.arrays import Images, Labels
from imgmem.core.read.buffers import leased

Batch: TypeAlias = torch.Tensor | tuple[torch.Tensor, torch.Tensor]

MAX_SLOTS = 8
"""Pieces that a worker keeps: those prefetched (2 unless the loader says otherwise), those
in use, and room. A caller that keeps more batches than that gets fresh memory for each."""


class _Slots:
    """A worker's pieces of shared memory, each with a last byte that says "in use"."""

    def __init__(self) -> None:
        self._slots: list[torch.Tensor] = []

    def acquire(self, size: int) -> torch.Tensor:
        """(at least size + 1,) uint8 in shared memory, marked as in use."""
        self._slots = [slot for slot in self._slots if len(slot) > size]
        free = (slot for slot in self._slots if not slot[-1])
        slot = next(free, None)
        if slot is None:
            slot = torch.empty(size + 1, dtype=torch.uint8)
            slot.share_memory_()
            self._slots.append(slot)
            del self._slots[:-MAX_SLOTS]
        slot[-1] = 1
        return slot


_slots = _Slots()


class SharedBatch:
    """A batch that arrives in the other process as the plain tensors that it was made of."""

    def __init__(self, batch: Batch) -> None:
        """Copies the images to shared memory at once; the batch is free then."""
        images, labels = (batch, None) if isinstance(batch, torch.Tensor) else batch
        self._labels = None if labels is None else labels.numpy()
        self._size = images.numel() * images.element_size()
        self._slot = _slots.acquire(self._size)
        target = _as_images(self._slot[: self._size], images.dtype, images.shape, _strides(images))
        target.copy_(images)
        self._form = (images.dtype, images.shape, target.stride())

    def __reduce__(self) -> tuple[Any, ...]:
        return _receive, (self._slot, self._size, self._form, self._labels)


def _strides(images: torch.Tensor) -> tuple[int, ...]:
    """Those of the images where they fill their memory in some order, else of a plain copy."""
    strides: tuple[int, ...] = torch.empty_like(images, device="meta").stride()
    return strides


def _as_images(
    memory: torch.Tensor, dtype: torch.dtype, shape: torch.Size, strides: tuple[int, ...]
) -> torch.Tensor:
    return memory.view(dtype).as_strided(shape, strides)


def _receive(
    slot: torch.Tensor,
    size: int,
    form: tuple[torch.dtype, torch.Size, tuple[int, ...]],
    labels: Labels | None,
) -> Batch:
    """The batch as tensors; when they are gone, the worker may use the slot again."""
    memory = leased(slot.numpy(), _release)
    images = _as_images(torch.from_numpy(memory[:size]), *form)
    return images if labels is None else (images, torch.from_numpy(labels))


def _release(slot: Images) -> None:
    slot[-1] = 0
