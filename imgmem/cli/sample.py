"""`imgmem sample`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from imgmem.cli import options
from imgmem.cli.types import Text
from imgmem.core import specs
from imgmem.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from imgmem.core.sample.operation import Sample

_SPEC = specs.SampleSpec()


def _rows(text: str) -> tuple[int, ...]:
    """3,17,20-25 as row numbers."""
    rows: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{part!r} is no row: write 3,17 or 20-25")
        rows.extend(range(int(first), int(last or first) + 1))
    return tuple(rows)


def _query(text: str) -> dict[str, list[str]]:
    """class=cat,class=dog,split=val as lists by name."""
    wanted: dict[str, list[str]] = {"class": [], "split": []}
    for part in filter(None, text.split(",")):
        name, sign, value = part.partition("=")
        if not sign or name.strip() not in wanted:
            raise ValueError(f"{part!r} is no query: write class=cat,split=val")
        wanted[name.strip()].append(value)
    if len(wanted["split"]) > 1:
        raise ValueError("rows cannot be in two splits")
    return wanted


@click.command(
    "sample",
    epilog=options.examples(
        "imgmem sample flowers                             in the terminal",
        "imgmem sample flowers --balanced -n 64 --out sheet.png",
        "imgmem sample flowers --group duplicates --out doubled.jpg",
        "imgmem sample flowers --query class=cat,split=val --out batch.npz",
        "imgmem sample flowers --rows 17                   where row 17 came from",
    ),
)
@options.path_argument("dataset")
@click.option(
    "-n",
    "--count",
    type=click.IntRange(1),
    help=f"How many rows.  [default: {specs.SAMPLE_COUNT}]",
)
@click.option("--balanced", is_flag=True, help="As many rows of each class.")
@click.option("--per-class", type=click.IntRange(1), help="So many rows of each class.")
@click.option("--rows", type=Text("3,17,20-25", _rows), default="", help="These rows.")
@click.option("--split", help="From this split only.")
@click.option(
    "--query",
    type=Text("class=cat,split=val", _query),
    default="",
    help="From these classes, this split.",
)
@click.option(
    "--group", type=click.Choice(specs.SAMPLE_GROUPS), help="Put what belongs together together."
)
@click.option("--seed", type=int, default=_SPEC.seed, show_default=True, help="Of the draw.")
@click.option(
    "--out",
    type=click.Path(path_type=str),
    help="A contact sheet (.png, .jpg), a batch (.npz, .npy), or a folder of pictures.",
)
@options.output_options
def command(dataset: str, out: str | None, **given: Any) -> None:
    """Show some rows of DATASET, or write them to --out.

    Pictures are in true colors, whatever normalization there is; batches hold the values
    that training gets.
    """
    from imgmem.cli.render import emit
    from imgmem.core.sample.exports import check_out, save
    from imgmem.core.sample.operation import sample

    if out is not None:
        check_out(out, dataset)
    result = sample(dataset, spec=_spec(given))
    if out is not None and len(result.rows):
        save(result, out)
    rows = [asdict(source) for source in result.sources]
    groups = [{"title": title, "rows": count} for title, count in result.groups]
    body = {"path": result.path, "out": out, "groups": groups, "rows": rows}
    emit(
        "sample",
        body,
        lambda console: _show(console, result, out),
        as_json=given["as_json"],
        quiet=given["quiet"],
    )


def _spec(given: dict[str, Any]) -> specs.SampleSpec:
    query, split = given["query"], given["split"]
    if split is not None and query["split"] not in ([], [split]):
        raise UsageError("--split and --query name different splits", hint="Leave one out.")
    names = ("count", "balanced", "per_class", "rows", "group", "seed")
    asked: dict[str, Any] = {name: given[name] for name in names}
    asked["split"] = next(iter(query["split"]), split)
    return specs.SampleSpec(classes=tuple(query["class"]), **asked)


def _show(console: "Console", sample: "Sample", out: str | None) -> None:
    """Pictures where they can be seen, then where each row came from."""
    from imgmem.cli.preview import show_pictures
    from imgmem.cli.render import printable

    if not len(sample.rows):
        console.print("No such rows." + ("" if out is None else " Nothing was written."))
        return
    if out is not None:
        console.print(f"{len(sample.rows)} rows written to {printable(out)}", soft_wrap=True)
        return
    if console.is_terminal:
        show_pictures(console, sample)
    _list(console, sample)


def _list(console: "Console", sample: "Sample") -> None:
    from rich.table import Table

    from imgmem.cli.render import printable

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("row", "split", "class", "digest", "pixels", "path"):
        table.add_column(name, justify="right" if name == "row" else "left", overflow="fold")
    for source in sample.sources:
        known = (source.split or "", source.class_name or "", source.digest[:12])
        size = f"{source.height}x{source.width}"
        table.add_row(str(source.row), *map(printable, known), size, printable(source.path))
    console.print(table)
