"""What `build` and `normalize` take, in memory and on disk: the one formula for planning, for
the check against `--memory`, and for `estimate`. Pure arithmetic.

    memory of build = BASE_BYTES + 8 × rows + workers × worker_bytes
                      + slots × chunk_bytes + decode_bytes

`slots` chunk buffers circulate between the workers and the writer; `decode_bytes` is the pool
from which every image's decoding cost is reserved before it is decoded; `worker_bytes` is what
a worker process takes at rest, and 0 for threads.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace

from imgmem.core.chunks import rows_per_chunk
from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.storage.npy import HEADER_BYTES
from imgmem.core.storage.record import CHECKSUM_BLOCK_BYTES
from imgmem.core.units import format_bytes, in_mib

BASE_BYTES = 48 * 2**20
"""Interpreter, NumPy, OpenCV and decoders at rest (measured: 30 MiB) and the allocator's slack."""
INDEX_BYTES = 8
"""A row's share of what grows with the dataset."""
CHUNK_BYTES = 2 * 2**20
"""A chunk buffer's size where the budget is ample: larger ones fall out of the caches between
decoding, measuring and writing, and take 7 % more time (measured: 1 to 8 MiB)."""
WORKER_BYTES = 44 * 2**20
"""A worker process at rest, with the allocator's slack (measured: 28 MiB)."""
CLIENT_BYTES = 48 * 2**20
"""The client of a Dask cluster (measured: 37 MiB)."""
COPY_BYTES = 4 * 2**20
"""The rows that an update copies at once, or one row if that is larger."""
UPDATE_BYTES = 4 * 2**20
"""What it takes besides: to look images up, and to check blocks (measured: 3.5 MiB)."""
READ_BYTES = 32 * 2**20
"""What images take, of a source that is not on this machine, while they are read ahead."""
STORE_BYTES = 16 * 2**20
"""What a process takes to talk to an object store."""
SLOTS_OF_PROCESS = 3
"""Chunks of a worker process that are under way: one it decodes, two with the writer."""
PROCESS_ROWS = 20_000
"""With fewer images, starting processes costs more time than it saves."""
PROCESS_FILE_BYTES = 8 * 2**10
PROCESS_ROW_BYTES = 24 * 2**10
"""Files and rows up to here are tiny: most of their time goes into Python."""
DECODE_BYTES = 8 * 2**20
"""What a worker needs to decode images of ordinary size: less is not worth running with."""
OUTCOME_BYTES = 1024
"""What is noted of a row while its chunk is under way: path, digest, facts (measured: 980)."""
REWRITE_BYTES = 80 * 2**20
"""What all chunks of `normalize` under way may take together: more brings no speed."""
REWRITE_CHUNKS = 3
"""How many they are: two in threads while one is written."""
JOURNAL_BYTES = 64 * 2**10
"""The journal of `normalize` without the chunks that it keeps, about."""
SCAN_WINDOW_BYTES = 4 * 2**20
"""So much lies in a cache while several passes are made over it, and makes up for the calls."""
SCAN_WINDOWS = 3
"""What a worker of `stats` takes at most, in windows: its buffer, float values as pixel values,
and its channels apart."""
SCAN_FLOAT_ROWS = 13
"""What it takes besides for floats, in rows: copies of one that holds NaN (measured, float16)."""
SCAN_PART_HISTOGRAMS = 6
"""Histograms of a split in the end, and the lists of numbers that are made of them (measured)."""
SCAN_ROW_BYTES = 200
"""What looking for groups among rows takes at most, a row."""
ROW_TEXT_BYTES = 100
"""A line of rows.csv without the path, about: numbers, class and digest."""
ROW_FACTS_BYTES = 52
"""A row of rows.npy (a test holds it to `rowfacts.ROW_FACTS`, which needs OpenCV)."""
SOURCE_TEXT_BYTES = 60
"""A line of the plan that a build in progress keeps, without the path, about."""


@dataclass(frozen=True, slots=True)
class BuildMemory:
    """How a build divides its memory, in bytes; `total` is what it stays under.

    slots: chunk buffers of `rows_per_chunk` rows: one a thread and one for the writer, or
    SLOTS_OF_PROCESS a worker process. worker_bytes: of a worker process at rest.
    decode_bytes: the pool for decoding, which threads share and processes divide.
    image_bytes: what one image may cost next to others; one that costs more is decoded alone.
    """

    workers: int
    slots: int
    rows_per_chunk: int
    chunk_bytes: int
    decode_bytes: int
    image_bytes: int
    fixed_bytes: int
    worker_bytes: int = 0

    @property
    def total(self) -> int:
        chunks = self.slots * self.chunk_bytes
        return self.fixed_bytes + self.workers * self.worker_bytes + chunks + self.decode_bytes


@dataclass(frozen=True, kw_only=True)
class BuildDemand:
    """What a build is to do, as far as its memory goes.

    rows: at most. row_bytes: of a row while its chunk is under way. workers: as asked for;
    None for as many as `cpus` and the budget allow. processes: whether workers are processes.
    client_bytes: of what is loaded besides. remote: whether images are read from a store.
    """

    rows: int
    row_bytes: int
    workers: int | None
    cpus: int
    processes: bool = False
    client_bytes: int = 0
    remote: bool = False

    @classmethod
    def of(
        cls,
        *,
        rows: int,
        values: int,
        itemsize: int,
        workers: int | None,
        cpus: int,
        remote: bool = False,
    ) -> "BuildDemand":
        """For rows of `values` elements; those that are not bytes are decoded as bytes first."""
        row_bytes = OUTCOME_BYTES + values * (1 if itemsize == 1 else 1 + itemsize)
        return cls(rows=rows, row_bytes=row_bytes, workers=workers, cpus=cpus, remote=remote)

    def by_processes(self, executor: str, *, budget: int, mean_bytes: int) -> "BuildDemand | None":
        """The same by worker processes; None where they do not fit, or ("auto") do not pay.

        mean_bytes: of an image's file. Tiny images keep threads waiting for the interpreter's
        lock, which processes do not share; but starting them has its price.
        """
        demand = replace(self, processes=True)
        if executor == "auto" and not (
            (self.workers or self.cpus) > 1
            and self.rows >= PROCESS_ROWS
            and mean_bytes <= PROCESS_FILE_BYTES
            and self.row_bytes <= PROCESS_ROW_BYTES
        ):
            return None
        return demand if budget >= demand.floor else None

    @property
    def fixed_bytes(self) -> int:
        reading = READ_BYTES + STORE_BYTES if self.remote else 0
        return BASE_BYTES + self.client_bytes + reading + INDEX_BYTES * self.rows

    @property
    def worker_bytes(self) -> int:
        return WORKER_BYTES + STORE_BYTES * self.remote if self.processes else 0

    def slots(self, workers: int) -> int:
        return workers * SLOTS_OF_PROCESS if self.processes else workers + 1

    @property
    def floor(self) -> int:
        """The least budget that a build runs in: one row for each slot."""
        workers = self.workers or 1
        return (
            self.fixed_bytes
            + workers * (self.worker_bytes + DECODE_BYTES)
            + self.slots(workers) * self.row_bytes
        )

    def divide(self, budget: int) -> BuildMemory:
        """Divide `budget`: more never means fewer workers, rows in a chunk or bytes to decode.

        First come as many workers as wanted, each with a row and DECODE_BYTES; of the rest,
        chunks get half until they are as large as brings speed, decoding all else.
        Raises UsageError, with the floor, where the budget is below it.
        """
        if budget < self.floor:
            raise _below_floor(budget, self.floor, workers=self.workers)
        spare = budget - self.floor
        wanted = 0 if self.workers else self.cpus - 1
        slots_of_each = self.slots(2) - self.slots(1)
        each = self.worker_bytes + slots_of_each * self.row_bytes + DECODE_BYTES
        more = min(wanted, spare // each)
        workers = (self.workers or 1) + more
        spare -= more * each
        if more < wanted:  # on the way to the next worker
            return self._memory(workers, 1, 0 if self.processes else min(spare, DECODE_BYTES))
        row_of_each = self.slots(workers) * self.row_bytes
        most = min(rows_per_chunk(self.row_bytes, CHUNK_BYTES), max(self.rows, 1)) - 1
        for_chunks = min(spare // 2, most * row_of_each)
        return self._memory(workers, 1 + for_chunks // row_of_each, spare - for_chunks)

    def _memory(self, workers: int, rows: int, decode_bytes: int) -> BuildMemory:
        pool = workers * DECODE_BYTES + decode_bytes
        return BuildMemory(
            workers=workers,
            slots=self.slots(workers),
            rows_per_chunk=rows,
            chunk_bytes=rows * self.row_bytes,
            decode_bytes=pool,
            image_bytes=pool // workers if self.processes else pool,
            fixed_bytes=self.fixed_bytes,
            worker_bytes=self.worker_bytes,
        )

    def budget_for(self, image_bytes: int) -> int:
        """The least budget, in bytes, with which an image may cost `image_bytes` to decode."""
        workers = self.workers or self.cpus
        for_chunks = self.slots(workers) * max(CHUNK_BYTES, self.row_bytes)
        for_decoding = 2 * image_bytes * (workers if self.processes else 1)
        most = for_chunks + for_decoding + workers * (self.worker_bytes + DECODE_BYTES)
        budgets = range(self.floor, self.floor + most + 1)
        enough = bisect_left(budgets, image_bytes, key=lambda b: self.divide(b).image_bytes)
        return budgets[enough]

    def alone_bytes(self, budget: int) -> int:
        """What an image may cost that is decoded alone, in this process, with one row."""
        return budget - self.fixed_bytes - self.row_bytes

    def budget_alone(self, image_bytes: int) -> int:
        """The least budget, in bytes, with which an image that costs `image_bytes` can be built."""
        return max(self.floor, self.fixed_bytes + self.row_bytes + image_bytes)


def _below_floor(budget: int, floor: int, *, workers: int | None = None) -> UsageError:
    """The error for a memory budget that is too small; the hint is enough when followed."""
    several = workers is not None and workers > 1
    with_workers = f" for {workers} workers" if several else ""
    fewer = f", or fewer {option('workers')}" if several else ""
    return UsageError(
        f"a memory budget of {format_bytes(budget)} is below the floor of "
        f"{format_bytes(floor)}{with_workers}",
        hint=f"Give {option('memory', in_mib(floor))} or more{fewer}.",
        floor_bytes=floor,
    )


def expected_bytes(plan: BuildMemory, *, decode_bytes: int) -> int:
    """What a build will take at most where the dearest image costs `decode_bytes`."""
    pool = min(plan.decode_bytes, plan.workers * decode_bytes)
    return plan.total - plan.decode_bytes + pool


def build_disk(*, rows: int, row_bytes: int, label_bytes: int, name_bytes: int) -> int:
    """Disk that a build takes while it runs: exact for the arrays, about for the text files.

    label_bytes: of a row's labels, 0 without. name_bytes: of the paths of all images together.
    """
    arrays = HEADER_BYTES + rows * row_bytes
    arrays += HEADER_BYTES + rows * label_bytes if label_bytes else 0
    per_row = ROW_FACTS_BYTES + ROW_TEXT_BYTES + SOURCE_TEXT_BYTES
    return arrays + rows * per_row + 2 * name_bytes


def copied_row_bytes(*, values: int, itemsize: int, stored: int, whole: bool) -> int:
    """What a row of `values` elements takes that is copied.

    itemsize: of an element of the result. stored: bytes of one where it is copied from. whole:
    whether these are the values of pixels; floats are turned back into them, and that is checked.
    """
    made = itemsize if itemsize == 1 else 1 + itemsize
    return OUTCOME_BYTES + values * (made + (stored if whole else 2 * stored + 1))


def rewrite_cost(*, values: int, stored: int, wanted: int) -> int:
    """Bytes that one chunk of `normalize` under way takes.

    values: of the longest chunk. stored, wanted: bytes of an element before and after. A chunk
    has a buffer for each, and one for its pixel values if neither is one byte.
    """
    return values * (stored + wanted + (min(stored, wanted) > 1))


def rewrite_window(chunk_cost: int, budget: int) -> int:
    """How many chunks that take `chunk_cost` bytes each may be under way in `normalize`.

    Raises UsageError, with the floor, where the budget does not hold one.
    """
    floor = BASE_BYTES + chunk_cost
    if budget < floor:
        raise _below_floor(budget, floor)
    affordable = (budget - BASE_BYTES) // chunk_cost
    return max(1, min(REWRITE_CHUNKS, affordable, REWRITE_BYTES // chunk_cost))


def rewrite_memory(*, values: int, stored: int, wanted: int, budget: int) -> int:
    """What `normalize` of `values` elements takes at most; raises UsageError likewise.

    A chunk fills a checksum block in the wider of the two dtypes.
    """
    longest = min(values, CHECKSUM_BLOCK_BYTES // max(stored, wanted))
    cost = rewrite_cost(values=longest, stored=stored, wanted=wanted)
    return BASE_BYTES + rewrite_window(cost, budget) * cost


def scan_workers(
    *, rows: int, row_bytes: int, floats: bool, histogram_bytes: int, parts: int,
    workers: int | None, cpus: int, budget: int,
) -> int:  # fmt: skip
    """How many workers `stats` gets: as asked for, or as `cpus` and the budget allow.

    Each takes SCAN_WINDOWS windows, copies of a row where the values are floats, and the
    histograms of two results under way and of what is being added to them; looking for groups
    takes SCAN_ROW_BYTES a row. Each of `parts`, the splits and all rows, has its histograms, and
    lists of them in the end. Raises UsageError, with the floor.
    """
    each = SCAN_WINDOWS * max(row_bytes, SCAN_WINDOW_BYTES) + SCAN_FLOAT_ROWS * row_bytes * floats
    each += 4 * histogram_bytes
    fixed = BASE_BYTES + SCAN_ROW_BYTES * rows + SCAN_PART_HISTOGRAMS * parts * histogram_bytes
    fitting = (budget - fixed) // each
    if fitting < (workers or 1):
        raise _below_floor(budget, fixed + each * (workers or 1), workers=workers)
    return workers or min(cpus, fitting)


def sample_bytes(*, rows: int, row_bytes: int, normalized: bool) -> int:
    """What `sample` takes for its rows: as stored, and as they are shown."""
    return rows * row_bytes * (1 + (4 if normalized else 1))


def batch_bytes(*, image_bytes: int, prefetch: int) -> int:
    """What one image takes in batches: the reader's copy, those ahead, and one being filled."""
    return (2 + prefetch) * image_bytes


def rewrite_disk(*, values: int, stored: int, wanted: int) -> int:
    """Disk that an in-place `normalize` takes beyond the dataset, while it runs.

    The journal keeps the sources of two chunks where the size of an element stays, else of one.
    """
    widest = max(stored, wanted)
    kept = (2 if stored == wanted else 1) * min(values * widest, CHECKSUM_BLOCK_BYTES)
    return max(0, values * (wanted - stored)) + kept + JOURNAL_BYTES
