"""The text files of a dataset: the lines of rows.csv and rejected.csv."""

import csv
import io
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from imgmem.core.storage.targets import row_cells

if TYPE_CHECKING:
    from imgmem.core.build.decoding import Chunk
    from imgmem.core.build.manifest import BuildManifest

REJECT_COLUMNS = ("path", "reason", "detail")
_END = "\0\n"
_SPECIAL = re.compile(r'[",\r\n\0]')
"""What makes `csv.writer` quote a cell."""


class RowLines:
    """Lines of rows.csv, whose first columns repeat: number, split, label and class."""

    def __init__(self, manifest: "BuildManifest") -> None:
        self._splits = manifest.splits or ("",)
        self._classes = manifest.classes
        self._target = manifest.target
        self._beginnings: dict[tuple[int, int], str] = {}

    def __call__(self, chunk: "Chunk", first: int) -> bytes:
        """The lines of a chunk, of which the first row has the number `first`."""
        rows = enumerate(zip(chunk.splits, chunk.labels, chunk.texts, strict=True), first)
        lines = [
            f"{number},{self._beginning(at, label)}{text}" for number, (at, label, text) in rows
        ]
        return "".join(lines).encode("utf-8", "backslashreplace")

    def _beginning(self, split: int, label: Any) -> str:
        """Split, label and class as CSV, with the comma behind them."""
        if not isinstance(label, int):
            return self._text(split, label)
        if (split, label) not in self._beginnings:
            self._beginnings[split, label] = self._text(split, label)
        return self._beginnings[split, label]

    def _text(self, split: int, label: Any) -> str:
        names = row_cells(self._target, label, self._classes)
        [line] = csv_texts([(self._splits[split], *names, "")])
        return line.removesuffix("\n")


def csv_cells(values: list[str]) -> list[str]:
    """Each value as a cell of a line that has others."""
    if not _SPECIAL.search("".join(values)):  # a tenth of the time
        return values
    return [text.removesuffix(",\n") for text in csv_texts((value, "") for value in values)]


def csv_texts(rows: Iterable[tuple[Any, ...]]) -> list[str]:
    """Each row as a line of CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator=_END).writerows(rows := list(rows))
    lines = text.getvalue().split(_END)[:-1]
    if len(lines) != len(rows):  # a cell holds such an end itself
        return [_one_line(row) for row in rows]
    return [f"{line}\n" for line in lines]


def _one_line(row: tuple[Any, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue()


def csv_lines(rows: Iterable[tuple[Any, ...]]) -> bytes:
    """CSV in UTF-8; bytes of a name that are not UTF-8 are escaped as `\\udc80` to `\\udcff`."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")
