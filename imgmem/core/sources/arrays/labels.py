"""The class of each row of an array of labels, as text."""

from collections import Counter
from collections.abc import Iterator
from math import isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.sources.arrays.found import FoundArray
from imgmem.core.sources.arrays.refusals import refused_labels
from imgmem.core.sources.blob import Blob
from imgmem.core.sources.labeling import Doubt, require_certain
from imgmem.core.sources.tables.labels import CLASS, NUMBER, doubt_of

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

    def texts(self, blob: Blob) -> Iterator[str | None]:
        """The label of every row, None where it has none. Raises InputError for several."""
        facts = self._array.facts
        for first in range(0, facts.rows, _WINDOW_ROWS):
            rows = min(_WINDOW_ROWS, facts.rows - first)
            data = blob.pread(rows * facts.row_bytes, facts.start + first * facts.row_bytes)
            values = np.frombuffer(data, facts.dtype).reshape(rows, *facts.shape[1:])
            for text in self._of_window(values, first):
                if text is not None and len(self._seen) < _MOST_DISTINCT:
                    self._seen[text] += 1
                yield text

    def _of_window(self, values: npt.NDArray[Any], first: int) -> Iterator[str | None]:
        if values.ndim == 2 and values.shape[1] > 1:
            values = self._of_flags(values, first)
        for value in values.reshape(-1).tolist():
            yield self._text(value)

    def _of_flags(self, values: npt.NDArray[Any], first: int) -> npt.NDArray[Any]:
        """The one column of each row that is 1."""
        odd = (values == 1).sum(1) != 1
        odd |= (values != 0).sum(1) != 1
        if odd.any():
            raise InputError(
                f"{self._array.path}: row {first + int(odd.argmax())} of {self._array.name} is not "
                "one class: exactly one 1 was expected",
                hint=f"Build the images without labels, {option('labels', 'none')}, or name "
                "another array of labels.",
                path=self._array.path,
            )
        return np.asarray(values.argmax(1))

    def _text(self, value: Any) -> str | None:
        if isinstance(value, bytes):
            value = value.decode("utf-8", "surrogateescape")
        if isinstance(value, str):
            return value.strip() or None
        if self._target == "number":
            return None if isnan(value) else repr(float(value))
        if isinstance(value, float):
            return self._of_number(value)
        return None if value < 0 else str(value)

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
