"""Pinned classes: names and numbers from a list or from another dataset."""

import os
from dataclasses import replace

from imgmem.core.errors import InputError
from imgmem.core.sources.files import unusable
from imgmem.core.specs import BuildSpec
from imgmem.core.storage import durable, image_options, store


def with_classes(spec: BuildSpec) -> BuildSpec:
    """The spec with the class names that the file or dataset it refers to holds.

    Raises InputError where that holds none, and DatasetError where it is a dataset with other
    image options, unless that is allowed.
    """
    if spec.classes_from is None:
        return spec
    return replace(spec, classes=_read_classes(spec.classes_from, spec), classes_from=None)


def _read_classes(path: str, spec: BuildSpec) -> tuple[str, ...]:
    """The class names, in order, of a dataset (its directory or `dataset.json`), or of a text
    file with a name a line."""
    if durable.is_directory(path) or os.path.basename(path) == store.RECORD:
        directory = path if durable.is_directory(path) else os.path.dirname(path) or "."
        record = store.read_record(directory)
        if not spec.allow_mismatch:
            wanted = image_options.of_spec(spec.image)
            image_options.require_same(directory, record.image, wanted, "classes")
        classes = record.classes or ()
    else:
        classes = _read_lines(path)
    if not classes or len(set(classes)) < len(classes):
        raise InputError(
            f"{path} has no classes, or lists one twice",
            hint="Give a text file with one class per line, or a dataset with labels.",
            path=path,
        )
    return classes


def _read_lines(path: str) -> tuple[str, ...]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            return tuple(line.strip() for line in file if line.strip())
    except OSError as error:
        hint = "Give a text file with one class per line, or a dataset."
        raise unusable(error, f"{path} cannot be read", path, hint) from None
