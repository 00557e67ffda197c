"""Results on stdout: one JSON object, or rich tables."""

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


def emit(
    command: str, result: Any, show: Callable[["Console"], None], *, as_json: bool, quiet: bool
) -> None:
    """Print a result (a dataclass or a dict) as JSON, or let `show` draw it, or print nothing."""
    if as_json:
        body = dataclasses.asdict(result) if dataclasses.is_dataclass(result) else result
        click.echo(json.dumps({"command": command, "schema": 1} | body, default=str))
    elif not quiet:
        show(console())


def console() -> "Console":
    """A console for stdout: as wide as the terminal, or 100 columns where there is none."""
    from rich.console import Console

    plain = Console(highlight=False, markup=False)
    return plain if plain.is_terminal else Console(highlight=False, markup=False, width=100)
