"""Tar and zip archives as sources: read in place, refused members, damage, WebDataset pairs."""

import bz2
import gzip
import io
import json
import lzma
import os
import random
import stat
import struct
import subprocess
import tarfile
import threading
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.program import python
from support.sources import contents, exhausted, listed, placed
from support.trees import plant

from imgmem.core.errors import ImgmemError, InputError, RejectedImage, ResourceError
from imgmem.core.sources import names

TREE = {"cat/1.jpg": b"one" * 999, "cat/deep/2.png": b"", "dog/3.jpg": bytes(range(256)) * 300}


def tar(path, members, mode="w", **options):
    """Write a tar; a member is bytes, or a TarInfo's attributes."""
    with tarfile.open(path, mode, **options) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                for key, value in content.items():
                    setattr(info, key, value)
                archive.addfile(info)
    return path


def zipped(path, members, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


PACKERS = {
    "a.tar": tar,
    "a.tar.gz": lambda path, members: tar(path, members, "w:gz"),
    "a.zip": zipped,
    "stored.zip": lambda path, members: zipped(path, members, zipfile.ZIP_STORED),
    "bzip2.zip": lambda path, members: zipped(path, members, zipfile.ZIP_BZIP2),
}


@pytest.fixture(params=list(PACKERS))
def packed(request, tmp_path):
    """Packs members into an archive of each kind."""
    return lambda members: PACKERS[request.param](tmp_path / request.param, members)


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        contents(path, **options)
    assert str(path) in caught.value.message
    assert caught.value.hint
    return caught.value.message


# What is listed and read -------------------------------------------------------------------


def test_an_archive_gives_the_names_classes_and_bytes_of_its_folders(packed):
    path = packed(TREE)
    assert contents(path) == TREE
    assert {name: label for name, (label, _) in placed(path).items()} == {
        "cat/1.jpg": "cat",
        "cat/deep/2.png": "cat",
        "dog/3.jpg": "dog",
    }
    assert {name: entry.size for name, entry in listed(path).items()} == {
        name: len(data) for name, data in TREE.items()
    }


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("A.TAR", "w"), ("a.tgz", "w:gz"), ("a.b.Tar.GZ", "w:gz"), ("a.tar.bz2", "w:bz2"),
        ("a.tbz", "w:bz2"), ("a.tbz2", "w:bz2"), ("a.tar.xz", "w:xz"), ("a.txz", "w:xz"),
    ],
)  # fmt: skip
def test_the_extension_in_any_case_says_how_a_tar_is_compressed(tmp_path, name, mode):
    assert contents(tar(tmp_path / name, TREE, mode)) == TREE


def test_read_head_gives_the_first_bytes(packed, opened):
    generator = random.Random(0)
    members = {
        "a/noise.jpg": generator.randbytes(300_000),
        "b/flat.bmp": bytes(300_000),
        "c/e": b"",
    }
    path = packed(members)
    source = opened(path)
    for entry in source.listing().entries:
        for length in (10, 65_536, 400_000):
            head = source.read_head(entry.name, entry.locator, length)
            assert head == members[entry.name][:length]


def test_an_archive_is_read_without_a_listing_by_the_locators_of_another(packed, opened):
    path = packed(TREE)
    locators = {name: json.loads(json.dumps(e.locator)) for name, e in listed(path).items()}
    source = opened(path)
    assert {name: source.read(name, tuple(where)) for name, where in locators.items()} == TREE


def test_an_archive_is_read_from_many_threads(packed, opened):
    members = {f"c/{n}.jpg": random.Random(n).randbytes(20_000) for n in range(40)}
    source = opened(packed(members))
    entries, wrong = list(source.listing().entries), []

    def work():
        wrong.extend(e for e in entries * 2 if source.read(e.name, e.locator) != members[e.name])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_folders_mean_in_an_archive_what_they_mean_on_disk(packed, tmp_path):
    trees = [
        ["1.jpg", "2.jpg"],
        ["cat/1.jpg", "dog/2.jpg"],
        ["a/b/cat/1.jpg", "a/b/dog/2.jpg", "a/note.txt"],
        ["cat/1.jpg", "cat/2.jpg"],
        ["train/cat/1.jpg", "val/cat/2.jpg", "test/3.jpg"],
        ["x/train/cat/1.jpg", "x/train/cat/deep/2.jpg"],
        ["train/cat/1.jpg", "extra/cat/1.jpg"],
        ["a/b/1.jpg", "a/b/c/2.jpg"],
        ["cat/1.jpg", "dog/2.jpg", "3.jpg"],
        ["train/1.jpg", "val/a/2.jpg"],
    ]
    for number, tree in enumerate(trees):
        folder = plant(tmp_path / str(number), *tree, data=b"x")
        path = packed(dict.fromkeys(tree, b"x"))
        for options in ({}, {"labels": "none"}, {"auto_split": False}):
            assert _outcome(path, **options) == _outcome(folder, **options), (tree, options)


def _outcome(path, **options):
    try:
        source = exhausted(path, **options)
    except InputError as error:
        return error.message
    return placed(path, **options), source.labeled, source.ignored, source.notes


COMPONENTS = st.sampled_from(["a", "b", "train", "val", "test"])
TREES = st.lists(
    st.tuples(st.lists(COMPONENTS, max_size=4), st.sampled_from(["1.jpg", "2.jpg", "n.txt"])),
    min_size=1,
    max_size=8,
)


@settings(max_examples=100, deadline=None)
@given(tree=TREES, auto_split=st.booleans())
def test_an_archive_and_a_folder_of_any_tree_agree(tmp_path_factory, tree, auto_split):
    top = tmp_path_factory.mktemp("tree")
    files = {"/".join([*folders, name]): b"x" for folders, name in tree}
    plant(top / "folder", *files)
    path = tar(top / "a.tar", files)
    assert _outcome(path, auto_split=auto_split) == _outcome(top / "folder", auto_split=auto_split)


def test_what_is_not_an_image_is_passed_over_and_counted(packed):
    members = dict.fromkeys(["a/1.jpg", "__MACOSX/a/._1.jpg", "a/.hidden", "a/x.txt", "b/2"], b"x")
    path = packed(members | {"b/3": b"GIF89a"})
    assert set(contents(path)) == {"a/1.jpg", "b/2", "b/3"}
    assert exhausted(path).ignored == {"system folder": 1, "hidden file": 1, ".txt file": 1}


def test_without_an_extension_the_first_bytes_of_a_member_decide(packed):
    path = packed({"a/1.jpg": b"x", "b/2": b"x", "c/3.jpg?w=640": b"GIF89a", "d/4.odd": b"x"})
    assert set(contents(path)) == {"a/1.jpg", "c/3.jpg?w=640"}
    assert exhausted(path).ignored == {
        "file without an extension that is not an image": 1,
        ".odd file": 1,
    }


def test_dot_and_double_slashes_in_names_are_taken_out(packed):
    assert set(contents(packed({"./a//1.jpg": b"", "b/./2.jpg": b""}))) == {"a/1.jpg", "b/2.jpg"}


def test_any_bytes_are_a_name_in_a_tar(tmp_path):
    for format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        name = "caf\udce9\n🦜/" + "long" * 60 + "/1.jpg"
        path = tar(tmp_path / "a.tar", {name: b"x", "b/2.jpg": b"x"}, format=format)
        assert set(contents(path)) == {name, "b/2.jpg"}


def test_old_zips_have_their_names_in_utf8_or_in_code_page_437(tmp_path):
    path = zipped(tmp_path / "a.zip", {"caf_.jpg": b"x"})
    for raw, name in ((b"caf\x82.jpg", "café.jpg"), ("é__.jpg".encode(), "é__.jpg")):
        path.write_bytes(path.read_bytes().replace(b"caf_.jpg", raw))
        assert list(contents(path)) == [name]
        path.write_bytes(path.read_bytes().replace(raw, b"caf_.jpg"))


def test_backslashes_separate_in_a_zip_from_windows_only(tmp_path):
    for system, name in ((0, "cat/1.jpg"), (3, "cat\\1.jpg")):
        info = zipfile.ZipInfo("cat_1.jpg")
        info.create_system = system
        path = zipped(tmp_path / "a.zip", {info: b"x"})
        path.write_bytes(path.read_bytes().replace(b"cat_1.jpg", b"cat\\1.jpg"))
        assert list(contents(path)) == [name]


def test_a_zip_behind_a_program_and_with_a_comment_is_read(tmp_path):
    path = zipped(tmp_path / "a.zip", TREE)
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"PK a comment"
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    assert contents(path) == TREE


def test_a_zip_in_64_bit_format_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    path = zipped(tmp_path / "a.zip", TREE)
    assert b"PK\6\6" in path.read_bytes()
    assert contents(path) == TREE


def test_a_zip_written_to_a_pipe_is_read(tmp_path):
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    zipped(pipe, TREE)
    (tmp_path / "a.zip").write_bytes(pipe.data)
    assert contents(tmp_path / "a.zip") == TREE


@pytest.mark.parametrize("maker", ["zip", "tar"])
def test_the_systems_own_archiver_is_read(tmp_path, maker):
    commands = {"zip": ["zip", "-qr", "../a.zip", "."], "tar": ["tar", "-cf", "../a.tar", "."]}
    plant(tmp_path / "tree", *TREE, data=b"x" * 5000)
    try:
        subprocess.run(commands[maker], cwd=tmp_path / "tree", check=True)
    except FileNotFoundError:
        pytest.skip(f"{maker} is not installed")
    assert set(contents(tmp_path / f"a.{maker}")) == set(TREE)


# Compressed tars ---------------------------------------------------------------------------


def test_a_compressed_tar_goes_to_the_spool_once_and_leaves_nothing_there(tmp_path, opened):
    path = tar(tmp_path / "a.tar.gz", TREE, "w:gz")
    (tmp_path / "spool").mkdir()
    source = opened(path, spool=str(tmp_path / "spool"))
    path.unlink()
    entries = list(source.listing().entries)
    assert {entry.name: source.read(entry.name, entry.locator) for entry in entries} == TREE
    assert source.spool_bytes == len(tar(tmp_path / "plain.tar", TREE).read_bytes())
    assert not list((tmp_path / "spool").iterdir())
    source.close()


def test_a_tar_that_is_not_compressed_needs_no_spool(tmp_path, opened):
    assert opened(tar(tmp_path / "a.tar", TREE)).spool_bytes == 0


@pytest.mark.parametrize("ending", [".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_cut_or_damaged_compressed_tar_is_refused(tmp_path, ending):
    pack = {".tar.gz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress}[ending]
    data = pack(tar(tmp_path / "a.tar", TREE).read_bytes())
    path = tmp_path / f"a{ending}"
    for damage in (data[:-9], data[: len(data) // 2], b"junk", data[:99] + b"junk" + data[103:]):
        path.write_bytes(damage)
        assert "damaged" in refusal(path)


def test_a_full_disk_while_spooling_is_exit_5_and_leaves_nothing(tmp_path):
    path = tar(tmp_path / "a.tar.gz", {"1.jpg": bytes(3_000_000)}, "w:gz")
    (tmp_path / "spool").mkdir()
    script = f"""
import resource, signal
from imgmem.core.sources import open_source
from imgmem.core.errors import ResourceError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
try:
    open_source({str(path)!r}, spool={str(tmp_path / "spool")!r})
except ResourceError as error:
    print(error.exit_code, error)
"""
    done = python(script)
    assert done.stdout.startswith("5 scratch data cannot be written")
    assert not list((tmp_path / "spool").iterdir())


def test_a_spool_that_is_missing_is_exit_5(tmp_path, opened):
    path = tar(tmp_path / "a.tar.gz", TREE, "w:gz")
    with pytest.raises(ResourceError):
        opened(path, spool=str(tmp_path / "nowhere"))


# Members that are refused ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg", "C:/x.jpg", "a/.."])
def test_members_that_lead_out_of_the_archive_are_refused_by_name(packed, name):
    assert name in refusal(packed({"cat/1.jpg": b"x", name: b"x"}))


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
        {"type": tarfile.LNKTYPE, "linkname": "cat/1.jpg"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"type": tarfile.BLKTYPE},
        {"type": tarfile.FIFOTYPE},
        {"type": b"Z"},
    ],
)
def test_links_and_devices_in_a_tar_are_refused_by_name(tmp_path, attributes):
    path = tar(tmp_path / "a.tar", {"cat/1.jpg": b"x", "cat/2.jpg": attributes})
    assert "cat/2.jpg" in refusal(path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused_by_name(tmp_path, kind):
    info = zipfile.ZipInfo("cat/2.jpg")
    info.create_system, info.external_attr = 3, (kind | 0o777) << 16
    path = zipped(tmp_path / "a.zip", {"cat/1.jpg": b"x", info: b"/etc/passwd"})
    assert "cat/2.jpg" in refusal(path)


def test_a_sparse_member_is_refused(tmp_path):
    with open(tmp_path / "1.jpg", "wb") as file:
        file.truncate(10**6)
        file.seek(500_000)
        file.write(b"x")
    try:
        command = ["tar", "-cSf", "a.tar", "1.jpg"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no tar that writes sparse members")
    assert "1.jpg, which is a sparse file" in refusal(tmp_path / "a.tar")


def test_an_encrypted_member_is_rejected_and_others_are_read(tmp_path, opened):
    path = zipped(tmp_path / "a.zip", TREE)
    data = bytearray(path.read_bytes())
    record = data.index(b"PK\1\2")
    data[record + 8] |= 1
    path.write_bytes(data)
    source = opened(path)
    entries = {entry.name: entry for entry in source.listing().entries}
    with pytest.raises(RejectedImage, match="unreadable: encrypted"):
        source.read("cat/1.jpg", entries["cat/1.jpg"].locator)
    assert source.read("dog/3.jpg", entries["dog/3.jpg"].locator) == TREE["dog/3.jpg"]


def packed_by(path, method):
    """The zip archive with the number of another method in all its headers."""
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\1\2", 10), (b"PK\3\4", 8)):
        at = -1
        while (at := data.find(mark, at + 1)) >= 0:
            struct.pack_into("<H", data, at + offset, method)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("method", "name"), [(9, "Deflate64"), (14, "LZMA"), (7, "method 7")])
def test_a_zip_packed_in_another_way_is_refused_once_with_the_command_that_repacks(
    tmp_path, method, name
):
    path = packed_by(zipped(tmp_path / "my photos.zip", TREE), method)
    with pytest.raises(InputError, match=f"is packed by {name}, which is not read") as caught:
        listed(path)
    assert f"7z x '{path}' -o'my photos'" in caught.value.hint


def test_a_document_packed_in_another_way_does_not_matter(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.jpg", b"x" * 100, zipfile.ZIP_DEFLATED)
        archive.writestr("notes.pdf", b"x" * 100, zipfile.ZIP_LZMA)
    assert list(listed(path)) == ["1.jpg"]


# Damage ------------------------------------------------------------------------------------


def test_a_tar_cut_anywhere_is_refused(tmp_path):
    data = tar(tmp_path / "whole.tar", TREE).read_bytes()
    end = len(data.rstrip(b"\0"))
    for length in [0, 1, 511, 512, 513, 700, 2048, 5120, end - 300, end - 1, end]:
        (tmp_path / "a.tar").write_bytes(data[:length])
        assert "damaged" in refusal(tmp_path / "a.tar"), length


def test_a_tar_with_a_damaged_header_in_its_middle_is_refused_and_does_not_end_there(tmp_path):
    data = bytearray(tar(tmp_path / "a.tar", TREE).read_bytes())
    data[data.index(b"dog/3.jpg") + 3] ^= 1
    (tmp_path / "a.tar").write_bytes(data)
    assert "data that belongs to no member" in refusal(tmp_path / "a.tar")


def header(name, size, type):
    """A tar header with the size in base 256, which tarfile itself would not write so."""
    info = tarfile.TarInfo(name)
    info.type = type
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = size.to_bytes(12, "big", signed=True)
    block[124] |= 0x80
    block[148:156] = b" " * 8
    block[148:155] = b"%06o\0" % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    ("size", "type"),
    [
        (-512, tarfile.REGTYPE),
        (-1024, tarfile.XHDTYPE),
        (-1024, tarfile.GNUTYPE_LONGNAME),
        (10**12, tarfile.REGTYPE),
        (5 * 10**6, tarfile.GNUTYPE_LONGNAME),
        (5 * 10**6, tarfile.XHDTYPE),
        (5 * 10**6, tarfile.XGLTYPE),
    ],
)
def test_headers_with_impossible_sizes_are_refused_in_little_memory(tmp_path, size, type):
    first = tar(tmp_path / "a.tar", {"1.jpg": b"x"}).read_bytes()[:1024]
    (tmp_path / "a.tar").write_bytes(first + header("2.jpg", size, type) + bytes(6 * 10**6))
    tracemalloc.start()
    assert "damaged" in refusal(tmp_path / "a.tar")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_tars_appended_to_each_other_are_refused_rather_than_read_in_part(tmp_path):
    data = tar(tmp_path / "a.tar", TREE).read_bytes()
    (tmp_path / "a.tar").write_bytes(data + data)
    assert "data that belongs to no member" in refusal(tmp_path / "a.tar")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused_by_name(packed):
    assert "cat/1.jpg" in refusal(packed({"./cat/1.jpg": b"old", "cat/1.jpg": b"new"}))


def test_an_empty_tar_has_no_images(tmp_path):
    assert contents(tar(tmp_path / "a.tar", {})) == {}


@pytest.mark.parametrize("data", [b"", b"PK", b"not an archive" * 100, bytes(5000)])
def test_a_zip_that_is_none_is_refused(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    assert "damaged" in refusal(tmp_path / "a.zip")


def test_a_zip_cut_anywhere_is_refused(tmp_path):
    data = zipped(tmp_path / "whole.zip", TREE).read_bytes()
    for length in range(0, len(data), 37):
        (tmp_path / "a.zip").write_bytes(data[:length])
        assert "damaged" in refusal(tmp_path / "a.zip"), length


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (4, "one of several parts"),
        (10, "not as long as stated"),
        (12, "cannot be read"),
        (16, "in the wrong place"),
    ],
)
def test_a_zip_whose_end_says_something_else_is_refused(tmp_path, at, what):
    path = zipped(tmp_path / "a.zip", TREE)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\5\6") + at] += 1
    path.write_bytes(data)
    assert what in refusal(path)


def test_a_zip_member_that_would_end_behind_the_archive_is_refused_by_name(tmp_path):
    path = zipped(tmp_path / "a.zip", TREE)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 22] = 1
    path.write_bytes(data)
    assert "ends before its member cat/1.jpg" in refusal(path)


def test_a_zip_member_whose_bytes_changed_is_rejected_as_corrupt(tmp_path):
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = zipped(tmp_path / "a.zip", {"1.jpg": random.Random(1).randbytes(3000)}, method)
        data = bytearray(path.read_bytes())
        data[1000] ^= 4
        path.write_bytes(data)
        with pytest.raises(RejectedImage, match=r"^corrupt: "):
            contents(path)


def test_a_zip_bomb_unpacks_no_more_than_it_declares(tmp_path):
    path = zipped(tmp_path / "a.zip", {"1.jpg": bytes(50_000_000)})
    data = path.read_bytes()
    (tmp_path / "a.zip").write_bytes(data.replace(struct.pack("<L", 50_000_000), b"\0\1\0\0"))
    tracemalloc.start()
    with pytest.raises(RejectedImage, match=r"^corrupt: "):
        contents(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_an_archive_that_changes_after_it_was_listed_is_noticed(tmp_path, opened):
    for pack, name in ((tar, "a.tar"), (zipped, "a.zip")):
        path = pack(tmp_path / name, TREE)
        source = opened(path)
        entries = {entry.name: entry for entry in source.listing().entries}
        with open(path, "r+b") as file:
            file.write(b"changed")
        os.utime(path, ns=(1, 1))
        with pytest.raises(RejectedImage, match=r"^changed: "):
            source.read("cat/1.jpg", entries["cat/1.jpg"].locator)


@pytest.mark.parametrize("pack", [tar, zipped])
def test_mutated_archives_are_read_or_refused_by_an_error_of_ours(tmp_path, by_tier, pack):
    """What a zip gives is true, names included: it has checksums, a tar has them for headers."""
    data = pack(tmp_path / "whole", TREE).read_bytes()
    path = tmp_path / f"a.{'tar' if pack is tar else 'zip'}"
    outcomes = set()
    for seed in range(by_tier(800, 4000, 20_000)):
        generator = random.Random(seed)
        mutated = bytearray(data)
        for _ in range(generator.choice([1, 1, 2, 8])):
            at = generator.randrange(len(mutated))
            mutated[at] = generator.choice(
                [0, 0xFF, 0x80, mutated[at] ^ 1 << generator.randrange(8)]
            )
        if not generator.randrange(4):
            del mutated[generator.randrange(len(mutated)) :]
        path.write_bytes(mutated)
        try:
            found = contents(path)
            assert pack is tar or found.items() <= TREE.items()
            outcomes.add("read")
        except (ImgmemError, RejectedImage) as error:
            outcomes.add(type(error).__name__)
    assert outcomes == {"read", "InputError"} | ({"RejectedImage"} if pack is zipped else set())


# A folder of shards ------------------------------------------------------------------------


def test_a_folder_of_tars_is_read_as_one_source_in_shards(tmp_path):
    for number in range(3):
        tar(tmp_path / f"s-{number}.tar", {f"cat/{number}.jpg": b"c%d" % number, "dog/x.jpg": b"d"})
    plant(tmp_path, ".hidden.tar", "readme.txt")
    found = contents(tmp_path)
    assert found["s-2.tar/cat/2.jpg"] == b"c2"
    assert len(found) == 6
    assert placed(tmp_path)["s-0.tar/dog/x.jpg"] == ("dog", None)


def test_tars_next_to_images_are_no_shards(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/2.jpg")
    tar(tmp_path / "backup.tar", TREE)
    assert set(placed(tmp_path)) == {"cat/1.jpg", "dog/2.jpg"}
    assert exhausted(tmp_path).ignored == {".tar file": 1}


def test_there_may_be_more_shards_than_files_may_be_open(tmp_path):
    for number in range(60):
        tar(tmp_path / f"{number:03}.tar", {"1.jpg": b"%d" % number})
    script = f"""
import resource
from imgmem.core.sources import open_source
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
source = open_source({str(tmp_path)!r})
print(sum(int(source.read(e.name, e.locator)) for e in source.listing().entries))
"""
    done = python(script)
    assert int(done.stdout) == sum(range(60))


def test_a_shard_that_changed_or_went_is_noticed(tmp_path, opened):
    for number in range(2):
        tar(tmp_path / f"{number}.tar", {"1.jpg": b"x"})
    source = opened(tmp_path)
    first, second = sorted(source.listing().entries, key=lambda entry: entry.name)
    os.utime(tmp_path / "0.tar", ns=(1, 1))
    (tmp_path / "1.tar").unlink()
    with pytest.raises(RejectedImage, match=r"^changed: "):
        source.read(first.name, first.locator)
    with pytest.raises(RejectedImage, match=r"^unreadable: "):
        source.read(second.name, second.locator)


# WebDataset pairs --------------------------------------------------------------------------


def labels(path, **options):
    return {name: label for name, (label, _) in placed(path, **options).items()}


def test_a_cls_next_to_an_image_gives_its_class(tmp_path):
    members = {"000.jpg": b"x", "000.cls": b"7", "001.cls": b" cat\n", "001.png": b"x"}
    path = tar(tmp_path / "a.tar", members)
    assert labels(path) == {"000.jpg": "7", "001.png": "cat"}
    assert not exhausted(path).ignored


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("7", "7"),
        ('"cat"', "cat"),
        ('{"label": 7}', "7"),
        ('{"cls": "cat", "caption": "a cat"}', "cat"),
        ('{"label": 3, "class_name": "cat"}', "cat"),
    ],
)
def test_a_json_next_to_an_image_gives_its_class(tmp_path, text, label):
    path = tar(tmp_path / "a.tar", {"d/0.jpg": b"x", "d/0.json": text.encode()})
    assert labels(path) == {"d/0.jpg": label}


def test_the_key_ends_at_the_first_dot_and_a_cls_goes_before_a_json(tmp_path):
    members = {"a/1.left.jpg": b"x", "a/1.right.png": b"x", "a/1.meta.json": b'{"label": 2}'}
    path = tar(tmp_path / "a.tar", members | {"a/1.cls": b"9"})
    assert labels(path) == {"a/1.left.jpg": "9", "a/1.right.png": "9"}


def test_json_without_a_class_leaves_the_class_to_the_folders(tmp_path):
    members = {"cat/1.jpg": b"x", "cat/1.json": b'{"caption": "a"}', "dog/2.jpg": b"x"}
    assert labels(tar(tmp_path / "a.tar", members)) == {"cat/1.jpg": "cat", "dog/2.jpg": "dog"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("0.json", b'{"label": ["cat", "dog"]}'),
        ("0.json", b'{"label": {"cat": 1}}'),
        ("0.json", b"[1, 2]"),
        ("0.json", b'{"label": 1.5}'),
        ("0.json", b"{"),
        ("0.json", b"\xff"),
        ("0.json", b'{"label": "\\ud800"}'),
        ("0.cls", b""),
        ("0.cls", b"cat\ndog"),
        ("0.cls", b"7" * 2_000_000),
    ],
)
def test_a_pair_that_gives_no_class_or_several_is_refused_by_name(tmp_path, name, text):
    path = tar(tmp_path / "a.tar", {"0.jpg": b"x", name: text})
    assert name in refusal(path)
    assert labels(path, labels="none") == {"0.jpg": None}


def test_images_without_a_pair_among_others_with_one_are_refused_by_name(tmp_path):
    path = tar(tmp_path / "a.tar", {"0.jpg": b"x", "0.cls": b"1", "1.jpg": b"x"})
    assert "1.jpg" in refusal(path)


def test_pairs_in_shards_share_their_classes_and_folders_still_split(tmp_path):
    for number in range(2):
        members = {"train/0.jpg": b"x", "train/0.cls": b"1", "val/1.jpg": b"x", "val/1.cls": b"0"}
        tar(tmp_path / f"{number}.tar", members)
    assert placed(tmp_path)["1.tar/train/0.jpg"] == ("1", "train")
    assert placed(tmp_path)["0.tar/val/1.jpg"] == ("0", "val")


# Memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [tar, zipped])
def test_memory_does_not_grow_with_the_number_of_members(tmp_path, pack):
    def peak(count):
        path = pack(tmp_path / f"{count}.{'tar' if pack is tar else 'zip'}", {
            f"cat/frame.{number:06}.jpg": b"x" for number in range(count)
        })  # fmt: skip
        tracemalloc.start()
        exhausted(path)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)
    assert peak(4_000) < peak(500) + 50_000


def test_every_extension_is_known_once():
    assert not names.IMAGE_EXTENSIONS & names.OTHER_EXTENSIONS
