"""Sheets, batches, pages and lists: nothing that is there already is lost by them."""

import errno
import os
import shutil

import pytest
from support.datasets import write_dataset
from support.images import photo
from support.trees import class_folders

import imgmem
from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.storage import durable

LIMITS = {"workers": 1, "memory": "256MiB"}
WRITERS = {
    "sheet.png": lambda out, **more: imgmem.sample("data", out=out, **more),
    "sheet.jpg": lambda out, **more: imgmem.sample("data", out=out, **more),
    "batch.npz": lambda out, **more: imgmem.sample("data", out=out, **more),
    "batch.npy": lambda out, **more: imgmem.sample("data", out=out, **more),
    "page.html": lambda out, **more: imgmem.stats("data", report=out, **more),
    "list.txt": lambda out, **more: imgmem.stats("data", list=out, **more),
    "both.html": lambda out, **more: imgmem.compare("data", "data", report=out, **more),
}
NAMES = sorted(WRITERS)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder `src` and the dataset of it, `data`, in which the first image is there twice."""
    root = tmp_path_factory.mktemp("made")
    class_folders(root / "src", {"a": 2, "b": 2}, size=(6, 6))
    shutil.copy(root / "src/a/00.png", root / "src/a/twin.png")
    imgmem.build(root / "src", root / "data", size=6, **LIMITS)
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_exists_is_replaced_only_on_request(root, name):
    (root / name).write_bytes(b"mine")
    with pytest.raises(UsageError, match="already exists") as caught:
        WRITERS[name](name)
    assert "overwrite=True" in caught.value.hint
    assert (root / name).read_bytes() == b"mine"
    WRITERS[name](name, overwrite=True)
    assert (root / name).read_bytes() != b"mine"


@pytest.mark.parametrize("name", NAMES)
def test_only_the_file_itself_appears(root, name):
    (root / f"{name}.new").write_bytes(b"mine")
    before = set(os.listdir())
    WRITERS[name](name)
    assert set(os.listdir()) == before | {name}
    assert (root / f"{name}.new").read_bytes() == b"mine"


def test_a_folder_of_images_removes_no_folder_of_a_similar_name(root):
    (root / "images.new").mkdir()
    (root / "images.new/mine.txt").touch()
    imgmem.sample("data", out="images/")
    assert os.listdir("images.new") == ["mine.txt"]
    assert {"src", "data", "images.new", "images"} == set(os.listdir())


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["sheet.png", "list.txt", "page.html"])
def test_an_image_of_the_source_is_never_replaced(root, name, overwrite):
    image = root / "src/b/01.png"
    before = image.read_bytes()
    with pytest.raises(UsageError, match="built from" if overwrite else "already exists"):
        WRITERS[name](str(image), overwrite=overwrite)
    assert image.read_bytes() == before


@pytest.mark.parametrize("name", ["sheet.png", "images/", "list.txt", "page.html"])
def test_nothing_is_written_into_another_dataset(root, name):
    write_dataset(root / "other", photo(6, 6, 0)[None])
    before = sorted(os.listdir("other"))
    with pytest.raises(UsageError, match="inside the dataset"):
        WRITERS.get(name, WRITERS["sheet.png"])(f"other/{name}", **{})
    assert sorted(os.listdir("other")) == before


@pytest.mark.parametrize("name", NAMES)
def test_a_link_stays_one(root, name):
    (root / "disk").mkdir()
    (root / name).symlink_to(root / "disk" / "file")
    WRITERS[name](name)
    assert (root / name).is_symlink()
    assert os.listdir("disk") == ["file"]
    with pytest.raises(UsageError, match="already exists"):
        WRITERS[name](name)


def test_a_link_to_a_folder_that_is_missing_leads_to_the_folder(root):
    (root / "disk").mkdir()
    (root / "link").symlink_to("disk/images")
    imgmem.sample("data", out="link/")
    assert (root / "link").is_symlink()
    assert (root / "disk/images/rows.csv").is_file()
    assert os.listdir("disk") == ["images"]


@pytest.mark.parametrize("name", [*NAMES, "folder"])
def test_a_link_to_itself_or_to_a_missing_disk_is_refused(root, name):
    writer = WRITERS.get(name, WRITERS["sheet.png"])
    for target, says in ((name, "link to itself"), ("missing/x", "no folder")):
        (root / name).symlink_to(target)
        with pytest.raises(UsageError, match=says):
            writer(name)
        assert os.readlink(name) == target
        (root / name).unlink()


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["sheet.png", "list.txt", "page.html"])
def test_a_pipe_or_a_device_stays_what_it_is(root, name, overwrite):
    os.mkfifo(name)
    with pytest.raises(UsageError, match="not a regular file"):
        WRITERS[name](name, overwrite=overwrite)
    assert not (root / name).is_file()


def test_a_page_and_a_list_are_two_files(root):
    (root / "link").symlink_to(root)
    with pytest.raises(UsageError, match="cannot hold both"):
        imgmem.stats("data", report="page.html", list="link/page.html")


@pytest.mark.parametrize(
    "call",
    [
        lambda: imgmem.sample("data", overwrite=True),
        lambda: imgmem.sample("data", out="images/", overwrite=True),
        lambda: imgmem.stats("data", overwrite=True),
        lambda: imgmem.compare("data", "data", overwrite=True),
    ],
)
def test_overwrite_is_for_files(root, call):
    with pytest.raises(UsageError, match="overwrite"):
        call()


def test_a_page_that_fails_takes_its_list_with_it(root, monkeypatch):
    """So that the same command can run again."""

    def full(directory):
        if "page.html" in os.listdir(directory):
            raise OSError(errno.ENOSPC, "full", directory)

    with monkeypatch.context() as patched:
        patched.setattr(durable, "sync_directory", full)
        with pytest.raises((ResourceError, OSError)):
            imgmem.stats("data", report="page.html", list="list.txt")
    assert set(os.listdir()) == {"src", "data"}
    imgmem.stats("data", report="page.html", list="list.txt")
