"""The Makefile and the CI step of the guide do what the guide says."""

import json
import os
import re
import shutil
import sys
import textwrap
from pathlib import Path

import pytest
from support import images, program

PAGE = Path(__file__).parents[2] / "imgmem/docs/automation.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with the Makefile and a few photographs."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "Makefile").write_text(block_of("make"))
    for label, first in (("daisy", 0), ("tulip", 100)):
        for seed in range(first, first + 10):
            images.write(folder / f"photos/{label}/{seed}.jpg", images.photo(40, 50, seed))
    return folder


def block_of(language):
    [block] = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return block


def run(folder, *command):
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    done = program.run(command, cwd=folder, env={"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr


def make(folder):
    """Run make; the times of its targets afterwards."""
    run(folder, "make")
    return [
        (folder / name).stat().st_mtime_ns
        for name in ("flowers/dataset.json", "flowers/X.npy", "flowers.png")
    ]


needs_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make here")


@needs_make
def test_make_leaves_everything_as_it_is_where_nothing_has_changed(project):
    assert make(project) == make(project)


@needs_make
def test_make_builds_everything_again_where_a_photograph_was_added(project):
    before = make(project)
    images.write(project / "photos/tulip/new.jpg", images.photo(60, 40, 99))
    assert all(new > old for old, new in zip(before, make(project), strict=True))


def test_the_step_for_ci_builds_checks_and_keeps_the_figures(project, tmp_path):
    script = textwrap.dedent(block_of("yaml").split("run: |\n")[1])
    shutil.copytree(project / "photos", tmp_path / "photos")
    run(tmp_path, "bash", "-e", "-c", script)
    assert json.loads((tmp_path / "stats.json").read_text())["command"] == "stats"
