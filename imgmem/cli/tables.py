"""The statistics of a dataset as tables and bars."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from imgmem.cli import render
from imgmem.cli.render import format_counts, printable
from imgmem.cli.spelling import for_terminal
from imgmem.core.levels.histograms import binned
from imgmem.core.rows.origins import RowOrigin
from imgmem.core.specs import ALL, CHANNEL_NAMES
from imgmem.core.stats.compare import CLASSES_SHOWN, Comparison, side_by_side
from imgmem.core.stats.describe import Channel, ClassRows, DatasetStats
from imgmem.core.stats.differences import KINDS, Difference
from imgmem.core.stats.findings import Finding, Item, without_repeats
from imgmem.core.stats.kinds import FINDINGS
from imgmem.core.stats.targets import QUANTILES, LabelSets, NumberTarget
from imgmem.core.text import counted
from imgmem.core.units import format_bytes

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ITEMS_SHOWN = 3
ROWS_SHOWN = 4
PAIRS_SHOWN = 6
FEW_CLASSES = 10
"""So many are shown where there are more than CLASSES_SHOWN: the findings come after them."""
BAR, SHORT_BAR = 24, 8
"""Columns of the longest bar, and next to the pixel values of --by-class."""
_WIDEST = 1000
"""Columns, of a console on which every table fits."""
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_TITLES = {kind.name: kind.title for kind in FINDINGS}


def show_stats(console: "Console", stats: DatasetStats) -> None:
    """Everything, from the general to the particular."""
    render.facts(console, _facts(stats))
    if stats.classes:
        console.print()
        console.print(_fitting(console, _class_tables(stats, _fine(console))))
    if stats.numbers:
        console.print()
        ways = [True, False] if _fine(console) else [False]
        console.print(_fitting(console, (_numbers(stats.numbers, fine) for fine in ways)))
    console.print()
    console.print(_channels(stats, _fine(console)))
    if stats.standardize:
        rows = stats.standardize.split or ALL
        line = f": {stats.standardize.line}" if stats.standardize.line else ""
        console.print(
            f"normalize would use the mean and std of {printable(rows)}{line}", soft_wrap=True
        )
    for line in (
        *_findings(stats.findings, stats.shape[0]),
        *(f"\nnote: {for_terminal(note)}" for note in stats.notes),
    ):
        console.print(line, soft_wrap=True)


def _fine(console: "Console") -> bool:
    """Whether block characters can be shown."""
    return console.encoding.lower().startswith("utf")


def _facts(stats: DatasetStats) -> Iterator[tuple[str, str]]:
    shape = " x ".join(map(str, stats.shape))
    yield "dataset", f"{printable(stats.path)}: {shape} {stats.dtype}"
    if stats.split:
        yield "split", printable(stats.split)
    elif stats.splits:
        yield "splits", format_counts(stats.splits)
    yield "on disk", format_bytes(stats.bytes)
    yield "sources", f"{format_counts(stats.sources.formats)}; {_sizes(stats)}"
    if stats.label_sets:
        yield from _label_sets(stats.label_sets)
    done = stats.normalization
    if done:
        line = f": {stats.line}" if stats.line else ""
        on_read = " on reading" if done.on_read else ""
        yield "normalized", f"{done.method} to {done.dtype}{on_read}{line}"
    if stats.balance:
        yield "balance", f"{stats.balance:.3g} (largest class ÷ smallest)"
    elif stats.classes:
        empty = [each.name for each in stats.classes if not each.rows]
        yield "balance", f"without rows: {', '.join(map(printable, empty[:10]))}"
    if stats.verified:
        yield "verified", "all checksums match"
    yield "memory", f"peak {format_bytes(stats.peak_memory)} of {format_bytes(stats.memory)}"


def _label_sets(sets: LabelSets) -> Iterator[tuple[str, str]]:
    none = f", {counted(sets.by_labels[0], 'row')} without any" if sets.by_labels[0] else ""
    yield "labels", f"{sets.mean:.3g} per row on average{none}"
    pairs = [f"{printable(p.a)} + {printable(p.b)} {p.rows:,}" for p in sets.pairs[:PAIRS_SHOWN]]
    if pairs:
        yield "together", ", ".join(pairs) + (", …" if len(sets.pairs) > len(pairs) else "")


def _fitting(console: "Console", tables: Iterable["Table"]) -> "Table":
    """The first table that a console shows without cutting it, or the last."""
    unbounded = console.options.update(max_width=_WIDEST)
    for table in tables:
        if console.measure(table, options=unbounded).maximum <= console.width:
            break
    return table


def _numbers(numbers: list[NumberTarget], fine: bool) -> "Table":
    """A line for each number, of all rows and of each split. fine: with histograms."""
    quantiles = [f"{share:.0%}" for share in QUANTILES]
    shape = ("histogram",) if fine else ()
    columns = ("rows", "count", "mean", "std", "min", *quantiles, "max", *shape)
    table = render.table("number", *columns, left=("number", "rows", *shape))
    for at, column in enumerate(table.columns):
        column.min_width, column.no_wrap = 6, at > 1  # names are broken before figures are cut
    for number in numbers:
        for part, rows in number.parts.items():
            figures = (rows.mean, rows.std, rows.minimum, *rows.quantiles, rows.maximum)
            line = [_bars(rows.histogram)] if fine else []
            shown = (printable(number.name), printable(part), f"{rows.rows:,}")
            table.add_row(*shown, *(f"{figure:.4g}" for figure in figures), *line)
    return table


def _bars(counts: list[int]) -> str:
    """A histogram in half as many columns."""
    pairs = [a + b for a, b in zip(counts[::2], counts[1::2], strict=True)]
    top = max(*pairs, 1)
    return "".join(_EIGHTHS[-(-8 * count // top)] for count in pairs)


def _sizes(stats: DatasetStats) -> str:
    """The sources' sizes, as smallest, median and largest."""
    spread = zip(stats.sources.heights, stats.sources.widths, strict=True)
    low, middle, high = (f"{height:.0f}x{width:.0f}" for height, width in spread)
    return f"{low} to {high} pixels, median {middle}" if low != high else f"{low} pixels"


def _class_tables(stats: DatasetStats, fine: bool) -> Iterator["Table"]:
    """The classes in ever narrower tables."""
    splits = [] if stats.split else list(stats.splits)
    yield _classes(stats, splits, BAR, fine)
    yield _classes(stats, splits, SHORT_BAR, fine)
    yield _classes(stats, [], BAR, fine)


def _classes(stats: DatasetStats, splits: list[str], longest: int, fine: bool) -> "Table":
    """A line a class: its rows, by split, and a bar; with --by-class its pixel values."""
    classes = stats.classes or []
    levels = ("mean", "std") if any(each.mean for each in classes) else ()
    table = render.table(
        "class", "label", "rows", *map(printable, splits), *levels, "", left=("class", "")
    )
    table.columns[0].overflow, table.columns[0].max_width = "ellipsis", 40
    most = max(each.rows for each in classes)
    for each in _worth_showing(classes):
        of_splits = [str(each.splits.get(split, 0)) for split in splits]
        bar = _bar(each.rows / max(most, 1), SHORT_BAR if levels else longest, fine)
        table.add_row(
            printable(each.name),
            str(each.label),
            f"{each.rows:,}",
            *of_splits,
            *_gray(each, levels),
            bar,
        )
    if len(classes) > CLASSES_SHOWN:
        table.add_row(f"and {len(classes) - FEW_CLASSES} smaller ones")
    return table


def _gray(each: ClassRows, wanted: tuple[str, ...]) -> list[str]:
    figures = {"mean": each.mean, "std": each.std}
    return [" ".join(f"{level:5.1f}" for level in figures[name] or ()) for name in wanted]


def _worth_showing(classes: list[ClassRows]) -> list[ClassRows]:
    """All classes in their order, or the largest where there are many."""
    if len(classes) <= CLASSES_SHOWN:
        return classes
    return sorted(classes, key=lambda each: -each.rows)[:FEW_CLASSES]


def _bar(share: float, longest: int, fine: bool) -> str:
    """A horizontal bar, in eighths of a column where they can be shown."""
    if not fine:
        return "#" * round(share * longest)
    eighths = round(share * longest * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _channels(stats: DatasetStats, fine: bool) -> "Table":
    """A line for each channel of all rows and of each split."""
    some = f", every {stats.histogram_step}th row" if stats.histogram_step > 1 else ""
    low, high = stats.window
    histogram = (f"pixel values {low:g}-{high:g}{some}",) if fine else ()
    columns = ("channel", "mean", "std", "min", "max", *histogram)
    table = render.table("rows", *columns, left=("rows", "channel", *histogram))
    for name, channels in stats.channels.items():
        for color, channel in zip(CHANNEL_NAMES[len(channels)], channels, strict=True):
            figures = (channel.mean, channel.std, channel.minimum, channel.maximum)
            line = [_sparkline(channel, stats.window)] if fine else []
            table.add_row(printable(name), color, *map(_number, figures), *line)
    return table


def _number(value: float) -> str:
    """Six digits, without the dust that sums of floats leave around zero."""
    return f"{round(value, 6) + 0.0:.6g}"


def _sparkline(channel: Channel, window: tuple[float, float]) -> str:
    """The histogram in 32 columns; peaks at the ends, where levels are clipped, are cut."""
    counts, top = binned(channel.histogram, 32, window)
    return "".join(_EIGHTHS[min(8, -(-8 * count // top))] for count in counts)


def show_comparison(console: "Console", both: Comparison) -> None:
    """Two datasets side by side, then what they have in common."""
    for letter, stats in (("A", both.a), ("B", both.b)):
        console.print(f"{letter}  {printable(stats.path)}", soft_wrap=True)
    console.print()
    table = render.table("", "A", "B", left=("",))
    for name, values in side_by_side(both):
        table.add_row(printable(name), *values)
    console.print(table)
    console.print()
    console.print(
        f"{both.rows_in_b} rows of A are in B, {both.rows_in_a} rows of B are in A "
        "(the same source bytes)"
    )
    if both.relabelled:
        console.print(f"{both.relabelled} of them have another label in B")
    for line in _differences(both.differences):
        console.print(line, soft_wrap=True)


def _differences(found: list[Difference]) -> Iterator[str]:
    if not found:
        yield "\nBoth have the same rows."
    for each in found:
        yield f"\n{each.kind} {each.count}: {KINDS[each.kind]}"
        for pair in each.rows[:ITEMS_SHOWN]:
            yield "  " + " -> ".join(_place(row) for row in (pair.a, pair.b) if row)
        if each.count > ITEMS_SHOWN:
            yield f"  and {each.count - ITEMS_SHOWN} more (--json lists them)"


def _place(row: RowOrigin) -> str:
    """A row of one of two datasets, with what may differ."""
    where = (f"row {row.row}", row.shown_label, row.split)
    return f"{printable(row.path)} ({', '.join(printable(part) for part in where if part)})"


def _findings(findings: list[Finding], rows: int) -> Iterator[str]:
    if not findings:
        yield "\nNo problems found: no leaks, no duplicates, no blank or blurred images."
    listed = without_repeats(findings)
    for finding in findings:
        limits = "".join(f" ({name}={value:g})" for name, value in finding.threshold.items())
        yield f"\n{finding.kind} {finding.count}: {_TITLES[finding.kind]}{limits}"
        if finding.threshold and finding.count > rows / 2:
            name = next(iter(finding.threshold))
            yield f"  that is most of {rows} rows: set another limit, --threshold {name}=..."
        items, repeated = listed[finding.kind]
        yield from (f"  {_item(item)}" for item in items[:ITEMS_SHOWN])
        if repeated:
            yield f"  {repeated} listed above"
        rest = finding.count - repeated - len(items[:ITEMS_SHOWN])
        if rest > 0:
            yield f"  and {rest} more (--json lists them)"


def _item(item: Item) -> str:
    """A row and its figure, or the rows of a group."""
    if len(item.rows) == 1:
        value = "" if item.value is None else f"{item.value:.4g}  "
        return value + _row(item.rows[0])
    rest = len(item.rows) - ROWS_SHOWN
    more = f" and {rest} more" if rest > 0 else ""
    if item.exact:
        return " = ".join(map(_row, item.rows[:ROWS_SHOWN])) + more
    if item.distance is None:
        return " & ".join(map(_row, item.rows[:ROWS_SHOWN])) + more
    bits = "1 bit" if item.distance == 1 else f"{item.distance} bits"
    return " ~ ".join(map(_row, item.rows[:ROWS_SHOWN])) + f"{more}  [{bits}]"


def _row(source: RowOrigin) -> str:
    where = ", ".join(part for part in (f"row {source.row}", source.split) if part)
    return f"{printable(source.path)} ({printable(where)})"
