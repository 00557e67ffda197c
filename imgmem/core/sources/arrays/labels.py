"""The label of each row of an array of labels, as text: a class, a set of them, or numbers."""

import sys
from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.errors import InputError
from imgmem.core.sources.arrays.found import FoundArray
from imgmem.core.sources.arrays.refusals import refused_labels
from imgmem.core.sources.blob import Blob
from imgmem.core.sources.labeling import UNLABELED, Doubt, require_certain
from imgmem.core.sources.tables.labels import CLASS, NUMBER, SEVERAL, doubt_of
from imgmem.core.sources.targets import label_set, number_row
from imgmem.core.storage.targets import MULTILABEL
from imgmem.core.storage.targets import NUMBER as TARGET_NUMBER

_WINDOW_ROWS = 16_384
_MOST_DISTINCT = 100_000


class ArrayLabels:
    """Reads labels row by row; numbers that are negative say that there is none."""

    def __init__(self, array: FoundArray, target: str | None) -> None:
        """target: what the user said that the values are."""
        if array.facts.dtype.hasobject or array.facts.columns:
            raise refused_labels(array)
        self._array = array
        self._target = target
        self._seen: Counter[str] = Counter()

    @property
    def columns(self) -> int:
        """How many values a row has."""
        return prod(self._array.facts.shape[1:])

    @property
    def class_names(self) -> tuple[str, ...]:
        """The columns of flags, which are classes whether or not a row has them."""
        several = self._target == MULTILABEL and self.columns > 1
        return tuple(map(str, range(self.columns))) if several else ()

    @property
    def target_names(self) -> tuple[str, ...]:
        """What the numbers are called."""
        if self._target != TARGET_NUMBER:
            return ()
        name = self._array.name
        return tuple(f"{name}[{at}]" for at in range(self.columns)) if self.columns > 1 else (name,)

    def texts(self, blob: Blob) -> Iterator[str | None]:
        """The label of every row, None where it has none. Raises InputError for several."""
        facts = self._array.facts
        for first in range(0, facts.rows, _WINDOW_ROWS):
            rows = min(_WINDOW_ROWS, facts.rows - first)
            data = blob.pread(rows * facts.row_bytes, facts.start + first * facts.row_bytes)
            self._require_text(data, first)
            values = np.frombuffer(data, facts.dtype).reshape(rows, *facts.shape[1:])
            for text in self._of_window(values, first):
                if text is not None and len(self._seen) < _MOST_DISTINCT:
                    self._seen[text] += 1
                yield text

    def _require_text(self, data: bytes, first: int) -> None:
        """InputError for what is not Unicode, of which NumPy makes text that breaks Python."""
        facts = self._array.facts
        if facts.dtype.kind == "U" and data:
            wrong = np.frombuffer(data, f"{facts.dtype.byteorder}u4") > sys.maxunicode
            if wrong.any():
                row = first + int(wrong.argmax()) * 4 // facts.row_bytes
                raise self._wrong(row, "it is not text", "Check the file.")

    def _of_window(self, values: npt.NDArray[Any], first: int) -> Iterator[str | None]:
        if self._target == TARGET_NUMBER:
            yield from self._of_numbers(values, first)
            return
        if values.ndim == 2 and values.shape[1] > 1:
            if self._target == MULTILABEL:
                yield from self._of_sets(values, first)
                return
            values = self._of_flags(values, first)
        for value in values.reshape(-1).tolist():
            text = self._text(value)
            yield label_set([text]) if text and self._target == MULTILABEL else text

    def _of_numbers(self, values: npt.NDArray[Any], first: int) -> Iterator[str | None]:
        """Each row of numbers; None where one is NaN."""
        for at, row in enumerate(values.reshape(len(values), -1).tolist(), first):
            text = number_row([str(value).strip() for value in row])
            if text is None and not any(value != value for value in row):  # noqa: PLR0124
                raise self._wrong(at, f"{row} is not a finite number", "Mask or replace it.")
            yield text

    def _of_sets(self, values: npt.NDArray[Any], first: int) -> Iterator[str]:
        """The columns of each row that are 1, by their number."""
        odd = ((values != 0) & (values != 1)).any(1)
        if odd.any():
            raise self._wrong(
                first + int(odd.argmax()), "it has flags that are not 0 or 1", "Make them 0 or 1."
            )
        for flags in values:
            yield label_set(map(str, np.flatnonzero(flags).tolist()))

    def _of_flags(self, values: npt.NDArray[Any], first: int) -> npt.NDArray[Any]:
        """The one column of each row that is 1."""
        odd = (values == 1).sum(1) != 1
        odd |= (values != 0).sum(1) != 1
        if odd.any():
            where = f"{self._array.path}: row {first + int(odd.argmax())} of {self._array.name}"
            evidence = f"{where} is not one class: exactly one 1 was expected"
            likely = SEVERAL if ((values == 0) | (values == 1)).all() else NUMBER
            require_certain([Doubt("several-labels", evidence, (likely, UNLABELED))])
        return np.asarray(values.argmax(1))

    def _text(self, value: Any) -> str | None:
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        if isinstance(value, str):
            return value.strip() or None
        if isinstance(value, float):
            return self._of_number(value)
        return None if value < 0 else str(value)

    def _wrong(self, row: int, what: str, hint: str) -> InputError:
        where = f"{self._array.path}: row {row} of {self._array.name}"
        return InputError(f"{where}: {what}", hint=hint, path=self._array.path, row=row)

    def _of_number(self, value: float) -> str | None:
        if not value >= 0:  # NaN too
            return None
        if value.is_integer():
            return str(int(value))
        if self._target is None:
            name = self._array.name
            what = f"the labels of {self._array.path} are numbers ({name}: {value!r}, …)"
            doubt = Doubt("number-labels", f"{what}: is this a number to predict?", (NUMBER, CLASS))
            require_certain([doubt])
        return repr(value)

    def doubts(self) -> list[Doubt]:
        """Why the labels that were read may not be classes."""
        if self._target is not None:
            return []
        found = doubt_of(self._seen.items(), self._array.path, self._array.name)
        return [found] if found else []
