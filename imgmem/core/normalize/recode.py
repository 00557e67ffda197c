"""Features from one form to another, chunk by chunk: what is read, checked, converted.

Threads read and convert; who asks for the chunks writes them, in the order asked for.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from imgmem.core import forecast
from imgmem.core.levels import lookup
from imgmem.core.levels.to_uint8 import to_whole_exact
from imgmem.core.machine import memory
from imgmem.core.machine.pipeline import in_order
from imgmem.core.specs import RunSpec
from imgmem.core.storage import record
from imgmem.core.storage.checksums import blocks_of, joined
from imgmem.core.storage.crc import crc32
from imgmem.core.storage.durable import File
from imgmem.core.storage.npy import HEADER_BYTES
from imgmem.core.storage.record import Normalization, Record

Direction = Literal["apply", "undo"]
Crcs = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Region:
    """A range of bytes in a file."""

    start: int
    stop: int

    def overlaps(self, other: "Region") -> bool:
        return self.start < other.stop and other.start < self.stop


@dataclass(frozen=True)
class Chunking:
    """Features cut into chunks of a number of values, whatever the rows and pixels are.

    The number fills one checksum block in the widest dtype that the features may get, so
    chunks never straddle checksum blocks.
    """

    values: int
    per_chunk: int

    @classmethod
    def of(cls, side: Record, widest: str) -> "Chunking":
        return cls(prod(side.shape), side.checksum_block // np.dtype(widest).itemsize)

    @property
    def chunks(self) -> int:
        return -(-self.values // self.per_chunk)

    @property
    def longest(self) -> int:
        """The values of the longest chunk."""
        return min(self.values, self.per_chunk)

    def bounds(self, chunk: int) -> tuple[int, int]:
        """(start, stop) of the values in a chunk."""
        start = chunk * self.per_chunk
        return start, min(start + self.per_chunk, self.values)

    def values_outside(self, chunks: range) -> int:
        """How many values are in none of `chunks`, consecutive ones in either order."""
        if not chunks:
            return self.values
        ends = self.bounds(chunks[0]), self.bounds(chunks[-1])
        return self.values - (max(ends)[1] - min(ends)[0])

    def region(self, side: Record, chunk: int) -> Region:
        """Where a chunk lies in a file with the dtype of `side`."""
        start, stop = (HEADER_BYTES + bound * _itemsize(side) for bound in self.bounds(chunk))
        return Region(start, stop)

    def checksums(self, side: Record, crcs: Crcs) -> list[int]:
        """CRC-32 of each checksum block of X, from those of all chunks."""
        return blocks_of(self._parts(crcs, _itemsize(side)), side.checksum_block)

    def crc32(self, crcs: Crcs, itemsize: int) -> int:
        """CRC-32 of all the data, from those of all chunks, for values of `itemsize` bytes."""
        return joined(self._parts(crcs, itemsize))

    def _parts(self, crcs: Crcs, itemsize: int) -> Iterator[tuple[int, int]]:
        for chunk, crc in enumerate(crcs.tolist()):
            start, stop = self.bounds(chunk)
            yield crc, (stop - start) * itemsize


@dataclass(frozen=True)
class Rewrite:
    """The features of a dataset in two forms, `original` and `normalized`.

    The direction "apply" leads from the first to the second, "undo" back. Both records are
    without the checksums of X.
    """

    original: Record
    normalized: Record

    def sides(self, direction: Direction) -> tuple[Record, Record]:
        """(source, result) of a direction."""
        both = (self.original, self.normalized)
        return both if direction == "apply" else both[::-1]

    @property
    def normalization(self) -> Normalization:
        assert self.normalized.normalization is not None
        return self.normalized.normalization

    @property
    def chunking(self) -> Chunking:
        return Chunking.of(
            self.original, max(self.original.dtype, self.normalized.dtype, key=_dtype_bytes)
        )

    def to_json(self) -> bytes:
        return json.dumps([self.original.document(), self.normalized.document()]).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Rewrite":
        """ValueError for anything that `to_json` does not return."""
        try:
            documents = json.loads(data)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(documents, list) or len(documents) != 2:
            raise ValueError("it does not hold two records")
        original, normalized = map(record.parse, documents)
        if original.normalization or not normalized.normalization:
            raise ValueError("its records do not lead from original to normalized features")
        if original.shape != normalized.shape:
            raise ValueError("the shapes of its records differ")
        if original.checksum_block != normalized.checksum_block:
            raise ValueError("the checksum blocks of its records differ")
        return cls(original, normalized)


def _dtype_bytes(name: str) -> int:
    return np.dtype(name).itemsize


def _itemsize(side: Record) -> int:
    return side.features_header.dtype.itemsize


@dataclass(frozen=True)
class Recoded:
    """A chunk as it was read (checked against nothing yet) and as it becomes."""

    chunk: int
    source: npt.NDArray[Any]
    result: npt.NDArray[Any]
    source_crc: int
    result_crc: int


def recoded(
    features: File, rewrite: Rewrite, direction: Direction, chunks: Iterable[int], run: RunSpec
) -> Iterator[Recoded]:
    """Read and convert `chunks`, in this order. The arrays are overwritten two chunks later.

    Raises UsageError where the memory budget does not hold one chunk.
    """
    recoder = _Recoder(features, rewrite, direction)
    window = window_of(recoder.cost, run)
    buffers = [recoder.buffers() for _ in range(window)]
    tasks = ((chunk, buffers[turn % window]) for turn, chunk in enumerate(chunks))
    return in_threads(recoder, tasks, run, window)


def in_threads(
    work: Callable[[Any], Any], tasks: Iterable[Any], run: RunSpec, window: int
) -> Iterator[Any]:
    """`work` in the run's threads; OpenCV's own would only be in the way."""
    workers = run.workers or memory.allowed_cpus()
    return in_order(work, tasks, workers=min(workers, window), window=window)


def window_of(cost: int, run: RunSpec) -> int:
    """How many chunks of `cost` bytes may be under way; UsageError where not even one may."""
    return forecast.rewrite_window(cost, memory.budget(run.memory))


class _Buffers:
    """Arrays for one chunk: as it is read, as it becomes, and its whole values in between."""

    def __init__(self, values: int, source: np.dtype[Any], result: np.dtype[Any]) -> None:
        self.source = np.empty(values, source)
        self.result = np.empty(values, result)
        owned = [array for array in (self.source, self.result) if array.dtype.kind == "u"]
        self.whole = owned[0] if owned else np.empty(values, np.uint8)


class _Recoder:
    """Reads and converts one chunk at a time; called from several threads."""

    def __init__(self, features: File, rewrite: Rewrite, direction: Direction) -> None:
        self._features = features
        self._rewrite = rewrite
        self._chunking = rewrite.chunking
        self._direction = direction
        self._source, result = rewrite.sides(direction)
        self._dtypes = (self._source.features_header.dtype, result.features_header.dtype)
        self._table = lookup.table(rewrite.normalization)

    @property
    def cost(self) -> int:
        """Bytes that one chunk under way takes."""
        stored, wanted = (dtype.itemsize for dtype in self._dtypes)
        return forecast.rewrite_cost(values=self._chunking.longest, stored=stored, wanted=wanted)

    def buffers(self) -> _Buffers:
        return _Buffers(self._chunking.longest, *self._dtypes)

    def __call__(self, task: tuple[int, _Buffers]) -> Recoded:
        chunk, buffers = task
        start, stop = self._chunking.bounds(chunk)
        source, result, whole = (
            array[: stop - start] for array in (buffers.source, buffers.result, buffers.whole)
        )
        read_chunk(self._features, self._chunking.region(self._source, chunk), source)
        self._convert(source, result, whole, start % self._rewrite.original.shape[3])
        return Recoded(chunk, source, result, crc32(source.data), crc32(result.data))

    def _convert(
        self, source: npt.NDArray[Any], result: npt.NDArray[Any], whole: lookup.Whole, phase: int
    ) -> None:
        if self._direction == "apply":
            if whole is not source:
                to_whole_exact(source, whole)  # known to be; checksums tell if not any more
            lookup.apply(whole, self._table, phase, result)
        else:
            lookup.restore(source, self._rewrite.normalization, phase, whole)
            if whole is not result:
                np.copyto(result, whole)


def read_chunk(features: File, region: Region, out: npt.NDArray[Any]) -> None:
    """Fill `out` from a region; what lies behind the end of the file reads as zeros."""
    done = features.pread_into(out, region.start)
    out.data.cast("B")[done:] = bytes(out.nbytes - done)
