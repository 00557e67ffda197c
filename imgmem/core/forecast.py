"""What `build` takes, in memory and on disk: the one formula for planning, for the check
against `--memory`, and for `estimate`. Pure arithmetic.

    memory = BASE_BYTES + 8 × rows + slots × chunk_bytes + decode_bytes

`slots` chunk buffers circulate between the workers and the writer; `decode_bytes` is the pool
from which every image's decoding cost is reserved before it is decoded.
"""

from dataclasses import dataclass

from imgmem.core.chunks import rows_per_chunk
from imgmem.core.errors import UsageError
from imgmem.core.npy import HEADER_BYTES
from imgmem.core.units import format_bytes

BASE_BYTES = 48 * 2**20
"""Interpreter, NumPy, OpenCV and decoders at rest (measured: 30 MiB) and the allocator's slack."""
INDEX_BYTES = 8
"""A row's share of what grows with the dataset."""
CHUNK_BYTES = 8 * 2**20
"""A chunk buffer's size where the budget is ample: more brings no speed."""
DECODE_BYTES = 8 * 2**20
"""What a worker needs to decode images of ordinary size: the least that is worth running with."""
ROW_TEXT_BYTES = 128
"""A line of rows.csv, about: path, digest and numbers."""


@dataclass(frozen=True, slots=True)
class BuildMemory:
    """How a build divides its memory, in bytes; `total` is what it stays under.

    slots: chunk buffers of `rows_per_chunk` rows, one a worker and one for the writer.
    decode_bytes: the pool for decoding; an image that costs more than all of it cannot be built.
    """

    rows_per_chunk: int
    slots: int
    chunk_bytes: int
    decode_bytes: int
    fixed_bytes: int

    @property
    def total(self) -> int:
        return self.fixed_bytes + self.slots * self.chunk_bytes + self.decode_bytes


def build_memory(*, budget: int, rows: int, row_bytes: int, workers: int) -> BuildMemory:
    """Divide `budget` bytes for `rows` rows of `row_bytes` bytes and `workers` threads.

    Chunk buffers take at most half of what the fixed part leaves, decoding the rest.
    Raises UsageError, with the floor, where the budget holds not even single rows.
    """
    slots = workers + 1
    fixed = BASE_BYTES + INDEX_BYTES * rows
    floor = fixed + slots * row_bytes + workers * DECODE_BYTES
    if budget < floor:
        raise UsageError(
            f"a memory budget of {format_bytes(budget)} is below the floor of "
            f"{format_bytes(floor)} for {workers} workers",
            hint=f"Give --memory {-(-floor // 2**20)}MiB or more, or fewer --workers.",
            floor_bytes=floor,
        )
    spare = budget - floor
    per_chunk = rows_per_chunk(row_bytes, min(CHUNK_BYTES, row_bytes + spare // 2 // slots))
    chunk = min(per_chunk, max(rows, 1)) * row_bytes
    return BuildMemory(
        rows_per_chunk=chunk // row_bytes,
        slots=slots,
        chunk_bytes=chunk,
        decode_bytes=budget - fixed - slots * chunk,
        fixed_bytes=fixed,
    )


def dataset_bytes(*, rows: int, row_bytes: int, labelled: bool) -> int:
    """Disk that a dataset takes: exact for `X.npy` and `y.npy`, about for the CSV files."""
    arrays = HEADER_BYTES + rows * row_bytes + (HEADER_BYTES + 8 * rows) * labelled
    return arrays + rows * ROW_TEXT_BYTES
