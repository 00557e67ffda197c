"""Which arrays of a set are images, which are their labels, and which split each is."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.sources.arrays.found import FoundArray
from imgmem.core.sources.arrays.refusals import not_images, require_pixels
from imgmem.core.sources.grammar import as_pair, as_texts
from imgmem.core.sources.labeling import Doubt, Remedy, require_certain
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.tables import names as known
from imgmem.core.sources.words import is_images, split_meant, tokens

Arrays = Mapping[str, FoundArray]

_SHORT = {"tr": "train", "te": "test", "ts": "test", "t10k": "test", "t60k": "train"}
_LABELS_OF_SPLIT = re.compile(r"y(tr|te|train|test)?|(tr|te|train|test)y")
_DEPTHS = (1, 3, 4)
_ONE_HOT = 2


@dataclass(frozen=True)
class Part:
    """One array of images. split: that its name says. labels: the array of theirs."""

    images: FoundArray
    labels: FoundArray | None = None
    split: str | None = None


def choose(
    path: str, arrays: Arrays, given: Iterable[tuple[str, str]], *, labels: bool
) -> tuple[Part, ...]:
    """The arrays of images in a set, with their labels.

    Args:
        path: Of the set, for errors.
        arrays: All that there are, by name.
        given: (role, name) pairs by the user: `image` and `label`, in the order of each other.
        labels: Whether labels are wanted.

    Raises:
        UsageError: What was given does not fit the arrays.
        InputError: There are no images, their values are not pixels, or two arrays could be it.
    """
    roles = _given(path, arrays, given)
    images = roles["image"] or [a for a in arrays.values() if may_be_images(a)]
    if not images:
        raise not_images(path, arrays.values())
    for array in images:
        require_pixels(array)
    if roles["image"] and len(roles["label"]) == len(images):
        found = [
            Part(*pair, split_of(pair[0].name)) for pair in zip(images, roles["label"], strict=True)
        ]
    else:
        _require_one_set(images, arrays)
        _require_one_each(images)
        found = [_part(array, images, arrays, roles["label"]) for array in images]
    parts = found if labels else [Part(part.images, None, part.split) for part in found]
    for part in parts:
        _require_fit(part if part.labels or not labels else _with_named_labels(part, arrays))
    _require_labels(path, parts)
    return tuple(parts)


def split_of(name: str) -> str | None:
    """The split that an array's name says: `x_train`, `test_images`, `Xte`, `t10k-images`."""
    if split := split_meant(name):
        return split
    for word in re.split(r"[^a-z0-9]+", name.lower()):
        inner = word[1:] if word[:1] in ("x", "y") else word.removesuffix("x").removesuffix("y")
        if found := _SHORT.get(inner) or split_meant(inner):
            return found
    return None


def may_be_images(array: FoundArray) -> bool:
    """Whether an array has the shape of many images: (N, H, W) or (N, H, W, C)."""
    shape = array.facts.shape
    if array.facts.dtype.kind not in "buif" or len(shape) not in (3, 4):
        return False
    return len(shape) == 4 or shape[2] not in _DEPTHS  # (H, W, C) is one image


def _given(
    path: str, arrays: Arrays, given: Iterable[tuple[str, str]]
) -> dict[str, list[FoundArray]]:
    found: dict[str, list[FoundArray]] = {"image": [], "label": []}
    for role, name in given:
        if role not in found or name not in arrays:
            what = f"there is no array {name!r}" if role in found else f"arrays have no {role!r}"
            raise UsageError(
                f"{option('columns')}: {what}; {path} holds {listed(arrays)}",
                hint="Name arrays of images and of labels: image=x_train,label=y_train.",
            )
        found[role].append(arrays[name])
    return found


def _require_one_each(images: list[FoundArray]) -> None:
    """InputError where two arrays of images are of one split: which of them is meant?"""
    by_split: dict[str | None, list[FoundArray]] = {}
    for array in images:
        by_split.setdefault(split_of(array.name), []).append(array)
    several = [[a.name for a in each] for each in by_split.values() if not _are_parts(each)]
    if several or (None in by_split and len(by_split) > 1):
        names = several[0] if several else [array.name for array in images]
        remedies = tuple(_columns(f"{name} are the images", image=name) for name in names)
        _raise("images", f"the arrays {listed(names)} may all be the images", remedies)


def _require_one_set(images: list[FoundArray], arrays: Arrays) -> None:
    """InputError where the arrays are of several sets that are divided alike: EMNIST has
    `emnist-digits-train-images` next to `emnist-letters-train-images`."""
    sets: dict[str, list[FoundArray]] = {}
    for array in images:
        sets.setdefault(_set_of(array.name), []).append(array)
    labels = [array.name for array in arrays.values() if _is_label_name(array.name)]
    divided = all({split_of(each.name) for each in found} >= {"train", "test"}
                  for found in sets.values())  # fmt: skip
    if len(sets) < 2 or not divided or not labels:
        return
    remedies = tuple(
        Remedy({"columns": ",".join(_columns_of(name, found, labels))}, f"the set {name}")
        for name, found in sets.items()
    )
    _raise("sets", f"{listed(sets)} look like several sets of images", remedies)


def _columns_of(name: str, images: list[FoundArray], labels: list[str]) -> Iterator[str]:
    """The arrays of the set of that name, each of images before the labels of its split."""
    for image in images:
        yield as_pair("image", image.name)
        for label in labels:
            if _set_of(label) == name and split_of(label) == split_of(image.name):
                yield as_pair("label", label)


def _set_of(name: str) -> str:
    """The words of a name that say neither what is in an array nor its split."""
    return " ".join(
        word
        for word in tokens(name)
        if word.isalpha() and not (split_of(word) or is_images(word) or _is_label_name(word))
    )


def _are_parts(images: list[FoundArray]) -> bool:
    """Whether arrays of one split are one alone, or parts: a file each, of images alike."""
    files = {array.path for array in images}
    return len(files) == len(images) and len({array.facts.shape[1:] for array in images}) == 1


def _part(
    array: FoundArray, images: list[FoundArray], arrays: Arrays, given: list[FoundArray]
) -> Part:
    """An array of images with its labels: those of its split that have as many rows."""
    split = split_of(array.name)
    near = [
        each
        for each in given or arrays.values()
        if each not in images and _may_be_labels(each, array) and split_of(each.name) == split
    ]
    near = [each for each in near if each.path == array.path] or near
    named = [each for each in near if _is_label_name(each.name)]
    found = named if len(named) == 1 else near
    if len(found) > 1:
        remedies = tuple(
            _columns(f"{each.name} are the labels", image=array.name, label=each.name)
            for each in found
        )
        names = listed(each.name for each in found)
        _raise("labels", f"the arrays {names} may all be the labels of {array.name}", remedies)
    return Part(array, found[0] if found else None, split)


def _with_named_labels(part: Part, arrays: Arrays) -> Part:
    """A part without labels, with the numbers that are called its labels, of any length."""
    for array in arrays.values():
        is_named = _is_label_name(array.name) and split_of(array.name) == part.split
        is_numbers = array.facts.dtype.kind in "buif" and len(array.facts.shape) in (1, _ONE_HOT)
        if is_named and is_numbers and array.path == part.images.path:
            return Part(part.images, array, part.split)
    return part


def _may_be_labels(array: FoundArray, images: FoundArray) -> bool:
    shape, kind = array.facts.shape, array.facts.dtype.kind
    if kind not in "buifUSO" or not shape or shape[0] != images.facts.rows:
        return False
    return len(shape) == 1 or (len(shape) == _ONE_HOT and kind in "buif")


def _is_label_name(name: str) -> bool:
    words = re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    return any(word in known.LABEL_NAMES or _LABELS_OF_SPLIT.fullmatch(word)
               for word in words)  # fmt: skip


def _columns(meaning: str, **roles: str) -> Remedy:
    return Remedy({"columns": ",".join(as_texts(roles))}, meaning)


def _raise(name: str, evidence: str, remedies: tuple[Remedy, ...]) -> None:
    require_certain([Doubt(name, evidence, remedies)])


def _require_fit(part: Part) -> None:
    if part.labels and part.labels.facts.rows != part.images.facts.rows:
        raise InputError(
            f"{part.labels.name} has {part.labels.facts.rows} labels, {part.images.name} has "
            f"{part.images.facts.rows} images",
            hint=f"Name the arrays that belong together, {option('columns', 'image=X,label=Y')}, "
            f"or leave all labels out: {option('labels', 'none')}.",
        )


def _require_labels(path: str, parts: list[Part]) -> None:
    """InputError where only some parts have labels; a test set often has none."""
    labeled = [part for part in parts if part.labels]
    rest = [part for part in parts if not part.labels]
    if labeled and any(part.split != "test" for part in rest):
        raise InputError(
            f"{path}: {listed(part.images.name for part in rest)} have no labels, but others do",
            hint=f"Name them, {option('columns', 'image=X,label=Y')}, or leave all labels out: "
            f"{option('labels', 'none')}.",
            path=path,
        )
