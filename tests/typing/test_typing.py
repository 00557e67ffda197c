"""A user's type checker knows the options and the results."""

import re
from pathlib import Path

import pytest
from support.program import python

USER = Path(__file__).with_name("api.py")
ERROR = "  # error: "
LINES = USER.read_text().splitlines()


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    """What mypy says about each line of the user's program, strict and without our settings."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "mypy.ini").write_text("[mypy]\n")
    code = (
        "import sys; from mypy.api import run; "
        f"print(run(['--strict', '--config-file', {str(folder / 'mypy.ini')!r}, "
        f"'--cache-dir', {str(folder / 'cache')!r}, {str(USER)!r}])[0])"
    )
    found = {}
    for line in python(code).stdout.splitlines():
        if match := re.match(r".*?api\.py:(\d+): (\w+): (.*)", line):
            found.setdefault(int(match[1]), []).append(match[3])
    return found


@pytest.mark.parametrize(
    ("number", "expected"),
    [(n, line.split("  # ")[1]) for n, line in enumerate(LINES, 1) if "reveal_type(" in line],
)
def test_the_type_of_a_result(messages, number, expected):
    assert any(expected in message for message in messages.get(number, [])), messages


@pytest.mark.parametrize(
    ("number", "codes"),
    [(n, line.split("# error: ")[1].split()) for n, line in enumerate(LINES, 1) if ERROR in line],
)
def test_a_wrong_option_is_an_error(messages, number, codes):
    assert any(f"[{code}]" in text for text in messages.get(number, []) for code in codes), messages


def test_nothing_else_is_an_error(messages):
    expected = {n for n, line in enumerate(LINES, 1) if "reveal_type(" in line or ERROR in line}
    assert set(messages) <= expected
