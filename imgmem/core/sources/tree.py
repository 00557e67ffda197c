"""The folders of a source with what lies in each: the evidence that layouts are decided from.

Its memory goes with the folders, not with the images; beyond MAX_FOLDERS what lies deeper
counts to the folder above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

MAX_FOLDERS = 100_000

MASK_SUFFIXES = ("_mask", "-mask", "_masks", "_seg", "_segmentation", "_gt", "_label", "_depth")
"""Ends of stems that name a second image of the same thing."""


class Folder:
    """One folder. images: candidates right in it. bare: those of them without an extension.

    doubtful: files without an extension that are not images by their first bytes.
    suffixed: images called like masks. others: right in it, files that are not images, by reason.
    total: images in it and below, once the tree is complete.
    """

    __slots__ = ("bare", "children", "doubtful", "images", "others", "suffixed", "total")

    def __init__(self) -> None:
        self.images = 0
        self.bare = 0
        self.doubtful = 0
        self.suffixed = 0
        self.total = 0
        self.others: Counter[str] | None = None
        self.children: dict[str, Folder] = {}

    def add_image(self, name: str, *, bare: bool = False) -> None:
        self.images += 1
        self.bare += bare
        self.suffixed += name.rpartition(".")[0].lower().endswith(MASK_SUFFIXES)

    def add_other(self, reason: str) -> None:
        if self.others is None:
            self.others = Counter()
        self.others[reason] += 1

    @property
    def kids(self) -> dict[str, Folder]:
        """The sub-folders with images."""
        return {name: child for name, child in self.children.items() if child.total}

    @property
    def is_empty(self) -> bool:
        """Whether it holds no file, at any depth."""
        if self.images or self.doubtful or self.others:
            return False
        return all(child.is_empty for child in self.children.values())

    def weigh(self) -> int:
        """Set every `total` from here down."""
        used = self.images + (self.doubtful if self.bare else 0)
        self.total = used + sum(child.weigh() for child in self.children.values())
        return self.total

    def find(self, path: Sequence[str]) -> Folder | None:
        """The folder at `path` below this one, or None."""
        node: Folder | None = self
        for name in path:
            node = node.children.get(name) if node else None
        return node

    def walk(self, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Folder]]:
        """(path, folder) of this one and of all with images below."""
        yield path, self
        for name, child in self.kids.items():
            yield from child.walk((*path, name))


class Tree:
    """The folders of a source, filled while it is listed."""

    def __init__(self) -> None:
        self.root = Folder()
        self._folders = 0

    def folder(self, path: Sequence[str]) -> Folder:
        """The folder at `path`, made where it is missing."""
        node = self.root
        for name in path:
            child = node.children.get(name)
            if child is None:
                if self._folders >= MAX_FOLDERS and node is not self.root:
                    return node
                child = node.children[name] = Folder()
                self._folders += 1
            node = child
        return node
