"""Where a new dataset goes, and where it is worked on until then.

Work goes on next to the destination, in `.NAME.partial`, which is renamed at the end. Where a
directory cannot be renamed there (it is a mount point, the current directory, an existing
folder, its parent is read-only), work goes on inside, in `.partial`, and its files are moved
up at the end (`publish.py`).
"""

import os
from dataclasses import dataclass

from imgmem.core.errors import DatasetError, UsageError
from imgmem.core.paths import folded, local_path, require_writable
from imgmem.core.storage import durable, store, system
from imgmem.core.storage.locks import LOCKS

_NOT_OURS = frozenset(
    {"lost+found", ".gitkeep", ".gitignore", ".keep", ".DS_Store", "Thumbs.db", "desktop.ini"}
    | {"System Volume Information", "$RECYCLE.BIN", ".snapshot", ".snapshots", "@eaDir"}
)
"""What file systems, version control and file managers put into a folder: it stays."""
STILL_OPEN = (".nfs", ".fuse_hidden", ".ghost-ntfs-3g-", ".smb")
"""How network file systems, and others by FUSE, name files that were removed while open."""
_PREFIXES_NOT_OURS = (*STILL_OPEN, ".Trash-", "._")
_SHOWN = 5


@dataclass(frozen=True)
class Destination:
    """The directory of a new dataset.

    out: as the user wrote it. path: where it really is, links resolved. work: the directory to
    work in until it is complete. inside: `work` is in `path`, not next to it.
    """

    out: str
    path: str
    work: str
    inside: bool

    @property
    def parent(self) -> str:
        return os.path.dirname(self.path)

    @property
    def above_work(self) -> str:
        """The directory that `work` is in."""
        return self.path if self.inside else self.parent

    @property
    def scratch(self) -> str:
        """A directory that exists, on the file system that the dataset goes to."""
        top = self.above_work
        while not durable.exists(top):
            top = os.path.dirname(top)
        return top

    @classmethod
    def of(cls, out: str, suffix: str) -> "Destination":
        """Where to work, in a directory whose name ends in `suffix`.

        Work that has begun is continued in its place. UsageError for an address, a path that cannot
        be written, or a link to nowhere.
        """
        path = os.path.realpath(local_path(out))
        parent, name = os.path.split(path)
        beside, within = os.path.join(parent, f".{name}{suffix}"), os.path.join(path, suffix)
        begun = durable.is_directory(beside) and not system.is_mount(path)
        is_inside = durable.is_directory(within) or (
            durable.is_directory(path) and not begun and not _can_be_renamed_over(path)
        )
        destination = cls(out, path, within if is_inside else beside, is_inside)
        _require_writable(destination)
        return destination


def entries(path: str) -> set[str]:
    """What lies in a directory, apart from what does not count."""
    return {name for name in os.listdir(path) if not _does_not_count(name)}


def _does_not_count(name: str) -> bool:
    return name in LOCKS or name in _NOT_OURS or name.startswith(_PREFIXES_NOT_OURS)


def has_guests(path: str) -> bool:
    """Whether a directory holds what is not imgmem's and has to stay."""
    return durable.is_directory(path) and any(
        _does_not_count(name) and name not in LOCKS for name in os.listdir(path)
    )


def is_free(destination: Destination) -> bool:
    """Whether nothing is at the destination, or an empty directory."""
    if not durable.exists(destination.path):
        return True
    work = {os.path.basename(destination.work)} if destination.inside else set()
    return durable.is_directory(destination.path) and not entries(destination.path) - work


def require_only(path: str, own: frozenset[str]) -> None:
    """DatasetError, with names, if anything lies in a directory that is not imgmem's."""
    foreign = sorted(name for name in entries(path) - own if not _is_one_of(path, name, own))
    if foreign:
        more = f" and {len(foreign) - _SHOWN} more" if len(foreign) > _SHOWN else ""
        shown = foreign[:_SHOWN]
        moved = " ".join(os.path.join(path, name) for name in shown)
        raise DatasetError(
            f"{path} holds files that are not part of a dataset: {', '.join(shown)}{more}",
            hint=f"Move it elsewhere first (mv {moved} ELSEWHERE/); it is never deleted.",
            path=path,
            foreign=foreign,
        )


def _is_one_of(path: str, name: str, own: frozenset[str]) -> bool:
    """Whether a name is one of imgmem's that the file system lists in another case (NTFS by
    FUSE)."""
    alike = [os.path.join(path, each) for each in own if folded(each) == folded(name)]
    listed = os.path.join(path, name)
    return any(
        durable.exists(each) and os.path.samestat(*map(os.lstat, (each, listed))) for each in alike
    )


def _can_be_renamed_over(path: str) -> bool:
    """Whether a directory holds just a dataset that another directory may take the place of."""
    parent = os.path.dirname(path)
    return (
        durable.is_file(os.path.join(path, store.RECORD))
        and not has_guests(path)
        and not system.is_mount(path)
        and os.stat(path).st_dev == os.stat(parent).st_dev
        and os.access(parent, os.W_OK | os.X_OK)
        and not _is_current(path)
    )


def _is_current(path: str) -> bool:
    try:
        return os.path.samefile(path, os.curdir)
    except OSError:
        return False


def _require_writable(destination: Destination) -> None:
    """UsageError where the working directory could not even be made."""
    out, top = destination.out, destination.scratch
    if os.path.islink(out) and top != destination.above_work:
        raise UsageError(
            f"{out} is a link to {destination.path}, and there is no folder {destination.parent}",
            hint="Mount the disk, or create the folder.",
            path=out,
        )
    require_writable(out, top)
