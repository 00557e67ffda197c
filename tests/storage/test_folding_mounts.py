"""Real file systems to which names that differ in case, or in Unicode form, are one."""

import os
import unicodedata
from contextlib import suppress

import pytest
from support import folding
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, ImgmemError, Interrupted, UsageError
from imgmem.core.storage.locks import Lock

SMALL = {"size": 8, "workers": 1, "memory": "256MiB"}
NFC = "Caf\u00e9"
NFD = unicodedata.normalize("NFD", NFC)


@pytest.fixture(scope="module", params=folding.KINDS)
def volume(request, tmp_path_factory):
    with folding.mounted(request.param, tmp_path_factory.mktemp(request.param)) as mount:
        yield mount


@pytest.fixture
def mount(volume, tmp_path):
    """A new folder on the file system."""
    path = volume / tmp_path.name
    path.mkdir()
    return path


@pytest.fixture
def form_is_ignored(mount):
    (mount / NFC).mkdir()
    if not (mount / NFD).exists():
        pytest.skip("this file system ignores case only")
    (mount / NFC).rmdir()


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"cat": 4, "dog": 4}, size=(8, 8))


def listed(path):
    return {name.lower() for name in os.listdir(path)}


def files(path):
    return {name.lower(): data for name, data in snapshot(path).items() if ".lock" not in name}


def interrupted(when):
    """A callback that interrupts what calls it."""

    def stop(progress):
        if when(progress):
            raise KeyboardInterrupt

    return stop


def test_a_dataset_is_the_same_by_any_spelling(mount, source):
    imgmem.build(source, mount / "Flowers", **SMALL)
    assert imgmem.build(source, mount / "flowers", **SMALL).already_done
    imgmem.normalize(mount / "FLOWERS")
    imgmem.undo_normalize(mount / "flowerS")
    imgmem.stats(mount / "FLOWERS", verify=True)


def test_a_dataset_is_replaced_by_any_spelling(mount, source):
    imgmem.build(source, mount / "Flowers", **SMALL)
    imgmem.build(source, mount / "flowers", **SMALL | {"size": 6}, overwrite=True)
    assert imgmem.stats(mount / "FLOWERS").shape[1] == 6
    assert listed(mount) == {"flowers"}


def test_an_unfinished_build_is_resumed_by_any_spelling(mount, source, tmp_path):
    with pytest.raises(Interrupted):
        imgmem.build(
            source, mount / "Out", progress=interrupted(lambda p: p.phase == "build"), **SMALL
        )
    assert listed(mount) == {".out.partial"}
    imgmem.build(source, mount / "out", **SMALL)
    imgmem.build(source, tmp_path / "out", **SMALL)
    assert (listed(mount), files(mount / "OUT")) == ({"out"}, files(tmp_path / "out"))


def test_an_interrupted_normalization_is_resumed_by_any_spelling(mount, source, tmp_path):
    for place in (mount, tmp_path):
        imgmem.build(source, place / "out", **SMALL)
    with suppress(Interrupted):
        imgmem.normalize(mount / "Out", progress=interrupted(lambda p: p.phase == "normalize"))
    imgmem.normalize(mount / "OUT")
    imgmem.normalize(tmp_path / "out")
    assert files(mount / "OUT") == files(tmp_path / "out")


def test_an_empty_folder_is_filled_by_any_spelling(mount, source):
    (mount / "Empty").mkdir()
    imgmem.build(source, mount / "empty", **SMALL)
    imgmem.build(source, mount / "EMPTY", **SMALL | {"size": 6}, overwrite=True)
    imgmem.stats(mount / "Empty", verify=True)
    assert ".partial" not in listed(mount / "Empty")


def test_a_dataset_is_normalized_to_another(mount, source):
    imgmem.build(source, mount / "d", **SMALL)
    imgmem.normalize(mount / "D", to=mount / "New")
    imgmem.stats(mount / "new", verify=True)
    with pytest.raises(DatasetError):
        imgmem.normalize(mount / "D", to=mount / "NEW", method="minmax")


@pytest.mark.parametrize("spelling", ["Src/out", "SRC/CAT/out", "SRC"])
def test_nothing_is_built_into_the_source_by_another_spelling(mount, spelling):
    class_folders(mount / "Src", {"Cat": 2, "dog": 2}, size=(8, 8))
    before = snapshot(mount / "Src")
    for source in ("Src", "src"):
        with pytest.raises(UsageError, match=r"inside the source|the same|source is inside"):
            imgmem.build(mount / source, mount / spelling, **SMALL)
    assert snapshot(mount / "Src") == before


def test_nothing_is_written_into_a_dataset_by_another_spelling(mount, source):
    imgmem.build(source, mount / "Out", **SMALL)
    before = listed(mount / "Out")
    for write in (
        lambda: imgmem.stats(mount / "Out", report=mount / "out" / "page.html"),
        lambda: imgmem.stats(mount / "out", list=mount / "OUT" / "list.txt"),
        lambda: imgmem.sample(mount / "Out", out=mount / "OUT" / "sheet.png"),
        lambda: imgmem.sample(mount / "OUT", out=f"{mount}/out/images/"),
    ):
        with pytest.raises(UsageError, match="inside the dataset"):
            write()
    assert listed(mount / "out") == before


def test_one_dataset_by_two_spellings_is_not_merged_with_itself(mount, source):
    imgmem.build(source, mount / "Out", **SMALL)
    with pytest.raises(UsageError, match="would count twice"):
        imgmem.build([mount / "Out", mount / "out"], mount / "new")


def test_cells_of_a_table_find_files_in_any_case(mount):
    class_folders(mount / "src", {"Cat": 2, "dog": 2}, size=(8, 8))
    lines = [f"{name}/0{n}.PNG,{name}" for name in ("CAT", "Dog") for n in range(2)]
    (mount / "labels.csv").write_text("\n".join(["path,label", *lines]))
    done = imgmem.build(mount / "src", mount / "out", labels=mount / "Labels.csv", **SMALL)
    assert done.class_counts == {"CAT": 2, "Dog": 2}


def test_images_whose_names_differ_only_in_case_are_numbered(mount, tmp_path):
    source = class_folders(tmp_path / "two", {"x": 1, "y": 2}, size=(8, 8))
    (source / "y" / "00.png").rename(source / "y" / "A.png")
    (source / "y" / "01.png").rename(source / "y" / "a.png")
    imgmem.build(source, mount / "out", **SMALL)
    imgmem.sample(mount / "out", out=f"{mount}/images/")
    names = {"00.png", "a.row1.png", "a.row2.png", "labels.csv", "rows.csv"}
    assert listed(mount / "images") == names


def test_a_writer_is_alone_by_any_spelling(mount, source, request):
    if "exfat" in request.node.name:
        pytest.skip("each spelling is a file of its own to the locks of exFAT by FUSE")
    imgmem.build(source, mount / "Out", **SMALL)
    with Lock(str(mount / "Out"), exclusive=True), pytest.raises(DatasetError, match="in use"):
        Lock(str(mount / "out"), exclusive=True)


@pytest.mark.usefixtures("form_is_ignored")
@pytest.mark.parametrize(("first", "second"), [(NFC, NFD), (NFD, NFC)])
def test_a_dataset_is_the_same_in_either_unicode_form(mount, source, first, second):
    imgmem.build(source, mount / first, **SMALL)
    assert imgmem.build(source, mount / second, **SMALL).already_done
    for write in (
        lambda: imgmem.stats(mount / first, report=mount / second / "page.html"),
        lambda: imgmem.build(mount / first, mount / second.upper() / "x"),
    ):
        with pytest.raises(ImgmemError, match="inside the"):
            write()


@pytest.mark.usefixtures("form_is_ignored")
def test_names_in_another_unicode_form_are_found_in_lists_and_written_as_folders(mount):
    class_folders(mount / "src", {NFD: 2, "dog": 2}, size=(8, 8))
    (mount / "paths.txt").write_text(f"{NFC}/00.png\n{NFC}/01.png\ndog/00.png\n")
    done = imgmem.build(
        mount / "src", mount / "out", include=f"@{mount}/paths.txt", labels="parent", **SMALL
    )
    assert done.shape[0] == 3
    imgmem.sample(mount / "out", out=f"{mount}/images/", group="class")
    assert sum(len(names) for _, _, names in os.walk(mount / "images")) == 4
