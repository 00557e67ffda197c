"""Standard output, whose reader may leave: the one broken pipe that is not an error.

A BrokenPipeError from anywhere else (errno 108 from a lost share is one) is a failure like any
other, so the stream itself says where it comes from.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any


class ReaderLeft(BrokenPipeError):
    """The reader of standard output, such as `head`, has gone."""


class Stdout(TextIOWrapper):
    """Standard output that raises ReaderLeft where it breaks, and escapes what its encoding
    lacks."""

    def write(self, text: str) -> int:
        with _reader():
            return super().write(text)

    def flush(self) -> None:
        with _reader():
            super().flush()


@contextmanager
def _reader() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderLeft(*error.args) from None
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


def install() -> None:
    """Put a Stdout in place of `sys.stdout`, where that is an ordinary stream."""
    old: Any = sys.stdout
    if type(old) is TextIOWrapper:
        sys.stdout = Stdout(
            old.detach(),
            encoding=old.encoding,
            errors="backslashreplace",
            line_buffering=old.line_buffering,
            write_through=old.write_through,
        )


@contextmanager
def ignore_broken_pipe() -> Iterator[None]:
    """A reader that goes away is not an error: what follows goes nowhere."""
    try:
        yield
    except ReaderLeft:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
