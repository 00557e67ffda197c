"""What is given without effect, or by accident, is refused or noted, and nothing is written."""

import os

import pytest
from support.images import photo, write
from support.trees import class_folders

import imgmem
from imgmem.core.errors import ImgmemError, UsageError

SMALL = {"size": 4, "workers": 1}


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "source", {"cat": 3, "dog": 3}, size=(8, 8))


@pytest.fixture
def table(tmp_path):
    """A list of two images, as text and as a path."""
    for seed, name in enumerate(("1.png", "2.png")):
        write(tmp_path / "listed" / name, photo(8, 8, seed))
    path = tmp_path / "listed/labels.csv"
    path.write_text("path,label\n1.png,cat\n2.png,dog\n")
    return path


def refusal(kind, source, out, **options):
    """The message of the error in which both a build and its dry run end; nothing is written."""
    before = set(os.listdir(os.path.dirname(out)))
    with pytest.raises(kind) as caught:
        imgmem.build(source, out, **SMALL | options)
    assert set(os.listdir(os.path.dirname(out))) == before
    try:
        foreseen = imgmem.preview_build(source, out, **SMALL | options).problem
    except ImgmemError as error:
        foreseen = error
    assert (type(foreseen), str(foreseen)) == (type(caught.value), str(caught.value))
    return str(caught.value)


def test_an_empty_source_or_destination_is_not_the_current_folder(source, tmp_path, monkeypatch):
    monkeypatch.chdir(source)
    with pytest.raises(UsageError, match="SOURCE is empty"):
        imgmem.build("", tmp_path / "out", **SMALL)
    with pytest.raises(UsageError, match="OUT is empty"):
        imgmem.preview_build(source, "", **SMALL)
    with pytest.raises(UsageError, match="SOURCE is empty"):
        imgmem.estimate("")


@pytest.mark.parametrize(
    "options",
    [{"labels": ""}, {"class_map": ""}, {"include": ("",)}, {"split": ""}, {"classes": ""}],
)
def test_an_empty_option_is_refused(source, tmp_path, options):
    said = refusal(UsageError, source, tmp_path / "out", **options)
    assert said.startswith(f"{next(iter(options))}: the value is empty")
