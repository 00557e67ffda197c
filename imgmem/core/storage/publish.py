"""Moving a complete dataset from its working directory up into its destination, file by file.

For destinations that a directory cannot be renamed to. An empty file in the working directory
says how far this is, so that a crash at any moment is only an interruption:

    clearing   the new dataset is complete; the old one's files are being removed
    moving     the new files are moving up, `dataset.json` last
"""

import os
import warnings

from imgmem.core.errors import ResourceError
from imgmem.core.paths import names_in
from imgmem.core.storage import durable, store
from imgmem.core.storage.destination import STILL_OPEN
from imgmem.core.storage.locks import LOCKS, Lock

CLEARING, MOVING = "clearing", "moving"
MARKERS = frozenset({CLEARING, MOVING})


def is_moving(work: str) -> bool:
    """Whether the dataset in `work` has begun to move up."""
    return any(durable.is_file(os.path.join(work, name)) for name in MARKERS)


def has_moved(work: str) -> bool:
    """Whether a working directory is there of which nothing but its lock is left."""
    return durable.is_directory(work) and not _left_in(work)


def move_up(work: str, path: str) -> None:
    """Make the complete dataset in `work`, which is locked, the dataset at `path`, and remove
    `work`; also where an earlier run had begun to.

    A dataset that is at `path` is replaced. What else lies there stays. That `work` is gone
    is durable after a sync of its parent.
    """
    clearing, moving = (os.path.join(work, name) for name in (CLEARING, MOVING))
    with Lock(path, exclusive=True):
        durable.sync_directory(path)  # `work` must be there for good before anything goes
        if not is_moving(work):
            replaces = names_in(path, store.FILES)
            durable.touch(clearing if replaces else moving)
        durable.sync_directory(work)
        if durable.is_file(clearing):
            _clear(path)
            durable.rename(clearing, moving)
            durable.sync_directory(work)
        _move(work, path)
        durable.unlink(moving)
        remove_work(work)


def take_name(work: str, path: str, lock: Lock) -> None:
    """Rename the complete dataset in `work`, on which `lock` is, to `path`, which is free; or
    move it up where directories cannot be renamed. Durable after a sync of the parent."""
    try:
        durable.rename_directory(work, path)
    except durable.CannotRename:
        durable.mkdir(path)
        move_up(work, path)
    else:
        lock.moved(path)


def _clear(path: str) -> None:
    """Remove the dataset at `path`, for good: its record first."""
    for name in (store.RECORD, *sorted(store.FILES | store.LEFTOVERS)):
        durable.unlink(os.path.join(path, name))
    durable.sync_directory(path)


def _move(work: str, path: str) -> None:
    """Move what is still in `work`, the record last, so that readers see all or none."""
    for name in (*sorted(store.FILES - {store.RECORD}), store.RECORD):
        if durable.exists(os.path.join(work, name)):
            durable.rename(os.path.join(work, name), os.path.join(path, name))
    durable.sync_directory(path)
    durable.sync_directory(work)


def remove_files(path: str, names: frozenset[str]) -> None:
    """Remove those of the files that are in a directory, in order."""
    for name in names_in(path, names):
        durable.unlink(os.path.join(path, name))


def remove_work(work: str) -> None:
    """Remove a working directory that holds nothing but its lock.

    A network file system gives files that are still open another name, so that the directory
    cannot be removed yet; `sweep` does that later.
    """
    remove_files(work, LOCKS)
    try:
        durable.rmdir(work)
    except ResourceError:
        if _left_in(work) or not os.listdir(work):
            raise


def sweep(work: str) -> None:
    """Remove a working directory whose files were still open when they were removed, or warn."""
    if not has_moved(work) or LOCKS.intersection(os.listdir(work)):
        return
    try:
        durable.rmdir(work)
    except ResourceError:
        warnings.warn(
            f"{work} cannot be removed yet: another client still has files of it open. Nothing is "
            "lost; the next run removes it",
            RuntimeWarning,
            stacklevel=2,
        )


def _left_in(work: str) -> set[str]:
    """What is in a working directory other than its lock, and files that exist only while open."""
    names = set(os.listdir(work)) - LOCKS
    return {name for name in names if not name.startswith(STILL_OPEN)}
