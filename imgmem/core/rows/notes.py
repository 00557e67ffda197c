"""What was lost, repaired or left out of the image of a row: its cell in `rows.csv`.

Empty for most rows, else the kinds joined by ";", those of pages and frames with how many were
left out: `cmyk;jpeg-repaired`, `pages=3`.
"""

import re
from collections import Counter
from collections.abc import Container, Iterable
from itertools import count
from typing import NamedTuple

from imgmem.core.decode.several import SEVERAL

NOTES_COLUMN = "notes"
"""The column that holds them, with a number behind it where the source has one of that name."""

_SEPARATOR, _COUNT = ";", "="
_PART = re.compile(r"([^;=]+)(?:=([1-9]\d{0,17}))?", re.ASCII)


class Noted(NamedTuple):
    """What is noted of one image. left: pages or frames other than the one that was read."""

    notes: tuple[str, ...] = ()
    left: int = 0

    def cell(self) -> str:
        """As text; it needs no quotes in CSV. `from_cell` is its inverse."""
        if not self.notes:
            return ""
        if not self.left:
            return _SEPARATOR.join(self.notes)
        return _SEPARATOR.join(
            f"{note}{_COUNT}{self.left}" if note in SEVERAL else note for note in self.notes
        )

    @classmethod
    def from_cell(cls, cell: str) -> "Noted":
        """Raises ValueError for text that no cell has."""
        if not cell:
            return NOTHING
        found = [_PART.fullmatch(part) for part in cell.split(_SEPARATOR)]
        parts = [part.groups() for part in found if part]
        left = {int(number) for _, number in parts if number}
        if len(parts) < len(found) or len(left) > 1:
            raise ValueError(f"{cell!r} is not a list of notes")
        return cls(tuple(note for note, _ in parts), max(left, default=0))


NOTHING = Noted()


def note_counts(images: Iterable[Noted]) -> tuple[Counter[str], Counter[str]]:
    """How many images have each note, and how many pages or frames were left out, by note."""
    notes: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for image in images:
        if image.notes:
            notes.update(image.notes)
        if image.left:
            left.update(dict.fromkeys(SEVERAL.intersection(image.notes), image.left))
    return notes, left


def notes_column(others: Container[str]) -> str:
    """The name of the column of notes in a dataset that has these columns of its source."""
    names = (f"{NOTES_COLUMN}{number}" if number > 1 else NOTES_COLUMN for number in count(1))
    return next(name for name in names if name not in others)


def is_notes_column(name: str) -> bool:
    """Whether `notes_column` makes that name."""
    return re.fullmatch(rf"{NOTES_COLUMN}(|[2-9]|[1-9]\d+)", name) is not None
