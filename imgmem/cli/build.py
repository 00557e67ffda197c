"""`imgmem build`."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from imgmem.cli import options
from imgmem.cli.output import Output
from imgmem.core import specs
from imgmem.core.errors import UsageError
from imgmem.core.options.tables import OUTPUT, BuildOptions

if TYPE_CHECKING:
    from rich.console import Console

    from imgmem.core.build.result import BuildResult


@options.command(
    "build",
    BuildOptions,
    (specs.BuildSpec(), specs.RejectPolicy(), specs.OutPolicy(), specs.RunSpec()),
    examples=(
        "imgmem build photos flowers                           photos/CLASS/*.jpg",
        "imgmem build photos flowers --split train=0.8,val=0.2     stratified",
        "imgmem build photos flowers --size 180x320 --fit crop     height x width",
        "imgmem build photos flowers --dry-run                 what would be built",
        "imgmem build photos flowers --update                  decode what changed",
        "imgmem build photos try --limit 100                   quick test",
        "imgmem build office out --labels parent               photos/any/CLASS/*.jpg",
        "imgmem build new more --classes flowers               reuse class indices",
        "imgmem build 2026-10 2026-11 all                      one dataset of both",
        "imgmem build photos.tar flowers --on-error skip       skip bad images",
    ),
)
@options.path_argument("source", several=True, required=False)
@options.path_argument("out")
@click.option(
    "--dry-run",
    cls=options.TableOption,
    heading=OUTPUT,
    variable=False,
    is_flag=True,
    help="Show classes, splits and doubts; decode and write nothing.",
)
def command(
    out: str, output: Output, source: tuple[str, ...] = (), dry_run: bool = False, **given: Any
) -> None:
    """Stream the images of SOURCE into a dataset, in bounded memory.

    SOURCE is a folder of class folders, a flat folder, a .csv or .tsv list, a .tar, .zip or
    .npz, or a dataset. Rerun the same command to resume after an interruption; if OUT is up to
    date, it does nothing. Several SOURCEs are built into one dataset.
    """
    if not source:
        raise UsageError("OUT is missing", hint="See `imgmem build --help`.")
    if dry_run:
        from imgmem.cli.preview_build import preview

        preview(source, out, output, sys.argv[1:], **given)
        return
    from imgmem.core.build.operation import build

    output.run(lambda progress: build(source, out, progress=progress, **given), _show)


def _show(console: "Console", result: "BuildResult") -> None:
    """The dataset in a few lines: what is in it, what was left out, what it took."""
    from imgmem.cli import render

    shape = f"{' x '.join(map(str, result.shape))} {result.dtype}"
    if result.already_done:
        console.print(f"{render.printable(result.path)} is up to date: {shape}. Nothing to do.")
        render.facts(console, _notes(result))
        return
    render.facts(console, _facts(result, shape))


def _facts(result: "BuildResult", shape: str) -> Iterator[tuple[str, str]]:
    from imgmem.cli.render import format_counts, printable
    from imgmem.core.units import format_bytes

    yield "dataset", f"{printable(result.path)}: {shape}"
    yield "labels", "" if result.target is None else f"by {result.rule}"
    if result.target == "number":
        yield "numbers", ", ".join(map(printable, result.target_names))
    else:
        yield "classes", format_counts(result.class_counts or {}) or "none (no labels)"
    yield "splits", format_counts(result.splits)
    yield "update", result.changes
    if result.resumed_at:
        yield "resumed", f"at image {result.resumed_at} of {result.images}"
    if result.rejected:
        yield "rejected", f"{format_counts(result.rejected)} (rejected.csv)"
    yield "converted", format_counts(result.converted)
    yield "ignored", format_counts(result.ignored)
    yield "memory", f"peak {format_bytes(result.peak_memory)} of {format_bytes(result.memory)}"
    yield from _notes(result)


def _notes(result: "BuildResult") -> Iterator[tuple[str, str]]:
    from imgmem.cli.render import printable

    return (("note", printable(note)) for note in result.notes)
