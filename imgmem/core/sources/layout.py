"""A layout: what the folders of a path say about label and split, by one rule.

The rule is one that a user can give (`folder:2`, `parent`, `path`, `name:REGEX`, `none`); the
automatic one (`folder`) chooses a rule from the tree, see `resolve.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from imgmem.core.sources.grammar import LabelRule, pattern

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Folder names (in lower case) that authors give to splits, and our name for each."""

TEST_LEFT_OUT = "test image without a class"
SHOWN = 5
"""How many names an error or a note lists."""


def split_name(folder: str) -> str | None:
    """The split that a folder's name stands for, or None."""
    return SPLIT_NAMES.get(folder.lower())


EXPLICIT = frozenset({"level", "parent", "path", "name", "path-pattern"})
"""Kinds of rules that find a label in the path of an image, by the user's word."""


def plain(rule: LabelRule) -> LabelRule:
    """A rule with `parent` as the folder that it is."""
    return LabelRule("level", "-1") if rule.kind == "parent" else rule


class Place(NamedTuple):
    """Label and split of an image. ignored: why it is left out. unlabeled: why the rule finds
    no label in its path, which makes it a reject."""

    label: str | None = None
    split: str | None = None
    ignored: str = ""
    unlabeled: str = ""


@dataclass(frozen=True)
class Layout:
    """How paths become labels and splits.

    rule: never the automatic one. base: folders that wrap all others. splits: folder right in
    `base` → split, or None to merge it. split_level: the folder that is the split instead, as
    `folder:N` counts. left_out: such a folder whose images are passed over.
    """

    rule: LabelRule
    base: tuple[str, ...] = ()
    splits: dict[str, str | None] = field(default_factory=dict)
    split_level: int | None = None
    left_out: frozenset[str] = frozenset()

    @property
    def labeled(self) -> bool:
        return self.rule.kind != "none"

    @property
    def by_folder(self) -> bool:
        """Whether all images in one folder have one place."""
        return self.rule.kind not in ("name", "path-pattern")

    def place(self, path: str, name: str = "") -> Place:
        """Label and split of the image at `path`, "/"-separated.

        name: its path below the source, where that is longer: the archive that it is in first.
        """
        *folders, base = path.split("/")
        inner = folders[len(self.base) :]
        if inner and inner[0] in self.left_out:
            return Place(ignored=TEST_LEFT_OUT)
        split = self._split(folders, inner)
        try:
            return Place(self._label(folders, base, name or path), split)
        except LookupError as error:
            return Place(None, split, unlabeled=str(error.args[0]))

    def _split(self, folders: Sequence[str], inner: Sequence[str]) -> str | None:
        if self.split_level is None:
            return self.splits.get(inner[0]) if inner else None
        name = level(folders, self.split_level)
        return None if name is None else split_name(name) or name

    def _label(self, folders: Sequence[str], name: str, path: str) -> str | None:
        match self.rule.kind:
            case "none":
                return None
            case "level":
                return self._folder(folders)
            case "path":
                return self._below(folders)
        return searched(self.rule.value, name if self.rule.kind == "name" else path)

    def _folder(self, folders: Sequence[str]) -> str:
        found = level(folders, self.rule.level)
        if found is None:
            raise LookupError(f"it is in no folder {self.rule.level}")
        return found

    def _below(self, folders: Sequence[str]) -> str:
        inner = folders[len(self.base) :]
        if inner and inner[0] in self.splits:
            inner = inner[1:]
        if not inner:
            raise LookupError("it is in no folder")
        return "/".join(inner)


def level(folders: Sequence[str], number: int) -> str | None:
    """The N-th folder of a path, from 1, or from the file if negative; None if there is none."""
    index = number - 1 if number > 0 else len(folders) + number
    return folders[index] if 0 <= index < len(folders) else None


def searched(regular: str, text: str) -> str:
    """What the group `label`, or the first, matches. Raises LookupError for no match."""
    compiled = pattern(regular, "labels")
    match = compiled.search(text)
    label = match and (match["label"] if "label" in compiled.groupindex else match[1])
    if not label:
        raise LookupError(f"{text!r} does not match {regular}")
    return label
