"""Since when a dataset is known to be what its source gives: the modification time of `rows.npy`.

It is the moment when the build began to list the source, or when all was last found unchanged.
No other command writes to that file, and Make does not look at it. A copy that does not keep
times has a later one, which says nothing of the source, and another source of the same names
may have files that are older: so the last digits are a check of the build and its source.
"""

import os
import zlib
from collections.abc import Iterable

from imgmem.core.paths import is_address
from imgmem.core.storage import durable, store
from imgmem.core.storage.record import Record

NEVER = 0
_SPAN, _STEP = 10_000_000, 1_000
"""Of these nanoseconds the time is rounded down to a number of steps that is the check: some
file systems keep only microseconds."""


def origin_of(sources: Iterable[str]) -> str:
    """Where the sources are: their paths on this machine, or addresses."""
    return "\0".join(path if is_address(path) else os.path.realpath(path) for path in sources)


def note_seen(path: str, record: Record, origin: str, now: int) -> None:
    """Note, where times can be set, that at `now` (in ns) the source was that of the dataset.

    path: of `rows.npy`. origin: see `origin_of`.
    """
    durable.set_time(path, _checked(record, origin, now))


def seen_at(out: str, origin: str) -> int:
    """When that was noted last, in ns; NEVER for a copy that did not keep the time, and where it
    is not known of this source."""
    record, time = store.read_record(out), file_time(out)
    return time if time == _checked(record, origin, time) else NEVER


def file_time(out: str) -> int:
    """What `rows.npy` has, whoever set it. DatasetError where that is missing."""
    name = os.path.join(out, store.FACTS)
    try:
        return os.stat(name).st_mtime_ns
    except FileNotFoundError:
        raise store.damaged(name, "it is missing") from None


def _checked(record: Record, origin: str, time: int) -> int:
    """The last time up to this one that has the check of a dataset and its source."""
    what = f"{record.build.get('identity')}\0{origin}".encode(errors="surrogateescape")
    check = zlib.crc32(what) % (_SPAN // _STEP) * _STEP
    return time - (time - check) % _SPAN
