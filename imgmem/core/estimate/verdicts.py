"""Whether what is forecast fits into what there is, in plain words."""

import os
from dataclasses import dataclass

from imgmem.core.estimate.naive import BASE_BYTES, Stages, first_over, peak, rows_that_fit
from imgmem.core.machine import memory
from imgmem.core.machine.memory import MemoryLimit
from imgmem.core.messages import Message, option
from imgmem.core.storage import durable
from imgmem.core.units import format_bytes, in_mib


@dataclass(frozen=True, kw_only=True)
class Available:
    """What a process may use here, in bytes.

    memory_bytes: of memory, as `limit` ("cgroup", "RLIMIT_AS", "RLIMIT_DATA", "host"), the
    tightest of `limits`, allows. disk_bytes: free in `directory`.
    """

    memory_bytes: int
    limit: str
    limits: tuple[MemoryLimit, ...]
    disk_bytes: int
    directory: str


@dataclass(frozen=True, kw_only=True)
class NaiveForecast:
    """The naive conversion to one dtype, in bytes of resident memory.

    stages: what each takes at most; peak_bytes ± error_bytes: the most of all.
    fits: False where it would not get through. largest_batch: how many of the images could
    be converted at once.
    """

    stages: Stages
    peak_bytes: int
    error_bytes: int
    fits: bool
    verdict: str
    largest_batch: int


@dataclass(frozen=True, kw_only=True)
class Required:
    """What a command of imgmem takes, in bytes; the disk beyond what is taken before it."""

    memory_bytes: int
    disk_bytes: int
    fits: bool
    verdict: str


RESERVED_BYTES = {"RLIMIT_AS": 450 * 2**20, "RLIMIT_DATA": 230 * 2**20}
"""Address space, and its private part, that Python with NumPy and OpenCV takes but does not
touch, and that these limits count (measured on 2 CPUs: libraries, stacks, OpenBLAS buffers)."""


def available_here(out: str) -> Available:
    """What there is now for a process that has yet to start.

    out: a directory, which need not exist yet.
    """
    limits, own = memory.available(), memory.anonymous_bytes()
    usable = {limit: _usable(limit, own) for limit in limits.limits}
    tightest = min(usable, key=lambda limit: usable[limit])
    directory = os.path.abspath(out)
    while not os.path.isdir(directory):
        directory = os.path.dirname(directory)
    return Available(
        memory_bytes=usable[tightest],
        limit=tightest.kind,
        limits=limits.limits,
        disk_bytes=durable.free_bytes(directory),
        directory=directory,
    )


def _usable(limit: MemoryLimit, own: int) -> int:
    """What another process may have resident; `own`: what this one gives back when it ends."""
    if limit.kind in RESERVED_BYTES:
        return max(0, limit.limit - RESERVED_BYTES[limit.kind])
    return limit.available + own


def judge_naive(
    stages: Stages, *, rows: int, error: float, sizes: int, available: Available
) -> NaiveForecast:
    """The verdict on a naive conversion of `rows` images.

    error: relative uncertainty of what grows with the images. sizes: how many different
    sizes the arrays have; from two on `np.array` fails.
    """
    most = peak(stages).bytes
    doubt = round(error * (most - BASE_BYTES))
    certain = first_over(stages, available.memory_bytes + doubt)
    possible = first_over(stages, available.memory_bytes - doubt)
    if over := certain or possible:
        verdict = (
            f"{_fate(available.limit, sure=certain is not None)} while {over.step}: it takes "
            f"{format_bytes(over.bytes)}, there are {format_bytes(available.memory_bytes)}"
        )
    elif sizes > 1:
        verdict = (
            f"np.array would fail: the images have {sizes} different sizes; "
            f"the list alone takes {format_bytes(most)}"
        )
    else:
        verdict = f"fits: it takes {format_bytes(most)} of {format_bytes(available.memory_bytes)}"
    return NaiveForecast(
        stages=stages,
        peak_bytes=most,
        error_bytes=doubt,
        fits=over is None and sizes <= 1,
        verdict=verdict,
        largest_batch=rows_that_fit(stages, rows, available.memory_bytes),
    )


def _fate(limit: str, *, sure: bool) -> str:
    """What happens to a process that wants more than `limit` allows."""
    would = "would" if sure else "may"
    return f"{would} be killed" if limit in ("cgroup", "host") else f"{would} get a MemoryError"


def judge_required(
    memory_bytes: int, disk_bytes: int, *, available: Available, before: int = 0
) -> Required:
    """The verdict on a command of imgmem; `before`: disk that earlier commands have taken."""
    lacking = []
    if memory_bytes > available.memory_bytes:
        lacking.append(f"{format_bytes(memory_bytes - available.memory_bytes)} of memory")
    if before + disk_bytes > available.disk_bytes:
        lacking.append(f"{format_bytes(before + disk_bytes - available.disk_bytes)} of disk")
    return Required(
        memory_bytes=memory_bytes,
        disk_bytes=disk_bytes,
        fits=not lacking,
        verdict=f"lacks {' and '.join(lacking)}" if lacking else "fits",
    )


def below_floor(budget: int, needed: int, disk_bytes: int, *, why: str = "") -> Required:
    """The verdict where the memory budget is too small to begin with; `needed` is enough."""
    why = why or f"the memory budget of {format_bytes(budget)} is below the floor"
    return Required(
        memory_bytes=needed,
        disk_bytes=disk_bytes,
        fits=False,
        verdict=Message(f"{why}: give {option('memory', in_mib(needed))} or more"),
    )
