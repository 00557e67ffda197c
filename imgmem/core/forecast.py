"""What `build` and `normalize` take, in memory and on disk: the one formula for planning, for
the check against `--memory`, and for `estimate`. Pure arithmetic.

    memory of build = BASE_BYTES + 8 × rows + slots × chunk_bytes + decode_bytes

`slots` chunk buffers circulate between the workers and the writer; `decode_bytes` is the pool
from which every image's decoding cost is reserved before it is decoded.
"""

from dataclasses import dataclass

from imgmem.core.chunks import rows_per_chunk
from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.storage.npy import HEADER_BYTES
from imgmem.core.storage.record import CHECKSUM_BLOCK_BYTES
from imgmem.core.units import format_bytes

BASE_BYTES = 48 * 2**20
"""Interpreter, NumPy, OpenCV and decoders at rest (measured: 30 MiB) and the allocator's slack."""
INDEX_BYTES = 8
"""A row's share of what grows with the dataset."""
CHUNK_BYTES = 8 * 2**20
"""A chunk buffer's size where the budget is ample: more brings no speed."""
DECODE_BYTES = 8 * 2**20
"""What a worker needs to decode images of ordinary size: the least that is worth running with."""
OUTCOME_BYTES = 1024
"""What is noted of a row while its chunk is under way: path, digest, facts (measured: 980)."""
REWRITE_BYTES = 80 * 2**20
"""What all chunks of `normalize` under way may take together: more brings no speed."""
REWRITE_CHUNKS = 3
"""How many they are: two in threads while one is written."""
JOURNAL_BYTES = 64 * 2**10
"""The journal of `normalize` without the chunks that it keeps, about."""
ROW_TEXT_BYTES = 100
"""A line of rows.csv without the path, about: numbers, class and digest."""
ROW_FACTS_BYTES = 52
"""A row of rows.npy (a test holds it to `rowfacts.ROW_FACTS`, which needs OpenCV)."""
SOURCE_TEXT_BYTES = 60
"""A line of the plan that a build in progress keeps, without the path, about."""


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
    """Divide `budget` for `rows` rows that take `row_bytes` each while under way.

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
            hint=f"Give {option('memory', f'{-(-floor // 2**20)}MiB')} or more, or fewer "
            f"{option('workers')}.",
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


def plan_build(
    *, budget: int, rows: int, values: int, itemsize: int, workers: int | None, cpus: int
) -> tuple[BuildMemory, int]:
    """Divide `budget` for rows of `values` elements; gives the number of workers too.

    Where nobody asked for a number of workers, it is as many as the `cpus` and the budget
    allow. Rows that are not bytes are decoded as bytes first. Raises UsageError as above.
    """
    row_bytes = OUTCOME_BYTES + values * (1 if itemsize == 1 else 1 + itemsize)
    for count in range(workers or cpus, 0, -1):
        try:
            return build_memory(budget=budget, rows=rows, row_bytes=row_bytes, workers=count), count
        except UsageError:
            if workers or count == 1:
                raise
    raise AssertionError("there is always one worker to try")


def expected_bytes(plan: BuildMemory, *, workers: int, decode_bytes: int) -> int:
    """What a build will take at most where the dearest image costs `decode_bytes`."""
    pool = min(plan.decode_bytes, workers * decode_bytes)
    return plan.fixed_bytes + plan.slots * plan.chunk_bytes + pool


def build_disk(*, rows: int, row_bytes: int, labeled: bool, name_bytes: int) -> int:
    """Disk that a build takes while it runs: exact for the arrays, about for the text files.

    name_bytes: of the paths of all images together.
    """
    arrays = HEADER_BYTES + rows * row_bytes + (HEADER_BYTES + 8 * rows) * labeled
    per_row = ROW_FACTS_BYTES + ROW_TEXT_BYTES + SOURCE_TEXT_BYTES
    return arrays + rows * per_row + 2 * name_bytes


def rewrite_window(chunk_cost: int, budget: int) -> int:
    """How many chunks that take `chunk_cost` bytes each may be under way in `normalize`.

    Raises UsageError, with the floor, where the budget does not hold one.
    """
    floor = BASE_BYTES + chunk_cost
    if budget < floor:
        raise UsageError(
            f"a memory budget of {format_bytes(budget)} is below the floor of "
            f"{format_bytes(floor)}",
            hint=f"Give {option('memory', f'{-(-floor // 2**20)}MiB')} or more.",
            floor_bytes=floor,
        )
    affordable = (budget - BASE_BYTES) // chunk_cost
    return max(1, min(REWRITE_CHUNKS, affordable, REWRITE_BYTES // chunk_cost))


def rewrite_memory(*, values: int, stored: int, wanted: int, budget: int) -> int:
    """What `normalize` of `values` elements takes at most; raises UsageError likewise.

    stored, wanted: bytes of an element before and after. A chunk fills a checksum block in
    the wider of the two, and has a buffer for each, and one for its gray levels if neither is.
    """
    longest = min(values, CHECKSUM_BLOCK_BYTES // max(stored, wanted))
    cost = longest * (stored + wanted + (min(stored, wanted) > 1))
    return BASE_BYTES + rewrite_window(cost, budget) * cost


def rewrite_disk(*, values: int, stored: int, wanted: int) -> int:
    """Disk that an in-place `normalize` takes beyond the dataset, while it runs.

    The journal keeps the sources of two chunks where the size of an element stays, else of one.
    """
    widest = max(stored, wanted)
    kept = (2 if stored == wanted else 1) * min(values * widest, CHECKSUM_BLOCK_BYTES)
    return max(0, values * (wanted - stored)) + kept + JOURNAL_BYTES
