"""What names of arrays say beyond splits and labels: files that are classes, names of classes."""

import re
from collections.abc import Mapping, Sequence

from imgmem.core.sources.arrays.choose import Part
from imgmem.core.sources.arrays.found import FoundArray
from imgmem.core.sources.grammar import as_texts
from imgmem.core.sources.labeling import UNLABELED, Doubt, Remedy
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.tables.names import folded
from imgmem.core.sources.words import is_images, is_masks, is_series, is_view, split_meant

_CLASS_NAMES = frozenset(
    "classnames classname labelnames labelname classlabels classes categories targetnames".split()  # noqa: SIM905
)


def class_names_in(arrays: Mapping[str, FoundArray]) -> FoundArray | None:
    """The array of text that names the classes by their numbers: `class_names`."""
    found = [
        array
        for array in arrays.values()
        if folded(array.name.rpartition("/")[2]) in _CLASS_NAMES
        and array.facts.dtype.kind in "US"
        and len(array.facts.shape) == 1
    ]
    return found[0] if len(found) == 1 else None


def file_doubt(parts: Sequence[Part]) -> Doubt | None:
    """A doubt about files of images without labels, called neither like splits nor like parts of a
    set: they are classes (`cat.npy`, `dog.npy`), or one has the masks."""
    names = [part.images.name for part in parts]
    if len(parts) < 2 or any(part.labels for part in parts):
        return None
    if any(part.split for part in parts):
        return _in_splits(names)
    if all(map(is_series, names)) or all(name.isdigit() for name in names):
        return None
    evidence = f"the arrays {listed(names)} have images and no labels"
    others = [name for name in names if is_masks(name) or is_view(name)]
    if others:
        kept = [name for name in names if not is_masks(name)] or names
        remedies = tuple(
            Remedy({"columns": ",".join(as_texts({"image": name}))}, f"only {name}")
            for name in kept
        )
        return Doubt("arrays", f"{evidence}, and not all may be images", (*remedies, UNLABELED))
    each = Remedy({"labels": _rule(names)}, "each is a class")
    return Doubt("array-per-class", f"{evidence}: are they the classes?", (each, UNLABELED))


def _in_splits(names: Sequence[str]) -> Doubt | None:
    """A doubt about `train_cat.npy`, `train_dog.npy`, `test_cat.npy` …"""
    found = [re.match(r"([A-Za-z]+)[ ._-]+(.+)", name) for name in names]
    pairs = [(match[1], match[2]) for match in found if match and split_meant(match[1])]
    classes = {name for _, name in pairs}
    if len(pairs) < len(names) or len(classes) < 2 or all(map(is_series, classes)):
        return None
    if all(name.isdigit() or is_images(name) for name in classes):
        return None
    words = "|".join(sorted({word for word, _ in pairs}))
    each = Remedy({"labels": f"path:^(?:{words})[ ._-]+([^/]+)/"}, f"they are {listed(classes)}")
    evidence = f"the arrays {listed(names)} have images and no labels: are they the classes?"
    return Doubt("array-per-class", evidence, (each, UNLABELED))


def _rule(names: Sequence[str]) -> str:
    """The label rule that takes the names, less how all of them begin."""
    first, last = min(names), max(names)
    ends = [end for end in range(1, len(first)) if first[end - 1] in " ._-"]
    shared = next((first[:end] for end in reversed(ends) if last.startswith(first[:end])), "")
    return f"path:^{re.escape(shared)}([^/]+)/" if shared else "folder:1"
