"""The scripts say what they lack, before they do anything."""

import os
import shutil
from pathlib import Path

import pytest
from support.program import run

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def without_python(tmp_path):
    """A PATH with a Python that is too old, and no other."""
    for tool in ("bash", "env", "dirname", "cat", "rm", "mkdir", "mktemp"):
        (tmp_path / tool).symlink_to(shutil.which(tool))
    (tmp_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "python3").chmod(0o755)
    return str(tmp_path)


@pytest.mark.parametrize("script", ["test", "quickstart"])
def test_a_machine_without_a_new_python_says_so(script, without_python, tmp_path):
    copy = shutil.copytree(SCRIPTS, tmp_path / "checkout/scripts")
    (tmp_path / "checkout/pyproject.toml").touch()
    done = run([copy / script], env={"PATH": without_python})
    assert done.returncode == 1
    assert done.stderr.startswith(f"{script}: needs Python 3.11 or newer")


def test_an_unknown_option_of_scripts_test_is_refused():
    done = run([SCRIPTS / "test", "--everything"])
    assert done.returncode == 1
    assert done.stderr.startswith("test: unknown option --everything")


@pytest.mark.parametrize("script", ["test", "quickstart", "readme"])
def test_the_scripts_can_be_run_as_they_are(script):
    assert os.access(SCRIPTS / script, os.X_OK)
