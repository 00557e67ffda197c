"""The public names: those of the table, each documented, and seen by type checkers too."""

import ast
import inspect
import re
from pathlib import Path

import pytest

import imgmem
from imgmem.core import errors, specs

PACKAGE = Path(imgmem.__file__).parent
PYTHON_PAGE = (PACKAGE / "docs" / "python.md").read_text()
FUNCTIONS = sorted(name for name in imgmem.__all__ if inspect.isfunction(getattr(imgmem, name)))


def test_dir_shows_the_public_names_and_no_others():
    assert dir(imgmem) == sorted(imgmem.__all__)


def test_type_checkers_see_the_names_of_the_table_in_their_modules():
    seen = {}
    for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("imgmem."):
            seen |= {alias.asname: node.module for alias in node.names}
    del seen[None]
    assert seen == {name: f"imgmem.{home}" for name, home in imgmem._HOMES.items()}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'built'"):
        _ = imgmem.built


def test_all_errors_are_public():
    classes = {error.__name__ for error in errors.ImgmemError.__subclasses__()}
    assert classes | {"ImgmemError"} <= set(imgmem.__all__)


def test_all_specs_are_public():
    named = {name for name in vars(specs) if re.search(r"(Spec|Policy|Thresholds)$", name)}
    assert named - {"LabelSpec"} <= set(imgmem.__all__)  # a base of others


@pytest.mark.parametrize("name", [name for name in imgmem.__all__ if name != "__version__"])
def test_every_public_name_has_a_docstring_and_is_in_the_guide(name):
    assert inspect.getdoc(getattr(imgmem, name))
    assert re.search(rf"\b{name}\b", PYTHON_PAGE)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_public_function_documents_its_arguments_result_and_errors(name):
    function = getattr(imgmem, name)
    sections = inspect.getdoc(function).split("\n\n")
    arguments = next(part for part in sections if part.startswith("Args:"))
    for parameter in inspect.signature(function).parameters.values():
        assert f"\n    {str(parameter).split(':')[0].split('=')[0].strip()}:" in arguments
    assert any(part.startswith("Returns:") for part in sections) or name == "write_report"
    assert any(part.startswith("Raises:") for part in sections)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_has_at_most_eight_parameters(name):
    assert len(inspect.signature(getattr(imgmem, name)).parameters) <= 8
