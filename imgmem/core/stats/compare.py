"""`stats A B`: what two datasets have in common, and where they differ."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Unpack

import numpy as np

from imgmem._version import __version__
from imgmem.core.options.option import applied
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.read.dataset import Dataset
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.rows.duplicates import load_facts
from imgmem.core.rows.out_file import check_out_files, write_out_files
from imgmem.core.rows.similar import equal_groups
from imgmem.core.specs import RunSpec, StatsSpec
from imgmem.core.stats.describe import DatasetStats, describe
from imgmem.core.stats.differences import KINDS, Difference, differences, label_names
from imgmem.core.stats.gallery import thumbnails
from imgmem.core.stats.options import CompareOptions
from imgmem.core.stats.page import render
from imgmem.core.units import format_bytes

CLASSES_SHOWN = 24
ITEMS = 12
"""Rows of a kind that the page shows."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two datasets side by side.

    rows_in_b: rows of A whose source has the same bytes as that of a row of B; rows_in_a:
    the other way round. relabelled: rows of A that B has, but never with the same label;
    None unless both have labels. classes_of_a, classes_of_b: names that only one has.
    differences: what became of the rows of A in B, by kind; rows are matched by path, then by
    bytes.
    """

    a: DatasetStats
    b: DatasetStats
    rows_in_b: int
    rows_in_a: int
    relabelled: int | None
    classes_of_a: list[str]
    classes_of_b: list[str]
    differences: list[Difference]

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
        **options: `split`, `report`, `workers` and `memory`, as `stats` takes them.

    Returns:
        Both descriptions, how many rows come from the same source bytes, and which rows were
        added, dropped, changed, relabeled, renamed, or put into another split.

    Raises:
        InputError, DatasetError, UsageError: As `stats` does, for either.
    """
    require_callback(progress)
    spec, run = applied(CompareOptions, options, StatsSpec(), run)
    check_out_files([spec.report], os.fspath(first), os.fspath(second), overwrite=spec.overwrite)
    split = spec.split
    a, b = (describe(path, spec, run=run, progress=progress) for path in (first, second))
    with open_dataset(first, split) as one, open_dataset(second, split) as other:
        rows_in_b, rows_in_a, relabelled = _common(one, other)
        changes = differences(one, other)
    names_a, names_b = ({each.name for each in stats.classes or ()} for stats in (a, b))
    both = Comparison(
        a=a,
        b=b,
        rows_in_b=rows_in_b,
        rows_in_a=rows_in_a,
        relabelled=relabelled,
        classes_of_a=sorted(names_a - names_b),
        classes_of_b=sorted(names_b - names_a),
        differences=changes,
    )
    if spec.report is not None:
        write_comparison(both, spec.report, overwrite=spec.overwrite)
    return both


def side_by_side(both: Comparison) -> Iterator[tuple[str, list[str]]]:
    """Name and both values of each line of a table."""
    sides = (both.a, both.b)
    yield "rows", [f"{stats.shape[0]:,}" for stats in sides]
    yield "shape", [" x ".join(map(str, stats.shape[1:])) for stats in sides]
    yield "dtype", [stats.dtype for stats in sides]
    yield "on disk", [format_bytes(stats.bytes) for stats in sides]
    counts = [{each.name: each.rows for each in stats.classes or ()} for stats in sides]
    names = sorted(counts[0] | counts[1], key=lambda name: -max(c.get(name, 0) for c in counts))
    for name in names[:CLASSES_SHOWN]:
        yield f"  {name}", [str(count.get(name, "-")) for count in counts]
    for figure in ("mean", "std"):
        yield figure, [_of_channels(stats, figure) for stats in sides]


def _of_channels(stats: DatasetStats, figure: str) -> str:
    channels = next(iter(stats.channels.values()))
    return " ".join(f"{getattr(channel, figure):.5g}" for channel in channels)


def write_comparison(both: Comparison, out: str, *, overwrite: bool = False) -> None:
    """Write a self-contained HTML page about a comparison to `out`.

    Raises:
        UsageError: `out` exists, is a folder, or inside one of the datasets.
        ResourceError: It cannot be written.
        DatasetError: A dataset has been damaged since.
    """
    sides = {"a": both.a, "b": both.b}
    check_out_files([out], both.a.path, both.b.path, overwrite=overwrite)
    images = {}
    for side, stats in sides.items():
        pairs = (pair for each in both.differences for pair in each.rows[:ITEMS])
        rows = [row.row for pair in pairs if (row := getattr(pair, side))]
        with open_dataset(stats.path) as dataset:
            images[side] = thumbnails(dataset, rows)
    page = render(
        "comparison.html.jinja",
        version=__version__,
        both=both,
        sides=sides,
        images=images,
        table=list(side_by_side(both)),
        kinds=KINDS,
        items=ITEMS,
    )
    write_out_files({out: page.encode("utf-8", "backslashreplace")}, overwrite=overwrite)


def _common(a: Dataset, b: Dataset) -> tuple[int, int, int | None]:
    """Rows of A in B, rows of B in A, and rows of A that B has under other classes only."""
    digests = np.concatenate([load_facts(each)["digest"] for each in (a, b)])
    groups = equal_groups(digests)
    of_a, of_b = groups[: len(a)], groups[len(a) :]
    in_b, in_a = np.isin(of_a, of_b), np.isin(of_b, of_a)
    found = [label_names(a), label_names(b)]
    labels = [each for each in found if each is not None]
    if len(labels) < len(found):
        return int(in_b.sum()), int(in_a.sum()), None
    names = labels[0][0] + labels[1][0]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    named_a, named_b = (
        np.array([numbers[name] for name in names], np.int64)[rows] for names, rows in labels
    )
    with_class = np.column_stack([np.r_[of_a, of_b], np.r_[named_a, named_b]])
    same = equal_groups(with_class)
    agreed = np.isin(same[: len(a)], same[len(a) :])
    return int(in_b.sum()), int(in_a.sum()), int((in_b & ~agreed).sum())
