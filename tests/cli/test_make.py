"""The Makefile of the README does what the README says, with the real make."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pictures
import pytest

README = Path(__file__).parents[2] / "README.md"

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the Makefile and a few photographs, made once by `make`."""
    folder = tmp_path_factory.mktemp("project")
    [recipe] = re.findall(r"```make\n(.*?)```", README.read_text(), re.DOTALL)
    (folder / "Makefile").write_text(recipe)
    for label in ("daisy", "tulip"):
        for seed in range(10):
            pictures.write(folder / f"photos/{label}/{seed}.jpg", pictures.photo(40, 50, seed))
    make(folder)
    return folder


def make(folder):
    """Run make; the times of its targets afterwards."""
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(
        ["make"], cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [
        (folder / name).stat().st_mtime_ns
        for name in ("flowers/dataset.json", "flowers/X.npy", "flowers.png")
    ]


def test_make_leaves_everything_as_it_is_where_nothing_has_changed(project):
    assert make(project) == make(project)


def test_make_builds_everything_anew_where_a_photograph_was_added(project):
    before = make(project)
    pictures.write(project / "photos/tulip/new.jpg", pictures.photo(60, 40, 99))
    assert all(new > old for old, new in zip(before, make(project), strict=True))
