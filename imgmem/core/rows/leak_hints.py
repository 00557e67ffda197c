"""Hints that a split parts what belongs together: names such as `p017_03.jpg` in two splits.

Only names (and cells of further columns) are looked at, in one pass. Memory is bounded: of many
prefixes those with the smallest hashes are kept, and the counts of these are complete.
"""

import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from imgmem.core.messages import Message, option

FEWEST = 10
"""Distinct ids from which on a prefix may be a patient or a video, and is not just a part."""
_MOST_FILES = 300
_MOST_FILES_OF_NUMBER = 50
"""Files of one prefix, at most: classes have more. Plain numbers may be ages or angles."""
_COVERED = 1 / 3
"""Share of all files whose prefix must repeat."""
_CROSSING = 0.05
"""Share of the prefixes that must be in several splits."""
_KEPT = 1024
"""Prefixes of a kind, at most."""
_MOST_FOLDERS = 32
"""Folders in which one prefix may be."""
_DEEPEST = 8
_SHOWN = 3
_SEPARATORS = "_. -"
_TOKEN = re.compile(f"[^{_SEPARATORS}]+")
_DIGIT = re.compile("[0-9]")
_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d[-_. ]?(?:0[1-9]|1[0-2])[-_. ]?(?:0[1-9]|[12]\d|3[01])"
    r"(?:[-_. T]?(?:[01]\d|2[0-3])[-_.h]?[0-5]\d(?P<seconds>[-_.m]?[0-5]\d+)?)?"
)
_GROUP_COLUMN = re.compile(
    "(patient|subject|participant|person|individual|animal|user|family|case|lesion|specimen|slide|"
    "study|session|visit|video|clip|sequence|track|scene|burst|group)"
    "[ _.-]*(id|no|nr|num|number|name|key|code)?",
    re.IGNORECASE,
)
"""Names of columns whose cells are ids even where they are plain numbers."""


class NamedRow(NamedTuple):
    """A row as it is known by name. label: as text, None without. cells: of further columns."""

    path: str
    label: str | None
    split: str
    cells: tuple[str, ...] = ()


@dataclass(slots=True)
class _Prefix:
    """What is known of the files that share a prefix."""

    id: str
    label: str | None
    one_label: bool = True
    files: int = 0
    splits: set[str] = field(default_factory=set)
    folders: set[int] = field(default_factory=set)

    def add(self, row: NamedRow, folder: int) -> None:
        self.files += 1
        self.one_label = self.one_label and row.label == self.label
        self.splits.add(row.split)
        if len(self.folders) < _MOST_FOLDERS:
            self.folders.add(folder)

    def repeats(self, text: str) -> bool:
        """Whether it has a few files, and not one in each folder, as numbers that restart have."""
        plain = text.isdecimal() and not text.startswith("0")
        most = _MOST_FILES_OF_NUMBER if plain else _MOST_FILES
        return 2 * len(self.folders) <= self.files <= most and len(self.folders) < _MOST_FOLDERS


class _Prefixes:
    """The prefixes of one kind: those that end with the same token, or cells of one column."""

    def __init__(self) -> None:
        self._kept: dict[str, _Prefix] = {}
        self._shift = 0

    def add(self, text: str, identity: str, row: NamedRow, folder: int) -> None:
        if self._shift and not self._is_kept(text):
            return
        found = self._kept.get(text)
        if found is None:
            found = self._kept[text] = _Prefix(identity, row.label)
        found.add(row, folder)
        while len(self._kept) > _KEPT:
            self._shift += 1
            self._kept = {key: value for key, value in self._kept.items() if self._is_kept(key)}

    def _is_kept(self, text: str) -> bool:
        return not zlib.crc32(text.encode("utf-8", "surrogatepass")) >> (32 - self._shift)

    def parted(self, total: int) -> tuple[list[str], float] | None:
        """The prefixes in several splits, and their share of those that repeat; None where these
        do not look like groups.

        total: how many files there are.
        """
        found = {text: one for text, one in self._kept.items() if one.repeats(text)}
        covered = sum(one.files for one in found.values()) << self._shift
        if len({one.id for one in found.values()}) < FEWEST or covered < _COVERED * total:
            return None
        parted = sorted(text for text, one in found.items() if len(one.splits) > 1)
        if len(parted) < max(2, _CROSSING * len(found)) or _are_labels(found.values()):
            return None
        return parted, len(parted) / len(found)


def _are_labels(prefixes: Iterable[_Prefix]) -> bool:
    """Whether a prefix is little more than the label, as `n01440764` and `Aaron_Eckhart` are."""
    pure = [one.label for one in prefixes if one.one_label]
    return len(pure) >= 0.9 * len([*prefixes]) and len(pure) <= 1.5 * len(set(pure))


def leak_hints(rows: Iterable[NamedRow], columns: tuple[str, ...] = ()) -> Iterator[Message]:
    """The note that names or a column look like groups which splits part; none if they do not.

    Args:
        rows: All rows in splits that were drawn. Paths have "/" between folders.
        columns: The names of their cells.
    """
    total = 0
    by_column = [_Prefixes() for _ in columns]
    of_groups = [_GROUP_COLUMN.fullmatch(name) is not None for name in columns]
    by_depth = [_Prefixes() for _ in range(_DEEPEST)]
    for row in rows:
        total += 1
        path, _, name = row.path.rpartition("/")
        folder = hash(path)
        for depth, text, identity in _candidates(os.path.splitext(name)[0]):
            by_depth[depth].add(text, identity, row, folder)
        for cells, of_group, cell in zip(by_column, of_groups, row.cells, strict=False):
            if (of_group and cell) or _is_id(cell):
                cells.add(cell, cell, row, 0)
    kinds = [
        *(
            (f"cells of {name}", name, found)
            for name, found in zip(columns, by_column, strict=True)
        ),
        *(("file names", _rule(depth), found) for depth, found in enumerate(by_depth)),
    ]
    for what, group, prefixes in kinds:
        if parted := prefixes.parted(total):
            yield _hint(what, group, *parted)
            return


def _hint(what: str, group: str, parted: list[str], share: float) -> Message:
    shown = ", ".join(parted[:_SHOWN]) + (" …" if len(parted) > _SHOWN else "")
    return Message(
        f"{what} look like groups (a patient, a video, a burst), of which {share:.0%} are in more "
        f"than one split: {shown}; if they are groups, draw the splits with "
        f"{option('group', group)}"
    )


def _rule(depth: int) -> str:
    """The group as `build` takes it: this many tokens of the name, and a separator."""
    token, separator = f"[^{_SEPARATORS}]+", f"[{_SEPARATORS}]"
    before = f"(?:{token}{separator}+){{{depth}}}" if depth else ""
    return f"name:^({before}{token}){separator}"


def _candidates(stem: str) -> Iterator[tuple[int, str, str]]:
    """(tokens before, prefix, its last token) of each prefix of a name that may be a group."""
    tokens = [*_TOKEN.finditer(stem)]
    if len(tokens) < 2 or tokens[0].start():
        return
    dates = [*_DATE.finditer(stem)]
    for depth, token in enumerate(tokens[:-1][:_DEEPEST]):
        if _DIGIT.search(token[0]) and not any(_cuts(date, token.end()) for date in dates):
            yield depth, stem[: token.end()], token[0]


def _cuts(date: re.Match[str], end: int) -> bool:
    """Whether a prefix ends in a date, or with one; a time with its seconds may be a burst."""
    return date.start() < end <= date.end() and not (end == date.end() and date["seconds"])


def _is_id(cell: str) -> bool:
    """Whether a cell has digits and is neither a number, as ages and sizes are, nor a date."""
    if not _DIGIT.search(cell) or _DATE.match(cell):
        return False
    return any(map(str.isalpha, cell)) or (cell.isdecimal() and cell.startswith("00"))
