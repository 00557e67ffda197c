"""Progress shows on stderr in the way that suits it."""

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

PROGRAM = [sys.executable, str(Path(__file__).with_name("program.py")), "fail", "report"]


def run(*arguments, seconds):
    return subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"LINE_SECONDS": str(seconds)},
        check=True,
    )


def test_without_a_terminal_a_line_now_and_then_tells_rate_and_time_left():
    lines = run(seconds=0.4).stderr.splitlines()
    assert 1 <= len(lines) <= 5
    for line in lines:
        assert line.startswith("decode: ")
        assert " of 1000 images (" in line
        assert " images/s, " in line
        assert line.endswith(" left")


def test_the_first_line_comes_after_a_whole_interval():
    assert run(seconds=60).stderr == ""


def test_quiet_shows_no_progress():
    assert run("--quiet", seconds=0.1).stderr == ""


def test_stdout_never_has_progress():
    assert run(seconds=0.1).stdout == ""


@pytest.mark.parametrize("columns", [100, 0])
def test_a_terminal_gets_a_bar_with_rate_and_time_left(columns):
    shown = shown_on_terminal(columns=columns)
    assert "decode: " in shown
    assert "%|" in shown
    assert " images/s]" in shown
    assert "<" in shown


def test_quiet_shows_no_bar_either():
    assert shown_on_terminal("--quiet") == ""


def shown_on_terminal(*arguments, columns=100):
    """What a run writes to a terminal that its stderr is; 0 columns are ones not known."""
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, columns))
    with subprocess.Popen(
        [*PROGRAM, *arguments], stderr=end, env=os.environ | {"LINE_SECONDS": "60"}
    ):
        os.close(end)
        shown = b"".join(iter(lambda: read(terminal), b""))
    os.close(terminal)
    return shown.decode()


def read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to say that nobody writes any more
        return b""
