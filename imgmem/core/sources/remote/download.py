"""One object at an address, read once from its first byte to its last into scratch space."""

import os
import shutil
import time
from collections.abc import Iterator
from typing import BinaryIO

from imgmem.core.errors import InputError, ResourceError
from imgmem.core.progress import Progress, ProgressCallback
from imgmem.core.sources.base import CLOCK_SKEW_NS
from imgmem.core.sources.blob import Blob
from imgmem.core.sources.remote.store import Store, StoredObject
from imgmem.core.sources.scratch import explained, scratch_file
from imgmem.core.units import format_bytes

_SECOND = 10**9
"""What the time of an answer is rounded down to; that of a list may be more exact."""
RESUME_AGAIN = 5
"""How often in a row a download that breaks off is resumed without a new byte."""


def there(store: Store, key: str, address: str) -> StoredObject:
    """What the store says of the object at an address. Raises InputError where there is none."""
    found = store.head(key)
    if found is None:
        raise InputError(f"there is nothing at {address}", hint="Check the address.", path=address)
    return found


def download(
    store: Store,
    found: StoredObject,
    address: str,
    directory: str | None,
    progress: ProgressCallback,
) -> Blob:
    """The bytes of an object that was found at an address, in scratch space in `directory`.

    Its time is the latest at which the object may have been written, by the clock of this machine.
    Raises InputError where it changes, ResourceError where the store does not answer or there is
    no space.
    """
    with scratch_file(directory) as spool:
        require_space(spool, found.size, address)
        append(store, found, address, spool, directory, progress)
        with explained(directory):
            spool.seek(0)
        blob = Blob(os.dup(spool.fileno()), address)
    blob.mtime_ns = latest_ns(found)
    return blob


def append(
    store: Store,
    found: StoredObject,
    address: str,
    spool: BinaryIO,
    directory: str | None,
    progress: ProgressCallback,
) -> None:
    """Append the bytes of an object to `spool`, a scratch file in `directory`. Raises likewise."""
    done = 0
    for chunk in _bytes_of(store, found, address):
        with explained(directory):
            spool.write(chunk)
        done += len(chunk)
        progress(Progress("download", done, found.size, "B"))


def latest_ns(found: StoredObject) -> int:
    """The latest time at which an object may have been written, by the clock of this machine."""
    return found.modified_ns + CLOCK_SKEW_NS if found.modified_ns else time.time_ns()


def require_space(spool: BinaryIO, needed: int, address: str) -> None:
    """ResourceError where the disk of a scratch file has no room for so many bytes."""
    free = shutil.disk_usage(spool.fileno()).free
    if needed > free:
        raise ResourceError(
            f"no scratch space for {address}: it needs {format_bytes(needed)}, and only "
            f"{format_bytes(free)} is free",
            hint="Free some space, or set TMPDIR to a folder with more.",
            path=address,
        )


def _bytes_of(store: Store, wanted: StoredObject, address: str) -> Iterator[bytes]:
    """The bytes of an object; where they break off, requested again from there."""
    done = failures = 0
    while done < wanted.size:
        found, chunks = store.begin(wanted.key, wanted.etag, start=done)
        _require_same(found, wanted, address)
        try:
            for chunk in chunks:
                yield chunk
                done, failures = done + len(chunk), 0
            if done < wanted.size:
                raise _cut_off(address, done, wanted.size)
        except ResourceError:
            failures += 1
            if failures > RESUME_AGAIN:
                raise
            time.sleep(2**failures / 10)


def _require_same(found: StoredObject, wanted: StoredObject, address: str) -> None:
    """Raises for an object that was replaced, or a server that contradicts itself."""
    if (found.etag, found.modified_ns // _SECOND) != (wanted.etag, wanted.modified_ns // _SECOND):
        raise InputError(
            f"{address} changed while it was downloaded",
            hint="Make sure that nothing writes to it, then start over.",
            path=address,
        )
    if found.size != wanted.size:
        raise _cut_off(address, found.size, wanted.size)


def _cut_off(address: str, done: int, size: int) -> ResourceError:
    return ResourceError(
        f"the server sent {done} of the {size} bytes of {address}",
        hint="Check the network and the server, then run the same command again.",
        path=address,
    )
