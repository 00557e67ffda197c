"""What the workers of a build do: a few sources in, rows of pixels and facts out."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.errors import ImgmemError, InputError, RejectedImage
from imgmem.core.images import (
    HEAD_BYTES,
    Decoded,
    Header,
    decode_cost,
    decode_into,
    read_header,
)
from imgmem.core.pipeline import MemoryGate
from imgmem.core.sources import Locator, Source
from imgmem.core.specs import ImageSpec

SMALL_BYTES = 2**20
"""Files up to here are read at once, on the account of what each worker has anyway."""


@dataclass(frozen=True, slots=True)
class Row:
    """One image that became a row; digest: sha256 of the source bytes, in hex."""

    name: str
    split: int
    label: int
    extra: list[str]
    decoded: Decoded
    digest: str


@dataclass(frozen=True, slots=True)
class Reject:
    """One image that did not."""

    name: str
    reason: str
    detail: str


@dataclass(slots=True)
class Chunk:
    """What became of the sources of one task, in their order.

    features: (n, H, W, C) in the dataset's dtype, for the n outcomes that are rows; a view
    of a buffer that goes back with `Decoder.recycle`. lines: bytes of plan that it covers.
    """

    buffer: npt.NDArray[Any]
    features: npt.NDArray[Any]
    pixels: npt.NDArray[np.uint8]
    outcomes: list[Row | Reject] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    failure: ImgmemError | None = None


class Decoder:
    """Decodes tasks (lists of plan lines) in worker threads, into a fixed set of buffers."""

    def __init__(
        self, source: Source, spec: ImageSpec, *, shape: tuple[int, ...], dtype: str,
        slots: int, gate: MemoryGate, stop_at_reject: bool,
    ) -> None:  # fmt: skip
        self._source = source
        self._spec = spec
        self._dtype = np.dtype(dtype)
        self._gate = gate
        self._stop_at_reject = stop_at_reject
        self._stopped = threading.Event()
        self._buffers: SimpleQueue[npt.NDArray[Any]] = SimpleQueue()
        for _ in range(slots):
            self._buffers.put(np.empty(shape, np.uint8))

    def stop(self) -> None:
        """Let the workers end at their next image."""
        self._stopped.set()

    def recycle(self, chunk: Chunk) -> None:
        """Give a chunk's buffer back; its arrays must not be used any more."""
        self._buffers.put(chunk.buffer)

    def __call__(self, lines: list[bytes]) -> Chunk:
        buffer = self._buffers.get()
        chunk = Chunk(buffer, buffer, buffer)
        rows = 0
        for line in lines:
            if self._stopped.is_set():
                break
            try:
                outcome = self._decode(json.loads(line), buffer[rows])
            except ImgmemError as failure:
                chunk.failure = failure
                break
            chunk.outcomes.append(outcome)
            chunk.sizes.append(len(line))
            rows += isinstance(outcome, Row)
            if self._stop_at_reject and isinstance(outcome, Reject):
                break
        chunk.pixels = buffer[:rows]
        chunk.features = chunk.pixels.astype(self._dtype, copy=False)
        return chunk

    def _decode(self, source: list[Any], row: npt.NDArray[np.uint8]) -> Row | Reject:
        """One source into one row, or the reason why not."""
        name, size, _, label, split, locator, extra = source
        try:
            digest, decoded = self._read_and_decode(name, size, tuple(locator), row)
        except RejectedImage as reject:
            return Reject(name, reject.reason, reject.detail)
        return Row(name, split, label, extra, decoded, digest)

    def _read_and_decode(
        self, name: str, size: int, locator: Locator, row: npt.NDArray[np.uint8]
    ) -> tuple[str, Decoded]:
        """Reserve what the header says that reading and decoding take, then do both."""
        data = self._read(name, size, locator) if size <= SMALL_BYTES else None
        header = read_header(data) if data is not None else self._header(name, size, locator)
        cost = decode_cost(header, self._spec, size)
        self._gate.reserve(cost, name)
        try:
            data = data or self._read(name, size, locator)
            decoded = decode_into(data, self._spec, row, header=header)
            return hashlib.sha256(data).hexdigest(), decoded
        finally:
            self._gate.release(cost)

    def _read(self, name: str, size: int, locator: Locator) -> bytes:
        data = self._source.read(name, locator)
        if len(data) != size:
            raise InputError(
                f"{name} changed while it was built: {size} bytes before, {len(data)} now",
                hint="Let the source rest, then begin anew with --restart.",
                path=name,
            )
        return data

    def _header(self, name: str, size: int, locator: Locator) -> Header:
        """The header of a large file, without holding the file."""
        self._gate.reserve(size, name)
        try:
            return read_source_header(self._source, name, size, locator)
        finally:
            self._gate.release(size)


def read_source_header(source: Source, name: str, size: int, locator: Locator) -> Header:
    """The header from a source's first bytes, or from all where those do not reach."""
    if size > HEAD_BYTES:
        try:
            return read_header(source.read_head(name, locator, HEAD_BYTES), complete=False)
        except RejectedImage:
            pass
    return read_header(source.read(name, locator))
