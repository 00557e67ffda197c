"""Which kind of source an address is of."""

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.paths import is_address
from imgmem.core.sources.base import Source
from imgmem.core.sources.remote.archive import StoredArchive
from imgmem.core.sources.remote.shards import StoredShards, archives_under
from imgmem.core.sources.remote.source import StoreSource
from imgmem.core.sources.remote.store import StoredObject, stored_at
from imgmem.core.sources.spool import ARCHIVES
from imgmem.core.sources.tables.reader import is_table
from imgmem.core.specs import LabelSpec


def is_stored_archive(path: str) -> bool:
    """Whether a path is the address of an archive."""
    return is_address(path) and path.lower().endswith(ARCHIVES)


def open_remote(address: str, spec: LabelSpec, *, spool: str | None) -> Source:
    """The source at an address. Raises UsageError for what is never read there, and what
    `Store.pages` raises.

    spool: the directory that archives are downloaded to (None: where scratch data goes).
    """
    if is_stored_archive(address):
        return StoredArchive(address, spec, spool=spool)
    if is_table(address):
        raise UsageError(
            f"{address} is a list of images; SOURCE must be the prefix that they are under",
            hint=f"Give the prefix, and the list with {option('labels', 'FILE')}. Images that a "
            "list has the addresses of are fetched by img2dataset; copy a file that holds images "
            "itself to a local disk.",
        )
    if address.lower().startswith("http"):
        raise UsageError(
            f"{address} cannot be listed",
            hint="Fetch the images first (img2dataset reads lists of addresses), and give their "
            "folder.",
        )
    if shards := archives_under(address):
        return StoredShards(address.rstrip("/"), shards, spec, spool=spool)
    return StoreSource(address, spec)


def stored_archives(address: str) -> tuple[StoredObject, ...]:
    """The archives that a source at an address downloads, as they are now; () for none."""
    if is_stored_archive(address):
        found = stored_at(address)
        return (found,) if found else ()
    return () if address.lower().startswith("http") else archives_under(address)
