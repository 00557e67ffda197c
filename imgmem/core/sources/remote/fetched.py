"""Label tables at addresses: downloaded whole to scratch space, once as long as they stay equal."""

import io
import os
import threading

from imgmem.core.errors import InputError
from imgmem.core.progress import no_progress
from imgmem.core.sources.blob import Blob
from imgmem.core.sources.remote.download import download, there
from imgmem.core.sources.remote.store import Store, StoredObject, StorePlace
from imgmem.core.units import format_bytes

MAX_BYTES = 2**30

_lock = threading.Lock()
_kept: dict[str, tuple[StoredObject, Blob]] = {}


def open_fetched(address: str) -> io.BufferedReader:
    """The table at an address, as it is now.

    Raises InputError where it is not there or is too large, ResourceError where the store does
    not answer.
    """
    root, key = StorePlace.of(address)
    store = Store(root)
    found = there(store, key, address)
    if found.size > MAX_BYTES:
        raise InputError(
            f"the label table {address} is {format_bytes(found.size)}; one at an address may be "
            f"at most {format_bytes(MAX_BYTES)}",
            hint="Copy it to a local disk, and give that path.",
            path=address,
        )
    with _lock:
        kept, blob = _kept.get(address, (None, None))
        if blob is None or kept != found:
            if blob:
                blob.close()
            blob = download(store, found, address, None, no_progress)
            _kept[address] = found, blob
        return Blob(os.dup(blob.fileno()), address).reader(owns=True)


def forget_fetched() -> None:
    """Return the scratch space of all tables; those that are being read stay until then."""
    with _lock:
        while _kept:
            _kept.popitem()[1][1].close()
