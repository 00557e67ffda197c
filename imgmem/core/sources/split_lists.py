"""Splits by lists of images, as `train.txt` and `test.txt` next to a folder: the option `split`."""

from collections.abc import Sequence
from dataclasses import replace

from imgmem.core.sources.base import Listing, Source
from imgmem.core.sources.labeled import LabeledSource
from imgmem.core.sources.tables.labels import Labels
from imgmem.core.sources.tables.lines import Lines
from imgmem.core.sources.tables.several import split_lists


class SplitSource(LabeledSource):
    """Another source's images that lists name, each in the split of its list."""

    left_out = "image that no list of a split names"

    def __init__(self, source: Source, lists: Sequence[tuple[str, str]]) -> None:
        """Raises InputError if a list cannot be used.

        lists: (split, FILE) pairs.
        """
        super().__init__(source, split_lists(lists), labels=False)

    def _notes(self, lines: Lines, labels: Labels) -> list[str]:
        """How files were found; how the lists were read is plain."""
        return super()._notes(lines, labels)[1:]

    def _naming_hint(self) -> str:
        return "Write paths as they are below SOURCE, one per line."

    def _over(self, listed: Listing, listing: Listing) -> Listing:
        return replace(
            listed,
            entries=listing.entries,
            ignored=listing.ignored,
            notes=listing.notes,
            doubts=listing.doubts,
        )
