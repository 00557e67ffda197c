"""Batches from a DataLoader's worker to the process that it serves.

PyTorch makes fresh shared memory for every batch, and its page faults cost several times what
it takes to fill it. Here a worker keeps a few pieces of shared memory and reuses each when the
other process has dropped the batch that was in it.
"""

import math
import os
from functools import partial
from typing import Any, TypeAlias

import torch
from torch.multiprocessing import get_sharing_strategy

from imgmem.core.arrays import Images
from imgmem.core.read.buffers import leased

Batch: TypeAlias = torch.Tensor | tuple[torch.Tensor, ...]

SHARED_MEMORY = "/dev/shm"
"""Where Linux keeps shared memory; 64 MB in a docker container by default."""

MAX_SLOTS = 8
"""Pieces that a worker keeps: those prefetched (2 unless the loader says otherwise), those
in use, and room. A caller that keeps more batches than that gets fresh memory for each."""


class _Slots:
    """A worker's pieces of shared memory, each with a last byte that says "in use"."""

    def __init__(self) -> None:
        self._slots: list[torch.Tensor] = []
        self._lent: dict[int, torch.Tensor] = {}

    def lend(self, size: int) -> Images | None:
        """(size,) uint8 of a slot to make a batch in; None without room.

        The slot is free again when nothing uses the array any more, unless `take_over` has
        made a batch of it.
        """
        slot = self.acquire(size)
        if slot is None:
            return None
        self._lent[slot.data_ptr()] = slot
        memory = leased(slot.numpy(), partial(self._give_back, slot.data_ptr()))
        return memory[:size]

    def _give_back(self, address: int, _: Images) -> None:
        slot = self._lent.pop(address, None)
        if slot is not None:
            slot[-1] = 0

    def take_over(self, images: torch.Tensor) -> torch.Tensor | None:
        """The slot that these images were made in, if they are all that is in it."""
        if images.stride() != _strides(images):
            return None
        return self._lent.pop(images.data_ptr(), None)

    def acquire(self, size: int) -> torch.Tensor | None:
        """(at least size + 1,) uint8 in shared memory, marked as in use; None without room."""
        self._slots = [slot for slot in self._slots if len(slot) > size]
        free = (slot for slot in self._slots if not slot[-1])
        slot = next(free, None)
        if slot is None:
            slot = _shared_bytes(size + 1)
            if slot is None:
                return None
            self._slots.append(slot)
            del self._slots[:-MAX_SLOTS]
        slot[-1] = 1
        return slot


slots = _Slots()


def shared_memory_left() -> int | None:
    """Bytes that /dev/shm still has room for; None where there is no such mount."""
    if not hasattr(os, "statvfs") or not os.path.isdir(SHARED_MEMORY):
        return None
    facts = os.statvfs(SHARED_MEMORY)
    return facts.f_bavail * facts.f_frsize


def _shared_bytes(size: int) -> torch.Tensor | None:
    """`size` bytes of shared memory that are really there; None where they are not.

    A page of a full /dev/shm ends the process with SIGBUS at first use, so all are allocated
    beforehand, where the system can do that.
    """
    left = shared_memory_left()
    if left is not None and left < size:
        return None
    try:
        storage = torch.UntypedStorage._new_shared(size)
        if get_sharing_strategy() == "file_descriptor" and hasattr(os, "posix_fallocate"):
            os.posix_fallocate(storage._share_fd_cpu_()[0], 0, size)
    except (OSError, RuntimeError):  # PyTorch's own error where it cannot create the file
        return None
    return torch.empty(0, dtype=torch.uint8).set_(storage)


class SharedBatch:
    """A batch that arrives in the other process as the plain tensors that it was made of.

    Without room in shared memory the images go through the pipe to the other process, as the
    other tensors always do: slower, but they arrive.
    """

    def __init__(self, batch: Batch) -> None:
        """Images that were not made in shared memory are copied there at once."""
        images, *others = (batch,) if isinstance(batch, torch.Tensor) else batch
        self._others = [other.numpy() for other in others]
        self._form = (images.dtype, images.shape, _strides(images))
        made_there = slots.take_over(images)
        slot = self._copied(images) if made_there is None else made_there
        self._is_shared = slot is not None
        self._memory = self._copied_out(images) if slot is None else slot

    def _copied(self, images: torch.Tensor) -> torch.Tensor | None:
        """A slot with the images in it; None without room."""
        slot = slots.acquire(images.nbytes)
        if slot is not None:
            _as_images(slot[: images.nbytes], *self._form).copy_(images)
        return slot

    def _copied_out(self, images: torch.Tensor) -> torch.Tensor:
        memory = torch.empty(images.nbytes, dtype=torch.uint8)
        _as_images(memory, *self._form).copy_(images)
        return memory

    def __reduce__(self) -> tuple[Any, ...]:
        memory = self._memory if self._is_shared else self._memory.numpy()
        return _receive, (memory, self._form, self._others)


def _strides(images: torch.Tensor) -> tuple[int, ...]:
    """Those of the images where they fill their memory in some order, else of a plain copy."""
    strides: tuple[int, ...] = torch.empty_like(images, device="meta").stride()
    return strides


def _as_images(
    memory: torch.Tensor, dtype: torch.dtype, shape: torch.Size, strides: tuple[int, ...]
) -> torch.Tensor:
    return memory.view(dtype).as_strided(shape, strides)


def _receive(
    memory: torch.Tensor | Images,
    form: tuple[torch.dtype, torch.Size, tuple[int, ...]],
    others: list[Images],
) -> Batch:
    """The batch as tensors; when they are gone, the worker may use the slot again."""
    if isinstance(memory, torch.Tensor):
        memory = leased(memory.numpy(), _release)
    size = form[0].itemsize * math.prod(form[1])
    images = _as_images(torch.from_numpy(memory[:size]), *form)
    return (images, *map(torch.from_numpy, others)) if others else images


def _release(slot: Images) -> None:
    slot[-1] = 0
