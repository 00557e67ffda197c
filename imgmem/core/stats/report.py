"""`stats --report`: everything about a dataset on one page that needs no other file."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from imgmem._version import __version__
from imgmem.core.levels.histograms import binned
from imgmem.core.machine import process
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.rows.origins import RowOrigin, sources_of
from imgmem.core.rows.out_file import check_out_files, write_out_files
from imgmem.core.sample.selection import choose
from imgmem.core.specs import CHANNEL_NAMES, RunSpec, SampleSpec
from imgmem.core.stats.describe import Channel, ClassRows, DatasetStats
from imgmem.core.stats.findings import without_repeats
from imgmem.core.stats.gallery import mean_images, thumbnails
from imgmem.core.stats.kinds import FINDINGS
from imgmem.core.stats.page import render
from imgmem.core.stats.scan import plan_scan
from imgmem.core.stats.targets import BINS as NUMBER_BINS
from imgmem.core.stats.targets import QUANTILES, NumberTarget
from imgmem.core.storage.targets import NUMBER
from imgmem.core.units import format_bytes

CLASSES = 40
"""Classes with a strip of images, the largest ones."""
PER_CLASS = 8
PER_NUMBER = 9
"""Rows from the smallest to the largest number."""
ITEMS = 12
"""Findings of a kind that are shown."""
ROWS = 6
"""Rows of a group that are shown."""
FILES = 200
"""Rejected files that are listed."""
PAIRED = 20
"""Classes in the table of labels that go together."""
_BINS = 64


@dataclass(frozen=True, slots=True)
class _Strip:
    """A class with its mean image and some of its rows."""

    facts: ClassRows
    mean: str
    sources: list[RowOrigin]


@process.settings()
def write_report(
    stats: DatasetStats,
    out: str,
    *,
    overwrite: bool = False,
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
) -> None:
    """Write the HTML page about a dataset whose statistics are known.

    Args:
        stats: What `stats` returned.
        out: The file.
        overwrite: Replace it where it exists.
        run: Workers and memory budget.
        progress: Called with a `Progress` now and then.

    Raises:
        UsageError: `out` exists, is a folder or inside the dataset.
        ResourceError: The page cannot be written.
        InputError, DatasetError: The dataset has changed since, as `stats` says.
    """
    require_callback(progress)
    check_out_files([out], stats.path, overwrite=overwrite)
    page = report_page(stats, run=run, progress=progress)
    write_out_files({out: page}, overwrite=overwrite)


def report_page(stats: DatasetStats, *, run: RunSpec, progress: ProgressCallback) -> bytes:
    """The HTML page about a dataset. Raises as `write_report`."""
    with open_dataset(stats.path, stats.split) as dataset:
        _, workers = plan_scan(dataset, run)
        largest = _largest(stats)
        means = mean_images(
            dataset, [each.label for each in largest], workers=workers, progress=progress
        )
        strips = list(_strips(dataset, largest, means))
        in_order = _in_order(dataset)
        rows = [source.row for strip in strips for source in strip.sources]
        rows += [source.row for sources in in_order.values() for source in sources]
        rows += [source.row for source in _shown(stats)]
        images = thumbnails(dataset, rows)
        rejected = dataset.rejected()
    page = render(
        "report.html.jinja",
        stats=stats,
        strips=strips,
        in_order=in_order,
        images=images,
        rejected=rejected,
        **_derived(stats),
    )
    return page.encode("utf-8", "backslashreplace")


def _largest(stats: DatasetStats) -> list[ClassRows]:
    """The classes that get a strip, in their own order."""
    known = [each for each in stats.classes or () if each.rows]
    chosen = sorted(known, key=lambda each: -each.rows)[:CLASSES]
    return sorted(chosen, key=lambda each: each.label)


def _strips(dataset: Dataset, classes: list[ClassRows], means: dict[int, str]) -> Iterator[_Strip]:
    """Each class with the rows that a sample of it would show."""
    if not classes:
        return
    groups = choose(dataset, SampleSpec(per_class=PER_CLASS, group="class"))
    by_name = {group.title: group.rows.tolist() for group in groups}
    lines = sources_of(dataset.path, [row for each in classes for row in by_name[each.name]])
    for each in classes:
        sources = [lines[row] for row in by_name[each.name]]
        yield _Strip(each, means[each.label], sources)


def _in_order(dataset: Dataset) -> dict[str, list[RowOrigin]]:
    """For each number some rows from the smallest to the largest, equally many ranks apart."""
    if dataset.labels is None or dataset.target != NUMBER:
        return {}
    columns = dataset.labels.reshape(len(dataset), -1).T
    ranks = np.linspace(0, len(dataset) - 1, min(len(dataset), PER_NUMBER)).round().astype(int)
    chosen = {
        name: row_set(dataset).file_rows(np.argsort(values, kind="stable")[ranks]).tolist()
        for name, values in zip(dataset.target_names, columns, strict=True)
    }
    lines = sources_of(dataset.path, {row for rows in chosen.values() for row in rows})
    return {name: [lines[row] for row in rows] for name, rows in chosen.items()}


def _shown(stats: DatasetStats) -> Iterator[RowOrigin]:
    """The rows of findings that are shown."""
    for listed in without_repeats(stats.findings).values():
        for item in listed.items[:ITEMS]:
            yield from item.rows[:ROWS]


def _derived(stats: DatasetStats) -> dict[str, Any]:
    """What the page shows of the statistics in another form."""
    splits = [name for name in stats.channels if name in stats.splits and name != stats.split]
    return {
        "version": __version__,
        "marks": [f"{value:g}" for value in np.linspace(*stats.window, 5).round(3)],
        "name": os.path.basename(stats.path),
        "size": format_bytes(stats.bytes),
        "numbers": {each.name: _number_bars(each) for each in stats.numbers or ()},
        "paired": _paired(stats),
        "quantiles": QUANTILES,
        "most": max([each.rows for each in stats.classes or ()], default=1) or 1,
        "shown_splits": splits,
        "curves": {
            name: _curves(channels, stats.window) for name, channels in stats.channels.items()
        },
        "thresholds": asdict(stats.thresholds),
        "titles": {kind.name: kind.title for kind in FINDINGS},
        "listed": without_repeats(stats.findings),
        "items": ITEMS,
        "rows": ROWS,
        "files": FILES,
    }


def _number_bars(number: NumberTarget) -> dict[str, str]:
    """Rows (by name) → the histogram of a number as the points of an SVG polygon, 256 wide."""
    step = 256 // NUMBER_BINS
    return {
        name: _points([count / max(rows.histogram) for count in rows.histogram], step)
        for name, rows in number.parts.items()
    }


def _paired(stats: DatasetStats) -> list[tuple[str, list[tuple[str, int, float]]]]:
    """(class, (other class, rows with both, their share of the class's rows)) of the largest
    classes, for a table."""
    if stats.label_sets is None:
        return []
    rows = {each.name: each.rows for each in _largest(stats)[:PAIRED]}
    found = {(pair.a, pair.b): pair.rows for pair in stats.label_sets.pairs}
    found |= {(b, a): count for (a, b), count in found.items()} | {(a, a): rows[a] for a in rows}
    return [
        (a, [(b, found.get((a, b), 0), found.get((a, b), 0) / rows[a]) for b in rows]) for a in rows
    ]


def _curves(channels: list[Channel], window: tuple[float, float]) -> list[tuple[str, str]]:
    """(color, points) of each channel's histogram as an SVG polygon, 256 wide and 100 high.

    The two ends, where levels are clipped, do not count for the height.
    """
    step = 256 // _BINS
    bins, tops = zip(
        *(binned(channel.histogram, _BINS, window) for channel in channels), strict=True
    )
    top = max(tops)
    colors = CHANNEL_NAMES[len(channels)]
    return [
        (color, _points([min(count / top, 1.08) for count in counts], step))
        for color, counts in zip(colors, bins, strict=True)
    ]


def _points(heights: list[float], step: int) -> str:
    corners = [(0.0, 108.0)]
    for place, height in enumerate(heights):
        level = 108 - 100 * height
        corners += [(place * step, level), ((place + 1) * step, level)]
    corners.append((256.0, 108.0))
    return " ".join(f"{x:g},{y:.1f}" for x, y in corners)
