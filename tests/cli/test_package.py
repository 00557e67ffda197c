"""What is built, and what is in it."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import imgmem
from imgmem.core import errors

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the wheel and the source archive of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return folder


def tracked(*folders):
    listing = subprocess.run(
        ["git", "ls-files", *folders], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(listing.stdout.splitlines())


def test_the_wheel_holds_the_whole_package_and_nothing_else(built):
    [wheel] = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert tracked("imgmem") <= names
    assert "imgmem/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} == {
        "imgmem",
        f"imgmem-{imgmem.__version__}.dist-info",
    }


def test_the_source_archive_holds_what_building_and_testing_need(built):
    [archive] = built.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        names = files.getnames()
    inside = {name.split("/", 1)[1] for name in names}
    wanted = tracked("imgmem", "tests", "scripts") | {"pyproject.toml", "README.md", "LICENSE"}
    assert wanted <= inside


@pytest.mark.skipif(not sys.prefix.endswith(".venv-test"), reason="not run by scripts/test")
def test_what_scripts_test_tests_is_the_wheel_and_not_the_checkout():
    assert imgmem.__file__.startswith(sys.prefix)


def test_the_wheel_has_the_version_of_the_package(built):
    [wheel] = built.glob("*.whl")
    assert wheel.name == f"imgmem-{imgmem.__version__}-py3-none-any.whl"


def test_the_visible_top_level_is_as_agreed():
    visible = {name.split("/")[0] for name in tracked() if not name.startswith(".")}
    assert visible == {"pyproject.toml", "README.md", "imgmem", "tests", "scripts", "LICENSE"}


def test_every_error_has_an_exit_code_of_its_own():
    kinds = errors.ImgmemError.__subclasses__()
    assert sorted(kind.exit_code for kind in kinds) == [1, 2, 3, 4, 5, 130]
    assert len({kind.kind for kind in kinds}) == len(kinds)


@pytest.mark.parametrize("name", imgmem.__all__)
def test_the_public_names_are_there(name):
    assert getattr(imgmem, name)


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        imgmem.nonsense  # noqa: B018
