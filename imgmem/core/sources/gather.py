"""Entries and the tree of their folders from what is found one by one in a folder or a store."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from imgmem.core.sources import files
from imgmem.core.sources.arrange import DOUBTFUL
from imgmem.core.sources.base import Entry
from imgmem.core.sources.names import NO_EXTENSION, confirmed
from imgmem.core.sources.tree import Folder, Tree
from imgmem.core.sources.walk import Candidate, Found, Passed

_INVISIBLE = frozenset({"hidden file", "hidden folder", "system file", "system folder"})
"""What a folder may hold and still be empty."""


def gathered(
    found: Iterable[Found], tree: Tree, ignored: Counter[str], head: Callable[[Candidate], bytes]
) -> Iterator[Entry]:
    """Every candidate, without label; `tree` is filled, and what is passed over is counted.

    head: reads the first bytes of a file. Raises RejectedImage if they cannot be had.
    """
    path, folder = "", tree.root
    for each in found:
        if isinstance(each, str):
            tree.folder(each.split("/")[:-1])
            continue
        if each.folder != path:
            path, folder = each.folder, tree.folder(each.folder.split("/")[:-1])
        if isinstance(each, Passed):
            _pass_over(each.reason, folder, ignored)
        elif entry := _entry(each, folder, ignored, head):
            yield entry


def _entry(
    found: Candidate, folder: Folder, ignored: Counter[str], head: Callable[[Candidate], bytes]
) -> Entry | None:
    name, locator = found.folder + found.name, found.locator
    if found.failure:
        return Entry(name, 0, 0, locator=(files.UNREADABLE, found.failure))
    look = found.look
    reason = confirmed(look, found.name, lambda: head(found)) if look else None
    if reason == NO_EXTENSION:
        folder.doubtful += 1
        return Entry(name, found.size, found.mtime_ns, locator=locator, extra=DOUBTFUL)
    if reason:
        _pass_over(reason, folder, ignored)
        return None
    folder.add_image(found.name, bare=found.look == NO_EXTENSION)
    return Entry(name, found.size, found.mtime_ns, None, None, locator)


def _pass_over(reason: str, folder: Folder, ignored: Counter[str]) -> None:
    ignored[reason] += 1
    if reason not in _INVISIBLE:
        folder.add_other(reason)
