"""What a tree of folders means: the one place where the automatic rule is chosen.

- Folders that wrap everything else (one folder, no image next to it) are descended.
- `train`, `val` and `test` folders (and their other spellings), `train` among them and
  nothing else, are the author's splits; the class folders are inside them. A `test` whose
  images lie loose has no classes and is left out. Where none has class folders, the splits
  stand and there are no labels.
- Other sub-folders with images are the classes; deeper folders count to their class.
- No sub-folder with images: no labels.

What may mean something else too is a doubt, see `doubts.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from imgmem.core.messages import Message, option
from imgmem.core.sources.grammar import LabelRule, label_rule, split_level
from imgmem.core.sources.layout import SHOWN, Layout, plain, split_name
from imgmem.core.sources.tree import Folder
from imgmem.core.sources.words import is_images, is_series
from imgmem.core.specs import LabelSpec


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The top of a tree, read by the automatic rule.

    base: folders that wrap all images. root: the folder at `base`. splits: folders right in it
    that are the author's splits. left_out: those whose images are passed over.
    kids: sub-folders of images where classes are, by name: in `root`, or in every split.
    wrapped: whether every split wraps its classes once more (`train/train/cat`,
    `train/images/cat`).
    """

    base: tuple[str, ...]
    root: Folder
    splits: dict[str, str | None] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    kids: dict[str, list[Folder]] = field(default_factory=dict)
    wrapped: bool = False

    @property
    def class_level(self) -> int:
        """The number of the folder that `kids` are, as `folder:N` counts."""
        return len(self.base) + (2 if self.splits else 1) + self.wrapped

    @property
    def class_roots(self) -> list[Folder]:
        """The folders that classes are right in."""
        if not self.splits:
            return [self.root]
        inside = [self.root.children[name] for name in self.splits if name not in self.left_out]
        return [next(iter(each.kids.values())) for each in inside] if self.wrapped else inside

    def path(self, *folders: str) -> str:
        """The path below the source of a folder in `root`."""
        return "/".join((*self.base, *folders))


def read_tree(top: Folder, *, auto_split: bool = True) -> Reading:
    """The top of the tree whose folders are weighed."""
    base, root = _descended(top)
    splits = _author_splits(root)
    nested = any(root.children[name].kids for name in splits)
    if splits and not auto_split:
        splits = dict.fromkeys(splits) if nested else {}
    left_out = _left_out(root, splits) if nested else frozenset()
    inside = {name: root.children[name] for name in splits if name not in left_out}
    wrapped = bool(inside) and (
        all(_wraps(name, folder) for name, folder in inside.items())
        or _share_a_wrapper(list(inside.values()))
    )
    reading = Reading(base=base, root=root, splits=splits, left_out=left_out, wrapped=wrapped)
    for folder in reading.class_roots:
        for name, child in folder.kids.items():
            reading.kids.setdefault(name, []).append(child)
    return reading


def choose(top: Folder, spec: LabelSpec) -> tuple[Layout, Reading]:
    """The layout by the rule that `spec` names, and the reading that the automatic one has."""
    rule = label_rule(spec.labels)
    reading = read_tree(top, auto_split=spec.auto_split)
    kept = reading.splits if spec.split_from is None else {}
    if rule.kind == "folder":
        layout = _automatic(reading, kept)
    else:
        layout = Layout(plain(rule), reading.base, _splits_under(rule, reading, kept))
    if spec.split_from is not None:
        layout = Layout(layout.rule, layout.base, {}, split_level(spec.split_from))
    return layout, reading


def class_names(layout: Layout, reading: Reading) -> tuple[str, ...]:
    """Class folders without any file."""
    if layout.rule != LabelRule("level", str(reading.class_level)):
        return ()
    found = {
        name
        for folder in reading.class_roots
        for name, child in folder.children.items()
        if child.is_empty
    }
    return tuple(sorted(found))


def notes(layout: Layout) -> list[str]:
    """What the user should know about a layout."""
    said = []
    if layout.base:
        said.append(f"using {'/'.join(layout.base)}/ as the root")
    names = [f"{folder}/ as {split}" for folder, split in layout.splits.items() if split]
    if names:
        said.append(f"splits from folders: {', '.join(sorted(names))}")
    elif layout.splits:
        said.append(f"merged the folders {listed(f'{name}/' for name in layout.splits)}")
    return said


def deeper_notes(layout: Layout, reading: Reading) -> list[str]:
    """That there are folders in class folders which may be the classes: animals/cat, plants/oak."""
    if layout.rule != LabelRule("level", str(reading.class_level)):
        return []
    inner = [folder.kids for same in reading.kids.values() for folder in same]
    below = {n for kids in inner for n in kids if not (is_series(n) or is_images(n))}
    if len(below) < 2 or max(map(len, inner)) < 2:
        return []
    return [
        Message(
            f"the classes are the folders {listed(reading.kids)}; {option('labels', 'parent')} "
            f"takes the innermost folders instead ({listed(parents(reading))})"
        )
    ]


def parents(reading: Reading) -> set[str]:
    """The names of the folders that images are right in."""
    walked = (each for same in reading.kids.items() for each in _walked(*same))
    return {path[-1] for path, folder in walked if folder.images}


def _walked(name: str, same: list[Folder]) -> Iterator[tuple[tuple[str, ...], Folder]]:
    for folder in same:
        yield from folder.walk((name,))


def listed(names: Iterable[str]) -> str:
    """The first of some names, in order."""
    ordered = sorted(names)
    return ", ".join(ordered[:SHOWN]) + (", …" if len(ordered) > SHOWN else "")


def _descended(top: Folder) -> tuple[tuple[str, ...], Folder]:
    base: tuple[str, ...] = ()
    while not top.images and len(kids := top.kids) == 1:
        name, child = next(iter(kids.items()))
        flat = child.images and not child.kids
        says_nothing = flat and (is_images(name) or split_name(name))
        if split_name(name) == "train" or (child.images and not says_nothing):
            break
        base, top = (*base, name), child
    return base, top


def _wraps(split: str, folder: Folder) -> bool:
    """Whether a split holds one folder, called like it, that holds folders."""
    names = list(folder.kids)
    return not folder.images and names == [split] and bool(folder.kids[split].kids)


def _share_a_wrapper(splits: list[Folder]) -> bool:
    """Whether every split holds just one folder, all of one name, with the same classes in it."""
    if any(folder.images or len(folder.kids) != 1 or _has_documents(folder) for folder in splits):
        return False
    wrappers = [(name, folder) for split in splits for name, folder in split.kids.items()]
    classes = max((folder.kids.keys() for _, folder in wrappers), key=len)
    return (
        len({name for name, _ in wrappers}) == 1
        and len(classes) >= 2
        and not all(map(is_series, classes))
        and all(_only_folders_of(classes, folder) for _, folder in wrappers)
    )


def _has_documents(folder: Folder) -> bool:
    """Whether there are folders without images that are not empty, such as annotations."""
    return any(not child.total and not child.is_empty for child in folder.children.values())


def _only_folders_of(classes: Collection[str], folder: Folder) -> bool:
    return not folder.images and bool(folder.kids) and folder.kids.keys() <= set(classes)


def _author_splits(root: Folder) -> dict[str, str | None]:
    named = {name: split_name(name) for name in root.kids}
    if root.images or None in named.values() or "train" not in named.values():
        return {}
    return named


def _left_out(root: Folder, splits: dict[str, str | None]) -> frozenset[str]:
    """The `test` folders whose images lie loose."""
    return frozenset(
        name
        for name in splits
        if split_name(name) == "test"
        and root.children[name].images
        and not root.children[name].kids
    )


def _automatic(reading: Reading, splits: dict[str, str | None]) -> Layout:
    if not reading.kids:
        return Layout(LabelRule("none"), reading.base, splits)
    rule = LabelRule("level", str(reading.class_level))
    return Layout(rule, reading.base, splits, None, reading.left_out)


def _splits_under(
    rule: LabelRule, reading: Reading, splits: dict[str, str | None]
) -> dict[str, str | None]:
    """The splits, unless their folders are what the rule takes for labels."""
    rule = plain(rule)
    if rule.kind == "none":
        return {name: split for name, split in splits.items() if split}
    taken = rule.kind == "path" and not reading.kids
    if rule.kind == "level":
        taken = 0 < rule.level <= len(reading.base) + 1 or (rule.level < 0 and not reading.kids)
    return {} if taken else splits
