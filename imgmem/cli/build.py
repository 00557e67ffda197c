"""`imgmem build`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from imgmem.cli import options
from imgmem.cli.types import MAX_REJECTS, SPLITS
from imgmem.core import specs

if TYPE_CHECKING:
    from rich.console import Console

    from imgmem.core.build.operation import BuildResult

_SPEC = specs.BuildSpec()
_POLICY = specs.RejectPolicy()


@click.command(
    "build",
    epilog=options.examples(
        "imgmem build photos flowers                           photos/CLASS/*.jpg",
        "imgmem build photos flowers --split train=0.8,val=0.2     stratified",
        "imgmem build photos flowers --size 180x320 --fit crop     height x width",
        "imgmem build photos try --limit 100                   a quick try",
        "imgmem build new more --classes flowers               the same class numbers",
        "imgmem build photos.tar flowers --on-error skip       leave bad images out",
    ),
)
@options.path_argument("source")
@options.path_argument("out")
@options.image_options
@options.dtype_option
@options.labels_option
@options.columns_option
@options.target_option
@click.option(
    "--classes",
    type=click.Path(path_type=str),
    metavar="FILE|DATASET",
    help="Pin the names and numbers of the classes: a line each, or another dataset's.",
)
@click.option("--split", "splits", type=SPLITS, default="", help="Such as train=0.8,val=0.2.")
@click.option(
    "--auto-split/--no-auto-split",
    default=_SPEC.auto_split,
    show_default=True,
    help="Take folders train, val, test for splits.",
)
@click.option("--shuffle", is_flag=True, help="Permute the rows inside each split.")
@click.option(
    "--seed", type=int, default=_SPEC.seed, show_default=True, help="For --split and --shuffle."
)
@click.option("--limit", type=click.IntRange(1), help="Only so many images, over all classes.")
@click.option(
    "--on-error",
    type=click.Choice(specs.ON_ERROR),
    default=_POLICY.on_error,
    show_default=True,
    help="At an image that cannot be trusted.",
)
@click.option(
    "--max-rejects", type=MAX_REJECTS, help="With skip: more than this, such as 100 or 1%, fail."
)
@options.run_options
@click.option("--no-fsync", is_flag=True, help="Faster on slow disks, but no proof to power cuts.")
@click.option("--overwrite", is_flag=True, help="Replace OUT once the new dataset is complete.")
@click.option("--restart", is_flag=True, help="Drop an unfinished build of OUT and begin anew.")
@options.output_options
def command(
    source: str, out: str, image: specs.ImageSpec, run: specs.RunSpec, **given: Any
) -> None:
    """Stream the images of SOURCE into a dataset, in bounded memory.

    SOURCE is a folder of class folders, a flat folder, a .csv or .tsv list, a .tar or .zip, or
    a dataset. Interrupted, the same command goes on where it stopped; on a finished OUT it
    does nothing.
    """
    from imgmem.cli.progress import shown
    from imgmem.cli.render import emit
    from imgmem.core.build.classes import read_classes
    from imgmem.core.build.operation import build

    classes = given["classes"] and read_classes(given["classes"])
    names = (
        "dtype",
        "labels",
        "columns",
        "target",
        "splits",
        "auto_split",
        "shuffle",
        "seed",
        "limit",
    )
    spec = specs.BuildSpec(image=image, classes=classes, **{name: given[name] for name in names})
    policy = specs.RejectPolicy(on_error=given["on_error"], max_rejects=given["max_rejects"])
    with shown(quiet=given["quiet"]) as progress:
        result = build(
            source,
            out,
            spec=spec,
            policy=policy,
            run=replace(run, fsync=not given["no_fsync"]),
            overwrite=given["overwrite"],
            restart=given["restart"],
            progress=progress,
        )
    emit(
        "build",
        result,
        lambda console: _show(console, result, out),
        as_json=given["as_json"],
        quiet=given["quiet"],
    )


def _show(console: "Console", result: "BuildResult", out: str) -> None:
    """The dataset in a few lines: what is in it, what was left out, what it took."""
    from imgmem.cli.render import counted, printable
    from imgmem.core.units import format_bytes

    rows, height, width, depth = result.shape
    shape = f"{rows} x {height} x {width} x {depth} {result.dtype}"
    if result.already_done:
        console.print(f"{printable(out)} is up to date: {shape}. Nothing to do.")
        return
    lines = {
        "dataset": f"{printable(out)}: {shape}",
        "classes": counted(result.class_counts or {}) or "none (no labels)",
        "splits": counted(result.splits),
        "resumed": result.resumed_at and f"at image {result.resumed_at} of {result.images}",
        "rejected": counted(result.rejected) and f"{counted(result.rejected)} (rejected.csv)",
        "converted": counted(result.converted),
        "ignored": counted(result.ignored),
        "memory": f"peak {format_bytes(result.peak_memory)} of {format_bytes(result.memory)}",
    }
    for name, value in lines.items():
        if value:
            console.print(f"{name:<10}{value}", soft_wrap=True)
    for note in result.notes:
        console.print(f"{'note':<10}{printable(note)}", soft_wrap=True)
