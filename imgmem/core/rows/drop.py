"""Which rows of a dataset to leave out, and why: duplicates, conflicts, leaks, blank ones."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.read.dataset import Dataset
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.rows.duplicates import DuplicateGroup, duplicate_groups, in_force
from imgmem.core.rows.facts import read_facts
from imgmem.core.rows.origins import sources_of
from imgmem.core.specs import DROP_REASON
from imgmem.core.thresholds import Thresholds


class _Row(NamedTuple):
    """A row that goes. other: the row that it is like, or -1."""

    row: int
    other: int = -1


def dropped_rows(path: str, words: tuple[str, ...]) -> dict[int, tuple[str, str]]:
    """Row → (reason, detail) of what is left out of the dataset at `path`.

    words: "duplicates", "near-duplicates", "conflicts", "blank" or "leaks:SPLIT". Of duplicates
    the first row stays, of conflicts none, of leaks those outside of the split; of several splits
    the first goes, which leaves no leak to the others.

    Raises UsageError for a word that the dataset cannot answer.
    """
    with open_dataset(path) as dataset:
        found = _Found(dataset)
        gone: dict[int, tuple[str, int]] = {}
        for word in sorted(words, key=_order):
            for row, other in found.rows(word, gone):
                gone.setdefault(row, (word, other))
        origins = sources_of(dataset.path, {other for _, other in gone.values() if other >= 0})
    return {
        row: (f"{DROP_REASON}{word}", f"as {origins[other].path}" if other >= 0 else "")
        for row, (word, other) in gone.items()
    }


_ORDER = ("conflicts", "blank", "leaks", "duplicates", "near-duplicates")
"""What removes whole groups goes first, so that it is not one of the removed that stays."""


def _order(word: str) -> int:
    return _ORDER.index(word.partition(":")[0])


class _Found:
    """What is wrong with the rows of a dataset."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._facts = read_facts(dataset.path, len(dataset))
        self._limits = in_force(self._facts, Thresholds())
        self._groups = duplicate_groups(self._facts, self._limits)

    def rows(self, word: str, gone: Mapping[int, Any]) -> Iterator[_Row]:
        """The rows that a word drops, in addition to those that are gone."""
        kind, _, split = word.partition(":")
        if kind == "leaks":
            return self._leaks(split, gone)
        rules: dict[str, Callable[[], Iterator[_Row]]] = {
            "conflicts": self._conflicts,
            "blank": self._blank,
            "duplicates": lambda: self._repeated(gone, exact=True),
            "near-duplicates": lambda: self._repeated(gone, exact=False),
        }
        return rules[kind]()

    def _blank(self) -> Iterator[_Row]:
        return map(_Row, np.flatnonzero(self._facts["contrast"] <= self._limits.blank).tolist())

    def _conflicts(self) -> Iterator[_Row]:
        labels = self._dataset.labels
        if labels is None:
            raise UsageError(
                f"{option('drop')}: {self._dataset.path} has no labels, so there are no conflicts",
                hint="Leave out conflicts.",
            )
        for rows in self._rows_of_groups():
            if len(np.unique(labels[rows], axis=0)) > 1:
                yield from (_Row(row, rows[0] if row != rows[0] else rows[1]) for row in rows)

    def _leaks(self, split: str, gone: Mapping[int, Any]) -> Iterator[_Row]:
        start, stop = self._dataset.record.rows_of(split)
        splits = self._dataset.record.split_of_rows()
        for rows in self._rows_of_groups():
            left = [row for row in rows if row not in gone]
            others = [row for row in left if not start <= row < stop and splits[row] >= 0]
            if others:
                yield from (_Row(row, others[0]) for row in rows if start <= row < stop)

    def _repeated(self, gone: Mapping[int, Any], *, exact: bool) -> Iterator[_Row]:
        groups: list[DuplicateGroup] = [group for group in self._groups if group.exact == exact]
        for group in groups:
            left = [row for row in group.rows.tolist() if row not in gone]
            yield from (_Row(row, left[0]) for row in left[1:])

    def _rows_of_groups(self) -> Iterator[list[int]]:
        for group in self._groups:
            yield group.rows.tolist()
