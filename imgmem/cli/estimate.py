"""`imgmem estimate`."""

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from imgmem.cli import options
from imgmem.cli.types import BYTES
from imgmem.core import specs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from imgmem.core.estimate.operation import Estimate, Images
    from imgmem.core.estimate.verdicts import NaiveForecast

_SPEC = specs.EstimateSpec()
_STAGES = {
    "read": "list of images",
    "array": "np.array(list)",
    "load": "np.load",
    "float": "to float",
    "standardize": "standardize",
}


@click.command(
    "estimate",
    epilog=options.examples(
        "imgmem estimate photos                 at 224x224, beside what build takes",
        "imgmem estimate photos --size native   the images as they are",
        "imgmem estimate photos --limit 8GiB    exit 1 if the naive peak is over it",
        "imgmem estimate millions --sample 5000  a forecast with its uncertainty",
        "imgmem estimate flowers                a dataset: by its dataset.json",
    ),
)
@options.path_argument("path")
@options.image_options
@options.dtype_option
@options.labels_option
@options.columns_option
@options.target_option
@click.option(
    "--float-dtype",
    type=click.Choice(specs.FLOAT_DTYPES),
    default=_SPEC.float_dtype,
    show_default=True,
    help="Of the dataset after normalize.",
)
@click.option(
    "--out", type=click.Path(path_type=str), help="Where build would write.  [default: .]"
)
@click.option("--sample", type=click.IntRange(1), help="Read the headers of so many images only.")
@click.option("--limit", type=BYTES, help="Fail if the naive conversion takes more.")
@click.option(
    "--naive-dtype",
    type=click.Choice(specs.NAIVE_DTYPES),
    default=_SPEC.naive_dtype,
    show_default=True,
    help="The naive conversion that --limit judges.",
)
@options.run_options
@options.output_options
def command(
    path: str, out: str | None, image: specs.ImageSpec, run: specs.RunSpec, **given: Any
) -> None:
    """Forecast the memory that PATH takes, naively and with imgmem.

    PATH is a source as build takes it, or a dataset. Only headers are read. The naive
    conversion puts all images into a list, the list into an array, the array into floats.
    """
    from imgmem.cli.progress import shown
    from imgmem.cli.render import emit
    from imgmem.core.estimate.operation import estimate, limit_check

    names = given.keys() & {field.name for field in fields(specs.EstimateSpec)}
    spec = specs.EstimateSpec(image=image, **{name: given[name] for name in names})
    with shown(quiet=given["quiet"]) as progress:
        result = estimate(path, spec=spec, out=out, run=run, progress=progress)
    emit(
        "estimate",
        result,
        lambda console: _show(console, result),
        as_json=given["as_json"],
        quiet=given["quiet"],
        check=limit_check(result, spec),
    )


def _show(console: "Console", result: "Estimate") -> None:
    """What was found, the naive stages by dtype with their verdicts, and what imgmem takes."""
    for name, value in _facts(result):
        console.print(f"{name:<10}{value}", soft_wrap=True)
    columns = _columns(result)
    console.print()
    console.print(_stages(columns))
    for dtype, naive in columns.items():
        style = "" if naive.fits else "bold red"
        console.print(f"{dtype:<10}{naive.verdict}", style=style, soft_wrap=True)
    console.print()
    console.print(_needs(result))


def _columns(result: "Estimate") -> "dict[str, NaiveForecast]":
    """The naive conversions; only one where they all end in the list."""
    every = result.naive
    return every if result.images.row_shape else dict(list(every.items())[:1])


def _facts(result: "Estimate") -> Iterator[tuple[str, str]]:
    """Name and text of each line above the tables."""
    from imgmem.cli.render import counted, printable
    from imgmem.core.units import format_bytes

    images = result.images
    yield result.kind, f"{printable(result.path)}: {_sizes(images)}"
    if images.row_shape:
        yield "rows", f"{images.rows} x {' x '.join(map(str, images.row_shape))}"
    if images.error:
        yield (
            "sampled",
            f"{images.examined} headers of {images.listed}: {images.error:.1%} either way",
        )
    if images.rejected:
        yield "rejected", counted(images.rejected)
    if images.ignored:
        yield "ignored", counted(images.ignored)
    yield from (("note", printable(note)) for note in images.notes)
    available = result.available
    yield (
        "memory",
        f"{format_bytes(available.memory_bytes)} for a process here (limit: {available.limit})",
    )
    yield "disk", f"{format_bytes(available.disk_bytes)} free in {printable(available.directory)}"


def _sizes(images: "Images") -> str:
    (small, large), count = (_by(images.smallest), _by(images.largest)), images.sizes
    spread = f"of {small}" if count == 1 else f"of {count} sizes, {small} to {large}"
    return f"{images.listed} images {spread} pixels"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _stages(columns: "dict[str, NaiveForecast]") -> "Table":
    """Memory by stage and dtype of the naive conversion."""
    from imgmem.core.units import format_bytes

    table = _table("naive conversion", *columns)
    rows: dict[str, dict[str, str]] = {}
    for dtype, naive in columns.items():
        for stage in naive.stages:
            rows.setdefault(stage.name, {})[dtype] = format_bytes(stage.bytes)
    for name, row in rows.items():
        table.add_row(_STAGES[name], *(row.get(dtype, "") for dtype in columns))
    table.add_row("peak", *map(_peak, columns.values()), style="bold")
    table.add_row("images at once", *(f"{naive.largest_batch:,}" for naive in columns.values()))
    return table


def _table(first: str, *others: str) -> "Table":
    """A plain table with numbers in all columns but the first."""
    from rich.table import Table

    table = Table(first, box=None, padding=(0, 3, 0, 0), pad_edge=False)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _peak(naive: "NaiveForecast") -> str:
    from imgmem.core.units import format_bytes

    doubt = f" ± {format_bytes(naive.error_bytes)}" if naive.error_bytes else ""
    return format_bytes(naive.peak_bytes) + doubt


def _needs(result: "Estimate") -> "Table":
    """Memory and disk that imgmem's own commands take."""
    from imgmem.cli.render import printable
    from imgmem.core.units import format_bytes

    table = _table("imgmem", "memory", "disk")
    table.add_column()
    for name, need in (("build", result.build), ("normalize", result.normalize)):
        if need:
            disk = ("+" if name == "normalize" else "") + format_bytes(need.disk_bytes)
            table.add_row(name, format_bytes(need.memory_bytes), disk, printable(need.verdict))
    if not result.images.row_shape:
        table.add_row("build", "", "", "needs images of one size: give --size")
    return table
