"""Which file a cell of a label table means: by exact path, then by ever weaker keys.

Tables are written on other machines, for other folders, by other programs. A weaker key
is used only where it is unique on both sides: one line and one file have it. A line of
`train/` never means a file of `test/`.

All keys are finer than the *weak key* (base name without extension, case and Unicode form
aside). So lines and files are taken in groups of one weak key, and what is unique in its
group is unique.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from imgmem.core.sources.names import IMAGE_EXTENSIONS
from imgmem.core.sources.tables.text import latin1
from imgmem.core.sources.words import split_meant

MAX_DEPTH = 32
"""Folders of a path that keys look at."""

_DRIVE = re.compile(r"^[A-Za-z]:(?=/)")
_ADDRESS = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]+://")


class Named(NamedTuple):
    """A line of the table or a file of the source: its number, and its path in parts.

    taken: it has its match already, and is here only because keys must be unique.
    """

    id: int
    parts: tuple[str, ...]
    taken: bool = False


class Match(NamedTuple):
    """The file that a line means. how: the keys that it took, as a phrase for a note."""

    line: int
    file: int
    how: str


def cell_parts(cell: str) -> tuple[str, ...]:
    """A cell as a path, cleaned of what is never part of one: `/a//b/../c.jpg ` → a, b, c.jpg.

    Backslashes separate, a drive and leading or upward steps fall away.
    """
    text = _ADDRESS.sub("", _DRIVE.sub("", cell.strip().replace("\\", "/")))
    return tuple(part.strip() for part in text.split("/") if part.strip() not in {"", ".", ".."})


def file_parts(name: str) -> tuple[str, ...]:
    """A file's name in the source, in parts."""
    return tuple(name.split("/"))


def stem(name: str) -> str:
    """A base name without the extension of an image."""
    head, dot, ending = name.rpartition(".")
    return head if dot and head and ending.lower() in IMAGE_EXTENSIONS else name


def weak_key(parts: Sequence[str], depth: int = 1) -> str:
    """What all keys of at least `depth` parts agree in, where any of them agrees."""
    *folders, name = parts[-depth:]
    return "/".join((*map(_loose, folders), _number(_loose(stem(name)))))


def end_key(parts: Sequence[str]) -> str:
    """The weak key of a cell's last folder and name, or of its name alone if it has no folder."""
    return weak_key(parts, min(2, len(parts))) if parts else ""


def end_keys(parts: Sequence[str]) -> set[str]:
    """What `end_key` may be of a cell that means this file."""
    return {weak_key(parts), weak_key(parts, min(2, len(parts)))}


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", latin1(text))


def _loose(text: str) -> str:
    return unicodedata.normalize("NFC", _composed(text).casefold())


def _number(name: str) -> str:
    """Digits without leading zeros, which spreadsheets and pandas drop; any other name as it is."""
    return name.lstrip("0") or "0" if name.isdigit() else name


def _small_ending(name: str) -> str:
    head, dot, ending = name.rpartition(".")
    return f"{head}.{ending.lower()}" if dot else name


_Parts = tuple[str, ...]


def _forms(parts: _Parts) -> tuple[_Parts, ...]:
    """The spellings of a path by which it is compared, strictest first: see `_SPELLED`."""
    composed = tuple(map(_composed, parts))
    *folders, name = composed
    bare = (*folders, stem(name))
    *loose, last = map(_loose, bare)
    small = (*folders, _small_ending(name))
    return parts, composed, small, bare, (*loose, last), (*loose, _number(last))


_SPELLED = (
    "",
    "in another Unicode form",
    "with the extension in another case",
    "without the extension",
    "in another case",
    "without leading zeros",
)


class _Cut(NamedTuple):
    """How folders may differ: `line` and `file` take the parts that count, or None."""

    phrase: str
    line: Callable[[_Parts], _Parts | None]
    file: Callable[[_Parts], _Parts | None]


def _cuts(depth: int, longest: int) -> Iterator[_Cut]:
    """From the strictest: the whole path, less leading folders, ever shorter ends of both."""
    yield _Cut("", tuple, tuple)
    for count in range(1, longest - depth + 1):
        yield _Cut("without leading folders", _less(count, depth), tuple)
    for count in range(longest, depth - 1, -1):
        end = _last(count)
        yield _Cut("by the end of the path" if count > 1 else "by the base name", end, end)


def _less(count: int, least: int) -> Callable[[_Parts], _Parts | None]:
    return lambda parts: parts[count:] if len(parts) >= count + least else None


def _last(count: int) -> Callable[[_Parts], _Parts | None]:
    return lambda parts: parts[-count:] if len(parts) >= count else None


class _Side(NamedTuple):
    """One side of a group: ids, spellings, and the ids that have no match yet."""

    ids: list[int]
    forms: list[tuple[_Parts, ...]]
    open: set[int]

    @classmethod
    def of(cls, named: Sequence[Named]) -> "_Side":
        forms = [_forms(one.parts) for one in named]
        return cls([one.id for one in named], forms, {one.id for one in named if not one.taken})

    def unique(self, form: int, cut: Callable[[_Parts], _Parts | None]) -> dict[_Parts, int]:
        """Key → id of those whose key no other has."""
        found: dict[_Parts, int | None] = {}
        for number, forms in zip(self.ids, self.forms, strict=True):
            if key := cut(forms[form]):
                found[key] = None if key in found else number
        return {key: number for key, number in found.items() if number is not None}


def pair(lines: Sequence[Named], files: Sequence[Named], *, depth: int = 1) -> Iterator[Match]:
    """The lines and files of one group that belong together.

    Args:
        lines, files: All of one weak key of `depth` parts, those `taken` too.
        depth: Least parts of a key.
    """
    if len(lines) == len(files) == 1:
        yield from _lone_pair(lines[0], files[0], depth)
        return
    left, right = _Side.of(lines), _Side.of(files)
    parts = {one.id: one.parts for one in lines}, {one.id: one.parts for one in files}
    longest = min(MAX_DEPTH, max(len(one.parts) for one in (*lines, *files)))
    for cut in _cuts(depth, longest):
        for form, spelled in enumerate(_SPELLED):
            if not left.open or not right.open:
                return
            of_files = right.unique(form, cut.file)
            for key, line in left.unique(form, cut.line).items():
                file = of_files.get(key)
                if file not in right.open or line not in left.open:
                    continue
                if not of_other_split(parts[0][line], parts[1][file]):
                    left.open.discard(line)
                    right.open.discard(file)
                    yield Match(line, file, ", ".join(filter(None, (spelled, cut.phrase))))


def _lone_pair(line: Named, file: Named, depth: int) -> Iterator[Match]:
    """The same for a group of one line and one file, whose keys are all unique."""
    pairs = list(zip(_forms(line.parts), _forms(file.parts), strict=True))
    common = [_common_end(a, b) for a, b in pairs]
    longest = common[-1]  # the last form is the loosest
    if longest < depth or line.taken or file.taken or of_other_split(line.parts, file.parts):
        return
    if longest == len(file.parts):
        placed = "" if len(line.parts) == longest else "without leading folders"
    else:
        placed = "by the end of the path" if longest > 1 else "by the base name"
    spelled = _SPELLED[common.index(longest)]
    yield Match(line.id, file.id, ", ".join(filter(None, (spelled, placed))))


def _common_end(these: Sequence[str], those: Sequence[str]) -> int:
    """How many parts two paths, or letters two names, have in common, from the last."""
    count = 0
    for a, b in zip(reversed(these), reversed(those), strict=False):
        if a != b:
            break
        count += 1
    return count


def of_other_split(line: _Parts, file: _Parts) -> bool:
    """Whether a line and a file are of different splits by their folders: train/1, test/1."""
    if line == file:
        return False
    of_line, of_file = _splits_in(line[:-1]), _splits_in(file[:-1])
    return bool(of_line and of_file) and of_line.isdisjoint(of_file)


@lru_cache(maxsize=1024)
def _splits_in(folders: _Parts) -> frozenset[str]:
    return frozenset(split for split in map(split_meant, folders) if split)


def common_endings(names: Iterable[str]) -> list[str]:
    """What all base names end with before their extensions, the longest first: `_aligned` of
    `train_1_aligned.jpg`, `test_2_aligned.jpg`. It begins with a separator and a letter."""
    common: str | None = None
    for name in names:
        bare = stem(name.rpartition("/")[2])
        common = bare if common is None else bare[len(bare) - _common_end(common, bare) :]
        if not common:
            return []
    starts = re.finditer(r"[_. -](?=[^\W\d_])", common or "")
    return [(common or "")[start.start() :] for start in starts]


def without_ending(parts: _Parts, ending: str) -> _Parts:
    """A file's name in parts, less such an ending."""
    *folders, name = parts
    bare = stem(name)
    return (*folders, bare.removesuffix(ending) + name[len(bare) :])
