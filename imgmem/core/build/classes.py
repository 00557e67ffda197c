"""Pinned classes: names and numbers from a list or from another dataset."""

import os

from imgmem.core.errors import InputError
from imgmem.core.storage import store


def read_classes(path: str) -> tuple[str, ...]:
    """The class names, in order, of a dataset (its directory or `dataset.json`), or of a text
    file with a name a line. Raises InputError for anything else."""
    if os.path.isdir(path) or os.path.basename(path) == store.RECORD:
        directory = path if os.path.isdir(path) else os.path.dirname(path) or "."
        classes = store.read_record(directory).classes or ()
    else:
        classes = _read_lines(path)
    if not classes or len(set(classes)) < len(classes):
        raise InputError(
            f"{path} gives no classes, or one of them twice",
            hint="Give a text file with one class a line, or a dataset with labels.",
            path=path,
        )
    return classes


def _read_lines(path: str) -> tuple[str, ...]:
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            return tuple(line.strip() for line in file if line.strip())
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}",
            hint="Give a text file with one class a line, or a dataset.",
            path=path,
        ) from None
