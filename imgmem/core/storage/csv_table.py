"""Random access to the lines of a dataset's CSV files, in 8 bytes of memory a line."""

import csv
import os
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from imgmem.core.arrays import Indices
from imgmem.core.storage.store import damaged
from imgmem.core.storage.system import naming

_BLOCK_BYTES = 2**20
_QUOTE, _LINE_END = b'"'[0], b"\n"[0]


class CsvTable:
    """A CSV file with a header, UTF-8, as `build` writes them."""

    def __init__(self, path: str) -> None:
        """Raises DatasetError where there is no such file."""
        self.path = path
        try:
            with naming(path), open(path, encoding="utf-8", newline="") as file:
                self.columns: list[str] = next(csv.reader(file), [])
        except FileNotFoundError:
            raise damaged(path, "it is missing") from None
        except (ValueError, csv.Error) as error:
            raise damaged(path, f"invalid contents ({error})") from None

    def __len__(self) -> int:
        """Lines below the header."""
        return len(self._starts) - 2

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Where each line begins, the header first, and where the file ends."""
        ends = [np.zeros(1, np.int64), *_line_ends(self.path)]
        size = os.path.getsize(self.path)
        starts = np.concatenate(ends)
        return starts if starts[-1] == size else np.append(starts, size)

    def column(self, name: str, lines: Indices | None = None) -> npt.NDArray[np.object_]:
        """The cells of a column in these lines, counted from 0; in all of them for None.

        Raises DatasetError for a damaged file, such as one without the column.
        """
        if name not in self.columns:
            raise damaged(self.path, f"it has no column {name!r}")
        place = self.columns.index(name)
        try:
            cells = [fields[place] for fields in self._lines(lines)]
        except (ValueError, IndexError, csv.Error) as error:
            raise damaged(self.path, f"invalid contents ({error})") from None
        return np.array([*cells, None], object)[:-1]  # never an array of characters

    def _lines(self, numbers: Indices | None) -> Iterator[Sequence[str]]:
        if numbers is not None:
            yield from self._lines_at(numbers)
            return
        with naming(self.path), open(self.path, encoding="utf-8", newline="") as file:
            lines = csv.reader(file)
            next(lines, None)
            yield from lines

    def _lines_at(self, numbers: Indices) -> Iterator[Sequence[str]]:
        starts = self._starts
        if len(numbers) and numbers.max() >= len(self):
            raise ValueError(f"no line for row {numbers.max()}")
        with naming(self.path), open(self.path, "rb") as file:
            for number in numbers.tolist():
                start, stop = starts[number + 1], starts[number + 2]
                file.seek(start)
                yield next(csv.reader([file.read(stop - start).decode("utf-8")]))


def _line_ends(path: str) -> Iterator[npt.NDArray[np.int64]]:
    """The places after line ends that are not inside quotes, block by block."""
    quotes = position = 0
    with naming(path), open(path, "rb") as file:
        while data := file.read(_BLOCK_BYTES):
            block = np.frombuffer(data, np.uint8)
            inside = (quotes + np.cumsum(block == _QUOTE)) % 2
            yield position + 1 + np.flatnonzero((block == _LINE_END) & (inside == 0))
            quotes, position = int(quotes + np.count_nonzero(block == _QUOTE)), position + len(data)
