"""Progress shows on stderr in the way that suits it."""

import sys
from pathlib import Path

import pytest
from support import program

PROGRAM = [sys.executable, str(Path(__file__).with_name("failing_program.py")), "fail", "report"]


def run(*arguments, seconds):
    done = program.run([*PROGRAM, *arguments], env={"LINE_SECONDS": str(seconds)})
    assert done.returncode == 0
    return done


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
    """What a run writes to a terminal that its stderr is."""
    command = [*PROGRAM, *arguments]
    return program.on_terminal(command, stream="stderr", columns=columns, LINE_SECONDS="60")
