"""The files of a build in progress: their names, how they begin, and how they end.

plan.json      what is being built: options, digests, classes, splits, row shape
sources.jsonl  the images in row order, a line each
progress       two alternating slots: how far everything is durable
blocks         CRC-32 of each full 16 MiB block of X.npy's data, 4 bytes each
sums           sums of pixel values, by split, of each chunk of rows
crash          where the process was when its own code ended it, or nothing
X.npy y.npy rows.npy rows.csv rejected.csv    the dataset so far
"""

import os
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice

from imgmem.core.build.csv_text import REJECT_COLUMNS, csv_lines
from imgmem.core.build.manifest import BuildManifest
from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.state import BuildState, Written
from imgmem.core.errors import DatasetError
from imgmem.core.messages import option
from imgmem.core.rows import facts as row_facts
from imgmem.core.rows.origins import ROW_COLUMNS
from imgmem.core.storage import durable, store
from imgmem.core.storage.durable import File
from imgmem.core.storage.npy import HEADER_BYTES
from imgmem.core.storage.slots import SLOTS_BYTES, Slots

PLAN = "plan.json"
SOURCES = "sources.jsonl"
PROGRESS = "progress"
BLOCKS = "blocks"
SUMS = "sums"
CRASH = "crash"
BUILD_FILES = frozenset({PLAN, SOURCES, PROGRESS, BLOCKS, SUMS, CRASH})
"""What only a build in progress has: all else in its directory is the dataset."""
_LINES_PER_WRITE = 4096

DATA_STARTS = {store.LABELS: HEADER_BYTES, store.FACTS: row_facts.HEADER_BYTES}
"""Where appended data begins, in files with a header that is only written at the end."""


def data_start(name: str) -> int:
    """Where appended data begins in the file `name`."""
    return DATA_STARTS.get(name, 0)


def create_files(path: str, manifest: BuildManifest, images: Iterable[PlannedImage]) -> None:
    """Fill the empty directory `path`: the sources, all the space needed, `plan.json` last."""
    header = manifest.header(manifest.sources)
    _create(path, PROGRESS, bytes(SLOTS_BYTES))
    _create(path, BLOCKS)
    _create(path, SUMS)
    _create(path, CRASH)
    _create(path, store.FEATURES, allocate=header.file_bytes)
    written = {BLOCKS: Written(), SUMS: Written(), store.FACTS: Written()}
    if manifest.target is not None:
        labels = manifest.labels_header(manifest.sources)
        _create(path, store.LABELS, allocate=labels.file_bytes)
        written[store.LABELS] = Written()
    _create(path, store.FACTS, allocate=_facts_bytes(manifest.sources))
    for name, columns in (
        (store.ROWS, (*ROW_COLUMNS, manifest.notes_column, *manifest.extra_columns)),
        (store.REJECTED, REJECT_COLUMNS),
    ):
        line = csv_lines([columns])
        _create(path, name, line)
        written[name] = Written().plus(line)
    written[SOURCES] = _write_sources(os.path.join(path, SOURCES), images)
    written[PLAN] = Written().plus(manifest.to_json())
    with File(os.path.join(path, PROGRESS)) as file:
        Slots(file).write(asdict(BuildState(written=written)))
        file.sync()
    durable.sync_directory(path)  # the plan vouches for all other files
    durable.write_file(os.path.join(path, PLAN), manifest.to_json())


def remove_build_files(path: str) -> None:
    """Remove what only a build in progress needs from a directory that is a dataset now.

    `plan.json` goes last: while it is there, the work is not over.
    """
    durable.sync_directory(path)  # `dataset.json` must be there for good
    for name in sorted(BUILD_FILES - {PLAN}):
        durable.unlink(os.path.join(path, name))
    if not store.read_record(path).build.get("rejected"):
        durable.unlink(os.path.join(path, store.REJECTED))
    durable.sync_directory(path)
    durable.unlink(os.path.join(path, PLAN))
    durable.sync_directory(path)


def _facts_bytes(rows: int) -> int:
    """Where the record of row number `rows` begins in rows.npy, or the file of that many ends."""
    return row_facts.HEADER_BYTES + row_facts.ROW_FACTS.itemsize * rows


def _create(path: str, name: str, data: bytes = b"", *, allocate: int = 0) -> None:
    with File(os.path.join(path, name), create=True) as file:
        file.pwrite(data, 0)
        file.allocate(allocate)
        file.sync()


def _write_sources(path: str, images: Iterable[PlannedImage]) -> Written:
    """Write the sources, a line each; returns what was written."""
    written = Written()
    lines = (image.to_line() for image in images)
    with File(path, create=True) as file:
        while batch := b"".join(islice(lines, _LINES_PER_WRITE)):
            file.pwrite(batch, written.length)
            written = written.plus(batch)
        file.sync()
    return written


def read_manifest(path: str, written: Written) -> BuildManifest:
    with File(os.path.join(path, PLAN), writable=False) as file:
        data = file.pread(file.size(), 0)
    if Written().plus(data) != written:
        raise damaged(path, PLAN)
    try:
        return BuildManifest.from_json(data)
    except (ValueError, RecursionError):
        raise damaged(path, PLAN) from None


def damaged(path: str, name: str) -> DatasetError:
    return DatasetError(
        f"{os.path.join(path, name)} is damaged; the unfinished build cannot be resumed",
        hint=f"Start over with {option('restart', True)}.",
        path=path,
    )
