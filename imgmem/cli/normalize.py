"""`imgmem normalize`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from imgmem.cli import options
from imgmem.cli.output import Output
from imgmem.core import specs
from imgmem.core.options.tables import NormalizeOptions

if TYPE_CHECKING:
    from rich.console import Console

    from imgmem.core.normalize.operation import NormalizeResult
    from imgmem.core.storage.record import Normalization


@options.command(
    "normalize",
    NormalizeOptions,
    (specs.NormalizeSpec(), specs.RunSpec()),
    examples=(
        "imgmem normalize flowers                  mean 0, std 1 per channel",
        "imgmem normalize flowers --method rescale --dtype float16",
        "imgmem normalize flowers --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        "imgmem normalize test --stats-from flowers",
        "imgmem normalize flowers --on-read        X.npy stays uint8",
        "imgmem normalize flowers --to normalized  flowers stays as it is",
        "imgmem normalize flowers --undo           restores the original exactly",
    ),
)
@options.path_argument("dataset")
def command(dataset: str, output: Output, **given: Any) -> None:
    """Normalize the features of DATASET in place, in bounded memory.

    Safe to interrupt, even by power loss: rerun to resume, or --undo to roll back. If it has
    already been done, it does nothing.
    """
    from imgmem.core.normalize.operation import normalize

    output.run(lambda progress: normalize(dataset, progress=progress, **given), _show)


def _show(console: "Console", result: "NormalizeResult") -> None:
    """What became of the dataset, in a few lines."""
    from imgmem.cli import render

    where, shape = render.printable(result.to or result.path), " x ".join(map(str, result.shape))
    if result.status == "undone":
        console.print(f"restored {where}: {result.dtype} {shape}", soft_wrap=True)
    else:
        console.print(f"{where} is {result.status}: {result.dtype} {shape}", soft_wrap=True)
    render.facts(console, _facts(result))


def _facts(result: "NormalizeResult") -> Iterator[tuple[str, str]]:
    """The recorded normalization, the warnings and the memory."""
    from imgmem.cli.render import printable
    from imgmem.core.units import format_bytes

    if result.normalization is not None:
        yield "method", _method(result.normalization)
        yield "offset", _numbers(result.normalization.offset)
        yield "scale", _numbers(result.normalization.scale)
    yield from (("warning", printable(warning)) for warning in result.warnings)
    yield from (("note", printable(note)) for note in result.notes)
    yield "memory", f"peak {format_bytes(result.peak_memory)} of {format_bytes(result.memory)}"


def _method(done: "Normalization") -> str:
    rows = "" if done.rows is None else f", from rows {done.rows[0]} to {done.rows[1] - 1}"
    split = "" if done.split is None else f" ({done.split})"
    return f"{done.method}{rows}{split}{', on read' if done.on_read else ''}"


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{number:.6g}" for number in values)
