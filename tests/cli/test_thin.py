"""Commands are thin: the options come from a table, the work is one call of the core."""

import ast
import importlib
import inspect

import pytest

from imgmem.cli import COMMANDS

MAX_LINES = 15


@pytest.mark.parametrize("name", COMMANDS)
def test_the_body_of_a_command_is_short(name):
    module = importlib.import_module(f"imgmem.cli.{name}")
    (function,) = (
        node
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.FunctionDef) and node.name == "command"
    )
    after_docstring = function.body[1:]
    lines = after_docstring[-1].end_lineno - after_docstring[0].lineno + 1
    assert lines <= MAX_LINES
