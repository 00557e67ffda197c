"""Whether the arrays of a dataset still are as imgmem left them."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from imgmem.core.errors import RESTORE, DatasetError
from imgmem.core.machine import memory
from imgmem.core.machine.pipeline import in_order
from imgmem.core.progress import Progress, ProgressCallback, no_progress
from imgmem.core.specs import RunSpec
from imgmem.core.storage import store
from imgmem.core.storage.checksums import crc_of, damaged_rows
from imgmem.core.storage.durable import File
from imgmem.core.storage.npy import HEADER_BYTES, ArrayHeader
from imgmem.core.storage.record import Record


@dataclass(frozen=True, slots=True)
class DamagedRows:
    """Rows `start` to `stop` - 1 of an array, "X" or "y", share a block with a wrong checksum."""

    array: str
    start: int
    stop: int


def verify(
    path: str, *, run: RunSpec = RunSpec(), progress: ProgressCallback = no_progress
) -> list[DamagedRows]:
    """Read both arrays of the dataset at `path` and compare them with their checksums.

    Gives the rows that cannot be trusted, none if all is well. Raises DatasetError where sizes
    or headers are wrong already. The caller holds a lock on the dataset.
    """
    record = store.read_record(path)
    store.check_arrays(path, record)
    found: list[DamagedRows] = []
    for name, header in record.arrays.items():
        with File(os.path.join(path, store.ARRAYS[name]), writable=False) as file:
            blocks = list(_blocks(file, header, record, run, progress))
        ranges = damaged_rows(
            blocks,
            record.checksums[name],
            block=record.checksum_block,
            row_bytes=header.row_bytes,
            rows=header.shape[0],
        )
        found.extend(DamagedRows(name, start, stop) for start, stop in ranges)
    return found


def require_whole(
    path: str, *, run: RunSpec = RunSpec(), progress: ProgressCallback = no_progress
) -> None:
    """DatasetError, with the rows, where `verify` finds any that cannot be trusted."""
    bad = verify(path, run=run, progress=progress)
    if bad:
        ranges = ", ".join(f"{rows.start} to {rows.stop - 1} of {rows.array}" for rows in bad)
        raise DatasetError(
            f"{path} is damaged: the checksums of rows {ranges} do not match",
            hint=RESTORE,
            path=path,
            damaged=[asdict(rows) for rows in bad],
        )


class WholeBlocks:
    """Checks the features of the dataset at `path` where they are read, each block once.

    The caller holds a lock on the dataset.
    """

    def __init__(self, path: str, record: Record) -> None:
        self._path = path
        self._record = record
        self._checked: set[int] = set()

    def require(self, start: int, stop: int) -> None:
        """DatasetError unless the blocks with the rows `start` to `stop` - 1 are as their checksums
        say."""
        row_bytes, block = self._record.features_header.row_bytes, self._record.checksum_block
        blocks = range(start * row_bytes // block, -(-stop * row_bytes // block))
        for number in blocks:
            if number not in self._checked:
                self._require(number)
                self._checked.add(number)

    def _require(self, number: int) -> None:
        total, block = self._record.features_header.data_bytes, self._record.checksum_block
        start = number * block
        name = os.path.join(self._path, store.FEATURES)
        with File(name, writable=False) as file:
            crc = crc_of(file, HEADER_BYTES + start, min(block, total - start))
        if crc != self._record.checksums["X"][number]:
            raise store.damaged(name, f"block {number} does not match its checksum")


def _blocks(
    file: File, header: ArrayHeader, record: Record, run: RunSpec, progress: ProgressCallback
) -> Iterator[int]:
    """The CRC-32 of each checksum block, read in threads."""
    total, block = header.data_bytes, record.checksum_block
    workers = run.workers or memory.allowed_cpus()
    crcs = in_order(
        lambda start: crc_of(file, HEADER_BYTES + start, min(block, total - start)),
        range(0, total, block),
        workers=workers,
        window=2 * workers,
    )
    for number, crc in enumerate(crcs, 1):
        progress(Progress("verify", min(number * block, total), total, "B"))
        yield crc
