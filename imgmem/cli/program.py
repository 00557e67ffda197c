"""The program around the commands: how it starts, which command it loads, and how it ends."""

import os
import shlex
import signal
import sys
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NoReturn

import click

from imgmem.cli import failures, render
from imgmem.cli.stdout import ignore_broken_pipe
from imgmem.core.errors import ImgmemError, ResourceError, UsageError

_HANGUP = getattr(signal, "SIGHUP", None)  # which Windows does not have
_COMPLETION = "_IMGMEM_COMPLETE"  # by which a shell asks Click for completions


class Program(click.Group):
    """A group whose every failure ends in the documented exit code.

    It loads the module of the one command that is run: help and start-up stay fast.
    Click's own `main` is used for shell completion only: it takes an EOFError for Ctrl-C,
    and answers a closed stdout with exit code 1.
    """

    def __init__(self, *args: Any, summaries: Mapping[str, str], **kwargs: Any) -> None:
        """summaries: a line about each command, in the order to list them."""
        super().__init__(*args, **kwargs)
        self.summaries = summaries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, whose options have their environment variables."""
        if cmd_name not in self.summaries:
            return super().get_command(ctx, cmd_name)
        return with_environment(import_module(f"imgmem.cli.{cmd_name}").command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; UsageError with the one that was meant."""
        if args and args[0] not in self.commands and args[0] not in self.summaries:
            raise _unknown_command(args, list(self.summaries))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def main(self, *_: Any, **__: Any) -> NoReturn:
        """Run the command line of this process, and end the process."""
        if _COMPLETION in os.environ:
            sys.exit(super().main(prog_name="imgmem"))
        from imgmem.core.machine.process import keep

        render.escape_unencodable()
        _end_on_signals()
        keep()
        warnings.showwarning = _warn
        arguments = sys.argv[1:]
        code = self._run(arguments)
        _exit(code if isinstance(code, int) else failures.report(code, arguments))

    def _run(self, arguments: list[str]) -> int | ImgmemError:
        """The exit code of a run, or the failure to report."""
        try:
            with (
                ignore_broken_pipe(),
                self.make_context("imgmem", arguments.copy()) as context,
            ):
                self.invoke(context)
            return 0
        except click.exceptions.Exit as finished:
            return finished.exit_code
        except BaseException as error:
            _ignore_signals()
            return failures.translated(error)


def _unknown_command(words: list[str], known: list[str]) -> UsageError:
    from difflib import get_close_matches  # not before it is needed: commands start fast

    close = get_close_matches(words[0], known, 1)
    if close:
        hint = f"Did you mean `imgmem {close[0]}`?"
    elif len(words) > 1 and os.path.exists(words[0]):
        hint = f"To build a dataset from it: `imgmem {shlex.join(['build', *words])}`."
    else:
        hint = f"Commands: {', '.join(known)}."
    return UsageError(f"there is no command {words[0]!r}", hint=hint)


def _warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning, ours or a library's, as a line on stderr without the code that it came from."""
    render.print_error(f"imgmem: warning: {message}")


def with_environment(command: click.Command) -> click.Command:
    """Name the variable of each option that may have one: IMGMEM_<COMMAND>_<OPTION>."""
    for option in command.params:
        if isinstance(option, click.Option) and getattr(option, "variable", True):
            flag = max(option.opts, key=len).lstrip("-")
            option.envvar = f"IMGMEM_{command.name}_{flag}".replace("-", "_").upper()
    return command


def _end_on_signals() -> None:
    """End like on Ctrl-C where somebody else ends the process, or its terminal is closed."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if _HANGUP and signal.getsignal(_HANGUP) == signal.SIG_DFL:  # and not ignored, as by nohup
        signal.signal(_HANGUP, signal.default_int_handler)


def _ignore_signals() -> None:
    """The end has begun: a second Ctrl-C must not cut the message short."""
    for number in filter(None, (signal.SIGINT, signal.SIGTERM, _HANGUP)):
        signal.signal(number, signal.SIG_IGN)


def _exit(code: int) -> NoReturn:
    """End now: decoding threads that still run hold nothing that is worth waiting for."""
    try:
        render.flush()
    except OSError as error:
        render.print_error(f"imgmem: cannot write to standard output: {error.strerror}")
        code = code or ResourceError.exit_code
    os._exit(code)
