"""Files in a folder and below that hold many images each: archives, Parquet files. There are few,
so that nothing is reported where a folder cannot be listed: `walk` has been there before."""

import os
from collections.abc import Iterator

from imgmem.core.sources.names import ignored_folder

_DEEPEST = 8
"""Levels of folders that are looked into: a link may lead in circles."""


def files_below(folder: str) -> Iterator[tuple[str, list[str]]]:
    """Each folder from `folder` down, links followed, less those that are ignored; the names of
    the files in it."""
    for top, folders, names in os.walk(folder, followlinks=True):
        deep = os.path.relpath(top, folder).count(os.sep) >= _DEEPEST
        folders[:] = [] if deep else [each for each in folders if not ignored_folder(each)]
        yield top, names


def paths_below(folder: str, extensions: str | tuple[str, ...]) -> list[str]:
    """The visible files with such an extension, by their paths below `folder`, "/"-separated,
    sorted by their bytes."""
    found = [
        os.path.relpath(os.path.join(top, name), folder).replace(os.sep, "/")
        for top, names in files_below(folder)
        for name in names
        if name.lower().endswith(extensions) and not name.startswith(".")
    ]
    return sorted(found, key=os.fsencode)
