"""Option types and the options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

from imgmem.core import specs, units
from imgmem.core.errors import UsageError

F = Callable[..., Any]


class Bytes(click.ParamType):
    """A size such as 512MiB."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        try:
            return units.parse_bytes(value)
        except UsageError as error:
            self.fail(f"{error.message}. {error.hint}", param, ctx)


class ImageSize(click.ParamType):
    """224, HxW (height × width) or native (None)."""

    name = "224|HxW|native"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, int] | None:
        if value is None or isinstance(value, tuple):
            return value
        if value == "native":
            return None
        parts = value.lower().split("x")
        if len(parts) > 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
            self.fail(f"{value!r} is not a size: write 224, 180x320 or native", param, ctx)
        return int(parts[0]), int(parts[-1])


class Splits(click.ParamType):
    """train=0.8,val=0.2"""

    name = "name=fraction,…"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[tuple[str, float], ...]:
        if isinstance(value, tuple):
            return value
        try:
            pairs = [part.split("=") for part in value.split(",") if part]
            return tuple((name.strip(), float(fraction)) for name, fraction in pairs)
        except ValueError:
            self.fail(f"{value!r} is not like train=0.8,val=0.2", param, ctx)


def path_argument(name: str) -> Callable[[F], F]:
    """A positional path; existence is checked by the core, with its own message and exit code."""
    return click.argument(name, type=click.Path(path_type=str))


def output_options(command: F) -> F:
    """--json and --quiet, on every command."""
    command = click.option("-q", "--quiet", is_flag=True, help="Show errors only.")(command)
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on stdout, nothing else."
    )(command)


def run_options(command: F) -> F:
    """--workers and --memory, on every command that streams."""
    command = click.option(
        "--memory",
        type=Bytes(),
        help="Memory to stay under, such as 512MiB.  [default: 1GiB or "
        "a quarter of what is available]",
    )(command)
    return click.option(
        "--workers", type=click.IntRange(1), help="Threads.  [default: the CPUs allowed here]"
    )(command)


def image_options(command: F) -> F:
    """The options of `build` that decide how an image becomes a row; `estimate` has them too."""
    default = specs.ImageSpec()
    for option in (
        click.option(
            "--size",
            type=ImageSize(),
            default="224",
            show_default=True,
            help="Height × width of a row, or native where all images agree.",
        ),
        click.option(
            "--channels",
            type=click.Choice(specs.CHANNELS),
            default=default.channels,
            show_default=True,
            help="Colour or grey rows.",
        ),
    ):
        command = option(command)
    return command
