"""`stats A B`: what two datasets have in common, and where they differ."""

import os
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from imgmem.core.options.option import applied
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.read.dataset import Dataset
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.rows.duplicates import load_facts
from imgmem.core.rows.similar import equal_groups
from imgmem.core.specs import RunSpec, StatsSpec
from imgmem.core.stats.describe import DatasetStats, describe
from imgmem.core.stats.options import CompareOptions


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two datasets side by side.

    rows_in_b: rows of A whose source has the same bytes as that of a row of B; rows_in_a:
    the other way round. relabelled: rows of A that B has, but never under the same class
    name; None unless both have labels. classes_of_a, classes_of_b: names that only one has.
    """

    a: DatasetStats
    b: DatasetStats
    rows_in_b: int
    rows_in_a: int
    relabelled: int | None
    classes_of_a: list[str]
    classes_of_b: list[str]

    def __repr__(self) -> str:
        shared = f"{self.rows_in_b} rows of A in B, {self.rows_in_a} rows of B in A"
        return f"<Comparison of {self.a.path!r} and {self.b.path!r}: {shared}>"


def compare(
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    *,
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[CompareOptions],
) -> Comparison:
    """Describe two datasets (or the split of that name in each) and compare them.

    Args:
        first: The dataset A.
        second: The dataset B.
        run: Workers and memory budget.
        progress: Called with a `Progress` after every window of rows.
        **options: `split`, `workers` and `memory`, as `stats` takes them.

    Returns:
        Both descriptions, and how many rows come from the same source bytes.

    Raises:
        InputError, DatasetError, UsageError: As `stats` does, for either.
    """
    spec, run = applied(CompareOptions, options, StatsSpec(), run)
    split = spec.split
    a, b = (describe(path, spec, run=run, progress=progress) for path in (first, second))
    with open_dataset(first, split) as one, open_dataset(second, split) as other:
        rows_in_b, rows_in_a, relabelled = _common(one, other)
    names_a, names_b = ({each.name for each in stats.classes or ()} for stats in (a, b))
    return Comparison(
        a=a,
        b=b,
        rows_in_b=rows_in_b,
        rows_in_a=rows_in_a,
        relabelled=relabelled,
        classes_of_a=sorted(names_a - names_b),
        classes_of_b=sorted(names_b - names_a),
    )


def _common(a: Dataset, b: Dataset) -> tuple[int, int, int | None]:
    """Rows of A in B, rows of B in A, and rows of A that B has under other classes only."""
    digests = np.concatenate([load_facts(each)["digest"] for each in (a, b)])
    groups = equal_groups(digests)
    of_a, of_b = groups[: len(a)], groups[len(a) :]
    in_b, in_a = np.isin(of_a, of_b), np.isin(of_b, of_a)
    if a.labels is None or b.labels is None:
        return int(in_b.sum()), int(in_a.sum()), None
    numbers = {name: number for number, name in enumerate((*(a.classes or ()), *(b.classes or ())))}
    named_a, named_b = (
        np.array([numbers[name] for name in each.classes or ()])[labels]
        for each, labels in ((a, a.labels), (b, b.labels))
    )
    with_class = np.column_stack([np.r_[of_a, of_b], np.r_[named_a, named_b]])
    same = equal_groups(with_class)
    agreed = np.isin(same[: len(a)], same[len(a) :])
    return int(in_b.sum()), int(in_a.sum()), int((in_b & ~agreed).sum())
