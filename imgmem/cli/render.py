"""Results on stdout: one JSON object, or rich tables. Whatever the names hold, it is harmless."""

import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from imgmem.cli import stdout
from imgmem.cli.spelling import for_terminal
from imgmem.cli.stdout import ReaderLeft, ignore_broken_pipe
from imgmem.core import text
from imgmem.core.errors import ImgmemError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SCHEMA = 2
"""Version of the JSON objects; it grows when a key goes away or changes its meaning."""

NAME_WIDTH = 11
"""Columns of the names in front of facts."""

WIDTH = 100
"""Columns of the tables where stdout is not a terminal."""


def print_result(command: str, body: Any, check: ImgmemError | None = None) -> None:
    """A result, a dataclass or a dict, as JSON; what failed in it joins it as "error"."""
    import dataclasses

    plain = body if isinstance(body, dict) else dataclasses.asdict(body)
    print_json(command, plain | ({"error": error_facts(check)} if check else {}))


def print_json(command: str, body: dict[str, Any]) -> None:
    """One line of strict JSON on stdout; NaN and infinities become null."""
    import json

    document = {"command": command, "schema": SCHEMA} | body
    plain = json.loads(json.dumps(_plain(document)), parse_constant=lambda _: None)
    with ignore_broken_pipe():
        click.echo(json.dumps(plain, allow_nan=False))


def error_facts(error: ImgmemError) -> dict[str, Any]:
    """An error as it stands in JSON: kind, exit_code, message, hint, and facts of its own."""
    facts = {"kind": error.kind, "exit_code": error.exit_code, "message": error.message}
    return facts | {"hint": error.hint} | error.facts


def printable(message: str) -> str:
    """`message` with its options as flags, harmless for any terminal."""
    return text.printable(for_terminal(message))


def format_counts(counts: dict[str, int]) -> str:
    """`cat 12, dog 7`: at most twenty, the rest as a number."""
    shown = [f"{printable(name)} {count}" for name, count in list(counts.items())[:20]]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def facts(console: "Console", pairs: Iterable[tuple[str, str]]) -> None:
    """Lines of a name and a value; those without a value are left out."""
    for name, value in pairs:
        if value:
            console.print(f"{name:<{NAME_WIDTH}}{value}", soft_wrap=True)


def table(*names: str, left: Collection[str] = (), **options: Any) -> "Table":
    """A plain table: numbers at the right, the columns in `left` at the left."""
    from rich.table import Table

    plain = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in names:
        plain.add_column(name, justify="left" if name in left else "right", **options)
    return plain


def console() -> "Console":
    """A console for stdout: as wide as the terminal, or 100 columns where there is none.

    Square brackets and colons in names are not markup.
    """
    from rich.console import Console

    class PlainConsole(Console):
        def on_broken_pipe(self) -> None:
            """rich would exit with 1 here."""
            raise ReaderLeft

    plain = PlainConsole(highlight=False, markup=False, emoji=False)
    if not plain.is_terminal:
        plain.width = WIDTH
    return plain


def print_error(line: str) -> None:
    """Print lines on stderr; nobody can be told if that is closed."""
    with suppress(OSError, ValueError):
        click.echo(line, err=True)


def escape_unencodable() -> None:
    """Let both streams escape what their encoding lacks instead of raising UnicodeEncodeError."""
    stdout.install()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write out stdout. OSError if it cannot be written, unless its reader has gone."""
    if sys.stdout is not None:
        with ignore_broken_pipe():
            sys.stdout.flush()


def _plain(value: Any) -> Any:
    """`value` as JSON knows it: NumPy as plain numbers, options as flags, all else by its name."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case str():
            return for_terminal(value)
        case bool() | int() | float() | None:
            return value
    return value.tolist() if hasattr(value, "tolist") else str(value)
