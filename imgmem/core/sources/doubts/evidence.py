"""What detectors look at, and the remedies that many of them have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imgmem.core.sources.base import Entry
from imgmem.core.sources.grammar import as_texts
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.resolve import Reading, listed, read_tree
from imgmem.core.sources.tree import Folder
from imgmem.core.specs import LabelSpec


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A reading of a tree, the entries that it was read from, and what the user said."""

    reading: Reading
    entries: Iterable[Entry]
    spec: LabelSpec
    skip: int = 0

    def names(self) -> Iterator[str]:
        """The base name of every image."""
        return (entry.name.rpartition("/")[2] for entry in self.entries)

    def paths(self) -> Iterator[tuple[list[str], str]]:
        """The folders, from the top of the tree, and the base name of every image."""
        for entry in self.entries:
            *folders, name = entry.name.split("/")[self.skip :]
            yield folders, name

    def without_loose(self) -> Reading:
        """What the tree is without the images right in its root."""
        rest = Folder()
        rest.children = self.reading.root.children
        rest.weigh()
        return read_tree(rest, auto_split=self.spec.auto_split)

    def excluding(self, *globs: str) -> Remedy:
        """The remedy that leaves these out, next to what is excluded already."""
        options = {"exclude": (*as_texts(self.spec.exclude), *globs)}
        return Remedy(options, f"without {', '.join(globs)}")


def looking(names: Iterable[str]) -> str:
    """`the folder masks looks`, `the folders gt, masks look`."""
    found = list(names)
    one = len(found) == 1
    return f"the folder{'' if one else 's'} {listed(found)} look{'s' if one else ''}"


def doubt(evidence: str, *remedies: Remedy) -> Doubt:
    """A doubt, which gets the name of its detector later."""
    return Doubt("", evidence, remedies)


def by_level(number: int, meaning: str) -> Remedy:
    """The remedy that takes the folder of this number for the class."""
    return Remedy({"labels": f"folder:{number}"}, meaning)
