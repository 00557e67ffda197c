"""The survey of a tree whose files come in any order, in memory of its top level only."""

from collections.abc import Sequence

from imgmem.core.sources.layout import SHOWN, Child, Survey, split_name


class Surveyor:
    """Told of every image, it knows the innermost folder that holds them all, and its children."""

    def __init__(self) -> None:
        self._base: tuple[str, ...] | None = None
        self._loose: list[str] = []
        self._children: dict[str, Child] = {}

    def add(self, folder: Sequence[str], name: str) -> None:
        """Take note of the image `name` in `folder` (path components)."""
        if self._base is None:
            self._base = tuple(folder)
        if tuple(folder[: len(self._base)]) != self._base:
            self._withdraw(folder)
        depth = len(self._base)
        if len(folder) == depth:
            if len(self._loose) < SHOWN:
                self._loose.append(name)
            return
        child = self._children.setdefault(folder[depth], Child())
        if len(folder) == depth + 1:
            child.loose = True
        else:
            child.folders = True

    def _withdraw(self, folder: Sequence[str]) -> None:
        """Move up to the folder that holds this one too."""
        assert self._base is not None
        depth = 0
        while depth < len(folder) and self._base[depth : depth + 1] == (folder[depth],):
            depth += 1
        self._move_up(depth)

    def _move_up(self, depth: int) -> None:
        """Make the folder at `depth` the base; all that was seen lies in one child of it."""
        assert self._base is not None
        if depth == len(self._base):
            return
        right_above = depth == len(self._base) - 1
        child = Child(
            loose=right_above and bool(self._loose),
            folders=not right_above or bool(self._children),
        )
        self._children = {self._base[depth]: child}
        self._loose = []
        self._base = self._base[:depth]

    def survey(self) -> Survey:
        """What was seen. Neither a folder with images in it is a wrapper, nor is `train`."""
        base = self._base or ()
        if self._loose and base:
            self._move_up(len(base) - 1)
        names = [split_name(folder) for folder in self._base or ()]
        if "train" in names:
            self._move_up(names.index("train"))
        return Survey(self._base or (), self._loose, self._children)
