"""Shuffled, balanced, normalized batches of a dataset, prepared in the background."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypedDict

import numpy as np

from imgmem.core import forecast
from imgmem.core.arrays import Indices, Labels
from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.machine.memory import allowed_cpus, budget
from imgmem.core.machine.pipeline import in_order
from imgmem.core.read.batch_reader import BatchReader
from imgmem.core.read.buffers import Buffers, Ring
from imgmem.core.read.orders import EpochOrder, check_order
from imgmem.core.read.row_set import RowSet
from imgmem.core.read.specs import BatchSpec, OrderSpec
from imgmem.core.units import format_bytes

Batch = Any
"""(images, labels), (images, labels, rows) or (images, rows), or images alone."""

MAX_THREADS = 4
"""Threads that fill batches where `BatchSpec.threads` does not say: memory bandwidth, not
processors, is the limit soon after."""


class EpochState(TypedDict):
    """Where an epoch stands: the epoch, batches handed out of it, and what must agree."""

    epoch: int
    batch: int
    identity: list[Any]


@dataclass
class _Position:
    """Where one iteration stands: `batch` batches of the epoch were handed out."""

    epoch: int
    batch: int = 0


def threads_to_fill(requested: int | None) -> int:
    return requested or min(MAX_THREADS, allowed_cpus())


class Batches:
    """Iterate over it for the batches of an epoch; the next `for` runs the next epoch.

    Breaking off and iterating again starts the same epoch from its beginning. `state` and
    `load_state` resume mid-epoch, in another process too. `batches[i]` makes one batch of
    the epoch at once, from any thread. It pickles as the dataset's path and what was asked for.

    Iterators that live at the same time do not disturb each other; `state` and the next epoch
    follow the one that was started last.
    """

    def __init__(
        self,
        rows: RowSet,
        reader: BatchReader,
        batch_size: int | Literal["auto"],
        order: OrderSpec,
        spec: BatchSpec,
        make_again: Callable[[int], "Batches"],
    ) -> None:
        """make_again: given the batch size, makes the same batches, in another process."""
        check_order(order, rows.labels)
        _check_counts(batch_size, spec)
        self._rows = rows
        self._reader = reader
        self._order = order
        self._spec = spec
        self._make_again = make_again
        self._length = rows.length(order)
        self.batch_size = self._largest() if batch_size == "auto" else batch_size
        self._position = _Position(0)
        self._resume_at = 0
        self._empty = partial(reader.empty, self.batch_size)
        self._buffers = Buffers(self._empty, count=1 + spec.prefetch)
        self._ordered: tuple[int, EpochOrder] | None = None

    @property
    def epoch(self) -> int:
        """The epoch that `batches[i]` takes its batches from: the current one."""
        return self._position.epoch

    def __len__(self) -> int:
        """Batches in an epoch."""
        whole, rest = divmod(self._length, self.batch_size)
        return whole + (rest > 0 and not self._spec.drop_last)

    def __getitem__(self, number: int) -> Batch:
        """Batch `number` of the current epoch. Raises IndexError if there is none."""
        number = range(len(self))[number]
        order = self._epoch_order(self.epoch)
        return self._batch(order, number, self._buffers, self._reader.threads)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration run this epoch: from its beginning, or from where a state of it
        stands that was loaded since the last one."""
        if epoch != self.epoch:
            self._resume_at = 0
        self._position = _Position(epoch, self._resume_at)

    def state(self) -> EpochState:
        """What `load_state` needs to resume after the last batch handed out; JSON types only."""
        position = self._position
        return {"epoch": position.epoch, "batch": position.batch, "identity": self._identity()}

    def load_state(self, state: EpochState) -> None:
        """Let the next iteration resume where `state` was taken.

        Raises UsageError if it was taken from batches of another order, size or dataset.
        """
        if list(state["identity"]) != self._identity():
            raise UsageError(
                "state was saved with a different batch configuration: "
                f"{state['identity']}, this is {self._identity()}",
                hint="Use the batch size, order, seed and dataset that it was saved with.",
            )
        self._position = _Position(state["epoch"], state["batch"])
        self._resume_at = state["batch"]

    def _identity(self) -> list[Any]:
        """What decides which rows a batch has."""
        order = self._order
        balanced = "oversample" if order.balanced is True else order.balanced
        blocks = [order.block_rows, order.window_blocks] if order.order == "blocks" else []
        shared = [order.world_size, order.drop_last] if order.world_size > 1 else []
        what = [self._rows.count, self.batch_size, order.order, order.seed, balanced]
        return [*what, *blocks, *shared]  # without the rank: all resume from the state of one

    def __iter__(self) -> Iterator[Batch]:
        self._position = _Position(self._position.epoch, self._resume_at)
        self._resume_at = 0
        return self._run(self._position)

    def _run(self, position: _Position) -> Iterator[Batch]:
        for batch in self._prepare(position.epoch, position.batch):
            position.batch += 1
            yield batch
        position.epoch, position.batch = position.epoch + 1, 0

    def _prepare(self, epoch: int, first: int) -> Iterator[Batch]:
        """Batches from number `first` on, `prefetch` of them ahead of the caller."""
        order = self._epoch_order(epoch)
        window = 1 + self._spec.prefetch
        buffers: Buffers | Ring = self._buffers
        if self._spec.reuse:
            buffers = Ring(self._buffers.acquire, count=window)
        workers = self._workers()
        threads = self._reader.threads // max(1, workers)
        numbers = range(first, len(self))

        def make(number: int) -> Batch:
            return self._batch(order, number, buffers, threads)

        if not workers:
            return map(make, numbers)
        return in_order(make, numbers, workers=workers, window=window)

    def _workers(self) -> int:
        """How many batches are made at the same time: threads that each fill a batch of their
        own do not wait for each other. But a transform is called in order, from one thread."""
        most = self._reader.threads if self._spec.transform is None else 1
        return min(self._spec.prefetch, most)

    def _epoch_order(self, epoch: int) -> EpochOrder:
        """Kept until another epoch is asked for. (Two threads may both make it: no harm.)"""
        ordered = self._ordered
        if ordered is None or ordered[0] != epoch:
            ordered = self._ordered = (epoch, self._rows.order(self._order, epoch))
        return ordered[1]

    def _batch(
        self, order: EpochOrder, number: int, buffers: Buffers | Ring, threads: int
    ) -> Batch:
        start = number * self.batch_size
        stop = min(start + self.batch_size, order.length)
        ahead = order.next_to_fetch(start, stop, at_once=max(1, self._workers()))
        self._reader.will_need(self._rows.file_rows(ahead))
        indices = order.rows(start, stop)
        memory = buffers.acquire(number)[: len(indices)]
        keys = order.keys(start, stop) if self._reader.augments else None
        images = self._reader(self._rows.file_rows(indices), memory, threads=threads, keys=keys)
        if self._spec.transform is not None:
            images = self._spec.transform(images)
        return together(images, self._rows.labels, indices, rows=self._spec.rows)

    def _largest(self) -> int:
        """The largest batch whose copies under way stay within the memory, at most an epoch."""
        memory = budget(self._spec.memory)
        each = forecast.batch_bytes(
            image_bytes=self._reader.image_bytes, prefetch=self._spec.prefetch
        )
        size = memory // each
        if not size:
            raise ResourceError(
                f"one image takes {format_bytes(each)} in batches, "
                f"the memory budget is {format_bytes(memory)}",
                hint="Give more memory, or a smaller dtype.",
            )
        return max(1, min(size, self._length))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._make_again, self.batch_size, self.state())


def have_rows(batches: Batches) -> bool:
    """Whether each batch ends with its row numbers."""
    return batches._spec.rows


def together(images: Any, labels: Labels | None, indices: Indices, *, rows: bool) -> Batch:
    """A batch as it is handed out: the images, their labels if there are any, their rows."""
    parts: tuple[Any, ...] = (images,)
    if labels is not None:
        parts += (labels[indices],)
    if rows:
        parts += (np.array(indices),)  # a copy: the order must not change with it
    return parts if len(parts) > 1 else images


def _again(make: Callable[[int], Batches], batch_size: int, state: EpochState) -> Batches:
    batches = make(batch_size)
    batches.load_state(state)
    return batches


def _check_counts(batch_size: int | str, spec: BatchSpec) -> None:
    if isinstance(batch_size, str) and batch_size != "auto":
        raise UsageError(f"invalid batch_size {batch_size!r}", hint='Give a number, or "auto".')
    if not isinstance(batch_size, str) and batch_size < 1:
        raise UsageError("batch_size must be >= 1")
    if spec.prefetch < 0 or (spec.threads is not None and spec.threads < 1):
        raise UsageError("prefetch must be >= 0 and threads >= 1")
