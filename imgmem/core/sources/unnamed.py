"""The images of a source that a label table does not name."""

from collections import Counter

from imgmem.core.sources.grammar import as_glob
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.layout import SHOWN
from imgmem.core.sources.tables.lines import Lines
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
            said = f"{counted(self.labeled, self._what, self._what.replace('image', 'images', 1))}"
            return [f"{said}: labeled by the rule"]
        if not self.count:
            return []
        most = sorted(self._folders.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
        where = ", ".join(f"{count} in {top or 'the top folder'}" for top, count in most)
        more = ", …" if len(self._folders) > SHOWN else ""
        return [
            f"left out {counted(self.count, self._what, self._what.replace('image', 'images', 1))}"
            f": {where}{more}"
        ]


def _top_folder(name: str) -> str:
    top, slash, _ = name.partition("/")
    return top + slash if slash else ""


def keys_do_not_fit(path: str, lines: Lines, unnamed: Unnamed) -> Doubt:
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
    folders = tuple(as_glob(top.rstrip("/")) for top in sorted(apart))
    remedy = Remedy({"exclude": folders}, f"without the images in {', '.join(sorted(apart))}")
    return Doubt("keys-do-not-fit", evidence, (remedy,))
