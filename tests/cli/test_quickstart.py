"""scripts/quickstart works on a fresh checkout, again, and never writes into the given folder."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.program import run
from support.trees import snapshot

ROOT = Path(__file__).parents[2]
PARTS = ("imgmem", "scripts", "pyproject.toml", "README.md", "LICENSE")
COMMANDS = ("estimate", "build", "stats", "normalize", "sample")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of this checkout, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("a checkout")
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    return folder


def quickstart(checkout, *arguments, cwd="/"):
    command = [checkout / "scripts/quickstart", *arguments]
    done = run(command, cwd=cwd, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_command_is_shown_with_its_output_and_a_second_run_works_too(checkout):
    for _ in range(2):
        shown = quickstart(checkout)
        places = [shown.index(f"$ imgmem {command} ") for command in COMMANDS]
        assert places == sorted(places)
        assert (checkout / ".quickstart/sheet.png").is_file()
        assert (checkout / ".quickstart/dataset/dataset.json").is_file()


def test_a_folder_of_ones_own_is_read_and_left_as_it_was(checkout, tmp_path):
    quickstart(checkout)
    photos = tmp_path / "my photos"
    shutil.move(checkout / ".quickstart/images", photos)
    before = snapshot(photos)
    quickstart(checkout, "my photos", cwd=tmp_path)
    assert snapshot(photos) == before


def test_a_missing_folder_is_refused_before_anything_is_installed(checkout):
    done = run([checkout / "scripts/quickstart", "/no/such/folder"])
    assert done.returncode == 1
    assert done.stderr == "quickstart: there is no folder /no/such/folder\n"
