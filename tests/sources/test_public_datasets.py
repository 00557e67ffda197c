"""The guide's page of public datasets: every command works on a small copy of its layout."""

import re
import shlex
from pathlib import Path

import pytest
from click import Context
from support.public_datasets import MINIATURES
from support.trees import plant

import imgmem
from imgmem.cli import main
from imgmem.core.options.option import declared
from imgmem.core.options.tables import BuildOptions

PAGE = Path(imgmem.__file__).parent / "docs" / "datasets.md"
ROW = re.compile(
    r"^\| (?P<name>[^|]+?) \| .* \| `(?P<command>imgmem build .+?)` \| (?P<result>[^|]+?) \| .+ \|$"
)


def rows():
    """Name → (command, what comes out) of every row of the page."""
    found = (ROW.match(line) for line in PAGE.read_text().splitlines())
    return {
        row["name"]: (row["command"].replace(r"\|", "|"), row["result"]) for row in found if row
    }


def preview(command):
    """What the dry run of a command reports; it must end well."""
    words = shlex.split(command)[2:]
    given = main.get_command(Context(main), "build").make_context("build", words).params
    options = {name: given[name] for name in declared(BuildOptions) if given.get(name)}
    found = imgmem.preview_build(given["source"], given["out"], **options)
    assert found.problem is None, found.problem
    return found


@pytest.fixture
def download(tmp_path, monkeypatch):
    """Plants a miniature in the current folder."""
    monkeypatch.chdir(tmp_path)

    def made(name):
        if "Parquet" in name:
            pytest.importorskip("pyarrow")
        plant(tmp_path, *MINIATURES[name].files)
        for path, given in MINIATURES[name].texts.items():
            text = given() if callable(given) else given
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_bytes(text if isinstance(text, bytes) else text.encode())
        return MINIATURES[name]

    return made


def test_the_page_and_the_miniatures_are_of_the_same_datasets():
    assert sorted(rows()) == sorted(MINIATURES)
    assert len(rows()) >= 50


@pytest.mark.parametrize("name", MINIATURES)
def test_the_command_gives_what_the_page_says(name, download):
    expected, (command, result) = download(name), rows()[name]
    found = preview(command)
    assert found.doubts == ()
    assert found.target == expected.target
    assert counts(found) == with_splits(expected.classes)
    numbered = [each.name for each in found.classes if each.images]
    assert numbered == list(dict.fromkeys(map(class_of, expected.classes)))
    path, label = expected.known
    shown = {each.name: each.examples for each in found.classes}
    assert not path or path in shown[label]
    said = re.search(r"splits (.+)", result)
    assert set(found.splits) == set(said[1].split(", ") if said else ())


def test_ages_are_numbers(download):
    expected = download("UTKFace, ages")
    (found,) = preview(rows()["UTKFace, ages"][0]).numbers
    assert (found.minimum, found.maximum) == expected.numbers


def class_of(key):
    return key[0] if isinstance(key, tuple) else key


def with_splits(classes):
    """(class, split) → images; the split is None where there are none."""
    return {key if isinstance(key, tuple) else (key, None): n for key, n in classes.items()}


def counts(found):
    """The same of a dry run."""
    counted = {}
    for each in found.classes:
        parts = each.splits or {None: each.images}
        counted |= {(each.name, part): n for part, n in parts.items() if n}
    return counted
