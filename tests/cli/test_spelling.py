"""The core names options and commands; Python and the command line each spell them."""

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import imgmem
from imgmem.cli.spelling import for_terminal
from imgmem.core.errors import UsageError
from imgmem.core.messages import Message, command, option

PACKAGE = Path(imgmem.__file__).parent
CORE = sorted({*PACKAGE.glob("*.py"), *PACKAGE.glob("core/**/*.py")})


@pytest.mark.parametrize(
    ("reference", "in_python", "in_the_terminal"),
    [
        (option("max_rejects"), "max_rejects", "--max-rejects"),
        (option("on_error", "skip"), "on_error='skip'", "--on-error skip"),
        (option("restart", True), "restart=True", "--restart"),
        (option("auto_split", False), "auto_split=False", "--no-auto-split"),
        (option("size", 224), "size=224", "--size 224"),
        (option("classes", "my set"), "classes='my set'", "--classes 'my set'"),
        (
            command("normalize", "my set", undo=True),
            "imgmem.normalize('my set', undo=True)",
            "imgmem normalize 'my set' --undo",
        ),
    ],
)
def test_a_reference_is_spelled_for_whoever_reads_it(reference, in_python, in_the_terminal):
    message = Message(f"first {reference}, then {reference}")
    assert message == f"first {in_python}, then {in_python}"
    assert for_terminal(message) == f"first {in_the_terminal}, then {in_the_terminal}"


def test_braces_percent_signs_and_flags_in_names_stay_as_they_are():
    message = Message(f"{{size}} %s --size: {option('size')}")
    assert for_terminal(message) == "{size} %s --size: --size"


def test_a_message_is_the_same_in_another_process():
    message = pickle.loads(pickle.dumps(Message(f"use {option('on_error', 'skip')}")))
    assert (message, for_terminal(message)) == ("use on_error='skip'", "use --on-error skip")


def test_an_error_tells_its_hint():
    error = UsageError("wrong", hint=f"Add {option('on_error', 'skip')}.")
    assert str(error) == "wrong\nAdd on_error='skip'."


@pytest.mark.parametrize("path", CORE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_of_the_core_spells_a_flag_or_a_command_line(path):
    spelled = [text for text in _texts(path) if re.search(r"(?<!\w)--[a-z]|`imgmem ", text)]
    assert spelled == []


def _texts(path: Path) -> Iterator[str]:
    """All strings of a module that are not docstrings."""
    tree = ast.parse(path.read_text())
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in statements:
            yield node.value
