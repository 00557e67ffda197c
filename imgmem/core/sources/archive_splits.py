"""Splits that the names of archives in one folder give: `train-000.tar`, `val.zip`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from imgmem.core.sources.base import Entry, Listing
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import split_meant
from imgmem.core.specs import TRAIN, LabelSpec


def split_by_archive(listing: Listing, archives: Sequence[str], spec: LabelSpec) -> Listing:
    """The listing of a folder of `archives`, split by their names where all of them name one.

    A split that the folders inside give stays.
    """
    splits = {name: split_meant(name.partition(".")[0]) for name in archives}
    named = {name: split for name, split in splits.items() if split}
    if len(named) < len(archives) or TRAIN not in named.values() or len(set(named.values())) < 2:
        return listing
    if not spec.auto_split or spec.split_from is not None:
        return listing
    found = listed(f"{split} from {name}" for name, split in named.items())
    note = f"splits from the names of the archives: {found}"
    entries = _Split(listing.entries, named)
    return replace(listing, entries=entries, notes=(*listing.notes, note))


@dataclass(frozen=True)
class _Split:
    """Entries with the split of the archive that they are in."""

    entries: Iterable[Entry]
    splits: Mapping[str, str]

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            archive = entry.name.partition("/")[0]
            yield entry if entry.split else entry._replace(split=self.splits[archive])
