"""What somebody should look at before training: doubled, leaked, blank, dark, odd rows.

All of it comes from `rows.npy`, the table that `build` wrote, so no picture is read again.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.read.dataset import Dataset
from imgmem.core.rows.duplicates import Indices, duplicate_groups
from imgmem.core.rows.facts import Facts
from imgmem.core.rows.origins import RowOrigin, sources_of
from imgmem.core.specs import LISTED, Thresholds


@dataclass(frozen=True, slots=True)
class Item:
    """One finding: a row, or rows that belong together.

    value: the figure that is beyond the threshold, where there is one. exact: whether the
    rows have the same source bytes, where there are several.
    """

    rows: tuple[RowOrigin, ...]
    value: float | None = None
    exact: bool | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """All findings of a kind. count: of items; the first LISTED of them are in `items`.

    threshold: name → value in force, empty where none is needed.
    """

    kind: str
    count: int
    threshold: dict[str, float]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """Items of a kind before anybody has looked up their files: rows, value, exact."""

    kind: str
    threshold: dict[str, float]
    count: int
    items: Sequence[tuple[list[int], float | None, bool | None]]


def find(dataset: Dataset, facts: Facts, odd: Sequence[int], limits: Thresholds) -> list[Finding]:
    """Everything that is to be found in a dataset, in the order of its weight; no empty kinds.

    facts: of its rows. odd: rows (of the whole dataset) with values that cannot be.
    Raises DatasetError where `rows.csv` is damaged.
    """
    found = [*_among_rows(dataset, facts, limits), *_in_rows(facts, limits)]
    if odd:
        places = [row - dataset.start for row in odd[:LISTED]]
        found.append(_Found("bad-values", {}, len(odd), [([row], None, None) for row in places]))
    wanted = {row + dataset.start for kind in found for rows, _, _ in kind.items for row in rows}
    sources = sources_of(dataset.path, wanted)
    return [_told(kind, sources, dataset.start) for kind in found if kind.count]


def _told(found: _Found, sources: dict[int, RowOrigin], start: int) -> Finding:
    items = tuple(
        Item(tuple(sources[row + start] for row in rows), value, exact)
        for rows, value, exact in found.items
    )
    return Finding(found.kind, found.count, found.threshold, items)


# Rows that belong together -----------------------------------------------------------------


def _among_rows(dataset: Dataset, facts: Facts, limits: Thresholds) -> Iterator[_Found]:
    """Leaks, label conflicts, duplicates and near duplicates."""
    groups = duplicate_groups(facts, limits)
    near_limit = {"near": float(limits.near)}
    splits, labels = dataset.record.split_of_rows()[dataset.start : dataset.stop], dataset.labels
    yield _grouped("leaks", near_limit, _crossing(groups, splits))
    if labels is not None:
        yield _grouped("conflicts", near_limit, _crossing(groups, labels))
    yield _grouped("duplicates", {}, (group for group in groups if group[1]))
    yield _grouped("near-duplicates", near_limit, (group for group in groups if not group[1]))


def _crossing(
    groups: Iterable[tuple[Indices, bool]], parts: Indices
) -> Iterator[tuple[Indices, bool]]:
    """Groups whose rows are in several parts; a near group only where its exact ones are not."""
    told: set[int] = set()
    for rows, exact in groups:
        if len(set(parts[rows].tolist())) > 1 and not told & set(rows.tolist()):
            told |= set(rows.tolist())
            yield rows, exact


def _grouped(
    kind: str, threshold: dict[str, float], groups: Iterable[tuple[Indices, bool]]
) -> _Found:
    items = sorted((rows.tolist(), exact) for rows, exact in groups)
    listed = [(rows, None, exact) for rows, exact in items[:LISTED]]
    return _Found(kind, threshold, len(items), listed)


# Rows by themselves ------------------------------------------------------------------------


def _in_rows(facts: Facts, limits: Thresholds) -> Iterator[_Found]:
    """Blank, dark, bright, blurred, small and elongated rows, the worst first."""
    shaped = facts["contrast"] > limits.blank
    short = np.minimum(facts["height"], facts["width"])
    ratio = np.maximum(facts["height"], facts["width"]) / np.maximum(short, 1)
    yield _beyond("blank", limits.blank, facts["contrast"], ~shaped)
    yield _beyond("dark", limits.dark, facts["brightness"], facts["brightness"] <= limits.dark)
    bright = facts["brightness"] >= limits.bright
    yield _beyond("bright", limits.bright, -facts["brightness"], bright)
    blurred = shaped & (facts["sharpness"] <= limits.blurred)
    yield _beyond("blurred", limits.blurred, facts["sharpness"], blurred)
    yield _beyond("small", limits.small, short.astype(np.float64), short < limits.small)
    yield _beyond("elongated", limits.elongated, -ratio, ratio > limits.elongated)


def _beyond(kind: str, limit: float, values: NDArray[Any], which: NDArray[np.bool_]) -> _Found:
    """The rows that are beyond a limit, in the order of `values`."""
    rows = np.flatnonzero(which)
    worst = rows[np.argsort(values[rows], kind="stable")][:LISTED].tolist()
    items = [([row], abs(round(float(values[row]), 4)), None) for row in worst]
    return _Found(kind, {kind: float(limit)}, len(rows), items)
