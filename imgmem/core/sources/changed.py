"""When files were last changed, by the clock of the file system: content, name or place.

A modification time can be set, and a copy or an unpacked file keeps an old one; the time of the
last status change (ctime) cannot.
"""

import os
import time
from functools import cache, lru_cache

from imgmem.core.sources.below import files_below

NEVER = 0


def now_ns() -> int:
    """A time before that of any file that is changed from now on.

    File systems take times from a clock that ticks every few milliseconds, where there is one.
    """
    ticking = getattr(time, "CLOCK_REALTIME_COARSE", None)
    return (time.time_ns() if ticking is None else time.clock_gettime_ns(ticking)) - 1


def changed_ns(path: str) -> int:
    """When a file, or the link to it, was changed or renamed; NEVER where it cannot be seen."""
    try:
        return max(os.lstat(path).st_ctime_ns, os.stat(path).st_ctime_ns)
    except (OSError, ValueError):
        return NEVER


def changed_below(root: str, name: str, *, folders: bool) -> int:
    """When the file `name`, "/"-separated, in the folder `root` was changed.

    folders: or one of the folders that it is in, down from `root`, renamed: a folder takes its
    files with it, and they keep their times.
    """
    own = changed_ns(os.path.join(root, name))
    return max(own, _folders_changed(root, os.path.dirname(name))) if folders else own


@lru_cache(maxsize=4096)
def _folders_changed(root: str, folder: str) -> int:
    if not folder:
        return _moved_ns(root)
    here = _renamed_ns(os.path.join(root, folder))
    return max(here, _folders_changed(root, os.path.dirname(folder)))


def _renamed_ns(folder: str) -> int:
    """When a folder, or a link to one, may have been renamed: that changes the one above it too,
    which new files in it do not."""
    try:
        return min(os.lstat(each).st_ctime_ns for each in (folder, os.path.dirname(folder)))
    except (OSError, ValueError):
        return NEVER


def _moved_ns(top: str) -> int:
    """When a source may have been renamed: it was changed, and not by what is in it, which has
    that time too. What is above it changes all the time, with every dataset that is built there.
    """
    try:
        facts = os.lstat(top)
    except (OSError, ValueError):
        return NEVER
    return facts.st_ctime_ns if facts.st_ctime_ns != facts.st_mtime_ns else NEVER


@cache
def changed_inside(path: str) -> int:
    """When a file, or anything in a folder or below, was changed."""
    inside = (os.path.join(top, name) for top, names in files_below(path) for name in ("", *names))
    return max(map(changed_ns, [path, *inside]))


def forget() -> None:
    """Look again from now on."""
    _folders_changed.cache_clear()
    changed_inside.cache_clear()
