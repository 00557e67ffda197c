"""Trees that can mean two things, where the automatic rule would be silently wrong.

A detector looks at one reading of a tree and returns the doubt that it has, or None. They are
tried in the order of the table, the most certain first; the first doubt is the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from heapq import nsmallest

from imgmem.core.sources.base import Entry
from imgmem.core.sources.grammar import as_glob, as_part, as_texts
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.resolve import Reading, listed
from imgmem.core.sources.tree import MASK_SUFFIXES, Folder
from imgmem.core.sources.words import (
    NUMBERED_PATTERN,
    beyond_split,
    is_date,
    is_images,
    is_masks,
    is_part,
    is_person,
    shared_prefixes,
    split_meant,
    tokens,
    without_mask,
)
from imgmem.core.specs import TRAIN, LabelSpec

_ALIKE = 0.5
"""Share of the folders that must hold a sub-folder, and of the sub-folders that must be held so
often, for all to be called the same."""
_MOST = 0.8
_MASKED = 0.05


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

    def excluding(self, *globs: str) -> Remedy:
        """The remedy that leaves these out, next to what is excluded already."""
        options = {"exclude": (*as_texts(self.spec.exclude), *globs)}
        return Remedy(options, f"without {', '.join(globs)}")


Detector = Callable[[Evidence], Doubt | None]


def first_doubt(evidence: Evidence) -> tuple[Doubt, ...]:
    """The doubt of the first detector that has one."""
    for name, detector in DETECTORS.items():
        if doubt := detector(evidence):
            return (replace(doubt, name=name),)
    return ()


def _doubt(evidence: str, *remedies: Remedy) -> Doubt:
    return Doubt("", evidence, remedies)


def _by_level(number: int, meaning: str) -> Remedy:
    return Remedy({"labels": f"folder:{number}"}, meaning)


def _unlabeled() -> Remedy:
    return Remedy({"labels": "none"}, "images without labels")


# The same tree once more inside itself ------------------------------------------------------


def _nested_copy(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    tops: list[tuple[tuple[str, ...], Folder]] = [((), reading.root)]
    tops += [((name,), reading.root.children[name]) for name in reading.splits]
    for path, folder in tops:
        kids = folder.kids
        for name, child in kids.items():
            again = kids.keys() & child.kids.keys() - {name}
            if len(again) >= 2 and len(again) >= len(kids) / 2:
                where = reading.path(*path, name)
                return _doubt(
                    f"{where}/ holds the folders next to it once more ({listed(again)})",
                    evidence.excluding(as_glob(where)),
                    _by_level(reading.class_level, f"{name} is a class of its own"),
                )
    return None


# Splits under other names -------------------------------------------------------------------


def _hidden_splits(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    if reading.splits:
        return None
    kids = reading.root.kids
    meant = {name: split for name in kids if (split := split_meant(name)) and not is_masks(name)}
    others = sorted(kids.keys() - meant.keys())
    nouns = {word for name in meant for word in beyond_split(name)}
    if any(nouns & set(tokens(name)) for name in others):  # train_station next to bus_station
        return None
    if len(set(meant.values())) < 2 or len(others) > max(2, len(meant)):
        return None
    return _doubt(
        f"the folders {listed(meant)} look like splits"
        + (f", next to {listed(others)}" if others else ""),
        *_as_splits(evidence, meant, others),
        _by_level(reading.class_level, "they are the classes"),
    )


def _as_splits(evidence: Evidence, meant: dict[str, str], others: list[str]) -> Iterator[Remedy]:
    """The remedy that takes folders for splits, with the classes inside them if there are any."""
    reading = evidence.reading
    kids, number = reading.root.kids, reading.class_level
    nested = [name for name in meant if kids[name].kids]
    options: dict[str, object] = {"labels": "none"}
    dropped = set[str]()
    if nested:
        first = [name for name in nested if meant[name] == TRAIN] or nested
        below = _folders_to_classes([kids[name] for name in first])
        options["labels"] = f"folder:{number + below}"
        dropped = {name for name in meant if not _reaches(kids[name], below)}
    elif prefixes := _prefixes_in(evidence, meant):
        options["labels"], named = NUMBERED_PATTERN, prefixes
        dropped = {name for name in meant if name not in named}
    names = _names_of_splits(meant, dropped)
    options["split"] = f"folder:{number}"
    if names:
        options["split_map"] = tuple(f"{as_part(name)}={split}" for name, split in names.items())
    if others:
        globs = (as_glob(reading.path(name)) for name in others)
        options["exclude"] = (*as_texts(evidence.spec.exclude), *globs)
    yield Remedy(options, "they are the splits")  # type: ignore[arg-type]


def _folders_to_classes(folders: list[Folder]) -> int:
    """How far down classes are: 1 unless a folder in each of `folders` wraps all the others."""
    number = 1
    while all(not folder.images and len(folder.kids) == 1 for folder in folders):
        folders = [next(iter(folder.kids.values())) for folder in folders]
        if any(not folder.kids for folder in folders):
            break
        number += 1
    return number


def _reaches(folder: Folder, depth: int) -> bool:
    """Whether there are images `depth` folders further down."""
    return depth == 0 or any(_reaches(child, depth - 1) for child in folder.kids.values())


def _prefixes_in(evidence: Evidence, meant: dict[str, str]) -> set[str]:
    """The folders whose images' names share a few prefixes (`cat.0.jpg`, `dog.0.jpg`)."""
    start = len(evidence.reading.base) + evidence.skip
    return {
        name
        for name in meant
        if shared_prefixes(
            entry.name.rpartition("/")[2]
            for entry in evidence.entries
            if entry.name.split("/")[start] == name
        )
    }


def _names_of_splits(meant: dict[str, str], dropped: set[str]) -> dict[str, str]:
    """Folder → split where the names differ; "" for what is dropped."""
    kept = [name for name in meant if name not in dropped]
    counts = Counter(meant[name] for name in kept)
    renamed = {name: meant[name] for name in kept if counts[meant[name]] == 1}
    return {
        name: split
        for name, split in (dict.fromkeys(dropped, "") | renamed).items()
        if (split_name(name) or name) != split
    }


# Masks and annotations ----------------------------------------------------------------------


def _masks(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    masks = sorted(name for name in reading.kids if is_masks(name))
    others = reading.kids.keys() - set(masks)
    paired = {name for name in masks if without_mask(name) in {o.lower() for o in others}}
    if not masks or not (paired or (others and all(is_images(name) for name in others))):
        return _masks_in_classes(evidence)
    globs = [as_glob(reading.path(name)) for name in masks] if not reading.splits else masks
    return _doubt(
        f"the folders {listed(masks)} look like masks or annotations of {listed(others)}",
        evidence.excluding(*globs),
        _by_level(reading.class_level, "they are classes"),
    )


def _masks_in_classes(evidence: Evidence) -> Doubt | None:
    """images/ and masks/ in each class folder."""
    reading = evidence.reading
    every = [folder for same in reading.kids.values() for folder in same]
    below = {name for folder in every for name in folder.kids}
    masks = sorted(name for name in below if is_masks(name))
    images = sorted(name for name in below if is_images(name))
    if not masks or not images or len(below) > len(masks) + len(images):
        return None
    return _doubt(
        f"the folders {listed(masks)} look like masks or annotations of {listed(images)}",
        evidence.excluding(*masks),
        _by_level(reading.class_level, "they are images of the classes"),
    )


def _masks_by_name(evidence: Evidence) -> Doubt | None:
    """`x.png` and `x_mask.png` in one folder."""
    reading = evidence.reading
    found = [(path, folder) for path, folder in reading.root.walk() if folder.suffixed]
    if sum(folder.suffixed for _, folder in found) < _MASKED * reading.root.total or not found:
        return None
    path, _ = max(found, key=lambda item: item[1].suffixed)
    where = reading.path(*path)
    stems = _stems(evidence, where)
    pairs = sorted((stem, suffix) for stem in stems if (suffix := _mask_suffix(stem, stems)))
    if not pairs:
        return None
    mask, suffix = pairs[0]
    return _doubt(
        f"{mask} in {where or '.'}/ looks like a mask of {mask.removesuffix(suffix)}",
        evidence.excluding(f"*{suffix}.*"),
        _by_level(reading.class_level, "masks are images of the class")
        if reading.kids
        else _unlabeled(),
    )


def _mask_suffix(stem: str, stems: set[str]) -> str:
    """`_mask` where there is an image of the same stem without it, or ""."""
    suffix = next((end for end in MASK_SUFFIXES if stem.lower().endswith(end)), "")
    return stem[-len(suffix) :] if suffix and stem[: -len(suffix)] in stems else ""


def _stems(evidence: Evidence, folder: str) -> set[str]:
    found = set()
    for entry in evidence.entries:
        above, _, name = "/".join(entry.name.split("/")[evidence.skip :]).rpartition("/")
        if above == folder:
            found.add(name.rpartition(".")[0])
    return found


def _annotations(evidence: Evidence) -> Doubt | None:
    """train/images next to train/labels: a detection export, with one "class", images."""
    reading = evidence.reading
    if not reading.splits or not reading.kids or not all(map(is_images, reading.kids)):
        return None
    beside = {
        name
        for folder in reading.class_roots
        for name, child in folder.children.items()
        if not child.total and child.others
    }
    what = f", next to {listed(beside)}/ without images" if beside else ""
    return _doubt(
        f"the only folder in the splits is {listed(reading.kids)}/{what}",
        _unlabeled(),
        _by_level(reading.class_level, f"one class, {listed(reading.kids)}"),
    )


# Images and folders side by side ------------------------------------------------------------


def _loose_images(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    if not reading.kids:
        return None
    if reading.root.images and not reading.splits:
        return _loose(evidence, (), listed(reading.kids))
    for name in reading.splits:
        folder = reading.root.children[name]
        if folder.images and name not in reading.left_out:
            return _loose(evidence, (name,), listed(folder.kids) or "those of other splits")
    only = next(iter(reading.root.kids.items()))
    if len(reading.root.kids) == 1 and only[1].images and only[1].kids:
        return _loose(evidence, (only[0],), listed(only[1].kids), wraps=True)
    return None


def _loose(evidence: Evidence, path: tuple[str, ...], beside: str, *, wraps: bool = False) -> Doubt:
    reading = evidence.reading
    folder, where = reading.root.find(path), reading.path(*path)
    names = _loose_names(evidence, where)
    inside = "/".join(part for part in (where, "*", "**") if part)
    assert folder is not None
    globs = [as_glob(f"{where}/{name}" if where else name) for name in names]
    few = folder.images <= len(names)
    if few:
        without = evidence.excluding(*globs)
    elif reading.splits and not folder.kids:
        without = evidence.excluding(as_glob(where))
    else:
        include = Remedy({"include": (inside,)}, "only what is in folders")
        without = include
    other = _by_level(reading.class_level, f"{path[0]} is the class") if wraps else _unlabeled()
    return _doubt(
        f"images lie loose in {where or 'the source'}{'/' if where else ''} "
        f"({', '.join(names)}{', …' if not few else ''}) next to class folders ({beside})",
        without,
        other,
    )


def _loose_names(evidence: Evidence, where: str) -> list[str]:
    """The first three images right in a folder."""
    names = (
        name
        for entry in evidence.entries
        for above, _, name in ["/".join(entry.name.split("/")[evidence.skip :]).rpartition("/")]
        if above == where
    )
    return nsmallest(3, names)


# What the first folders are -----------------------------------------------------------------


def _parts(evidence: Evidence) -> Doubt | None:
    kids = evidence.reading.kids
    if len(kids) < 2 or not (all(map(is_part, kids)) or all(map(is_date, kids))):
        return None
    return _first_folders(evidence, "look like parts of one set, not like classes")


def _people(evidence: Evidence) -> Doubt | None:
    kids = evidence.reading.kids
    if len(kids) < 2 or sum(map(is_person, kids)) < _MOST * len(kids):
        return None
    return _first_folders(evidence, "look like one folder per patient, video or subject")


def _first_folders(evidence: Evidence, what: str) -> Doubt:
    """Folders that are hardly classes: those below them are, or there are none."""
    reading = evidence.reading
    level, below = _shared_below(reading)
    deeper = _by_level(level, f"the classes are {listed(below)}") if below else _unlabeled()
    return _doubt(
        f"the folders {listed(reading.kids)} {what}",
        deeper,
        _by_level(reading.class_level, "they are the classes"),
    )


def _same_folders(evidence: Evidence) -> Doubt | None:
    """Domains, patients, angles: every first folder holds the same sub-folders."""
    reading = evidence.reading
    level, below = _shared_below(reading)
    if len(reading.kids) < 2 or not below or all(is_part(n) or is_date(n) for n in below):
        return None
    splits = len({split_meant(name) for name in below} - {None}) >= 2
    first = _by_level(reading.class_level, f"the classes are {listed(reading.kids)}")
    inner = _by_level(level, f"the classes are {listed(below)}")
    if splits and all(split_meant(name) for name in below):
        number = {"split": f"folder:{level}"}
        first = Remedy({**first.options, **number}, f"{first.meaning}, the splits {listed(below)}")
        inner, first = first, inner
    return _doubt(
        f"the folders {listed(reading.kids)} all hold the same sub-folders ({listed(below)})",
        inner,
        first,
    )


def _shared_below(reading: Reading) -> tuple[int, list[str]]:
    """(number, names) of the sub-folders that the first folders share; no names if they do not."""
    folders = [folder for same in reading.kids.values() for folder in same]
    number = reading.class_level + 1
    while folders and all(not folder.images and len(folder.kids) == 1 for folder in folders):
        names = {name for folder in folders for name in folder.kids}
        if len(names) > 1:
            break
        folders, number = [folder.kids[next(iter(names))] for folder in folders], number + 1
    held = Counter(name for folder in folders for name in folder.kids)
    common = [n for n, times in held.items() if times >= max(2, _ALIKE * len(folders))]
    shared = len(common) >= 2 and len(common) >= _ALIKE * len(held)
    loose = any(folder.images for folder in folders)
    return number, sorted(held) if shared and not loose else []


# Names of files -----------------------------------------------------------------------------


def _prefixes(evidence: Evidence) -> Doubt | None:
    if evidence.reading.kids or not (prefixes := shared_prefixes(evidence.names())):
        return None
    return _doubt(
        f"there are no class folders, but the names of images share a few prefixes "
        f"({listed(prefixes)})",
        Remedy({"labels": NUMBERED_PATTERN}, f"the classes are {listed(prefixes)}"),
        _unlabeled(),
    )


DETECTORS: dict[str, Detector] = {
    "nested-copy": _nested_copy,
    "hidden-splits": _hidden_splits,
    "annotations": _annotations,
    "masks": _masks,
    "masks-by-name": _masks_by_name,
    "loose-images": _loose_images,
    "parts": _parts,
    "people": _people,
    "same-folders": _same_folders,
    "name-prefixes": _prefixes,
}
"""What may be wrong with a reading, by name."""
