"""Paths that users give."""

import os
import re
from collections.abc import Iterable, Sequence

from imgmem.core.errors import UsageError
from imgmem.core.text import composed

SourcePaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""One SOURCE, or several that are built as one."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SECRET = re.compile(r"(?<=://)[^/@]*@|(?<=\?).*", re.DOTALL)
"""What may be a login in an address."""


def given_path(path: str | os.PathLike[str], name: str) -> str:
    """A path as text. Raises UsageError for an empty one: it would mean the current folder.

    name: what the error calls it.
    """
    text = os.fsdecode(path)
    if not text:
        hint = "Give a path; a variable that is not set is empty."
        raise UsageError(f"{name} is empty", hint=hint)
    return text


def local_path(path: str | os.PathLike[str], name: str = "the path") -> str:
    """A path as text. Raises UsageError for an empty one, and for an address: s3://, gs://,
    https:// and the like.

    name: what an error calls it.
    """
    text = given_path(path, name)
    if is_address(text):
        raise UsageError(
            f"{shown(text)} is an address, not a path: imgmem writes local files, and only reads "
            "sources at addresses",
            hint="Copy it to a local disk, or mount it, and give that path.",
            path=shown(text),
        )
    return text


def source_path(path: str | os.PathLike[str], name: str = "SOURCE") -> str:
    """What images are read from, as text: a path, normalized, or an address as it is.

    name: what an error calls it. Raises UsageError for an empty one, and for a login in an
    address.
    """
    text = given_path(path, name)
    if not is_address(text):
        return os.path.normpath(text)
    if shown(text) != text:
        raise UsageError(
            f"{shown(text)} holds a login or other parameters, which would be shown to others",
            hint="Leave it out: credentials are taken from where the tools of the store have them.",
        )
    return text


def absolute(path: str) -> str:
    """A path from the root on; an address as it is."""
    return path if is_address(path) else os.path.abspath(path)


def is_address(path: str) -> bool:
    """Whether a path is an address (s3://, https:// …), unless there is a file of that name."""
    return bool(_ADDRESS.match(path)) and not os.path.lexists(path)


def shown(address: str) -> str:
    """An address as messages have it: without what may be a login."""
    return _SECRET.sub("…", address) if _ADDRESS.match(address) else address


def require_folder_of(path: str) -> None:
    """UsageError where the folder that a new file would be in does not exist."""
    folder = os.path.dirname(path.rstrip("/"))
    if folder and not os.path.isdir(folder):
        raise UsageError(
            f"{path} cannot be written: there is no folder {folder}",
            hint="Create the folder, or check the path.",
            path=path,
        )


def require_writable(path: str, folder: str) -> None:
    """UsageError where nothing can be written to the folder that `path` would be made in."""
    if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"{path} cannot be written: {folder} is read-only",
            hint="Give a path in a folder that you may write to.",
            path=path,
        )


def folded(name: str) -> str:
    """What names have in common that are one to a file system that ignores case or Unicode form."""
    return composed(composed(name).casefold())


def names_in(directory: str, names: Iterable[str]) -> list[str]:
    """Those of the names that a directory holds, sorted, also where the file system lists them in
    another case (NTFS by FUSE)."""
    listed = set(os.listdir(directory))
    alike = set(map(folded, listed))

    def holds(name: str) -> bool:
        return folded(name) in alike and os.path.lexists(os.path.join(directory, name))

    return sorted(name for name in names if name in listed or holds(name))


def is_inside(path: str, directory: str) -> bool:
    """Whether a path leads to a directory or into it: links followed, and by whatever name, as
    where the file system ignores case, or has the directory mounted twice."""
    target, outer = os.path.realpath(path), os.path.realpath(directory)
    if _is_below(target, outer):
        return True
    above = [target]
    while (parent := os.path.dirname(above[-1])) != above[-1]:
        above.append(parent)
    if any(_is_same(folder, outer) for folder in above):
        return True
    return _is_below(folded(target), folded(outer)) and _is_below(_listed(target), _listed(outer))


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip(os.sep) + os.sep)


def _listed(path: str) -> str:
    """A path by the names that its folders list: some file systems that ignore case give each
    spelling an identity of its own (exFAT by FUSE)."""
    folder, name = os.path.split(path)
    if not name:
        return path
    folder = _listed(folder)
    try:
        names = os.listdir(folder)
    except OSError:
        return os.path.join(folder, name)
    if name not in names and os.path.lexists(os.path.join(folder, name)):
        name = next((each for each in names if folded(each) == folded(name)), name)
    return os.path.join(folder, name)


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return False
