"""Which kind of source an address is of."""

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.paths import is_address
from imgmem.core.sources.base import Source
from imgmem.core.sources.remote.archive import StoredArchive
from imgmem.core.sources.remote.source import StoreSource
from imgmem.core.sources.spool import ARCHIVES
from imgmem.core.sources.tables.reader import is_table
from imgmem.core.specs import LabelSpec


def is_stored_archive(path: str) -> bool:
    """Whether a path is the address of an archive."""
    return is_address(path) and path.lower().endswith(ARCHIVES)


def open_remote(address: str, spec: LabelSpec, *, spool: str | None) -> Source:
    """The source at an address. Raises UsageError for what is never read there.

    spool: the directory that an archive is downloaded to (None: where scratch data goes).
    """
    if is_stored_archive(address):
        return StoredArchive(address, spec, spool=spool)
    if is_table(address):
        raise UsageError(
            f"{address} is a list of images, where SOURCE is the prefix that they are under",
            hint=f"Give the prefix, and the list with {option('labels', 'FILE')}. Images that a "
            "list has the addresses of are fetched by img2dataset.",
        )
    if address.lower().startswith("http"):
        raise UsageError(
            f"{address} cannot be listed",
            hint="Fetch the images first (img2dataset reads lists of addresses), and give their "
            "folder.",
        )
    return StoreSource(address, spec)
