"""`imgmem build --dry-run`: what a build would do, as a table or JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from imgmem.cli import render
from imgmem.cli.output import Output
from imgmem.cli.remedies import with_commands

if TYPE_CHECKING:
    from rich.console import Console

    from imgmem.core.build.preview import BuildPreview

_CLASSES = 40
"""Classes that the table shows."""


def preview(
    source: tuple[str, ...], out: str, output: Output, arguments: list[str], **given: Any
) -> None:
    """Show what `build` would do; ends with the error that it would end with."""
    from imgmem.cli.progress import progress_display
    from imgmem.core.build.preview import preview_build

    with progress_display(quiet=output.quiet) as progress:
        found = preview_build(source, out, progress=progress, **given)
    if found.problem is not None and "doubts" in found.problem.facts:
        found.problem.facts["doubts"] = with_commands(found.problem.facts["doubts"], arguments)
    body = asdict(found) | {"dry_run": True, "doubts": with_commands(found.doubts, arguments)}
    del body["problem"]
    output.emit(body, lambda console: _show(console, found), found.problem)


def _show(console: "Console", found: "BuildPreview") -> None:
    render.facts(console, _facts(found))
    if found.target == "number" and not found.classes:
        console.print("Dry run: rows were not decoded, and nothing was written.")
        return
    table = render.table(
        "class",
        "number",
        "images",
        *map(render.printable, found.splits),
        "examples",
        left={"examples"},
    )
    for each in found.classes[:_CLASSES]:
        table.add_row(
            "(no label)" if each.name is None else render.printable(each.name),
            "" if each.number is None else str(each.number),
            str(each.images),
            *(str(each.splits[split]) for split in found.splits),
            ", ".join(map(render.printable, each.examples)),
        )
    console.print(table)
    if len(found.classes) > _CLASSES:
        console.print(f"and {len(found.classes) - _CLASSES} more classes")
    console.print("Dry run: rows were not decoded, and nothing was written.")


def _facts(found: "BuildPreview") -> Iterator[tuple[str, str]]:
    from imgmem.core.text import counted
    from imgmem.core.units import format_bytes

    yield "source", render.printable(found.source)
    changes = "up to date: nothing to do" if found.changes == "nothing" else found.changes
    yield "dataset", f"{render.printable(found.path)} ({render.printable(changes)})"
    yield "labels", f"by {found.rule}" if found.rule != "none" else "none"
    named = {each.name for each in found.classes} - {None}
    yield (
        "images",
        f"{found.images}" + (f" in {counted(len(named), 'class', 'classes')}" if named else ""),
    )
    for each in found.numbers:
        ends = "none" if each.minimum is None else f"{each.minimum:g} to {each.maximum:g}"
        yield "number", f"{render.printable(each.name)}: {ends}"
    yield "splits", render.format_counts(found.splits)
    yield "ignored", render.format_counts(found.ignored)
    if found.disk_bytes is not None:
        yield "disk", f"about {format_bytes(found.disk_bytes)}"
    yield from (("note", render.printable(note)) for note in found.notes)
    yield from (("doubt", render.printable(str(doubt["evidence"]))) for doubt in found.doubts)
