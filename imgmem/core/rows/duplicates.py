"""Rows of one dataset that show the same image, found from `rows.npy` alone."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.rows.facts import Facts, read_facts
from imgmem.core.rows.similar import (
    equal_groups,
    furthest,
    near_groups,
    telling_distance,
    unchained,
)
from imgmem.core.thresholds import Thresholds

Indices = NDArray[np.int64]


def load_facts(dataset: Dataset) -> Facts:
    """The rows of `rows.npy` that belong to a dataset, or to a split of it.

    Raises DatasetError where the table is missing or is not for this dataset.
    """
    facts = read_facts(dataset.path, dataset.record.shape[0])
    return row_set(dataset).taken(facts)


class DuplicateGroup(NamedTuple):
    """Rows that show the same image.

    Attributes:
        rows: (k,) their numbers, ascending, k > 1.
        distance: None where their sources have the same bytes; else how many bits of their
            hashes differ, at most, from that of the first row.
    """

    rows: Indices
    distance: int | None = None

    @property
    def exact(self) -> bool:
        return self.distance is None


def in_force(facts: Facts, limits: Thresholds) -> Thresholds:
    """Lower `near` to what says something about these images, or to None.

    Where nearly all images look alike to a perceptual hash (digits, X-rays, pages of text), near
    ones are as many by chance as by copying.
    """
    if limits.near is None:
        return limits
    shaped = facts["hash"][facts["contrast"] > limits.blank]
    return replace(limits, near=telling_distance(shaped, limits.near))


def near_notes(asked: Thresholds, used: Thresholds) -> Iterator[str]:
    """What to know of a search whose `near` was lowered by `in_force`."""
    if used.near == asked.near:
        return
    alike = f"different images here are as close as copies are with near={asked.near}"
    if used.near is None:
        yield f"near duplicates cannot be told from other images: {alike}"
    else:
        yield f"near duplicates were searched with near={used.near}: {alike}"


def duplicate_groups(facts: Facts, limits: Thresholds) -> list[DuplicateGroup]:
    """Find rows that show the same image.

    Args:
        facts: (n,) rows of `rows.npy`.
        limits: The thresholds as `in_force` returns them; `near` and `blank` count.

    Returns:
        First the groups of the same source bytes, then those that look the same. One of the
        second kind may hold some of the first kind, but not only one.
    """
    exact = equal_groups(facts["digest"])
    looks = (rows for rows in _near(facts, limits) if len(set(exact[rows].tolist())) > 1)
    return [
        *(DuplicateGroup(rows) for rows in _members(exact)),
        *(DuplicateGroup(rows, furthest(facts["hash"][rows])) for rows in looks),
    ]


def _near(facts: Facts, limits: Thresholds) -> Iterator[Indices]:
    """Groups by perceptual hash. Blank rows have no shape to compare."""
    if limits.near is None:
        return
    rows = np.flatnonzero(facts["contrast"] > limits.blank)
    hashes = facts["hash"][rows]
    for members in _members(near_groups(hashes, limits.near)):
        for group in unchained(hashes[members], limits.near):
            yield rows[members[group]]


def _members(groups: Indices) -> Iterator[Indices]:
    """The rows of each group of at least two."""
    order = np.argsort(groups, kind="stable")
    bounds = [0, *(np.flatnonzero(np.diff(groups[order])) + 1).tolist(), len(order)]
    for start, stop in pairwise(bounds):
        if stop - start > 1:
            yield order[start:stop]
