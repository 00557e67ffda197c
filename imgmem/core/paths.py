"""Paths that users give."""

import os
import re

from imgmem.core.errors import UsageError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)


def local_path(path: str | os.PathLike[str]) -> str:
    """A path as text. Raises UsageError for an address: s3://, gs://, https:// and the like."""
    text = os.fsdecode(path)
    if _ADDRESS.match(text) and not os.path.lexists(text):
        raise UsageError(
            f"{text} is an address, not a path: imgmem reads and writes local files",
            hint="Copy it to a local disk, or mount it, and give that path.",
            path=text,
        )
    return text


def is_inside(path: str, directory: str) -> bool:
    """Whether a path leads to a directory or into it, links followed."""
    target, outer = os.path.realpath(path), os.path.realpath(directory)
    return target == outer or target.startswith(outer.rstrip(os.sep) + os.sep)
