"""Splits that the paths of archives in one folder give: `train-000.tar`, `val/000.zip`."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from imgmem.core.sources.base import Entry, Listing
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.words import splits_meant
from imgmem.core.specs import LabelSpec


def split_by_archive(listing: Listing, archives: Sequence[str], spec: LabelSpec) -> Listing:
    """The listing of a folder of `archives`, split by their paths where all of them name one.

    A split that the folders inside give stays.
    """
    splits = splits_meant(archives)
    if not splits or not spec.auto_split or spec.split_from is not None:
        return listing
    named = dict(zip(archives, splits, strict=True))
    found = listed(f"{split} from {name}" for name, split in named.items())
    note = f"splits from the names of the archives: {found}"
    entries = _Split(listing.entries, named, archives[0].count("/") + 1)
    return replace(listing, entries=entries, notes=(*listing.notes, note))


@dataclass(frozen=True)
class _Split:
    """Entries with the split of the archive that they are in: the first `parts` of their names."""

    entries: Iterable[Entry]
    splits: Mapping[str, str]
    parts: int

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            archive = "/".join(entry.name.split("/", self.parts)[: self.parts])
            yield entry if entry.split else entry._replace(split=self.splits[archive])
