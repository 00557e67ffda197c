"""`imgmem estimate`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from imgmem.cli import options
from imgmem.cli.output import Output
from imgmem.core import specs
from imgmem.core.options.tables import EstimateOptions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from imgmem.core.estimate.operation import Estimate, Images
    from imgmem.core.estimate.verdicts import NaiveForecast

_STAGES = {
    "read": "list of images",
    "array": "np.array(list)",
    "load": "np.load",
    "float": "to float",
    "standardize": "standardize",
}


@options.command(
    "estimate",
    EstimateOptions,
    (specs.EstimateSpec(), specs.RunSpec()),
    examples=(
        "imgmem estimate photos                 at 224x224, compared with build",
        "imgmem estimate photos --size native   the images as they are",
        "imgmem estimate photos --limit 8GiB    exit 1 if the naive peak is over it",
        "imgmem estimate millions --sample 5000  a forecast with its uncertainty",
        "imgmem estimate flowers                a dataset, from its dataset.json",
    ),
)
@options.path_argument("path", several=True)
def command(path: tuple[str, ...], output: Output, **given: Any) -> None:
    """Predict the memory needed to convert PATH, naively and with imgmem.

    PATH is a source for build, or several, or a dataset. Only headers are read. The naive
    conversion makes a list of all images, an array of the list, and floats of the array.
    """
    from imgmem.core.estimate.operation import estimate

    output.run(lambda progress: estimate(path, progress=progress, **given), _show)


def _show(console: "Console", result: "Estimate") -> None:
    """What was found, the naive stages by dtype with their verdicts, and what imgmem takes."""
    from imgmem.cli import render

    render.facts(console, _facts(result))
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
    from imgmem.cli.render import format_counts, printable
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
    if images.class_counts:
        yield "classes", f"by {images.rule}: {format_counts(images.class_counts)}"
    yield "splits", format_counts(images.splits)
    yield "rejected", format_counts(images.rejected)
    yield "ignored", format_counts(images.ignored)
    if images.requests:
        yield (
            "requests",
            f"{images.requests} to the store, plus one for each image with a long header",
        )
    yield from (("note", printable(note)) for note in images.notes)
    available = result.available
    yield (
        "memory",
        f"{format_bytes(available.memory_bytes)} for a process here (limit: {available.limit})",
    )
    free, place = format_bytes(available.disk_bytes), printable(available.directory)
    yield "disk", f"{free} free in {place} (quotas are not taken into account)"
    yield "growth", _growth(result)


def _growth(result: "Estimate") -> str:
    """Why a dataset is larger than its source, and which size there is room for."""
    from imgmem.core.units import format_bytes

    if result.build is None or not result.images.source_bytes:
        return ""
    files, dataset = result.images.source_bytes, result.build.disk_bytes
    said = f"{format_bytes(files)} of image files become {format_bytes(dataset)}"
    if dataset > files:
        said += f", {dataset / files:.1f} times as much: rows are stored uncompressed"
    if result.fitting_size:
        said += f"; --size {_by(result.fitting_size)} would fit"
    return said


def _sizes(images: "Images") -> str:
    (small, large), count = (_by(images.smallest), _by(images.largest)), images.sizes
    spread = f"of {small}" if count == 1 else f"of {count} sizes, {small} to {large}"
    return f"{images.listed} images {spread} pixels"


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _stages(columns: "dict[str, NaiveForecast]") -> "Table":
    """Memory by stage and dtype of the naive conversion."""
    from imgmem.cli import render
    from imgmem.core.units import format_bytes

    lines = render.table("naive conversion", *columns, left=["naive conversion"])
    rows: dict[str, dict[str, str]] = {}
    for dtype, naive in columns.items():
        for stage in naive.stages:
            rows.setdefault(stage.name, {})[dtype] = format_bytes(stage.bytes)
    for name, row in rows.items():
        lines.add_row(_STAGES[name], *(row.get(dtype, "") for dtype in columns))
    lines.add_row("peak", *map(_peak, columns.values()), style="bold")
    lines.add_row("max images in RAM", *(f"{naive.largest_batch:,}" for naive in columns.values()))
    return lines


def _peak(naive: "NaiveForecast") -> str:
    from imgmem.core.units import format_bytes

    doubt = f" ± {format_bytes(naive.error_bytes)}" if naive.error_bytes else ""
    return format_bytes(naive.peak_bytes) + doubt


def _needs(result: "Estimate") -> "Table":
    """Memory and disk that imgmem's own commands take."""
    from imgmem.cli import render
    from imgmem.core.units import format_bytes

    lines = render.table("imgmem", "memory", "disk", "", left=("imgmem", ""))
    for name, need in (("build", result.build), ("normalize", result.normalize)):
        if need:
            disk = ("+" if name == "normalize" else "") + format_bytes(need.disk_bytes)
            lines.add_row(
                name, format_bytes(need.memory_bytes), disk, render.printable(need.verdict)
            )
    if result.normalize:
        lines.add_row("normalize --on-read", "", "+0 B", "X.npy stays as it is")
    if not result.images.row_shape:
        lines.add_row("build", "", "", "images differ in size; pass --size")
    return lines
