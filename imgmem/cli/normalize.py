"""`imgmem normalize`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import click

from imgmem.cli import options
from imgmem.cli.types import Text
from imgmem.core import specs
from imgmem.core.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from imgmem.core.normalize.operation import NormalizeResult

_SPEC = specs.NormalizeSpec()


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(number) for number in text.split(","))
    except ValueError:
        raise ValueError(f"{text!r} is not like 0.485,0.456,0.406") from None


_NUMBERS = Text("NUMBER,…", _numbers)


@click.command(
    "normalize",
    epilog=options.examples(
        "imgmem normalize flowers                  mean 0, std 1 per channel",
        "imgmem normalize flowers --method rescale --dtype float16",
        "imgmem normalize flowers --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225",
        "imgmem normalize test --stats-from flowers",
        "imgmem normalize flowers --on-read        X.npy stays uint8",
        "imgmem normalize flowers --to normalized  flowers stays as it is",
        "imgmem normalize flowers --undo           exactly the original again",
    ),
)
@options.path_argument("dataset")
@click.option(
    "--method",
    type=click.Choice(specs.METHODS),
    help="standardize: mean 0, std 1; rescale: 0-255 to 0-1; minmax: least and largest value "
    "to 0 and 1. All per channel, from the train split if there is one.  "
    f"[default: {_SPEC.method}]",
)
@click.option("--mean", type=_NUMBERS, help="Subtract these instead, one for each channel …")
@click.option("--std", type=_NUMBERS, help="… and divide by these.")
@click.option(
    "--scale",
    type=click.Choice(["1", "255"]),
    help="Whether --mean and --std speak of pixels from 0 to 1 or to 255.  "
    "[default: 1 if all are at most 1]",
)
@click.option(
    "--stats-from",
    type=click.Path(path_type=str),
    metavar="OTHER",
    help="Take the constants from another dataset.",
)
@click.option(
    "--dtype",
    type=click.Choice(specs.FLOAT_DTYPES),
    help=f"Of the values.  [default: {_SPEC.dtype}]",
)
@click.option("--on-read", is_flag=True, help="Leave uint8 on disk; readers normalize.")
@click.option("--to", type=click.Path(path_type=str), metavar="NEW", help="Write a new dataset.")
@click.option("--undo", is_flag=True, help="Give back the original.")
@options.run_options
@click.option("--no-fsync", is_flag=True, help="With --to: faster, but no proof to power cuts.")
@options.output_options
def command(dataset: str, run: specs.RunSpec, **given: Any) -> None:
    """Normalize the features of DATASET in place, in bounded memory.

    Interrupted, even by a power cut, the same command goes on where it stopped, and --undo
    goes back. Done already, it does nothing.
    """
    from imgmem.cli.progress import shown
    from imgmem.cli.render import emit
    from imgmem.core.normalize import operation

    spec = _spec(given)
    work: dict[str, Any] = {"run": replace(run, fsync=not given["no_fsync"]), "to": given["to"]}
    with shown(quiet=given["quiet"]) as progress:
        if given["undo"]:
            result = operation.undo(dataset, progress=progress, **work)
        else:
            result = operation.normalize(dataset, spec=spec, progress=progress, **work)
    emit(
        "normalize",
        result,
        lambda console: _show(console, result),
        as_json=given["as_json"],
        quiet=given["quiet"],
    )


def _spec(given: dict[str, Any]) -> specs.NormalizeSpec:
    """The options as a spec; UsageError where they contradict each other."""
    constants = {name: given[name] for name in ("mean", "std", "scale", "stats_from")}
    chosen = constants | {name: given[name] for name in ("method", "dtype", "on_read")}
    if given["undo"] and any(chosen.values()):
        names = ", ".join("--" + name.replace("_", "-") for name in chosen if chosen[name])
        raise UsageError(f"{names} and --undo contradict each other", hint="Leave out one.")
    by_numbers = given["mean"] is not None or given["std"] is not None
    if by_numbers and given["method"]:
        raise UsageError(
            "--mean and --std are a method of their own",
            hint=f"Leave out --method {given['method']}.",
        )
    method = "given" if by_numbers else given["method"] or _SPEC.method
    return specs.NormalizeSpec(
        method=cast(specs.Method, method),
        dtype=given["dtype"] or _SPEC.dtype,
        on_read=given["on_read"],
        **constants | {"scale": given["scale"] and int(given["scale"])},
    )


def _show(console: "Console", result: "NormalizeResult") -> None:
    """What became of the dataset, in a few lines."""
    from imgmem.cli.render import printable
    from imgmem.core.units import format_bytes

    where = printable(result.to or result.path)
    console.print(
        f"{where} is {result.status}: {result.dtype} {' x '.join(map(str, result.shape))}"
    )
    for name, value in _facts(result).items():
        console.print(f"{name:<10}{value}", soft_wrap=True)
    for warning in result.warnings:
        console.print(f"{'warning':<10}{printable(warning)}", soft_wrap=True)
    console.print(
        f"{'memory':<10}peak {format_bytes(result.peak_memory)} of {format_bytes(result.memory)}"
    )


def _facts(result: "NormalizeResult") -> dict[str, str]:
    """The recorded normalization as it is shown; nothing if there is none."""
    done = result.normalization
    if done is None:
        return {}
    rows = "" if done.rows is None else f", from rows {done.rows[0]} to {done.rows[1] - 1}"
    split = "" if done.split is None else f" ({done.split})"
    return {
        "method": f"{done.method}{rows}{split}{', on read' if done.on_read else ''}",
        "offset": " ".join(f"{number:.6g}" for number in done.offset),
        "scale": " ".join(f"{number:.6g}" for number in done.scale),
    }
