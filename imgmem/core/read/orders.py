"""In which order an epoch visits the rows: arithmetic alone, the same on every machine.

A random order is a sort by a hash of the key and the row, never a library's generator,
whose stream may change from one version to the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.arrays import Indices, Labels
from imgmem.core.chunks import row_ranges
from imgmem.core.errors import UsageError
from imgmem.core.read.specs import BALANCES, ORDERS, OrderSpec

BLOCK_PIXELS = 4 * 2**20
"""Bytes of uint8 pixels in a block of the order "blocks": a disk reads them in about the
time of two seeks."""

_DRAWS = -2
"""Sets the key of random draws apart from those of orders."""

_HASHED_AT_ONCE = 2**14
"""Numbers hashed at a time: 128 KiB, so that the steps stay in the processor's cache."""


@dataclass(frozen=True)
class EpochOrder:
    """The rows that an epoch visits: `rows(start, stop)` returns those at these positions.

    window: positions that are best fetched from the disk together; 0 where it does not matter.
    first: position in the order of all ranks where this one's begins. key: (seed, epoch).
    """

    length: int
    rows: Callable[[int, int], Indices]
    window: int = 0
    first: int = 0
    key: tuple[int, int] = (0, 0)

    def keys(self, start: int, stop: int) -> npt.NDArray[np.uint64]:
        """(stop - start,) what decides random draws for the rows at these positions."""
        positions = np.arange(self.first + start, self.first + stop, dtype=np.uint64)
        return hashed(positions, stream_start((*self.key, _DRAWS)))

    def next_to_fetch(self, start: int, stop: int, *, at_once: int = 1) -> Indices:
        """What the disk should fetch while the rows at these positions are used.

        As many rows again, or the whole window after each one that begins here. Where `at_once`
        batches are made at the same time, the others are being read already.
        """
        count = stop - start
        ahead = [(start + at_once * count, stop + at_once * count)]
        if self.window:
            begun = range(-(-start // self.window) * self.window, stop, self.window)
            ahead = [(first + self.window, first + 2 * self.window) for first in begun]
        parts = [self.rows(min(a, self.length), min(b, self.length)) for a, b in ahead]
        return np.concatenate([np.empty(0, np.int64), *parts])


def check_order(spec: OrderSpec, labels: Labels | None) -> None:
    """UsageError for what contradicts itself, or for balance without labels."""
    if spec.order not in ORDERS:
        raise UsageError(f"invalid order {spec.order!r}", hint=f"Choose from {', '.join(ORDERS)}.")
    if spec.balanced not in (False, True, *BALANCES):
        raise UsageError(
            f"invalid balanced {spec.balanced!r}",
            hint=f"Choose from True, False, {', '.join(map(repr, BALANCES))}.",
        )
    if spec.balanced and labels is None:
        raise UsageError("an unlabeled dataset cannot be balanced", hint="Omit balanced.")
    if spec.balanced and labels is not None and labels.dtype.kind == "f":
        raise UsageError("numbers have no classes to balance", hint="Omit balanced.")
    if spec.balanced and spec.order != "random":
        raise UsageError(f"balanced batches cannot be {spec.order}", hint='Use order="random".')
    if (spec.block_rows is not None and spec.block_rows < 1) or spec.window_blocks < 1:
        raise UsageError("block_rows and window_blocks must be >= 1")
    if not 0 <= spec.rank < spec.world_size:
        raise UsageError(
            f"rank must be >= 0 and < world_size, not {spec.rank} of {spec.world_size}"
        )


def epoch_length(spec: OrderSpec, count: int, labels: Labels | None) -> int:
    """How many rows an epoch hands out to this rank."""
    start, stop = _share(spec, _whole_length(spec, count, labels))
    return stop - start


def _whole_length(spec: OrderSpec, count: int, labels: Labels | None) -> int:
    """Rows of an epoch of all ranks: each once, or classes × the largest or smallest class."""
    if not spec.balanced or labels is None:
        return count
    counts = _class_sizes(labels)
    return len(counts) * _of_each_class(spec, counts)


def epoch_order(
    spec: OrderSpec, epoch: int, count: int, *, labels: Labels | None, pixels: int
) -> EpochOrder:
    """The order of one epoch over the rows 0 … count - 1: this rank's share of it.

    labels: (count,) class indices or (count, K) flags, for `balanced`. pixels: values in a row,
    for "blocks". Takes 8 bytes of memory a row, twice that for a moment where classes are balanced.
    """
    whole = _whole_order(spec, epoch, count, labels=labels, pixels=pixels)
    share = whole if spec.world_size == 1 else _share_of(whole, *_share(spec, whole.length))
    return replace(share, key=(spec.seed, epoch))


def _share(spec: OrderSpec, length: int) -> tuple[int, int]:
    """(start, stop) of a rank's positions in an order; those from `length` on start it over."""
    if spec.order == "sequential":
        ends = [length * rank // spec.world_size for rank in (spec.rank, spec.rank + 1)]
        return ends[0], ends[1]
    each = length // spec.world_size if spec.drop_last else -(-length // spec.world_size)
    return spec.rank * each, (spec.rank + 1) * each


def _share_of(whole: EpochOrder, first: int, last: int) -> EpochOrder:
    """The positions first … last - 1 of an order, as an order of its own."""

    def rows_at(start: int, stop: int) -> Indices:
        start, stop = first + start, first + stop
        parts = []
        while start < stop:
            begin = start % whole.length
            end = min(whole.length, begin + stop - start)
            parts.append(whole.rows(begin, end))
            start += end - begin
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    return EpochOrder(last - first, rows_at, whole.window, first)


def _whole_order(
    spec: OrderSpec, epoch: int, count: int, *, labels: Labels | None, pixels: int
) -> EpochOrder:
    key = (spec.seed, epoch)
    if spec.balanced and labels is not None:
        return _balanced(spec, labels, key)
    if spec.order == "sequential":
        return EpochOrder(count, lambda start, stop: np.arange(start, stop, dtype=np.int64))
    if spec.order == "random":
        return _listed(permutation(count, *key))
    block_rows = spec.block_rows or max(1, BLOCK_PIXELS // pixels)
    rows = _blocks(count, block_rows, spec.window_blocks, key)
    return _listed(rows, window=block_rows * spec.window_blocks)


def permutation(count: int, *key: int) -> Indices:
    """The numbers 0 … count - 1 in an order that `key` alone decides, in 8 bytes each.

    Each number is hashed by SplitMix64 (Steele, Lea and Flood 2014, as in Java's
    SplittableRandom) from a start that SHA-256 makes of the key. The hash gives the upper
    bits of a 64-bit word, the number the lower ones; sorting the words sorts by the hash,
    and no two are equal, so that no sorting method can give another result.
    """
    words = np.arange(count, dtype=np.uint64)
    low = np.uint64((1 << max(count - 1, 0).bit_length()) - 1)
    start = stream_start(key)
    for first, last in row_ranges(count, _HASHED_AT_ONCE):
        part = words[first:last]
        part |= hashed(part, start) & ~low
    words.sort()
    words &= low
    return words.view(np.int64)


def stream_start(key: tuple[int, ...]) -> np.uint64:
    text = ":".join(str(int(part)) for part in key)
    return np.uint64(int.from_bytes(sha256(text.encode()).digest()[:8], "little"))


def hashed(numbers: npt.NDArray[np.uint64], start: Any) -> npt.NDArray[np.uint64]:
    """The outputs number 1, 2, … of the generator that begins at `start`."""
    z = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + start
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: npt.NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return result


def _listed(rows: Indices, window: int = 0) -> EpochOrder:
    return EpochOrder(len(rows), lambda start, stop: rows[start:stop], window)


def _blocks(count: int, block_rows: int, window_blocks: int, key: tuple[int, ...]) -> Indices:
    """Blocks in random order, then the rows of each `window_blocks` of them."""
    blocks = permutation(-(-count // block_rows), *key)
    order = np.empty(count, np.int64)
    filled = 0
    for first, last in row_ranges(len(blocks), window_blocks):
        starts = blocks[first:last, np.newaxis] * block_rows
        window = (starts + np.arange(block_rows)).ravel()
        window = window[window < count]
        shuffled = permutation(len(window), *key, first)
        order[filled : filled + len(window)] = window[shuffled]
        filled += len(window)
    return order


def _class_sizes(labels: Labels) -> Indices:
    """Rows of each class that has any; rows without any of several classes are one more class."""
    if labels.ndim == 2:
        sizes = np.append(
            labels.sum(axis=0, dtype=np.int64), len(labels) - labels.any(axis=1).sum()
        )
    else:
        sizes = np.bincount(labels)
    return sizes[sizes > 0].astype(np.int64)


def _by_class(labels: Labels) -> Indices:
    """The rows of the first class, of the second …; a row with several labels is in each."""
    if labels.ndim == 1:
        return np.argsort(labels, kind="stable")
    parts = [np.flatnonzero(flags) for flags in labels.T]
    return np.concatenate([*parts, np.flatnonzero(~labels.any(axis=1))])


def _of_each_class(spec: OrderSpec, sizes: Indices) -> int:
    if not len(sizes):
        return 0
    return int(sizes.min() if spec.balanced == "undersample" else sizes.max())


def _balanced(spec: OrderSpec, labels: Labels, key: tuple[int, ...]) -> EpochOrder:
    """Rounds that visit every class once, in random order, each class's rows in random order.

    So any batch is balanced too, to within one of each class. A class that runs out
    starts over. Classes without rows are omitted.
    """
    sizes = _class_sizes(labels)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    by_class = _by_class(labels)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        rows = by_class[start:end]
        rows[:] = rows[permutation(len(rows), *key, number)]

    def rows_at(start: int, stop: int) -> Indices:
        rounds, turns = np.divmod(np.arange(start, stop), len(sizes))
        classes = _rounds(rounds, len(sizes), key)[rounds - rounds[:1], turns]
        rows: Indices = by_class[starts[classes] + rounds % sizes[classes]]
        return rows

    return EpochOrder(len(sizes) * _of_each_class(spec, sizes), rows_at)


def _rounds(rounds: Indices, classes: int, key: tuple[int, ...]) -> npt.NDArray[Any]:
    """(rounds, classes): the order of the classes in each round from the first to the last."""
    if not len(rounds):
        return np.empty((0, classes), np.int64)
    numbers = np.arange(rounds[0] * classes, (rounds[-1] + 1) * classes, dtype=np.uint64)
    hashes = hashed(numbers, stream_start((*key, classes, -1)))
    return np.argsort(hashes.reshape(-1, classes), axis=1)
