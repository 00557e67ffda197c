"""What a dataset's targets are like: labels that go together, and how numbers are spread."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from imgmem.core.arrays import Labels
from imgmem.core.chunks import row_ranges
from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.specs import ALL
from imgmem.core.stats.scan import split_parts
from imgmem.core.storage.labels import class_counts
from imgmem.core.storage.targets import MULTILABEL, NUMBER
from imgmem.core.thresholds import LISTED

PAIRED = 200
"""Classes whose pairs are counted, the largest ones."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 32
_ROWS_AT_ONCE = 2**16


@dataclass(frozen=True, slots=True)
class Pair:
    """Two classes, and how many rows have both."""

    a: str
    b: str
    rows: int


@dataclass(frozen=True, slots=True)
class LabelSets:
    """How labels go together where a row may have several.

    mean: labels of a row, on average. by_labels: rows with 0 labels, with 1, 2 …
    pairs: of the 200 largest classes, the most frequent first, at most 1000.
    """

    mean: float
    by_labels: list[int]
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class NumberRows:
    """A number over some rows.

    quantiles: at 5, 25, 50, 75 and 95 %. histogram: rows in each of 32 equal ranges from the
    minimum of all rows to their maximum.
    """

    rows: int
    mean: float
    std: float
    minimum: float
    quantiles: list[float]
    maximum: float
    histogram: list[int]


@dataclass(frozen=True, slots=True)
class NumberTarget:
    """A number to predict. parts: "all" or the split asked for, and each split."""

    name: str
    parts: dict[str, NumberRows]


def label_sets(dataset: Dataset) -> LabelSets | None:
    """How labels go together; None where a row has one class or numbers."""
    flags = dataset.labels
    if flags is None or dataset.target != MULTILABEL:
        return None
    of_rows = flags.sum(axis=1, dtype=np.int64)
    mean = float(of_rows.mean()) if len(of_rows) else 0.0
    return LabelSets(mean, np.bincount(of_rows).tolist(), _pairs(flags, dataset.classes or []))


def _pairs(flags: Labels, names: list[str]) -> list[Pair]:
    largest = np.argsort(-class_counts(flags, len(names)), kind="stable")[:PAIRED]
    kept = np.sort(largest)
    both = _together(flags, kept)
    found = [
        Pair(names[kept[a]], names[kept[b]], int(both[a, b]))
        for a, b in combinations(range(len(kept)), 2)
        if both[a, b]
    ]
    return sorted(found, key=lambda pair: -pair.rows)[:LISTED]


def _together(flags: Labels, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(k, k) rows that have both of two classes; sums of whole numbers, exact in any order."""
    both = np.zeros((len(classes), len(classes)), np.int64)
    for start, stop in row_ranges(len(flags), _ROWS_AT_ONCE):
        part = flags[start:stop, classes].astype(np.float32)
        both += (part.T @ part).astype(np.int64)
    return both


def number_targets(dataset: Dataset) -> list[NumberTarget] | None:
    """How each number is spread, over all rows and by split; None for other targets."""
    if dataset.labels is None or dataset.target != NUMBER or not len(dataset):
        return None
    columns = dataset.labels.reshape(len(dataset), -1).astype(np.float64).T
    rows = row_set(dataset)
    parts = {
        name: rows.indices(np.arange(start, stop))
        for name, (start, stop) in split_parts(dataset).items()
    }
    whole = {dataset.split or ALL: np.arange(len(dataset))}
    return [
        NumberTarget(name, _spread(values, whole | parts))
        for name, values in zip(dataset.target_names, columns, strict=True)
    ]


def _spread(
    values: NDArray[np.float64], parts: Mapping[str, NDArray[np.int64]]
) -> dict[str, NumberRows]:
    ends = float(values.min()), float(values.max())
    return {name: _number_rows(values[rows], ends) for name, rows in parts.items() if len(rows)}


def _number_rows(values: NDArray[np.float64], ends: tuple[float, float]) -> NumberRows:
    return NumberRows(
        rows=len(values),
        mean=float(values.mean()),
        std=float(values.std()),
        minimum=float(values.min()),
        quantiles=np.quantile(values, QUANTILES).tolist(),
        maximum=float(values.max()),
        histogram=np.histogram(values, BINS, ends)[0].tolist(),
    )
