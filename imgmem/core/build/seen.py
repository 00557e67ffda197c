"""Since when a dataset is known to be what its source gives: the modification time of `rows.npy`.

It is the moment when the build began to list the source, or when all was last found unchanged.
No other command writes to that file, and Make does not look at it. A copy that does not keep
times has a later one, which says nothing of the source; so the last digits are a check.
"""

import os
import zlib
from contextlib import suppress

from imgmem.core.storage import store
from imgmem.core.storage.record import Record

NEVER = 0
_SPAN, _STEP = 10_000_000, 1_000
"""Of these nanoseconds the time is rounded down to a number of steps that is the check: some
file systems keep only microseconds."""


def note_seen(path: str, record: Record, now: int) -> None:
    """Note, where times can be set, that at `now` (in ns) the source was that of the dataset.

    path: of `rows.npy`.
    """
    time = _checked(record, now)
    with suppress(OSError):
        os.utime(path, ns=(time, time))


def seen_at(out: str) -> int:
    """When that was noted last, in ns; NEVER for a copy that did not keep the time."""
    record, time = store.read_record(out), file_time(out)
    return time if time == _checked(record, time) else NEVER


def file_time(out: str) -> int:
    """What `rows.npy` has, whoever set it. DatasetError where that is missing."""
    name = os.path.join(out, store.FACTS)
    try:
        return os.stat(name).st_mtime_ns
    except FileNotFoundError:
        raise store.damaged(name, "it is missing") from None


def _checked(record: Record, time: int) -> int:
    """The last time up to this one that has the check of a dataset."""
    identity = str(record.build.get("identity"))
    check = zlib.crc32(identity.encode()) % (_SPAN // _STEP) * _STEP
    return time - (time - check) % _SPAN
