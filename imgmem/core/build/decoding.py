"""What a build's workers do: some lines of the plan in, rows of pixels and facts out.

`LineDecoder` is for threads of one process, with shared memory; `task.decode_task` is for others.
"""

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.build.csv_text import csv_cells, csv_lines
from imgmem.core.build.planned import PlannedImage, planned_images
from imgmem.core.build.reading import ReadAhead
from imgmem.core.decode.foreign import named
from imgmem.core.decode.format import Header
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import Decoded, check_size, decode_into
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.decode.tiff import NO_RANGE
from imgmem.core.errors import ImgmemError, InputError, RejectedImage, ResourceError
from imgmem.core.levels.split_sums import SplitSums, sums_by_split
from imgmem.core.machine.pipeline import MemoryGate
from imgmem.core.messages import option
from imgmem.core.rows.measures import measure
from imgmem.core.rows.notes import NOTHING, Noted, note_counts
from imgmem.core.sources import Source
from imgmem.core.sources.files import Unreachable
from imgmem.core.sources.share import ShareWatch
from imgmem.core.sources.source_headers import read_source_header
from imgmem.core.specs import ImageSpec, row_dtype

SMALL_BYTES = 2**20
"""Files up to here are read at once, on the account of what each worker has anyway."""

TINY_PIXELS = 128 * 128
"""Images and rows up to here are not worth the 5 µs of reserving memory: 1 MiB is the most."""


@dataclass(frozen=True, kw_only=True)
class DecodeSpec:
    """What all tasks of one build have in common. shape: (H, W, C) of a row. window: the values
    that look black and white."""

    image: ImageSpec
    shape: tuple[int, int, int]
    dtype: str
    stop_at_reject: bool
    window: tuple[float, float] = (0, 255)

    def buffer(self, rows: int) -> npt.NDArray[Any]:
        """Room for this many rows as they are decoded."""
        return np.empty((rows, *self.shape), row_dtype(self.dtype, self.image))


@dataclass(slots=True, kw_only=True)
class Chunk:
    """What became of the images of one task, in their order: columns, one element a row.

    features: (n, H, W, C) in the dataset's dtype. facts: (n,) ROW_FACTS. sums: of the pixel
    values, by split. labels, splits: of the plan. texts: the columns of rows.csv from the path
    on. rejects: lines of rejected.csv; reasons, notes: counts. left: pages and frames that were
    left out, by note. done, done_bytes: of the plan, how many lines and bytes of them.
    unreachable: rejects at the end that may be due to a source that has gone. failure: what the
    chunk ended at, if it did not end well. buffer: what holds the features, if it is to be used
    again. copied: its rows are copied, and no image was read.
    """

    features: npt.NDArray[Any]
    facts: npt.NDArray[np.void]
    sums: list[SplitSums]
    labels: list[Any]
    splits: list[int]
    texts: list[str]
    rejects: bytes = b""
    reasons: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    done: int = 0
    done_bytes: int = 0
    unreachable: int = 0
    failure: ImgmemError | None = None
    buffer: npt.NDArray[Any] | None = None
    copied: bool = False


class Watch:
    """Which image each thread is at, and since when."""

    def __init__(self) -> None:
        self._begun: dict[int, tuple[str, float]] = {}

    def begin(self, name: str) -> None:
        self._begun[threading.get_ident()] = (name, time.monotonic())

    def end(self) -> None:
        self._begun.pop(threading.get_ident(), None)

    def overdue(self, seconds: float) -> str | None:
        """An image that has been worked at for longer than that."""
        since = time.monotonic() - seconds
        late = [name for name, begun in list(self._begun.values()) if begun < since]
        return late[0] if late else None


class _Rows:
    """The images of one task so far, as they become rows and rejects."""

    def __init__(self) -> None:
        self.images: list[PlannedImage] = []
        self.decoded: list[Decoded] = []
        self.digests: list[bytes] = []
        self.rejects: list[tuple[str, str, str]] = []
        self.unreachable = 0
        self.readable_bytes = 0
        self.done_bytes = 0
        self.failure: ImgmemError | None = None

    def chunk(self, buffer: npt.NDArray[Any], spec: DecodeSpec) -> Chunk:
        pixels = buffer[: len(self.images)]
        splits = [image.split for image in self.images]
        noted = [Noted(each.notes, each.left) if each.notes else NOTHING for each in self.decoded]
        notes, left = note_counts(noted)
        return Chunk(
            features=pixels.astype(spec.dtype, copy=False),
            facts=self._facts(pixels, spec.window),
            sums=sums_by_split(pixels, splits),
            labels=[image.label for image in self.images],
            splits=splits,
            texts=self._texts(noted),
            rejects=csv_lines(self.rejects),
            reasons=Counter(reason for _, reason, _ in self.rejects),
            notes=notes,
            left=left,
            done=len(self.images) + len(self.rejects),
            done_bytes=self.done_bytes,
            unreachable=self.unreachable,
            failure=self.failure,
        )

    def _texts(self, noted: list[Noted]) -> list[str]:
        """The columns of rows.csv from the path on, as lines."""
        names = csv_cells([image.name for image in self.images])
        texts = [
            f"{name},{decoded.width},{decoded.height},{digest.hex()},{note.cell()}"
            for name, decoded, digest, note in zip(
                names, self.decoded, self.digests, noted, strict=True
            )
        ]
        for extra in zip(*(image.extra for image in self.images), strict=True):
            cells = csv_cells(list(extra))
            texts = [f"{text},{cell}" for text, cell in zip(texts, cells, strict=True)]
        return [f"{text}\n" for text in texts]

    def forget_unreachable(self) -> None:
        """Drop the rejects at the end that are due to a source that has gone."""
        del self.rejects[len(self.rejects) - self.unreachable :]
        self.done_bytes = self.readable_bytes
        self.unreachable = 0

    def _facts(self, pixels: npt.NDArray[Any], window: tuple[float, float]) -> npt.NDArray[np.void]:
        """What the pixels say and what only the source knows."""
        facts = measure(pixels, window)
        digests = b"".join(digest[:16] for digest in self.digests)
        facts["digest"] = np.frombuffer(digests, "<u8").reshape(-1, 2)
        facts["height"] = [decoded.height for decoded in self.decoded]
        facts["width"] = [decoded.width for decoded in self.decoded]
        facts["format"] = [decoded.format for decoded in self.decoded]
        return facts


class LineDecoder:
    """Decodes lines of the plan; may be called from several threads."""

    def __init__(
        self,
        source: Source,
        spec: DecodeSpec,
        gate: MemoryGate,
        ahead: ReadAhead | None = None,
    ) -> None:
        self.watch = Watch()
        self._ahead = ahead
        self._source = source
        self._share = ShareWatch(source)
        self._spec = spec
        self._gate = gate
        self._at_once = ahead.largest if ahead else SMALL_BYTES
        self._tiny_rows = spec.shape[0] * spec.shape[1] <= TINY_PIXELS
        self._stopped = False

    def stop(self) -> None:
        """Let all threads end at their next image."""
        self._stopped = True
        if self._ahead:
            self._ahead.close()

    def expect(self, lines: list[bytes]) -> list[bytes]:
        """Begin to read what `decode` will be called with, where that takes long."""
        if self._ahead:
            self._ahead.expect(planned_images(lines))
        return lines

    def decode(self, lines: list[bytes], buffer: npt.NDArray[Any]) -> Chunk:
        """Decode `lines` into `buffer`, (at least as many, H, W, C): the chunk is a view of it."""
        rows, images = _Rows(), planned_images(lines)
        for line, image in zip(lines, images, strict=True):
            self.watch.begin(image.name)
            if self._stopped or not self._decode_into(rows, image, buffer[len(rows.images)]):
                break
            rows.done_bytes += len(line)
            if not rows.unreachable:
                rows.readable_bytes = rows.done_bytes
        self.watch.end()
        if self._ahead:
            self._ahead.forget(images)
        return rows.chunk(buffer, self._spec)

    def _decode_into(self, rows: _Rows, image: PlannedImage, row: npt.NDArray[Any]) -> bool:
        """Decode one image into `row`, or reject it; False where the chunk ends there."""
        try:
            digest, decoded = self._read_and_decode(image, row)
        except Unreachable as reject:
            return self._reject_unreachable(rows, image, reject)
        except RejectedImage as reject:
            rows.unreachable = 0
            return self._reject(rows, image, named(reject, image.name))
        except ImgmemError as failure:
            rows.failure = failure
            return False
        except MemoryError:
            rows.failure = _out_of_memory(image)
            return False
        self._share.good(image.name, image.locator)
        rows.unreachable = 0
        rows.images.append(image)
        rows.decoded.append(decoded)
        rows.digests.append(digest)
        return True

    def _reject(self, rows: _Rows, image: PlannedImage, reject: RejectedImage) -> bool:
        """Note the reject, or end at it: then it is not done, and the next run meets it again."""
        if self._spec.stop_at_reject:
            rows.failure = _stopped_at(image, reject)
            return False
        rows.rejects.append((image.name, reject.reason, reject.detail))
        return True

    def _reject_unreachable(self, rows: _Rows, image: PlannedImage, reject: Unreachable) -> bool:
        """Reject an image that cannot be read; but where the source has gone, end before the
        first such image."""
        try:
            self._share.require_there(image.name, reject)
        except ResourceError as gone:
            rows.forget_unreachable()
            rows.failure = gone
            return False
        if not self._reject(rows, image, reject):
            return False
        rows.unreachable += 1
        return True

    def _read_and_decode(self, image: PlannedImage, row: npt.NDArray[Any]) -> tuple[bytes, Decoded]:
        """Reserve what the header says that reading and decoding take, then do both."""
        data = self._read(image) if image.size <= self._at_once else None
        header = read_header(data) if data is not None else self._header(image)
        if data is not None and self._tiny_rows and header.height * header.width <= TINY_PIXELS:
            decoded = decode_into(data, self._spec.image, row, header=header)
            return hashlib.sha256(data).digest(), decoded
        check_size(header, self._spec.image, (row.shape[0], row.shape[1]))
        cost = decode_cost(header, self._spec.image, image.size, dtype=row.dtype.name)
        with self._gate.reserved(cost, image.name):
            data = data or self._read(image)
            decoded = decode_into(data, self._spec.image, row, header=header)
            return hashlib.sha256(data).digest(), decoded

    def _read(self, image: PlannedImage) -> bytes:
        if self._ahead:
            data = self._ahead.read(image)
        else:
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


def crashed(spec: DecodeSpec, line: bytes, how: str) -> Chunk:
    """The chunk of one image that ends whatever process decodes it."""
    rows, image = _Rows(), PlannedImage.from_line(line)
    reject = RejectedImage("crashes-decoder", f"its decoder crashed ({how})")
    if spec.stop_at_reject:
        rows.failure = _stopped_at(image, reject)
    else:
        rows.rejects.append((image.name, reject.reason, reject.detail))
        rows.done_bytes = len(line)
    return rows.chunk(spec.buffer(0), spec)


def joined(chunks: list[Chunk]) -> Chunk:
    """One chunk of several that follow one another."""
    return Chunk(
        features=np.concatenate([chunk.features for chunk in chunks]),
        facts=np.concatenate([chunk.facts for chunk in chunks]),
        sums=[sums for chunk in chunks for sums in chunk.sums],
        labels=[label for chunk in chunks for label in chunk.labels],
        splits=[split for chunk in chunks for split in chunk.splits],
        texts=[text for chunk in chunks for text in chunk.texts],
        rejects=b"".join(chunk.rejects for chunk in chunks),
        reasons=sum((Counter(chunk.reasons) for chunk in chunks), Counter()),
        notes=sum((Counter(chunk.notes) for chunk in chunks), Counter()),
        left=sum((Counter(chunk.left) for chunk in chunks), Counter()),
        done=sum(chunk.done for chunk in chunks),
        done_bytes=sum(chunk.done_bytes for chunk in chunks),
        failure=chunks[-1].failure,
    )


def hung(what: str) -> ResourceError:
    """The error for images that are worked at for too long: never a reject, for it may be the
    machine's fault."""
    return ResourceError(
        f"{what} taking so long to decode that it seems stuck",
        hint="Check the disk or the file, then run the same command again; finished work is kept.",
    )


def _out_of_memory(image: PlannedImage) -> ResourceError:
    return ResourceError(
        f"out of memory while decoding {image.name}",
        hint=f"Lower {option('memory')} or {option('workers')}, or use a machine with more memory.",
        path=image.name,
    )


def _stopped_at(image: PlannedImage, reject: RejectedImage) -> InputError:
    remedy = ""
    if reject.reason == "too-large":
        remedy = f"give a larger {option('max_pixels')}, "
    elif NO_RANGE in reject.detail:
        levels = f"{option('levels', 'LOW,HIGH')} and {option('restart', True)}"
        remedy = f"say with {levels} which values become 0 to 255, "
    return InputError(
        f"{image.name} rejected ({reject.reason}): {reject.detail}",
        hint=f"Fix or remove the file, {remedy}or rerun with {option('on_error', 'skip')}.",
        path=image.name,
        reason=reject.reason,
    )
