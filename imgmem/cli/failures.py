"""Errors to exit codes, standard error and JSON: the one place where they are translated."""

import json
import os
import signal
import sys
import traceback
from typing import Any, NoReturn

import click

from imgmem.core.errors import ImgmemError, Interrupted, ResourceError, UsageError


class Program(click.Group):
    """A group whose every failure ends in the documented exit code, without a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        arguments = kwargs.get("args") or (list(args[0]) if args and args[0] else sys.argv[1:])
        code = self._guarded(arguments, kwargs)
        _leave(code)

    def _guarded(self, arguments: list[str], kwargs: dict[str, Any]) -> int:
        """Run and give the exit code; what went wrong has been told by then."""
        try:
            kwargs |= {"args": arguments, "standalone_mode": False}
            return super().main(**kwargs) or 0
        except click.exceptions.Exit as finished:
            return finished.exit_code
        except click.ClickException as error:
            return _report(_usage(error), arguments)
        except (click.Abort, KeyboardInterrupt):
            return _report(Interrupted("interrupted"), arguments)
        except MemoryError:
            return _report(ResourceError("out of memory", hint="Lower --memory."), arguments)
        except BrokenPipeError:
            return _closed_stdout()
        except ImgmemError as error:
            return _report(error, arguments)
        except Exception:
            traceback.print_exc()
            return ImgmemError.exit_code


def _usage(error: click.ClickException) -> UsageError:
    """Click's complaint in the form of ours."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "imgmem"
    return UsageError(error.format_message(), hint=f"See `{command} --help`.")


def _report(error: ImgmemError, arguments: list[str]) -> int:
    """Tell an error on stderr in one or two lines, and with --json on stdout too."""
    click.echo(f"imgmem: {printable(error.message)}", err=True)
    if error.hint:
        click.echo(f"        {printable(error.hint)}", err=True)
    if "--json" in arguments:
        facts = {"kind": error.kind, "exit_code": error.exit_code, "message": error.message}
        details = facts | {"hint": error.hint} | error.facts
        click.echo(json.dumps({"error": details}, default=str))
    return error.exit_code


def printable(text: str) -> str:
    """`text` with control characters and undecodable bytes escaped, so no terminal obeys them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _closed_stdout() -> int:
    """A reader such as `head` has gone: not an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _leave(code: int) -> NoReturn:
    """End now: decoding threads that still run hold nothing that is worth waiting for."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _closed_stdout()
    sys.stderr.flush()
    os._exit(code)
