"""Results on stdout: one JSON object, or rich tables. Whatever the names hold, it is harmless."""

import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

import click

from imgmem.cli import stdout
from imgmem.cli.spelling import for_terminal
from imgmem.cli.stdout import ReaderLeft, reader_may_leave
from imgmem.core import text
from imgmem.core.errors import CheckFailed, ImgmemError

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = 2
"""Version of the JSON objects; it grows when a key goes away or changes its meaning."""

WIDTH = 100
"""Columns of the tables where stdout is no terminal."""


def emit(
    command: str,
    result: Any,
    show: Callable[["Console"], None],
    *,
    as_json: bool,
    quiet: bool,
    check: CheckFailed | None = None,
) -> None:
    """Print a result (a dataclass or a dict) as JSON, or let `show` draw it, or print nothing.

    check: the failure of a check that was asked for; it joins the JSON object as "error" and is
    raised once the result is printed.
    """
    if as_json:
        print_json(command, _body(result) | ({"error": error_facts(check)} if check else {}))
    elif not quiet:
        with reader_may_leave():
            show(console())
    if check:
        raise check


def print_json(command: str, body: dict[str, Any]) -> None:
    """One line of strict JSON on stdout; NaN and infinities become null."""
    import json

    document = {"command": command, "schema": SCHEMA} | body
    plain = json.loads(json.dumps(_plain(document)), parse_constant=lambda _: None)
    with reader_may_leave():
        click.echo(json.dumps(plain, allow_nan=False))


def error_facts(error: ImgmemError) -> dict[str, Any]:
    """An error as it stands in JSON: kind, exit_code, message, hint, and facts of its own."""
    facts = {"kind": error.kind, "exit_code": error.exit_code, "message": error.message}
    return facts | {"hint": error.hint} | error.facts


def printable(message: str) -> str:
    """`message` with its options as flags, harmless for any terminal."""
    return text.printable(for_terminal(message))


def counted(counts: dict[str, int]) -> str:
    """`cat 12, dog 7`: at most twenty, the rest as a number."""
    shown = [f"{printable(name)} {count}" for name, count in list(counts.items())[:20]]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


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


def complain(line: str) -> None:
    """Print lines on stderr; nobody can be told if that is closed."""
    with suppress(OSError, ValueError):
        click.echo(line, err=True)


def tolerate_any_text() -> None:
    """Let both streams escape what their encoding lacks instead of raising UnicodeEncodeError."""
    stdout.install()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write out stdout. OSError if it cannot be written, unless its reader has gone."""
    if sys.stdout is not None:
        with reader_may_leave():
            sys.stdout.flush()


def _body(result: Any) -> dict[str, Any]:
    import dataclasses

    return result if isinstance(result, dict) else dataclasses.asdict(result)


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
