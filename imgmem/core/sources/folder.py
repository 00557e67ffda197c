"""A folder as a source: class folders, a flat folder, or the author's splits."""

import os
from collections import Counter
from collections.abc import Iterator

from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.base import Entry, Listing, Locator
from imgmem.core.sources.catalog import Catalogs
from imgmem.core.sources.layout import SHOWN, Child, Layout, Place, Survey, decide, split_name
from imgmem.core.sources.names import ignored_file, ignored_folder
from imgmem.core.sources.walk import Candidate, has_images, is_folder, scan, walk

_NOT_FILES = {"hidden file", "hidden folder", "system file", "system folder"}


class FolderSource:
    """The images in the folder `path`, labeled by class folders if `labels`."""

    spool_bytes = 0

    def __init__(self, path: str, *, labels: bool = True, auto_split: bool = True) -> None:
        """Raises InputError if there is no readable folder at `path`."""
        self.path = os.path.abspath(path)
        self._catalogs = Catalogs()
        self._labels = labels
        self._auto_split = auto_split
        try:
            os.scandir(self.path).close()
            self._fd = _open_folder(self.path)
        except OSError as error:
            raise InputError(
                f"the folder {path} cannot be opened: {error.strerror}",
                hint="Check the path and its permissions.",
                path=path,
            ) from None

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        survey = survey_folder(self.path)
        layout = decide(survey, labels=self._labels, auto_split=self._auto_split)
        ignored: Counter[str] = Counter()
        entries = self._catalogs.filled(self._entries(layout, ignored), progress)
        return Listing(
            entries=entries,
            rule="folder" if layout.labeled else "none",
            labeled=layout.labeled,
            class_names=self._class_names(layout),
            ignored=ignored,
            notes=tuple(layout.notes()),
        )

    def _class_names(self, layout: Layout) -> tuple[str, ...]:
        if not layout.labeled:
            return ()
        base = "".join(f"{folder}/" for folder in layout.base)
        above = [f"{base}{folder}/" for folder in layout.splits] or [base]
        empty = {name for folder in above for name in _empty_folders(self.path, folder)}
        return tuple(sorted(empty, key=os.fsencode))

    def _entries(self, layout: Layout, ignored: Counter[str]) -> Iterator[Entry]:
        folder, place = "", layout.place(())
        for found in walk(self.path, "", ignored):
            if found.folder != folder:
                folder = found.folder
                place = layout.place(folder.split("/")[:-1])
            if place.ignored:
                ignored[place.ignored] += 1
            else:
                yield self._entry(found, place)

    def _entry(self, found: Candidate, place: Place) -> Entry:
        name = found.folder + found.name
        if not found.failure:
            return Entry(name, found.size, found.mtime_ns, place.label, place.split)
        locator = (files.UNREADABLE, found.failure)
        return Entry(name, 0, 0, place.label, place.split, locator)

    def read(self, name: str, locator: Locator) -> bytes:
        return self._read(name, locator, None)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self._read(name, locator, length)

    def _read(self, name: str, locator: Locator, length: int | None) -> bytes:
        if locator:
            raise RejectedImage(files.UNREADABLE, str(locator[1]))
        if self._fd is None:
            name = os.path.join(self.path, name)
        return files.read_regular(name, dir_fd=self._fd, length=length)

    def close(self) -> None:
        self._catalogs.close()
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _open_folder(path: str) -> int | None:
    """A descriptor that names may be relative to, which saves the way there each time."""
    if os.open not in os.supports_dir_fd:
        return None
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def survey_folder(top: str) -> Survey:
    """What lies at the top of a folder, wrapping folders descended."""
    survey = _look(top, ())
    while len(survey.children) == 1 and not survey.loose:
        name, child = next(iter(survey.children.items()))
        if split_name(name) == "train" or child.loose or not child.folders:
            break
        survey = _look(top, (*survey.base, name))
    return survey


def _look(top: str, base: tuple[str, ...]) -> Survey:
    """The survey of one folder; what is inside its sub-folders only where it can matter."""
    survey = Survey(base)
    folder = "".join(f"{name}/" for name in base)
    with os.scandir(os.path.join(top, folder)) as items:
        for item in items:
            if is_folder(item):
                if not ignored_folder(item.name) and has_images(top, f"{folder}{item.name}/"):
                    survey.children[item.name] = Child()
            elif len(survey.loose) < SHOWN and not ignored_file(item.name):
                survey.loose.append(item.name)
    if len(survey.children) == 1 or all(split_name(name) for name in survey.children):
        for name in survey.children:
            survey.children[name] = _look_into(top, f"{folder}{name}/")
    return survey


def _look_into(top: str, folder: str) -> Child:
    child = Child()
    for found in scan(top, folder, Counter()):
        if isinstance(found, Candidate):
            child.loose |= not found.failure
        elif not child.folders:
            child.folders = has_images(top, found)
    return child


def _empty_folders(top: str, folder: str) -> Iterator[str]:
    """Sub-folders of `folder` that hold no file, hidden ones aside, at any depth."""
    for found in scan(top, folder, Counter()):
        if isinstance(found, str):
            ignored: Counter[str] = Counter()
            if next(walk(top, found, ignored), None) is None and not ignored.keys() - _NOT_FILES:
                yield found.split("/")[-2]
