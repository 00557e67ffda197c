"""The images of a source that a label table does not name."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence

from imgmem.core.sources.grammar import ListValue, as_glob, as_texts
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.layout import SHOWN
from imgmem.core.sources.tables.lines import Lines
from imgmem.core.sources.words import split_meant
from imgmem.core.text import counted

_MOST_FOLDERS = 1000


class Unnamed:
    """The images without a line: how many in which folder, and the first of them. named: how many
    have one. labeled: how many have none and are labeled by a rule."""

    def __init__(self, what: str) -> None:
        """what: an image without a line, in words."""
        self._what = what
        self.count = self.named = self.labeled = 0
        self.first = ""
        self._folders: Counter[str] = Counter()
        self._with_line: set[str] = set()

    def add(self, name: str) -> None:
        """Count an image without a line."""
        self.first = self.first or name
        self.count += 1
        top = _top_folder(name)
        if top in self._folders or len(self._folders) < _MOST_FOLDERS:
            self._folders[top] += 1

    def add_named(self, name: str) -> None:
        """Remember where an image with a line is."""
        self.named += 1
        if len(self._with_line) < _MOST_FOLDERS:
            self._with_line.add(_top_folder(name))

    def apart(self) -> dict[str, int]:
        """Images without a line in folders where no image has one, by folder."""
        return {top: n for top, n in self._folders.items() if top and top not in self._with_line}

    def notes(self) -> list[str]:
        """A note with the folders right below the source that they are in."""
        if self.labeled:
            return [f"{self._counted(self.labeled)}: labeled by the rule"]
        if not self.count:
            return []
        most = sorted(self._folders.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        where = ", ".join(f"{count} in {top or 'the top folder'}" for top, count in most)
        more = ", …" if len(self._folders) > SHOWN else ""
        return [f"left out {self._counted(self.count)}: {where}{more}"]

    def _counted(self, count: int) -> str:
        return counted(count, self._what, self._what.replace("image", "images", 1))


def _top_folder(name: str) -> str:
    top, slash, _ = name.partition("/")
    return top + slash if slash else ""


def undecided(path: str, lines: Lines, exclude: ListValue) -> Doubt | None:
    """The doubt where a line could mean several images: `1.jpg`, for a/1.jpg and b/1.jpg."""
    found = lines.undecided()
    if not found:
        return None
    cell, files = found[0]
    split = split_meant(os.path.splitext(os.path.basename(path))[0])
    files.sort(key=lambda file: split not in map(split_meant, file.split("/")[:-1]))
    more = ", …" if len(files) > SHOWN else ""
    evidence = f"{path}: {cell!r} could be {' or '.join(files[:SHOWN])}{more}"
    return Doubt(
        "which-image", evidence, tuple(_remedies(files[:SHOWN], exclude, alone=len(found) == 1))
    )


def _remedies(files: Sequence[str], exclude: ListValue, *, alone: bool) -> Iterator[Remedy]:
    """For each file that a line could mean: without the others, or where it is not the only such
    line, without what the others are in."""
    owns = dict.fromkeys(files if alone else (_own(file, files) for file in files))
    for own in owns:
        others = [other for other in owns if other != own]
        globs = tuple(other if other.startswith("*.") else as_glob(other) for other in others)
        meaning = f"only {own}" + ("" if alone or own.startswith("*.") else "/")
        yield Remedy({"exclude": (*as_texts(exclude), *globs)}, meaning)


def _own(file: str, files: Sequence[str]) -> str:
    """What sets a file apart from others of its name: its first folder that they do not have, or
    its extension, as a glob."""
    parts = file.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        top = "/".join(parts[:depth])
        if not all(f"{other}/".startswith(f"{top}/") for other in files):
            return top
    return f"*.{file.rpartition('.')[2]}"


def keys_do_not_fit(path: str, lines: Lines, unnamed: Unnamed, exclude: ListValue) -> Doubt:
    """The doubt where most images have no line, and lines have no image."""
    cell = next(iter(lines.without_file()))[0]
    evidence = (
        f"the lines of {path} and the images do not fit: {lines.missing()} lines have no image "
        f"(the first: {cell!r}), {unnamed.count} images have no line (the first: "
        f"{unnamed.first!r}), and only {unnamed.named} lines have one"
    )
    apart = unnamed.apart()
    if unnamed.count - sum(apart.values()) > unnamed.named or len(apart) > SHOWN:
        return Doubt("keys-do-not-fit", evidence)
    folders = (as_glob(top.rstrip("/")) for top in sorted(apart))
    options = {"exclude": (*as_texts(exclude), *folders)}
    remedy = Remedy(options, f"without the images in {', '.join(sorted(apart))}")
    return Doubt("keys-do-not-fit", evidence, (remedy,))
