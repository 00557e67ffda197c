"""What a tree of folders means: classes, the author's splits, or neither.

Decided from the top levels alone, so that a listing can stream afterwards:

- Folders that wrap everything else (one folder, no image beside it) are descended.
- `train`, `val` and `test` folders (and their other spellings), `train` among them and
  nothing else, are the author's splits; the class folders are inside them. A `test` whose
  images lie loose has no classes and is left out. Where none has class folders, the splits
  stand and there are no labels.
- Other sub-folders with images are the classes; deeper folders count to their class.
- No sub-folder with images: no labels. Images loose beside class folders: refused, as is a
  single folder that holds both images and folders: a class, or a wrapper with a stray image?
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from imgmem.core.errors import InputError
from imgmem.core.messages import option

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
"""How many names an error or a note gives."""


def split_name(folder: str) -> str | None:
    """The split that a folder's name stands for, or None."""
    return SPLIT_NAMES.get(folder.lower())


@dataclass(slots=True)
class Child:
    """What lies in a folder: images right in it, sub-folders with images."""

    loose: bool = False
    folders: bool = False


@dataclass(slots=True)
class Survey:
    """The top of a tree: the folders that wrap it, and what lies in the innermost of them.

    base: wrapping folders, outermost first. loose: some names of images right inside.
    children: sub-folders that hold images.
    """

    base: tuple[str, ...] = ()
    loose: list[str] = field(default_factory=list)
    children: dict[str, Child] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Label and split of the images in one folder; `ignored` is why they are left out."""

    label: str | None = None
    split: str | None = None
    ignored: str | None = None


@dataclass(frozen=True)
class Layout:
    """How folders become labels and splits.

    base: wrapping folders. labeled: folders below them are classes.
    splits: folder right in `base` → split, or None to pool it; empty where there are no splits.
    left_out: such a folder whose images are passed over. remarks: what looks odd.
    """

    base: tuple[str, ...] = ()
    labeled: bool = False
    splits: dict[str, str | None] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()

    def place(self, folder: Sequence[str]) -> Place:
        """Label and split of the images in `folder` (path components)."""
        inner = folder[len(self.base) :]
        if not inner:
            return Place()
        if inner[0] in self.left_out:
            return Place(ignored=TEST_LEFT_OUT)
        split = None
        if inner[0] in self.splits:
            split = self.splits[inner[0]]
            inner = inner[1:]
        return Place(inner[0] if self.labeled and inner else None, split)

    def notes(self) -> list[str]:
        """What a user should be told about it."""
        said = list(self.remarks)
        if self.base:
            said.append(f"descended into {'/'.join(self.base)}/, which wraps all the images")
        names = [f"{folder}/ as {split}" for folder, split in self.splits.items() if split]
        if names:
            said.append(f"took the folders {', '.join(sorted(names))} as the splits")
        elif self.splits:
            said.append(f"pooled the folders {_listed(f'{name}/' for name in self.splits)}")
        return said


def decide(survey: Survey, *, labels: bool, auto_split: bool) -> Layout:
    """The layout of a tree. Raises InputError where images lie loose beside class folders."""
    splits = _author_splits(survey)
    if splits and not auto_split:
        splits = dict.fromkeys(splits) if _any_folders(survey) else {}
    if not labels:
        return Layout(survey.base, splits={k: v for k, v in splits.items() if v})
    if not survey.children:
        return Layout(survey.base)
    if survey.loose:
        beside = f"({_listed(survey.loose)}) beside class folders ({_listed(survey.children)})"
        raise _loose(survey.base, f"images lie loose {beside}")
    if not splits:
        _require_clear(survey)
        return Layout(survey.base, labeled=True, remarks=_doubts(survey, auto_split))
    if not _any_folders(survey):
        return Layout(survey.base, splits=splits)
    return _with_classes_inside(Layout(survey.base, labeled=True, splits=splits), survey)


def _author_splits(survey: Survey) -> dict[str, str | None]:
    named = {child: split_name(child) for child in survey.children}
    if survey.loose or None in named.values() or "train" not in named.values():
        return {}
    return named


def _doubts(survey: Survey, auto_split: bool) -> tuple[str, ...]:
    """A word about `train` as a class, where other folders keep it from being a split."""
    others = [name for name in survey.children if split_name(name) is None]
    for name in sorted(survey.children):
        if auto_split and split_name(name) == "train":
            return (f"took {name}/ as a class, not as a split, for there is {_listed(others)} too",)
    return ()


def _any_folders(survey: Survey) -> bool:
    return any(child.folders for child in survey.children.values())


def _with_classes_inside(layout: Layout, survey: Survey) -> Layout:
    left_out = set()
    for name, child in sorted(survey.children.items()):
        if child.loose and not child.folders and split_name(name) == "test":
            left_out.add(name)
        elif child.loose:
            raise _loose(survey.base, f"{name}/ holds images outside of any class folder")
    kept = {name: split for name, split in layout.splits.items() if name not in left_out}
    return replace(layout, splits=kept, left_out=frozenset(left_out))


def _require_clear(survey: Survey) -> None:
    name, child = next(iter(survey.children.items()))
    if len(survey.children) == 1 and child.loose and child.folders:
        what = f"{name}/, the only folder, holds images and folders of images"
        raise _loose(survey.base, what)


def _loose(base: Sequence[str], what: str) -> InputError:
    return InputError(
        f"{'/'.join(base)}{': ' if base else ''}{what}",
        hint="Move them into class folders, or take all images unlabeled: "
        f"{option('labels', 'none')}.",
    )


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:SHOWN]) + (", …" if len(ordered) > SHOWN else "")
