"""Likely problems of a dataset: duplicates, leaks, blank, dark or odd rows.

All of it comes from `rows.npy`, the row facts that `build` stored, so no image is read again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgmem.core.arrays import Indices
from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.rows.duplicates import DuplicateGroup, duplicate_groups
from imgmem.core.rows.facts import Facts
from imgmem.core.rows.origins import RowOrigin, group_keys, sources_of
from imgmem.core.rows.similar import equal_groups
from imgmem.core.stats.kinds import FINDINGS, FindingKind
from imgmem.core.storage.labels import label_words
from imgmem.core.storage.targets import CLASS
from imgmem.core.thresholds import LISTED, Thresholds

Figures = NDArray[np.float64]
Selected = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Item:
    """One finding: a row, or rows that belong together.

    value: the figure that is beyond the threshold, where there is one. exact: whether the
    rows have the same source bytes, where there are several. distance: where they have not,
    how many bits of their hashes differ, at most, from that of the first row.
    """

    rows: tuple[RowOrigin, ...]
    value: float | None = None
    exact: bool | None = None
    distance: int | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """All findings of a kind. count: of items; the first LISTED of them are in `items`.

    threshold: name → value in force, empty where none is needed.
    """

    kind: str
    count: int
    threshold: dict[str, float]
    items: tuple[Item, ...]

    def __repr__(self) -> str:
        limits = "".join(f", {name}={value:g}" for name, value in self.threshold.items())
        return f"<Finding {self.kind}: {self.count}{limits}>"


class Listed(NamedTuple):
    """The items of a kind to list: those that no earlier kind lists.

    Attributes:
        items: These, in their order.
        repeated: How many of the kind's items are left out.
    """

    items: list[Item]
    repeated: int


class FoundItem(NamedTuple):
    """An item before its rows are looked up in `rows.csv`."""

    rows: list[int]
    value: float | None = None
    exact: bool | None = None
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule found: how many items, and the first LISTED of them."""

    count: int
    items: list[FoundItem]


class InspectedRows:
    """The rows of a dataset, or of a split, as the rules of `FINDINGS` see them.

    Row numbers count from the first row of the split, or of several splits one after the other.
    """

    def __init__(
        self, dataset: Dataset, facts: Facts, bad_rows: Sequence[int], limits: Thresholds
    ) -> None:
        """
        Args:
            dataset: The dataset, or a split of it.
            facts: Its rows of `rows.npy`, (n,).
            bad_rows: Rows (of the whole dataset) with values that cannot be.
            limits: The thresholds.
        """
        self._facts = facts
        self._dataset = dataset
        self._rows = row_set(dataset)
        self._bad_rows = bad_rows
        self._limits = limits

    @property
    def splits(self) -> Indices:
        """(n,) the index of each row's split."""
        return self._rows.taken(self._dataset.record.split_of_rows())

    @property
    def labels(self) -> Indices | None:
        """(n,) a number for the labels of each row, equal where these are; None without."""
        labels = self._dataset.labels
        if labels is None or self._dataset.target == CLASS:
            return labels
        return equal_groups(label_words(labels))

    @property
    def contrast(self) -> Figures:
        """(n,) standard deviation of the pixel values."""
        return self._figure("contrast")

    @property
    def brightness(self) -> Figures:
        """(n,) mean of the pixel values."""
        return self._figure("brightness")

    @property
    def sharpness(self) -> Figures:
        """(n,) mean square of the Laplacian divided by the variance."""
        return self._figure("sharpness")

    @property
    def have_contrast(self) -> Selected:
        """(n,) whether a row is not blank: a blank one has no sharpness."""
        return self.contrast > self._limits.blank

    @property
    def shorter_side(self) -> Figures:
        """(n,) of the sources, in pixels."""
        return np.minimum(self._figure("height"), self._figure("width"))

    @property
    def aspect_ratio(self) -> Figures:
        """(n,) the sources' longer side divided by the shorter."""
        longer = np.maximum(self._figure("height"), self._figure("width"))
        return longer / np.maximum(self.shorter_side, 1)

    def _figure(self, name: str) -> Figures:
        return np.asarray(self._facts[name], np.float64)

    @cached_property
    def _groups(self) -> list[DuplicateGroup]:
        return duplicate_groups(self._facts, self._limits)

    def equal_groups(self) -> Found:
        """Groups of rows whose sources have the same bytes."""
        return _listed([group for group in self._groups if group.exact])

    def near_groups(self) -> Found:
        """Groups of rows that look the same."""
        return _listed([group for group in self._groups if not group.exact])

    def groups_across(self, parts: Indices | None) -> Found:
        """Groups of either kind whose rows are in several parts.

        A near group is left out where one of its rows is in an exact group that counts.

        Args:
            parts: (n,) the part that each row is in, or None if there are none.
        """
        if parts is None:
            return Found(0, [])
        crossing, covered = [], set[int]()
        for group in self._groups:  # the exact ones come first
            rows = group.rows.tolist()
            if len(set(parts[rows].tolist())) > 1 and covered.isdisjoint(rows):
                covered.update(rows)
                crossing.append(group)
        return _listed(crossing)

    def parted_groups(self) -> Found:
        """Groups, such as patients, that are in several splits: the first row in each split."""
        dataset = self._dataset
        if dataset.record.group_column is None:
            return Found(0, [])
        keys = self._rows.taken(group_keys(dataset.path, dataset.record))
        rows = np.flatnonzero((keys != 0) & (self.splits >= 0))
        pairs = np.stack([keys[rows], self.splits[rows].astype(np.uint64)])
        rows = rows[np.sort(np.unique(pairs, axis=1, return_index=True)[1])]
        _, group, count = np.unique(keys[rows], return_inverse=True, return_counts=True)
        parted = [rows[group == one].tolist() for one in np.flatnonzero(count > 1)[:LISTED]]
        return Found(int((count > 1).sum()), [FoundItem(each) for each in sorted(parted)])

    def lowest(self, values: Figures, which: Selected) -> Found:
        """The selected rows, those with the lowest values first."""
        rows = np.flatnonzero(which)
        ordered = rows[np.argsort(values[rows], kind="stable")][:LISTED].tolist()
        items = [FoundItem([row], round(float(values[row]), 4)) for row in ordered]
        return Found(len(rows), items)

    def highest(self, values: Figures, which: Selected) -> Found:
        """The selected rows, those with the highest values first."""
        found = self.lowest(-values, which)
        items = [FoundItem(item.rows, abs(item.value or 0.0)) for item in found.items]
        return Found(found.count, items)

    def with_bad_values(self) -> Found:
        """The rows with NaN, Inf or values that no pixel value becomes."""
        rows: list[int] = self._rows.indices(np.array(self._bad_rows, np.int64)).tolist()
        return Found(len(rows), [FoundItem([row]) for row in rows[:LISTED]])


def _listed(groups: list[DuplicateGroup]) -> Found:
    ordered = sorted(groups, key=lambda group: group.rows.tolist())[:LISTED]
    items = [FoundItem(g.rows.tolist(), None, g.exact, g.distance) for g in ordered]
    return Found(len(groups), items)


def without_repeats(findings: Sequence[Finding]) -> dict[str, Listed]:
    """Kind → its items to list, so that a leak is not shown again as a near duplicate."""
    shown: set[tuple[int, ...]] = set()
    listed = {}
    for finding in findings:
        groups = {tuple(row.row for row in item.rows): item for item in finding.items}
        fresh = [item for rows, item in groups.items() if len(rows) == 1 or rows not in shown]
        listed[finding.kind] = Listed(fresh, len(finding.items) - len(fresh))
        shown |= set(groups)
    return listed


def find(
    dataset: Dataset, facts: Facts, bad_rows: Sequence[int], limits: Thresholds
) -> list[Finding]:
    """Search a dataset, or a split, for everything in `FINDINGS`.

    Args:
        dataset: The dataset, or a split of it.
        facts: Its rows of `rows.npy`, (n,).
        bad_rows: Rows (of the whole dataset) with values that cannot be.
        limits: From where on a row is a finding; as `in_force` returns them.

    Returns:
        The kinds that were found, in the order of their weight.

    Raises:
        DatasetError: `rows.csv` is damaged.
    """
    rows = InspectedRows(dataset, facts, bad_rows, limits)
    found = {kind: kind.rule(rows, _limit(kind, limits)) for kind in FINDINGS}
    shown = sorted({row for each in found.values() for i in each.items for row in i.rows})
    in_file = row_set(dataset).file_rows(np.array(shown, np.int64)).tolist()
    lines = sources_of(dataset.path, in_file)
    origins = {row: lines[number] for row, number in zip(shown, in_file, strict=True)}
    return [_finding(kind, each, limits, origins) for kind, each in found.items() if each.count]


def _limit(kind: FindingKind, limits: Thresholds) -> float | None:
    return None if kind.threshold is None else getattr(limits, kind.threshold)


def _finding(
    kind: FindingKind,
    found: Found,
    limits: Thresholds,
    origins: dict[int, RowOrigin],
) -> Finding:
    items = tuple(
        Item(tuple(origins[row] for row in i.rows), i.value, i.exact, i.distance)
        for i in found.items
    )
    limit = _limit(kind, limits)
    threshold = {} if kind.threshold is None or limit is None else {kind.threshold: float(limit)}
    return Finding(kind.name, found.count, threshold, items)
