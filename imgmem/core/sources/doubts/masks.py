"""Masks and annotations next to images."""

from __future__ import annotations

from collections.abc import Iterable

from imgmem.core.sources.doubts.evidence import Evidence, by_level, doubt, looking
from imgmem.core.sources.grammar import as_glob
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy
from imgmem.core.sources.resolve import Reading, listed
from imgmem.core.sources.tree import MASK_SUFFIXES
from imgmem.core.sources.words import (
    is_images,
    is_masks,
    is_series,
    without_mask,
)

_MASKED = 0.05
"""Share of images called like masks from which on they are looked at."""


def masks(evidence: Evidence) -> Doubt | None:
    reading = evidence.reading
    masks = sorted(name for name in reading.kids if is_masks(name))
    others = reading.kids.keys() - set(masks)
    paired = {name for name in masks if without_mask(name) in {o.lower() for o in others}}
    nested = _hold_the_same(reading, masks, others)
    if not masks or not (paired or nested or (others and all(map(is_images, others)))):
        return _masks_in_classes(evidence)
    globs = [as_glob(reading.path(name)) for name in masks] if not reading.splits else masks
    without = evidence.excluding(*globs)
    if nested or (reading.splits and all(map(is_images, others))):
        without = Remedy({**without.options, "labels": "none"}, f"{without.meaning}, unlabeled")
    return doubt(
        f"{looking(masks)} like masks or annotations of {listed(others)}",
        without,
        by_level(reading.class_level, "they are classes"),
    )


def _hold_the_same(reading: Reading, masks: Iterable[str], others: Iterable[str]) -> bool:
    """gtFine/train and gtFine/val, leftImg8bit/train and leftImg8bit/val."""
    below = [{name for folder in reading.kids[each] for name in folder.kids} for each in others]
    return any(
        len(folder.kids) > 1 and folder.kids.keys() in below
        for mask in masks
        for folder in reading.kids[mask]
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
    return doubt(
        f"{looking(masks)} like masks or annotations of {listed(images)}",
        evidence.excluding(*masks),
        by_level(reading.class_level, "they are images of the classes"),
    )


def masks_by_name(evidence: Evidence) -> Doubt | None:
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
    return doubt(
        f"{mask} in {where or '.'}/ looks like a mask of {mask.removesuffix(suffix)}",
        evidence.excluding(f"*{suffix}.*"),
        by_level(reading.class_level, "masks are images of the class")
        if reading.kids
        else UNLABELED,
    )


def _mask_suffix(stem: str, stems: set[str]) -> str:
    """`_mask` where there is an image of the same stem without it, or ""."""
    suffix = next((end for end in MASK_SUFFIXES if stem.lower().endswith(end)), "")
    return stem[-len(suffix) :] if suffix and stem[: -len(suffix)] in stems else ""


def _stems(evidence: Evidence, folder: str) -> set[str]:
    names = (name for folders, name in evidence.paths() if "/".join(folders) == folder)
    return {name.rpartition(".")[0] for name in names}


def annotation_folders(evidence: Evidence) -> Doubt | None:
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
    likely = [*_folders_inside(evidence), UNLABELED]
    return doubt(
        f"the only folder in the splits is {listed(reading.kids)}/{what}",
        *(reversed(likely) if beside else likely),
        by_level(reading.class_level, f"one class, {listed(reading.kids)}"),
    )


def _folders_inside(evidence: Evidence) -> list[Remedy]:
    """The remedy that takes the folders in train/images for classes, where there are any."""
    reading = evidence.reading
    inside = {name: reading.root.children[name] for name in reading.splits}
    nested = {
        name: [kid for wrapper in folder.kids.values() for kid in wrapper.kids]
        for name, folder in inside.items()
    }
    flat = [
        name
        for name, folder in inside.items()
        if not nested[name] or any(wrapper.images for wrapper in folder.kids.values())
    ]
    classes = {kid for name, kids in nested.items() if name not in flat for kid in kids}
    if not classes or all(map(is_series, classes)):
        return []
    options = {"labels": f"folder:{reading.class_level + 1}"}
    without = evidence.excluding(*(as_glob(reading.path(n)) for n in flat)).options if flat else {}
    return [Remedy({**options, **without}, f"the classes are {listed(classes)}")]
