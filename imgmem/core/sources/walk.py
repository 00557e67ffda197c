"""Listing a tree of folders: candidates one by one, in memory that does not grow.

One directory is open for each level. Links to files and to folders are followed, as
`find -L` does, but not a link back to a folder above itself. FIFOs, sockets and devices
are never opened. What cannot be listed or looked at is a candidate with a `failure`, so
that nothing is lost in silence.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from imgmem.core.sources.names import ignored_file, ignored_folder

MAX_DEPTH = 100
"""Levels of folders that are descended: as many open directories and nested calls."""

FOLDER_LOOP = "link to a folder above it"
SPECIAL_FILE = "FIFO, socket or device"


class Candidate(NamedTuple):
    """A file that may be an image; `folder` is its path from the top, "" or "a/b/"."""

    folder: str
    name: str
    size: int
    mtime_ns: int
    failure: str = ""


def walk(top: str, folder: str, ignored: Counter[str]) -> Iterator[Candidate]:
    """Every candidate in `folder` (a path in `top`) and below; counts what it passes over."""
    if folder.count("/") > MAX_DEPTH:
        yield _failed(folder, f"more than {MAX_DEPTH} folders deep")
        return
    for found in scan(top, folder, ignored):
        if isinstance(found, Candidate):
            yield found
        else:
            yield from walk(top, found, ignored)


def scan(top: str, folder: str, ignored: Counter[str]) -> Iterator[Candidate | str]:
    """Candidates right in `folder`, and its sub-folders ("a/b/")."""
    try:
        with os.scandir(os.path.join(top, folder)) as items:
            for item in items:
                if is_folder(item):
                    if reason := _ignored_folder(top, folder, item):
                        ignored[reason] += 1
                    else:
                        yield f"{folder}{item.name}/"
                elif reason := ignored_file(item.name):
                    ignored[reason] += 1
                elif candidate := _candidate(folder, item):
                    yield candidate
                else:
                    ignored[SPECIAL_FILE] += 1
    except OSError as error:
        yield _failed(folder, explain(error))


def has_images(top: str, folder: str) -> bool:
    """Whether there is a candidate in `folder` or below."""
    return next(walk(top, folder, Counter()), None) is not None


def is_folder(item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that leads in circles, or to where we may not look
        return False


def _ignored_folder(top: str, folder: str, item: os.DirEntry[str]) -> str | None:
    if item.is_symlink() and _leads_up(top, folder, item):
        return FOLDER_LOOP
    return ignored_folder(item.name)


def _leads_up(top: str, folder: str, item: os.DirEntry[str]) -> bool:
    """Whether a link is to a folder that it lies in."""
    target = item.stat()
    above = [top]
    for name in folder.split("/")[:-1]:
        above.append(os.path.join(above[-1], name))
    return any(os.path.samestat(target, os.stat(path)) for path in above)


def _candidate(folder: str, item: os.DirEntry[str]) -> Candidate | None:
    """The file with its facts, or None for what is no regular file."""
    try:
        facts = item.stat()
    except OSError as error:
        return Candidate(folder, item.name, 0, 0, explain(error))
    if not stat.S_ISREG(facts.st_mode):
        return None
    return Candidate(folder, item.name, facts.st_size, facts.st_mtime_ns)


def _failed(folder: str, why: str) -> Candidate:
    """A folder that cannot be listed, under its own name."""
    above, _, name = folder[:-1].rpartition("/")
    return Candidate(f"{above}/" if above else "", name, 0, 0, why)


def explain(error: OSError) -> str:
    """What to tell about a file that cannot be looked at."""
    if error.errno == errno.ENOENT:
        return "no such file (a dangling link?)"
    if error.errno == errno.ELOOP:
        return "a link that leads in circles"
    return error.strerror or str(error)
