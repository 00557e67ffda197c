"""What the workers of a build do: a few sources in, rows of pixels and facts out."""

import hashlib
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.build.planned import PlannedImage, planned_images
from imgmem.core.decode.foreign import named
from imgmem.core.decode.format import Header
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import Decoded, check_size, decode_into
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.errors import ImgmemError, InputError, RejectedImage, ResourceError
from imgmem.core.machine.pipeline import MemoryGate
from imgmem.core.messages import option
from imgmem.core.rows.measures import measure
from imgmem.core.sources import Source
from imgmem.core.sources.source_headers import read_source_header
from imgmem.core.specs import ImageSpec

SMALL_BYTES = 2**20
"""Files up to here are read at once, on the account of what each worker has anyway."""

TINY_PIXELS = 128 * 128
"""Images and rows up to here are not worth the 5 µs of reserving memory: 1 MiB is the most."""


@dataclass(slots=True)
class Row:
    """One image that became a row; digest: sha256 of the source bytes."""

    image: PlannedImage
    decoded: Decoded
    digest: bytes


@dataclass(frozen=True, slots=True)
class Reject:
    """One image that did not."""

    name: str
    reason: str
    detail: str


@dataclass(slots=True)
class Chunk:
    """What became of the sources of one task, in their order.

    rows, rejects: of the `done` first lines. features: (n, H, W, C) in the dataset's dtype,
    facts: (n,) ROW_FACTS, for the n rows; features may be a view of `buffer`, which goes back
    with `Decoder.recycle`. done_bytes: of the plan. failure: what the chunk ended at, if it
    did not end well.
    """

    buffer: npt.NDArray[np.uint8]
    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    done_bytes: int = 0
    failure: ImgmemError | None = None
    features: npt.NDArray[Any] = field(init=False)
    facts: npt.NDArray[np.void] = field(init=False)

    @property
    def done(self) -> int:
        """How many sources became rows or rejects."""
        return len(self.rows) + len(self.rejects)


class Decoder:
    """Decodes tasks (lists of plan lines) in worker threads, into a fixed set of buffers."""

    def __init__(
        self,
        source: Source,
        spec: ImageSpec,
        *,
        shape: tuple[int, ...],
        dtype: str,
        slots: int,
        gate: MemoryGate,
        stop_at_reject: bool,
    ) -> None:
        self._source = source
        self._spec = spec
        self._dtype = np.dtype(dtype)
        self._gate = gate
        self._stop_at_reject = stop_at_reject
        self._tiny_rows = shape[1] * shape[2] <= TINY_PIXELS
        self._stopped = False
        self._buffers: SimpleQueue[npt.NDArray[np.uint8]] = SimpleQueue()
        for _ in range(slots):
            self._buffers.put(np.empty(shape, np.uint8))

    def stop(self) -> None:
        """Let the workers end at their next image."""
        self._stopped = True

    def recycle(self, chunk: Chunk) -> None:
        """Give a chunk's buffer back; its features must not be used any more."""
        self._buffers.put(chunk.buffer)

    def __call__(self, lines: list[bytes]) -> Chunk:
        chunk = Chunk(self._buffers.get())
        for line, image in zip(lines, planned_images(lines), strict=True):
            if self._stopped or not self._decode_into(chunk, image):
                break
            chunk.done_bytes += len(line)
        pixels = chunk.buffer[: len(chunk.rows)]
        chunk.features = pixels.astype(self._dtype, copy=False)
        chunk.facts = _facts(pixels, chunk.rows)
        return chunk

    def _decode_into(self, chunk: Chunk, image: PlannedImage) -> bool:
        """Decode one image into the chunk's next row or reject; False where it ends there."""
        row = chunk.buffer[len(chunk.rows)]
        try:
            digest, decoded = self._read_and_decode(image, row)
        except RejectedImage as rejected:
            reject = named(rejected, image.name)
            return self._reject(chunk, Reject(image.name, reject.reason, reject.detail))
        except ImgmemError as failure:
            chunk.failure = failure
            return False
        except MemoryError:
            chunk.failure = _out_of_memory(image)
            return False
        chunk.rows.append(Row(image, decoded, digest))
        return True

    def _reject(self, chunk: Chunk, reject: Reject) -> bool:
        """Note the reject, or end at it: then it is not done, and the next run meets it again."""
        if self._stop_at_reject:
            chunk.failure = _stopped_at(reject)
            return False
        chunk.rejects.append(reject)
        return True

    def _read_and_decode(
        self, image: PlannedImage, row: npt.NDArray[np.uint8]
    ) -> tuple[bytes, Decoded]:
        """Reserve what the header says that reading and decoding take, then do both."""
        data = self._read(image) if image.size <= SMALL_BYTES else None
        header = read_header(data) if data is not None else self._header(image)
        if data is not None and self._tiny_rows and header.height * header.width <= TINY_PIXELS:
            decoded = decode_into(data, self._spec, row, header=header)
            return hashlib.sha256(data).digest(), decoded
        check_size(header, self._spec, (row.shape[0], row.shape[1]))
        cost = decode_cost(header, self._spec, image.size)
        with self._gate.reserved(cost, image.name):
            data = data or self._read(image)
            decoded = decode_into(data, self._spec, row, header=header)
            return hashlib.sha256(data).digest(), decoded

    def _read(self, image: PlannedImage) -> bytes:
        data = self._source.read(image.name, image.locator)
        if len(data) != image.size:
            raise InputError(
                f"{image.name} changed during the build: {image.size} bytes before, "
                f"{len(data)} now",
                hint="Make sure nothing writes to the source, then rerun with "
                f"{option('restart', True)}.",
                path=image.name,
            )
        return data

    def _header(self, image: PlannedImage) -> Header:
        """The header of a large file, without holding the file."""
        with self._gate.reserved(image.size, image.name):
            return read_source_header(self._source, image.name, image.size, image.locator)


def _facts(pixels: npt.NDArray[np.uint8], rows: list[Row]) -> npt.NDArray[np.void]:
    """The rows of the inspection table: what the pixels say and what only the source knows."""
    facts = measure(pixels)
    digests = b"".join(row.digest[:16] for row in rows)
    facts["digest"] = np.frombuffer(digests, "<u8").reshape(-1, 2)
    facts["height"] = [row.decoded.height for row in rows]
    facts["width"] = [row.decoded.width for row in rows]
    facts["format"] = [row.decoded.format for row in rows]
    return facts


def _out_of_memory(image: PlannedImage) -> ResourceError:
    return ResourceError(
        f"out of memory while decoding {image.name}",
        hint=f"Lower {option('memory')} or {option('workers')}, or use a machine with more memory.",
        path=image.name,
    )


def _stopped_at(reject: Reject) -> InputError:
    larger = f"give a larger {option('max_pixels')}, " if reject.reason == "too-large" else ""
    return InputError(
        f"{reject.name} rejected ({reject.reason}): {reject.detail}",
        hint=f"Fix or remove the file, {larger}or rerun with {option('on_error', 'skip')}.",
        path=reject.name,
        reason=reject.reason,
    )
