"""imgmem answers at once, and answers even where OpenCV is broken."""

import json

import pytest
from support import images
from support.program import imgmem, python

from imgmem.cli import COMMANDS

HEAVY = {"numpy", "cv2", "rich", "tqdm", "PIL", "simplejpeg", "torch", "keras", "sqlite3"}
GROUND = {
    f"imgmem.core.{name}"
    for name in (
        "errors",
        "messages",
        "options",
        "options.option",
        "options.tables",
        "options.values",
        "paths",
        "progress",
        "specs",
        "stats",
        "stats.kinds",
        "stats.options",
        "text",
        "thresholds",
        "units",
    )
}


def imported(code):
    """The modules that Python has loaded after running `code` in a new process."""
    code += "\nimport sys; print(*sys.modules)"
    return set(python(code).stdout.split())


def test_the_command_line_starts_without_heavy_packages():
    assert not HEAVY & imported("import imgmem.cli")


def test_the_command_line_starts_with_the_ground_of_the_core_alone():
    loaded = imported("import imgmem.cli")
    assert {name for name in loaded if name.startswith("imgmem.core.")} <= GROUND


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_loads_heavy_packages_only_when_it_works(command):
    loaded = imported(f"import imgmem.cli.{command}")
    assert not HEAVY & loaded
    assert {name for name in loaded if name.startswith("imgmem.core.")} <= GROUND


def test_the_library_loads_its_parts_at_first_use():
    assert not HEAVY & imported("import imgmem")


BROKEN = {
    "system library": "raise ImportError('libGL.so.1: cannot open shared object file: "
    "No such file or directory', name='cv2')",
    "uninstalled": "raise ModuleNotFoundError(\"No module named 'cv2'\", name='cv2')",
    "half uninstalled": "",
    "for another NumPy": "raise ImportError('numpy.core.multiarray failed to import')",
}
"""What is left of `cv2`: in bare containers, after pip took one of two OpenCVs away, and where a
wheel was made for NumPy 1."""
REPAIR = "opencv-contrib-python-headless && pip install opencv-python-headless"


@pytest.fixture
def broken_opencv(tmp_path):
    """An environment in which OpenCV misses a system library, as in bare containers."""
    return without_opencv(tmp_path, "system library")


def without_opencv(tmp_path, how):
    """The variables of an environment in which OpenCV is broken."""
    (tmp_path / "cv2.py").write_text(BROKEN[how])
    return {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_help_works_without_opencv(broken_opencv, command):
    done = imgmem(*command, "--help", env=broken_opencv)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("command", ["build", "stats", "normalize", "sample"])
def test_a_command_that_needs_opencv_names_the_commands_that_repair_it(tmp_path, how, command):
    images.write(tmp_path / "photos/cat/1.jpg", images.photo(40, 50))
    words = [str(tmp_path / "photos"), *([str(tmp_path / "out")] if command == "build" else [])]
    done = imgmem(command, *words, env=without_opencv(tmp_path, how))
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("imgmem: OpenCV cannot be loaded")
    assert REPAIR in done.stderr
    assert ("libgl1" in done.stderr) == (how == "system library")
    assert done.stderr.count("\n") == 2


def test_estimate_works_without_opencv(broken_opencv, tmp_path):
    for seed in range(3):
        images.write(tmp_path / f"photos/cat/{seed}.jpg", images.photo(40, 50, seed))
    done = imgmem("estimate", str(tmp_path / "photos"), "--json", env=broken_opencv)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["command"] == "estimate"
