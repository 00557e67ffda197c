"""Archives that can mean two things, and those that are plain."""

import gzip
import io
import os
import tarfile
import zipfile
from contextlib import closing

import pytest
from support.sources import doubted, placed
from support.trees import plant

import imgmem
from imgmem.core.errors import InputError
from imgmem.core.sources import open_source
from imgmem.core.sources.changed import changed_inside, forget
from imgmem.core.sources.settle import settle
from imgmem.core.specs import LabelSpec


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


def tar_gz(path, names):
    with gzip.open(path, "wb") as packed:
        packed.write(tar(path.with_name("plain"), names).read_bytes())
    path.with_name("plain").unlink()


PACK = {".tar": tar, ".zip": zipped, ".tar.gz": tar_gz}


@pytest.mark.parametrize("extension", list(PACK))
def test_a_folder_of_one_archive_per_class_is_doubted_and_they_may_be_the_classes(
    tmp_path, extension
):
    folder = tmp_path / "train"
    folder.mkdir()
    for name in ("n01440764", "n01443537", "n02979186"):
        PACK[extension](folder / f"{name}{extension}", ["0.jpg", "1.jpg"])
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


def test_archives_named_like_splits_are_splits_whatever_is_in_them(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for name in ("train-000.tar", "train-001.tar", "val.tar"):
        tar(folder / name, [f"{c}/{name[:-4]}{n}.jpg" for c in ("cat", "dog") for n in "12"])
    splits = {name.partition("/")[0]: split for name, (_, split) in placed(folder).items()}
    assert splits == {"train-000.tar": "train", "train-001.tar": "train", "val.tar": "val"}
    assert {label for label, _ in placed(folder).values()} == {"cat", "dog"}
    merged = placed(folder, auto_split=False)
    assert {split for _, split in merged.values()} == {None}


def test_archives_of_which_only_some_are_named_like_splits_are_doubted(tmp_path):
    (doubt,), _ = doubted(shards(tmp_path / "s", ["train.tar", "val.tar", "extra.tar"]))
    assert doubt.name == "archive-per-class"


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


def nested(folder, names, members=("0.jpg", "1.jpg")):
    """Archives in sub-folders, with members called after their folder."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        PACK[name[name.index(".") :]](folder / name, [f"{number}{each}" for each in members])
    return folder


@pytest.mark.parametrize("extension", list(PACK))
@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["train/000", "train/001", "val/000"], ["train", "train", "val"]),
        (["training/a-0", "validation/a-0"], ["train", "val"]),
        (["v1/train/0", "v1/test/0"], ["train", "test"]),
        (["in-train-000000", "in-train-000001", "in-val-000000"], ["train", "train", "val"]),
        (["in1k_train_0", "in1k_validation_0"], ["train", "val"]),
    ],
)
def test_shards_are_split_by_their_folders_and_names(tmp_path, names, splits, extension):
    folder = nested(tmp_path / "s", [f"{name}{extension}" for name in names])
    assert doubted(folder)[0] == ()
    found = {n.rpartition(extension)[0]: split for n, (_, split) in placed(folder).items()}
    assert found == dict(zip(names, splits, strict=True))


def test_class_folders_in_shards_of_split_folders_are_the_classes(tmp_path):
    folder = nested(tmp_path / "s", ["train/0.tar", "val/0.tar"], ("x/cat/1.jpg", "x/dog/1.jpg"))
    found = placed(folder, labels="parent")
    assert found["val/0.tar/1x/dog/1.jpg"] == ("dog", "val")


@pytest.mark.parametrize(
    ("names", "doubt", "classes"),
    [
        (["train/n01.tar", "train/n99.tar", "val/n01.tar", "val/n99.tar"],
         "archive-per-class", ("n01", "n99")),
        (["a/cat.zip", "a/dog.zip"], "archive-per-class", ("cat", "dog")),
        (["cat/0.tar", "cat/1.tar", "dog/0.tar"], "archive-folders", ("cat", "dog")),
        (["train/cat/0.tar", "train/dog/0.tar", "val/cat/0.tar", "val/dog/0.tar"],
         "archive-folders", ("cat", "dog")),
    ],
)  # fmt: skip
def test_archives_in_folders_may_be_classes_and_so_may_the_folders(tmp_path, names, doubt, classes):
    folder = nested(tmp_path / "s", names)
    (found,), _ = doubted(folder)
    assert found.name == doubt
    doubts, labeling = doubted(folder, **found.remedies[0].options)
    assert doubts == () and labeling.classes == classes


@pytest.mark.parametrize("names", [["a/0.tar"], ["part_1/0.tar", "part_2/0.tar"]])
def test_one_folder_of_shards_and_parts_of_a_set_are_not_doubted(tmp_path, names):
    assert doubted(nested(tmp_path / "s", names))[0] == ()


def test_archives_at_different_depths_are_refused_unless_some_are_left_out(tmp_path):
    folder = nested(tmp_path / "s", ["images.zip", "extra/masks.zip"])
    with pytest.raises(InputError, match=r"different depths: images\.zip, extra/masks\.zip"):
        placed(folder)
    assert len(placed(folder, exclude="extra")) == 2


def test_a_change_of_an_archive_in_a_sub_folder_is_seen(tmp_path):
    folder = nested(tmp_path / "s", ["train/0.tar", "val/0.tar"])
    forget()
    before = changed_inside(str(folder))
    os.utime(folder / "val" / "0.tar", ns=(1, 1))
    forget()
    assert changed_inside(str(folder)) > before


@pytest.mark.parametrize("extension", list(PACK))
def test_images_next_to_more_archives_are_doubted(tmp_path, extension):
    folder = nested(tmp_path / "s", [f"data/{n:03}{extension}" for n in range(3)])
    plant(folder, "docs/sample.jpg")
    (doubt,), _ = doubted(folder)
    assert doubt.name == "packed-images"
    packed, files = (placed(folder, **remedy.options) for remedy in doubt.remedies)
    assert len(packed) == 6 and set(files) == {"docs/sample.jpg"}


@pytest.mark.parametrize("extension", [".tar", ".zip"])
def test_archives_given_one_by_one_may_be_the_classes(tmp_path, extension):
    paths = [PACK[extension](tmp_path / f"{name}{extension}", ["0.jpg"]) for name in ("cat", "dog")]
    (doubt,) = several(paths).doubts
    assert doubt.name == "archive-per-class"
    assert several(paths, **doubt.remedies[0].options).classes == ("cat", "dog")
    assert several(paths, **doubt.remedies[1].options).doubts == ()
    parts = [PACK[extension](tmp_path / f"part{n}{extension}", ["0.jpg"]) for n in "12"]
    assert several(parts).doubts == ()


def several(paths, **options):
    spec = LabelSpec(**options)
    with closing(open_source(tuple(map(str, paths)), spec)) as source:
        return settle(source.listing(), spec)[1]


def test_archives_that_are_not_read_are_to_be_unpacked(tmp_path):
    for name in ("a.rar", "b.7z"):
        plant(tmp_path / name[0], name)
        with pytest.raises(InputError) as caught:
            imgmem.preview_build(tmp_path / name[0], tmp_path / "out")
        assert caught.value.hint.startswith("Unpack it") and name[1:] in caught.value.hint
    path = zipped(tmp_path / "kaggle.zip", ["train.zip", "test.zip", "labels.csv"])
    with pytest.raises(InputError) as caught:
        imgmem.preview_build(path, tmp_path / "out")
    assert "archives inside an archive are not read" in caught.value.hint


def test_classes_that_are_not_next_to_their_images_are_doubted(tmp_path):
    path = tar(tmp_path / "a.tar", [f"{n}.{end}" for end in ("jpg", "cls") for n in range(3)])
    (doubt,), _ = doubted(path)
    assert doubt.name == "cls-apart" and "3 .cls files" in doubt.evidence
    assert doubted(path, **doubt.remedies[0].options)[0] == ()


def test_some_archives_named_like_splits_next_to_others_are_doubted(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for name in ("rps.zip", "rps-test-set.zip", "rps-validation.zip"):
        zipped(folder / name, ["cat/1.jpg", "dog/2.jpg"])
    (doubt,), _ = doubted(folder)
    assert doubt.name == "archive-splits"
    without, merged = (doubted(folder, **remedy.options) for remedy in doubt.remedies)
    assert without[0] == merged[0] == ()
    assert {name.partition("/")[0] for name in placed(folder, **doubt.remedies[0].options)} == {
        "rps.zip"
    }


def sampled(path, *names):
    """A tar of two samples of these names, with a class each."""
    with tarfile.open(path, "w") as archive:
        for key, label in (("00", b"cat"), ("01", b"dog")):
            for name, data in [
                *((f"{key}.{name}", b"image") for name in names),
                (f"{key}.cls", label),
            ]:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("jpg", "seg.png"), [{"jpg"}, {"seg.png"}, {"jpg", "seg.png"}]),
        (("left.jpg", "right.jpg"), [{"left.jpg"}, {"right.jpg"}, {"left.jpg", "right.jpg"}]),
        (("png", "mask.png"), [{"png"}, {"mask.png"}, {"png", "mask.png"}]),
    ],
)
def test_several_images_of_one_sample_are_a_doubt(tmp_path, names, kept):
    path = sampled(tmp_path / "a.tar", *names)
    (doubt,), _ = doubted(path)
    assert doubt.name == "sample-images"
    for remedy, expected in zip(doubt.remedies, kept, strict=True):
        assert doubted(path, **remedy.options)[0] == ()
        found = placed(path, **remedy.options)
        assert found == {
            f"0{n}.{name}": (("cat", "dog")[n], None) for n in (0, 1) for name in expected
        }


def test_one_image_of_each_sample_is_plain(tmp_path):
    assert doubted(sampled(tmp_path / "a.tar", "jpg"))[0] == ()
