"""Folders as sources: what is listed, under which class and split, and what is passed over."""

import errno
import os
import pathlib
import socket
import stat
import sys
import tempfile
import textwrap
import tracemalloc

import pytest
from support.program import python
from support.sources import exhausted, listed, placed
from support.trees import plant, snapshot

from imgmem.core.decode.foreign import remedy_for
from imgmem.core.errors import InputError, RejectedImage, ResourceError
from imgmem.core.sources import files, open_source

ROOT = os.name == "posix" and os.geteuid() == 0


def read(path, name, **options):
    source = open_source(str(path), **options)
    try:
        return source.read(name, listed(path, **options)[name].locator)
    finally:
        source.close()


# Classes -----------------------------------------------------------------------------------


def test_the_first_folder_is_the_class_and_deeper_ones_count_to_it(tmp_path):
    plant(tmp_path, "cat/1.jpg", "cat/2021/may/2.jpg", "dog/3.png")
    assert placed(tmp_path) == {
        "cat/1.jpg": ("cat", None),
        "cat/2021/may/2.jpg": ("cat", None),
        "dog/3.png": ("dog", None),
    }


def test_a_flat_folder_is_unlabeled(tmp_path):
    plant(tmp_path, "1.jpg", "2.png", "notes/readme.txt")
    assert placed(tmp_path) == {"1.jpg": (None, None), "2.png": (None, None)}
    assert not exhausted(tmp_path).labeled


def test_one_class_folder_is_a_class_and_no_wrapper(tmp_path):
    plant(tmp_path, "cat/1.jpg", "cat/2.jpg")
    assert {label for label, _ in placed(tmp_path).values()} == {"cat"}


def test_folders_that_wrap_the_class_folders_are_descended_and_said(tmp_path):
    plant(tmp_path, "data/photos/cat/1.jpg", "data/photos/dog/2.jpg", "data/readme.txt")
    source = exhausted(tmp_path)
    assert placed(tmp_path) == {
        "data/photos/cat/1.jpg": ("cat", None),
        "data/photos/dog/2.jpg": ("dog", None),
    }
    assert source.notes == ("using data/photos/ as the root",)


def test_labels_none_takes_any_tree_unlabeled(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/deep/2.jpg", "stray.jpg")
    assert set(placed(tmp_path, labels="none").values()) == {(None, None)}
    assert len(placed(tmp_path, labels="none")) == 3


def test_a_folder_without_any_file_keeps_its_class(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/1.jpg", "emu/.gitkeep", "fox/sub/")
    assert exhausted(tmp_path).class_names == ("emu", "fox")


def test_a_folder_with_other_files_only_is_not_a_class(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/1.jpg", "docs/paper.pdf")
    assert exhausted(tmp_path).class_names == ()
    assert exhausted(tmp_path).ignored == {".pdf file": 1}


# The author's splits -----------------------------------------------------------------------


@pytest.mark.parametrize("val", ["val", "valid", "validation", "Validation"])
def test_train_val_and_test_folders_are_the_splits(tmp_path, val):
    plant(tmp_path, "train/cat/1.jpg", f"{val}/cat/2.jpg", "test/dog/x/3.jpg", "LICENSE")
    assert placed(tmp_path) == {
        "train/cat/1.jpg": ("cat", "train"),
        f"{val}/cat/2.jpg": ("cat", "val"),
        "test/dog/x/3.jpg": ("dog", "test"),
    }


def test_the_splits_may_be_wrapped(tmp_path):
    plant(tmp_path, "set/train/cat/1.jpg", "set/val/cat/2.jpg")
    assert placed(tmp_path) == {
        "set/train/cat/1.jpg": ("cat", "train"),
        "set/val/cat/2.jpg": ("cat", "val"),
    }


def test_train_alone_is_a_split(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg")
    assert set(placed(tmp_path).values()) == {("cat", "train"), ("dog", "train")}


def test_a_test_folder_without_classes_is_left_out_and_counted(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "test/3.jpg", "test/4.jpg")
    assert {split for _, split in placed(tmp_path).values()} == {"train"}
    assert exhausted(tmp_path).ignored == {"test image without a class": 2}


def test_without_auto_split_they_are_merged_by_their_class_folders(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "val/cat/2.jpg", "val/dog/3.jpg", "test/4.jpg")
    assert placed(tmp_path, auto_split=False) == {
        "train/cat/1.jpg": ("cat", None),
        "val/cat/2.jpg": ("cat", None),
        "val/dog/3.jpg": ("dog", None),
    }


def test_splits_without_class_folders_are_unlabeled_splits(tmp_path):
    plant(tmp_path, "train/1.jpg", "val/2.jpg")
    assert placed(tmp_path) == {"train/1.jpg": (None, "train"), "val/2.jpg": (None, "val")}
    assert placed(tmp_path, auto_split=False) == {
        "train/1.jpg": ("train", None),
        "val/2.jpg": ("val", None),
    }


def test_splits_stand_where_labels_are_not_wanted(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "val/dog/2.jpg")
    assert placed(tmp_path, labels="none") == {
        "train/cat/1.jpg": (None, "train"),
        "val/dog/2.jpg": (None, "val"),
    }


def test_with_images_loose_next_to_them_they_are_no_splits(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "val/dog/2.jpg", "3.jpg")
    assert {split for _, split in placed(tmp_path, labels="none").values()} == {None}


def test_a_dangling_link_in_a_split_is_rejected_and_does_not_count_as_a_loose_image(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "val/cat/2.jpg")
    (tmp_path / "train" / "gone.jpg").symlink_to("nowhere")
    assert placed(tmp_path)["train/gone.jpg"] == (None, "train")
    assert listed(tmp_path)["train/gone.jpg"].locator[0] == "unreadable"


def test_an_empty_class_folder_in_a_split_keeps_its_class(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "train/dog/", "val/cat/2.jpg")
    assert exhausted(tmp_path).class_names == ("dog",)


# What is a candidate -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jpg", "A.JPEG", "b.PnG", "d.heic", "x.tar.webp", "..e"])
def test_image_extensions_in_any_case_are_candidates(tmp_path, name):
    plant(tmp_path, name)
    assert list(listed(tmp_path)) == ([] if name.startswith(".") else [name])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (".hidden.jpg", "hidden file"),
        ("._1.jpg", "hidden file"),
        (".DS_Store", "hidden file"),
        ("Thumbs.db", "system file"),
        ("desktop.ini", "system file"),
        ("1.jpg~", "backup file"),
        ("a.txt", ".txt file"),
        ("a.JSON", ".json file"),
        ("a.mp4", ".mp4 file"),
        ("cat/a.7z", ".7z file"),
        ("a.dng", remedy_for("a.dng")),
        ("a.xyz", ".xyz file"),
        ("a.12345", ".12345 file"),
        ("a.jpg?w=1", "unknown extension"),
        ("bare", "file without an extension that is not an image"),
        ("LICENSE", "text file"),
        ("__MACOSX/cat/1.jpg", "system folder"),
        (".ipynb_checkpoints/1-checkpoint.jpg", "hidden folder"),
        ("cat/.thumbs/1.jpg", "hidden folder"),
    ],
)
def test_everything_else_is_passed_over_and_counted(tmp_path, name, reason, opened):
    plant(tmp_path, name)
    listing = opened(tmp_path).listing()
    assert list(listing.entries) == []
    assert listing.ignored == {reason: 1}


@pytest.mark.parametrize(
    "name", [b"caf\xe9.jpg", b"two\nlines.jpg", "🦜.jpg".encode(), b" .jpg", b"a\\b.jpg", b"-.jpg"]
)
def test_any_bytes_are_a_name(tmp_path, name):
    plant(tmp_path, b"cat\xff/" + name, data=b"pixels")
    (entry,) = listed(tmp_path).values()
    assert os.fsencode(entry.name) == b"cat\xff/" + name
    assert os.fsencode(entry.label) == b"cat\xff"
    assert read(tmp_path, entry.name) == b"pixels"


# What cannot be read -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["1.jpg", "no_ending"])
def test_fifos_sockets_and_devices_are_never_opened(tmp_path, name):
    plant(tmp_path, "cat/0.jpg", "dog/0.jpg")
    os.mkfifo(tmp_path / "cat" / f"fifo{name}")
    unix = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(tmp_path)  # a socket's path may be 107 bytes long
    try:
        unix.bind(f"dog/{name}")
    finally:
        os.chdir(here)
    (tmp_path / "cat" / f"null{name}").symlink_to("/dev/null")
    source = exhausted(tmp_path)
    unix.close()
    assert set(placed(tmp_path)) == {"cat/0.jpg", "dog/0.jpg"}
    assert source.ignored == {"FIFO, socket or device": 3}


@pytest.mark.skipif(not ROOT, reason="only root can make a device")
def test_a_device_is_never_opened(tmp_path):
    plant(tmp_path, "0.jpg")
    try:
        os.mknod(tmp_path / "zero.jpg", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices may be made here, not even by root")
    assert list(listed(tmp_path)) == ["0.jpg"]


def test_a_fifo_that_takes_a_files_place_is_rejected_and_does_not_hang(tmp_path, opened):
    plant(tmp_path, "1.jpg")
    source = opened(tmp_path)
    (entry,) = source.listing().entries
    (tmp_path / "1.jpg").unlink()
    os.mkfifo(tmp_path / "1.jpg")
    with pytest.raises(RejectedImage, match="unreadable: not a regular file"):
        source.read(entry.name, entry.locator)


@pytest.mark.parametrize(
    ("target", "detail"),
    [("nowhere.jpg", "no such file"), ("1.jpg", "circles"), ("cat/0.jpg/x", "Not a directory")],
)
def test_a_link_that_leads_nowhere_is_an_entry_that_is_rejected(tmp_path, target, detail, opened):
    plant(tmp_path, "cat/0.jpg", "dog/0.jpg")
    (tmp_path / "cat" / "1.jpg").symlink_to(tmp_path / target if "/" in target else target)
    source = opened(tmp_path)
    entry = listed(tmp_path)["cat/1.jpg"]
    assert (entry.label, entry.size) == ("cat", 0)
    with pytest.raises(RejectedImage, match=f"^unreadable: .*{detail}"):
        source.read(entry.name, entry.locator)
    with pytest.raises(RejectedImage, match=f"^unreadable: .*{detail}"):
        source.read_head(entry.name, entry.locator, 10)


def test_links_to_files_and_folders_are_followed(tmp_path):
    plant(tmp_path, "store/a.bin", "store/dogs/2.jpg", data=b"there")
    source = tmp_path / "source"
    (source / "cat").mkdir(parents=True)
    (source / "cat" / "1.jpg").symlink_to(tmp_path / "store" / "a.bin")
    (source / "dog").symlink_to("../store/dogs")
    assert placed(source) == {"cat/1.jpg": ("cat", None), "dog/2.jpg": ("dog", None)}
    assert listed(source)["cat/1.jpg"].size == 5
    assert read(source, "cat/1.jpg") == read(source, "dog/2.jpg") == b"there"


def test_links_back_to_a_folder_above_are_not_followed(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/sub/2.jpg")
    (tmp_path / "cat" / "up").symlink_to("..")
    (tmp_path / "dog" / "self").symlink_to(".")
    (tmp_path / "dog" / "sub" / "cat").symlink_to("../../cat")
    assert set(placed(tmp_path)) == {"cat/1.jpg", "dog/sub/2.jpg", "dog/sub/cat/1.jpg"}
    assert exhausted(tmp_path).ignored == {"link to a folder above it": 3}


def test_two_folders_that_link_to_each_other_end(tmp_path):
    plant(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    assert set(placed(tmp_path)) == {"a/1.jpg", "a/b/2.jpg", "b/2.jpg", "b/a/1.jpg"}


def test_folders_nested_beyond_all_measure_are_an_error(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/" + "d/" * 150 + "1.jpg")
    with pytest.raises(InputError, match="more than 100 folders deep"):
        exhausted(tmp_path)


def without_root(script, *arguments):
    """Run Python lines in a process that permissions hold for."""
    prepare = "import os\nif os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
    helpers = (
        "import os, resource, sys\nsys.path[:0] = sys.argv[1].split(':')\n"
        "from imgmem.core.sources import open_source\n"
        "from support.sources import *\nfrom support.trees import plant\n"
    )
    path = ":".join(filter(None, sys.path))
    return python(helpers + prepare + script, path, *arguments).stdout.strip()


@pytest.fixture
def open_path():
    """A folder that every user can reach, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def test_an_unreadable_file_is_rejected_and_the_rest_is_read(open_path):
    plant(open_path, "cat/1.jpg", "cat/2.jpg", "dog/3.jpg")
    (open_path / "cat" / "1.jpg").chmod(0)
    script = """
from imgmem.core.errors import RejectedImage
source = open_source(sys.argv[2])
for entry in sorted(source.listing().entries, key=lambda entry: entry.name):
    try:
        print(entry.name, source.read(entry.name, entry.locator))
    except RejectedImage as reject:
        print(entry.name, reject)
"""
    assert without_root(textwrap.dedent(script), open_path).splitlines() == [
        "cat/1.jpg unreadable: Permission denied",
        "cat/2.jpg b'image'",
        "dog/3.jpg b'image'",
    ]


@pytest.mark.parametrize("shut", ["cat/shut", "emu"])
def test_a_folder_that_cannot_be_listed_is_an_error_by_its_name(open_path, shut):
    plant(open_path, "cat/1.jpg", "dog/2.jpg", "cat/shut/3.jpg", "emu/4.jpg")
    (open_path / shut).chmod(0)
    script = """
from imgmem.core.errors import InputError
try:
    listed(sys.argv[2])
except InputError as error:
    print(error.message)
"""
    said = without_root(textwrap.dedent(script), open_path)
    (open_path / shut).chmod(0o755)
    assert said == f"the folder {open_path / shut} cannot be listed: Permission denied"


@pytest.mark.parametrize("code", ["EIO", "ESTALE", "ENOTCONN", "EHOSTDOWN"])
def test_a_listing_that_fails_half_way_is_an_error_of_the_disk_or_share(
    tmp_path, monkeypatch, code
):
    plant(tmp_path, *(f"{name}/{n}.jpg" for name in ("cat", "dog") for n in range(5)))
    real = os.scandir

    class Half:
        def __init__(self, path):
            self.items, self.left = real(path), 3

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.items.close()

        close = __exit__

        def __iter__(self):
            return self

        def __next__(self):
            if not self.left:
                raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))
            self.left -= 1
            return next(self.items)

    sick = lambda path=".": Half(path) if str(path).rstrip("/").endswith("dog") else real(path)  # noqa: E731
    monkeypatch.setattr(os, "scandir", sick)
    with pytest.raises(ResourceError, match="dog cannot be listed"):
        exhausted(tmp_path)


@pytest.mark.parametrize("code", ["EIO", "ESTALE", "ENOTCONN"])
def test_an_image_on_a_share_that_has_gone_is_distinguished(tmp_path, monkeypatch, code, opened):
    plant(tmp_path, "cat/1.jpg")
    source = opened(tmp_path)

    def gone(*_, **__):
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    monkeypatch.setattr(os, "open", gone)
    with pytest.raises(files.Unreachable):
        source.read("cat/1.jpg", ())


def test_without_an_extension_the_first_bytes_decide(tmp_path):
    plant(tmp_path, "cat/1", "cat/a.jpg_large", "dog/2.jpg?w=640", data=b"GIF89a")
    plant(tmp_path, "dog/LIST", "dog/b.happy")
    assert set(placed(tmp_path)) == {"cat/1", "cat/a.jpg_large", "dog/2.jpg?w=640"}
    assert exhausted(tmp_path).ignored == {
        "file without an extension that is not an image": 1,
        ".happy file": 1,
    }


def test_among_images_without_an_extension_one_that_is_damaged_is_not_passed_over(tmp_path):
    plant(tmp_path, "cat/1", data=b"GIF89a")
    plant(tmp_path, "cat/2")
    assert set(placed(tmp_path)) == {"cat/1", "cat/2"}


def test_a_source_that_cannot_be_listed_is_an_error(open_path):
    shut = plant(open_path, "shut/cat/1.jpg") / "shut"
    shut.chmod(0)
    script = """
from imgmem.core.errors import InputError
try:
    open_source(sys.argv[2])
except InputError as error:
    print(error.message)
"""
    said = without_root(script, shut)
    shut.chmod(0o755)
    assert said.endswith("shut/dataset.json cannot be accessed: Permission denied")


def test_too_many_open_files_is_not_a_fault_of_an_image(open_path):
    plant(open_path, "1.jpg")
    script = """
from imgmem.core.errors import ResourceError
source = open_source(sys.argv[2])
(entry,) = source.listing().entries
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    source.read(entry.name, entry.locator)
except ResourceError as error:
    print(error, error.hint)
"""
    assert "cannot open more files" in without_root(script, open_path)


# Reading -----------------------------------------------------------------------------------


def test_read_gives_all_bytes_and_read_head_the_first(tmp_path, opened):
    plant(tmp_path, "1.jpg", data=bytes(range(256)) * 1000)
    plant(tmp_path, "2.jpg", data=b"")
    source = opened(tmp_path)
    assert source.read("1.jpg", ()) == bytes(range(256)) * 1000
    assert source.read_head("1.jpg", (), 300) == (bytes(range(256)) * 2)[:300]
    assert source.read("2.jpg", ()) == source.read_head("2.jpg", (), 10) == b""


def test_entries_carry_size_and_time(tmp_path):
    plant(tmp_path, "1.jpg", data=b"12345")
    os.utime(tmp_path / "1.jpg", ns=(1, 123456789))
    entry = listed(tmp_path)["1.jpg"]
    assert (entry.size, entry.mtime_ns, entry.locator, entry.extra) == (5, 123456789, (), ())


def test_a_source_can_be_read_without_a_listing_and_from_another_directory(
    tmp_path, monkeypatch, opened
):
    plant(tmp_path, "data/cat/1.jpg", data=b"there")
    monkeypatch.chdir(tmp_path)
    source = opened("data")
    monkeypatch.chdir("/")
    assert source.read("cat/1.jpg", ()) == b"there"
    assert [entry.name for entry in source.listing().entries] == ["cat/1.jpg"]


def test_a_file_that_shrinks_while_it_is_read_gives_what_is_left(tmp_path, monkeypatch, opened):
    plant(tmp_path, "1.jpg", data=b"1234567890")
    really = files.open_regular
    monkeypatch.setattr(files, "open_regular", lambda *path: (really(*path)[0], 20))
    assert opened(tmp_path).read("1.jpg", ()) == b"1234567890"


def test_a_read_that_the_system_cuts_short_is_continued(tmp_path, monkeypatch, opened):
    plant(tmp_path, "1.jpg", data=b"1234567890")
    monkeypatch.setattr(files, "_pread", lambda fd, n, at: os.pread(fd, min(n, 3), at))
    assert opened(tmp_path).read("1.jpg", ()) == b"1234567890"


def test_reading_works_where_the_system_has_neither_pread_nor_relative_names(
    tmp_path, monkeypatch, opened
):
    plant(tmp_path, "cat/1.jpg", data=b"there")
    monkeypatch.setattr(files, "_pread", files._by_position)
    monkeypatch.setattr(os, "supports_dir_fd", set())
    assert opened(tmp_path).read("cat/1.jpg", ()) == b"there"


@pytest.mark.parametrize("name", ["missing", "file.jpg", "file.7z", "file"])
def test_a_source_that_is_none_is_an_error_that_says_what_would_be(tmp_path, name, opened):
    if name != "missing":
        plant(tmp_path, name)
    with pytest.raises(InputError) as caught:
        opened(tmp_path / name)
    assert name in caught.value.message
    assert caught.value.hint


def test_a_source_that_is_a_fifo_is_not_opened(tmp_path, opened):
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(InputError):
        opened(tmp_path / "labels.csv")


def test_listing_and_reading_leave_the_tree_as_it_was(tmp_path, opened):
    plant(tmp_path, "train/cat/1.jpg", "val/dog/2.jpg", "val/dog/empty/", "a.txt")
    (tmp_path / "train" / "cat" / "loop").symlink_to("..")
    os.mkfifo(tmp_path / "train" / "cat" / "3.jpg")
    before = snapshot(tmp_path, metadata=True)
    source = opened(tmp_path)
    assert len(list(source.listing().entries)) == 2
    source.read("train/cat/1.jpg", ())
    assert snapshot(tmp_path, metadata=True) == before


def test_memory_does_not_grow_with_the_number_of_files(tmp_path, opened):
    few, many = (tmp_path / name for name in ("few", "many"))
    for root, count in ((few, 1_000), (many, 30_000)):
        plant(root, "cat/0.jpg", "dog/0.jpg")
        for number in range(count):
            os.link(root / "cat" / "0.jpg", root / "dog" / f"{number:06}.jpg")

    def peak(root):
        tracemalloc.start()
        for _ in opened(root).listing().entries:
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(few)
    assert peak(many) < peak(few) + 50_000
