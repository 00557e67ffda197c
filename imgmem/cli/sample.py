"""`imgmem sample`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgmem.cli import options
from imgmem.cli.output import Output
from imgmem.core import specs
from imgmem.core.options.tables import SampleOptions

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from imgmem.core.sample.take import Sample


@options.command(
    "sample",
    SampleOptions,
    (specs.SampleSpec(),),
    examples=(
        "imgmem sample flowers                             shown in the terminal",
        "imgmem sample flowers --balanced -n 64 --out sheet.png",
        "imgmem sample flowers --group duplicates --out duplicates.jpg",
        "imgmem sample flowers --query class=cat,split=val --out batch.npz",
        "imgmem sample flowers --split val -n 100000 --group class --out val/",
        "imgmem sample flowers --rows 17                   where row 17 came from",
    ),
)
@options.path_argument("dataset")
def command(dataset: str, output: Output, **given: Any) -> None:
    """Preview rows of DATASET, or export them with --out.

    Images are shown de-normalized; exported batches hold training values.
    """
    from imgmem.core.sample.operation import sample

    out = given.get("out")
    output.run(
        lambda _: sample(dataset, **given),
        lambda console, result: _show(console, result, out),
        lambda result: _body(result, out),
    )


def _body(sample: "Sample", out: str | None) -> dict[str, Any]:
    """What JSON shows: where the rows came from, not their values; a folder lists that itself."""
    rows = [asdict(origin) for origin in sample.sources]
    groups = [{"title": title, "rows": count} for title, count in sample.groups]
    return {"path": sample.path, "out": out, "groups": groups, "rows": rows}


def _show(console: "Console", sample: "Sample", out: str | None) -> None:
    """Images where they can be seen, then where each row came from."""
    from imgmem.cli.preview import show_pictures
    from imgmem.cli.render import printable

    if not len(sample.rows):
        console.print("No matching rows" + ("." if out is None else "; nothing written."))
        return
    if out is not None:
        console.print(f"{len(sample.rows)} rows written to {printable(out)}", soft_wrap=True)
        return
    if console.is_terminal:
        show_pictures(console, sample)
    console.print(_origins(sample))


def _origins(sample: "Sample") -> "Table":
    from imgmem.cli.render import printable, table

    names = ("row", "split", "label", "digest", "pixels", "path")
    lines = table(*names, left=names[1:], overflow="fold")
    for origin in sample.sources:
        known = (origin.split or "", origin.shown_label or "", origin.digest[:12])
        size = f"{origin.height}x{origin.width}"
        lines.add_row(str(origin.row), *map(printable, known), size, printable(origin.path))
    return lines
