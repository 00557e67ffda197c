"""The options of a command, from the table of the core, and the form of its help page."""

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any

import click

from imgmem.cli.output import Output
from imgmem.cli.spelling import flag, for_terminal
from imgmem.cli.types import type_of
from imgmem.core.errors import UsageError
from imgmem.core.messages import Message
from imgmem.core.options.option import Declared, declared
from imgmem.core.options.tables import HEADINGS, OUTPUT

F = Callable[..., Any]


class TableOption(click.Option):
    """An option with a heading on the help page.

    variable: whether an environment variable may set it.
    """

    def __init__(self, *args: Any, heading: str, variable: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading
        self.variable = variable


class Command(click.Command):
    """A command whose help lists its options under headings."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words. Raises UsageError with those that are too many."""
        ctx.allow_extra_args = True
        try:
            super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # Click's own parser may not say which command it is
            raise
        if ctx.args and not ctx.resilient_parsing:
            raise _too_many([*map(str, _given_arguments(self, ctx)), *ctx.args], self.name)
        return ctx.args

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each heading."""
        lines: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            line = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if line is not None:
                lines.setdefault(getattr(param, "heading", OUTPUT), []).append(line)
        for heading in filter(lines.__contains__, HEADINGS):
            with formatter.section(heading):
                formatter.write_dl(lines[heading])


def _given_arguments(command: click.Command, ctx: click.Context) -> list[Any]:
    return [ctx.params[each.name] for each in command.params if isinstance(each, click.Argument)]


def _too_many(words: list[str], command: str | None) -> UsageError:
    return UsageError(
        f"too many arguments: {' '.join(words)}", hint=f"See `imgmem {command} --help`."
    )


def command(
    name: str, table: type, specs: Sequence[Any], *, examples: Sequence[str]
) -> Callable[[F], Command]:
    """A command with the options of `table`, whose defaults stand in `specs`.

    The function gets its arguments, the given options by their names, and `output: Output`.
    """

    def decorate(function: F) -> Command:
        @wraps(function)
        def called(as_json: bool, quiet: bool, **values: Any) -> Any:
            given = {key: value for key, value in values.items() if value not in (None, ())}
            return function(output=Output(name, as_json=as_json, quiet=quiet), **given)

        defaults = _defaults(specs)
        own = [_option(each, defaults.get(each.field)) for each in declared(table).values()]
        decorated: F = called
        for option in reversed([*own, *_OUTPUT_OPTIONS]):
            decorated = option(decorated)
        epilog = "\n".join(["\b", "Examples:", *(f"  {line}" for line in examples)])
        return click.command(name, cls=Command, epilog=epilog)(decorated)

    return decorate


def path_argument(name: str, *, required: bool = True, several: bool = False) -> Callable[[F], F]:
    """A positional path, or `several`; existence is checked by the core, with its own message
    and exit code."""
    nargs = -1 if several else 1
    return click.argument(name, type=click.Path(path_type=str), required=required, nargs=nargs)


_OUTPUT_OPTIONS: tuple[Callable[[F], F], ...] = (
    click.option(
        "--json",
        "as_json",
        cls=TableOption,
        heading=OUTPUT,
        is_flag=True,
        help="Print one JSON object on stdout, nothing else.",
    ),
    click.option(
        "-q",
        "--quiet",
        cls=TableOption,
        heading=OUTPUT,
        is_flag=True,
        help="Show errors only.",
    ),
)


def _defaults(specs: Sequence[Any]) -> dict[str, Any]:
    """The value of each field of the specs, and of the specs inside them."""
    found: dict[str, Any] = {}
    for spec in specs:
        for field in fields(spec):
            value = getattr(spec, field.name)
            found |= _defaults([value]) if is_dataclass(value) else {}
            found[field.name] = value
    return found


def _option(declared: Declared, default: Any) -> Callable[[F], F]:
    """The Click option; what was not given is None, and the core's default stands."""
    facts = declared.facts
    shown = facts.default or _shown(declared, default)
    text = for_terminal(Message(facts.help)) + (f"  [default: {shown}]" if shown else "")
    made: dict[str, Any] = {"help": text, "heading": facts.heading, "variable": facts.variable}
    made["multiple"] = facts.multiple
    names = [*filter(None, [facts.short]), flag(declared.name)]
    if declared.kind is bool and default:
        names[-1] += f"/{flag('no_' + declared.name)}"
    made |= {"is_flag": True} if declared.kind is bool else {"type": type_of(declared)}
    return click.option(*names, declared.name, cls=TableOption, default=None, **made)


def _shown(declared: Declared, default: Any) -> str:
    """The default as the help page shows it; empty where there is none."""
    if declared.kind is bool:
        return flag(declared.name).removeprefix("--") if default else ""
    return "" if default in (None, ()) else declared.facts.show(default)
