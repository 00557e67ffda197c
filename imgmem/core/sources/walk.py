"""Listing a tree of folders: what it holds one by one, in memory that does not grow.

One directory is open for each level. Links to files and to folders are followed, as
`find -L` does, but not a link back to a folder above itself. FIFOs, sockets and devices
are never opened. A file that cannot be looked at is a candidate with a `failure`. A folder
that cannot be listed ends everything: nobody knows how many images are missing.
"""

import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from imgmem.core.errors import InputError, ResourceError
from imgmem.core.sources.base import Locator
from imgmem.core.sources.files import MAX_IN_A_ROW, UNREACHABLE, looked_at
from imgmem.core.sources.names import NO_EXTENSION, TO_LOOK_AT, ignored_file, ignored_folder
from imgmem.core.sources.selection import FOLDER_NOT_SELECTED, NOT_SELECTED, Selection

MAX_DEPTH = 100
"""Levels of folders that are descended: as many open directories."""

FOLDER_LOOP = "link to a folder above it"
SPECIAL_FILE = "FIFO, socket or device"


class Candidate(NamedTuple):
    """A file that may be an image; `folder` is its path from the top, "" or "a/b/".

    look: why it is not an image unless its first bytes say otherwise, or "". code: the errno of
    the failure. locator: of its entry.
    """

    folder: str
    name: str
    size: int
    mtime_ns: int
    failure: str = ""
    look: str = ""
    code: int | None = None
    locator: Locator = ()


class Passed(NamedTuple):
    """A file or folder that is passed over, in `folder`, and why."""

    folder: str
    reason: str


Found = Candidate | Passed | str


def walk(top: str, selection: Selection, *, sizes: bool = True) -> Iterator[Found]:
    """What is in the folder `top` and below: candidates, what is passed over, and the path of
    each folder ("a/b/") before what is in it.

    sizes: whether to ask for size and time of each file, which on a network share takes a round
    trip; else both are 0.
    Raises InputError or ResourceError for a folder that cannot be listed.
    """
    waiting = [_scan(top, "", selection, sizes)]
    in_a_row = 0
    while waiting:
        found = next(waiting[-1], None)
        if found is None:
            waiting.pop()
            continue
        in_a_row = _require_reachable(top, found, in_a_row)
        yield found
        if isinstance(found, str):
            if found.count("/") > MAX_DEPTH:
                raise _unlistable(top, found, f"more than {MAX_DEPTH} folders deep")
            waiting.append(_scan(top, found, selection, sizes))


def _require_reachable(top: str, found: Found, in_a_row: int) -> int:
    """How many files in a row cannot be reached, `found` among them. Raises ResourceError where
    the source has gone."""
    if not isinstance(found, Candidate) or found.code not in UNREACHABLE:
        return 0
    if in_a_row + 1 == MAX_IN_A_ROW:
        raise _unlistable(top, found.folder, found.failure, found.code)
    return in_a_row + 1


def holds_candidates(top: str, selection: Selection) -> bool:
    """Whether there is a file that may be an image in the folder `top` or below."""
    found = (each for each in walk(top, selection, sizes=False) if isinstance(each, Candidate))
    return any(each.look != NO_EXTENSION for each in found)


def _scan(top: str, folder: str, selection: Selection, sizes: bool) -> Iterator[Found]:
    """What is right in `folder`; sub-folders as "a/b/"."""
    path = os.path.join(top, folder)
    try:
        with os.scandir(path) as items:
            for item in items:
                if _is_folder(top, folder, item):
                    yield _folder(top, folder, item, selection)
                else:
                    yield _file(path, folder, item, selection, sizes)
    except OSError as error:
        raise _unlistable(top, folder, explain(error), error.errno) from error


def _unlistable(top: str, folder: str, why: str, code: int | None = None) -> Exception:
    """The failure of a folder: the source's own fault, or that of the system that holds it."""
    kind = ResourceError if code in UNREACHABLE else InputError
    path = os.path.join(top, folder.rstrip("/"))
    return kind(
        f"the folder {path} cannot be listed: {why}",
        hint="Its images would be missing. Check it and its permissions, then try again."
        if kind is InputError
        else "Check that the disk or share is there, then try again.",
        path=path,
    )


def _is_folder(top: str, folder: str, item: os.DirEntry[str]) -> bool:
    try:
        return item.is_dir()
    except OSError as error:  # a link that leads in circles, or to where we may not look
        if error.errno in UNREACHABLE:
            raise _unlistable(top, f"{folder}{item.name}", explain(error), error.errno) from error
        return False


def _folder(top: str, folder: str, item: os.DirEntry[str], selection: Selection) -> Found:
    if item.is_symlink() and _leads_up(top, folder, item):
        return Passed(folder, FOLDER_LOOP)
    if reason := ignored_folder(item.name):
        selection.see(f"{folder}{item.name}")
        return Passed(folder, reason)
    if selection.leaves_out(f"{folder}{item.name}"):
        return Passed(folder, FOLDER_NOT_SELECTED)
    return f"{folder}{item.name}/"


def _leads_up(top: str, folder: str, item: os.DirEntry[str]) -> bool:
    """Whether a link is to a folder that it lies in."""
    target = item.stat()
    above = [top]
    for name in folder.split("/")[:-1]:
        above.append(os.path.join(above[-1], name))
    return any(os.path.samestat(target, os.stat(path)) for path in above)


def _file(
    path: str, folder: str, item: os.DirEntry[str], selection: Selection, sizes: bool
) -> Candidate | Passed:
    """The file in the folder at `path` with its facts, or why it is passed over."""
    reason = ignored_file(item.name) or ""
    if reason and reason not in TO_LOOK_AT:
        selection.see(folder + item.name)
        return Passed(folder, reason)
    if not selection.everything and not selection.takes(folder + item.name):
        return Passed(folder, NOT_SELECTED)
    try:
        if not sizes and item.is_file():
            return Candidate(folder, item.name, 0, 0, "", reason)
        facts = looked_at(item.stat, path)
    except OSError as error:
        return Candidate(folder, item.name, 0, 0, explain(error), code=error.errno)
    if not stat.S_ISREG(facts.st_mode):
        return Passed(folder, SPECIAL_FILE)
    return Candidate(folder, item.name, facts.st_size, facts.st_mtime_ns, "", reason)


def explain(error: OSError) -> str:
    """Why a file cannot be looked at."""
    if error.errno == errno.ENOENT:
        return "no such file (a dangling link?)"
    if error.errno == errno.ELOOP:
        return "a link that leads in circles"
    return error.strerror or str(error)
