"""Shuffled, balanced, normalized batches of a dataset, prepared in the background."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.machine.memory import allowed_cpus, budget
from imgmem.core.machine.pipeline import in_order
from imgmem.core.read.buffers import Buffers
from imgmem.core.read.gather import Gather
from imgmem.core.read.orders import EpochOrder, check_order, epoch_length, epoch_order
from imgmem.core.specs import BatchSpec, OrderSpec
from imgmem.core.units import format_bytes

Images = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]
Batch = Any
"""(images, labels), or images alone where the dataset has no labels."""

MOST_THREADS = 4
"""Threads that fill a batch where `BatchSpec.threads` does not say: memory bandwidth, not
processors, is the limit soon after."""


class EpochState(TypedDict):
    """Where an epoch stands: the epoch, batches handed out of it, and what must agree."""

    epoch: int
    batch: int
    identity: list[Any]


class Rows:
    """Which rows of the features file to visit: those of one split, with their labels."""

    def __init__(self, start: int, stop: int, labels: Labels | None, pixels: int) -> None:
        """labels: (stop - start,) or None. pixels: values in a row."""
        self.start = start
        self.count = stop - start
        self.labels = labels
        self._pixels = pixels

    def length(self, spec: OrderSpec) -> int:
        return epoch_length(spec, self.count, self.labels)

    def order(self, spec: OrderSpec, epoch: int) -> EpochOrder:
        return epoch_order(spec, epoch, self.count, labels=self.labels, pixels=self._pixels)


def threads_to_fill(requested: int | None) -> int:
    return requested or min(MOST_THREADS, allowed_cpus())


class Batches:
    """Iterate over it for the batches of an epoch; the next `for` runs the next epoch.

    Breaking off and iterating again begins the same epoch anew. `state` and `load_state`
    go on in mid-epoch, in another process too. `batches[i]` makes one batch of the epoch at
    once, from any thread. It pickles as the dataset's path and what was asked for.
    """

    def __init__(
        self,
        rows: Rows,
        gather: Gather,
        batch_size: int | Literal["auto"],
        order: OrderSpec,
        spec: BatchSpec,
        make_again: Callable[[int], "Batches"],
    ) -> None:
        """make_again: given the batch size, makes the same batches, in another process."""
        check_order(order, rows.labels)
        _check_counts(batch_size, spec)
        self._rows = rows
        self._gather = gather
        self._order = order
        self._spec = spec
        self._make_again = make_again
        self._length = rows.length(order)
        self.batch_size = self._largest() if batch_size == "auto" else batch_size
        self.epoch = 0
        self._first = 0
        self._done = 0
        self._buffers = self._new_buffers(reuse=False)
        self._ordered: tuple[int, EpochOrder] | None = None

    def _new_buffers(self, *, reuse: bool) -> Buffers:
        make = partial(self._gather.empty, self.batch_size)
        return Buffers(make, count=1 + self._spec.prefetch, reuse=reuse)

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self._length, self.batch_size)
        return whole + (rest > 0 and not self._spec.drop_last)

    def __getitem__(self, number: int) -> Batch:
        """Batch `number` of the epoch `epoch`. Raises IndexError if there is none."""
        number = range(len(self))[number]
        return self._batch(self._epoch_order(self.epoch), number, self._buffers)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration run this epoch, from its beginning."""
        self.epoch, self._first, self._done = epoch, 0, 0

    def state(self) -> EpochState:
        """What `load_state` needs to go on after the last batch handed out; JSON types only."""
        return {"epoch": self.epoch, "batch": self._done, "identity": self._identity()}

    def load_state(self, state: EpochState) -> None:
        """Let the next iteration go on where `state` was taken.

        Raises UsageError if it was taken from batches of another order, size or dataset.
        """
        if list(state["identity"]) != self._identity():
            raise UsageError(
                f"the state belongs to other batches: {state['identity']}, "
                f"these are {self._identity()}",
                hint="Use the batch size, order, seed and dataset that it was saved with.",
            )
        self.epoch = state["epoch"]
        self._first = self._done = state["batch"]

    def _identity(self) -> list[Any]:
        """What decides which rows a batch has."""
        order = self._order
        balanced = "oversample" if order.balanced is True else order.balanced
        blocks = [order.block_rows, order.window_blocks] if order.order == "blocks" else []
        return [self._rows.count, self.batch_size, order.order, order.seed, balanced, *blocks]

    def __iter__(self) -> Iterator[Batch]:
        first, self._first = self._first, 0
        self._done = first
        return self._run(self.epoch, first)

    def _run(self, epoch: int, first: int) -> Iterator[Batch]:
        for number, batch in enumerate(self._prepare(epoch, first), start=first + 1):
            self.epoch, self._done = epoch, number
            yield batch
        self.set_epoch(epoch + 1)

    def _prepare(self, epoch: int, first: int) -> Iterator[Batch]:
        """Batches from number `first` on, `prefetch` of them ahead of the reader."""
        order = self._epoch_order(epoch)
        buffers = self._new_buffers(reuse=True) if self._spec.reuse else self._buffers
        numbers = range(first, len(self))

        def make(number: int) -> Batch:
            return self._batch(order, number, buffers)

        if not self._spec.prefetch:
            return map(make, numbers)
        return in_order(make, numbers, workers=1, window=1 + self._spec.prefetch)

    def _epoch_order(self, epoch: int) -> EpochOrder:
        """Kept until another epoch is asked for. (Two threads may both make it: no harm.)"""
        ordered = self._ordered
        if ordered is None or ordered[0] != epoch:
            ordered = self._ordered = (epoch, self._rows.order(self._order, epoch))
        return ordered[1]

    def _batch(self, order: EpochOrder, number: int, buffers: Buffers) -> Batch:
        start = number * self.batch_size
        stop = min(start + self.batch_size, order.length)
        self._gather.will_need(order.next_to_fetch(start, stop) + self._rows.start)
        places = order.rows(start, stop)
        images = self._gather(places + self._rows.start, buffers.take()[: len(places)])
        if self._spec.transform is not None:
            images = self._spec.transform(images)
        return images if self._rows.labels is None else (images, self._rows.labels[places])

    def _largest(self) -> int:
        """The largest batch whose copies under way stay within the memory, at most an epoch."""
        memory = budget(self._spec.memory)
        copies = 2 + self._spec.prefetch  # the reader's, those ahead, and one being filled
        size = memory // (copies * self._gather.image_bytes)
        if not size:
            raise ResourceError(
                f"one image takes {format_bytes(copies * self._gather.image_bytes)} of batches, "
                f"the memory is {format_bytes(memory)}",
                hint="Give more memory, or a smaller dtype.",
            )
        return max(1, min(size, self._length))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._make_again, self.batch_size, self.state())


def _again(make: Callable[[int], Batches], batch_size: int, state: EpochState) -> Batches:
    batches = make(batch_size)
    batches.load_state(state)
    return batches


def _check_counts(batch_size: int | str, spec: BatchSpec) -> None:
    if isinstance(batch_size, str) and batch_size != "auto":
        raise UsageError(f"{batch_size!r} is no batch size", hint='Give a number, or "auto".')
    if not isinstance(batch_size, str) and batch_size < 1:
        raise UsageError(f"a batch has at least one row, not {batch_size}")
    if spec.prefetch < 0 or (spec.threads is not None and spec.threads < 1):
        raise UsageError("prefetch is at least 0 and threads at least 1")
