"""Archives that can mean two things, and those that are plain."""

import io
import tarfile
import zipfile

import pytest
from support.sources import doubted, placed


def tar(path, names):
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 5
            archive.addfile(member, io.BytesIO(b"image"))
    return path


def zipped(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"image")
    return path


def shards(folder, names, members=("0.jpg", "1.jpg")):
    folder.mkdir()
    for number, name in enumerate(names):
        tar(folder / name, [f"{number}{member}" for member in members])
    return folder


@pytest.mark.parametrize("pack", [tar, zipped])
def test_an_archive_is_doubted_as_a_folder_is(tmp_path, pack):
    names = [f"{d}/{c}/{d}{n}.jpg" for d in ("web", "dslr") for c in ("mug", "pen") for n in "12"]
    path = pack(tmp_path / "a.tar", names) if pack is tar else pack(tmp_path / "a.zip", names)
    (doubt,), _ = doubted(path)
    assert doubt.name == "same-folders"
    assert doubted(path, **doubt.remedies[0].options)[1].classes == ("mug", "pen")


def test_a_folder_of_one_tar_per_class_is_doubted_and_the_tars_may_be_the_classes(tmp_path):
    folder = shards(tmp_path / "train", ["n01440764.tar", "n01443537.tar", "n02979186.tar"])
    (doubt,), _ = doubted(folder)
    assert doubt.name == "archive-per-class"
    classes, unlabeled = (doubted(folder, **remedy.options) for remedy in doubt.remedies)
    assert classes[1].classes == ("n01440764", "n01443537", "n02979186")
    assert unlabeled[1].classes is None
    assert classes[0] == unlabeled[0] == ()


@pytest.mark.parametrize(
    "names",
    [
        ["shard-000.tar", "shard-001.tar", "shard-002.tar"],
        ["000000.tar", "000001.tar"],
        ["train-0.tar", "val-0.tar"],
        ["images.tar"],
        ["part_a.tar", "part_b.tar"],
    ],
)
def test_shards_are_not_doubted(tmp_path, names):
    assert doubted(shards(tmp_path / "shards", names))[0] == ()


def test_a_tar_per_class_that_holds_class_folders_is_plain(tmp_path):
    (tmp_path / "t").mkdir()
    for name in ("cat", "dog"):
        tar(tmp_path / "t" / f"{name}.tar", [f"{name}/{name}{n}.jpg" for n in range(3)])
    doubts, labeling = doubted(tmp_path / "t")
    assert doubts == ()
    assert labeling.classes == ("cat", "dog")


def test_archives_inside_an_archive_next_to_images_are_doubted(tmp_path):
    path = zipped(tmp_path / "a.zip", ["cat/1.jpg", "dog/2.jpg", "more/rest.tar", "more/x.zip"])
    (doubt,), _ = doubted(path)
    assert doubt.name == "archives-inside"
    assert "1 .tar file, 1 .zip file" in doubt.evidence
    assert doubted(path, **doubt.remedies[0].options)[0] == ()


def test_rules_and_globs_hold_for_the_members_of_archives(tmp_path):
    path = tar(tmp_path / "a.tar", ["x/cat_1.jpg", "x/dog_1.jpg", "y/cat_2.jpg"])
    found = placed(path, labels="name:^([a-z]+)_", exclude="y", split_from="folder:1")
    assert found == {"x/cat_1.jpg": ("cat", "x"), "x/dog_1.jpg": ("dog", "x")}
