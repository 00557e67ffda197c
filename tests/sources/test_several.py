"""Several sources as one: prefixes, classes and splits by name, and what is doubtful."""

import itertools
import json
import shlex
import tarfile
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.datasets import write_dataset
from support.images import photo
from support.program import imgmem as run
from support.trees import class_folders, plant, snapshot

import imgmem
from imgmem.core.errors import InputError, UsageError
from imgmem.core.sources import open_source
from imgmem.core.sources.prefixes import prefixes
from imgmem.core.sources.settle import settle
from imgmem.core.specs import LabelSpec


def listing(paths, **options):
    spec = LabelSpec(**options)
    with closing(open_source(tuple(map(str, paths)), spec)) as source:
        settled, labeling = settle(source.listing(), spec)
        return {e.name: (e.label, e.split) for e in settled.entries}, settled, labeling


def placed(*paths, **options):
    return listing(paths, **options)[0]


def doubts(*paths, **options):
    return listing(paths, **options)[2].doubts


# Prefixes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["/data/2026-10", "/data/2026-11"], ["2026-10", "2026-11"]),
        (["/x/a/photos", "/x/b/photos"], ["a/photos", "b/photos"]),
        (["/x/photos", "/y/photos", "/z/more.zip"], ["x/photos", "y/photos", "more.zip"]),
        (["/q/x", "/x/a", "/y/a"], ["q/x", "x/a", "y/a"]),
    ],
)
def test_a_prefix_is_the_shortest_end_that_no_other_path_has(paths, expected):
    found = {path: prefix for prefix, path in prefixes(paths).items()}
    assert [found[path] for path in paths] == expected


folders = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(lambda p: "/" + "/".join(p))


@settings(max_examples=200, deadline=None)
@given(st.lists(folders, min_size=2, max_size=5, unique=True))
def test_no_path_below_one_prefix_is_below_another(paths):
    found = prefixes(paths)
    assert set(found.values()) == set(paths)
    for prefix, path in found.items():
        assert path.endswith(prefix)
    for a, b in itertools.permutations(found, 2):  # a file in a folder may be one, too
        assert not b.startswith(f"{a}/") or found[b].startswith(f"{found[a]}/")


# What becomes of them ----------------------------------------------------------------------


@pytest.fixture
def two(tmp_path):
    class_folders(tmp_path / "2026-10", {"cat": 2, "dog": 1})
    class_folders(tmp_path / "2026-11", {"dog": 2, "eel": 1})
    return tmp_path / "2026-10", tmp_path / "2026-11"


def test_classes_are_joined_by_name_and_paths_have_a_prefix(two):
    found, settled, labeling = listing(two)
    assert labeling.classes == ("cat", "dog", "eel")
    assert found["2026-10/dog/00.png"] == ("dog", None)
    assert found["2026-11/eel/00.png"] == ("eel", None)
    assert labeling.doubts == ()
    assert settled.sources == ("2026-10", "2026-11")


def test_the_order_in_which_they_are_given_does_not_change_the_bytes(two, tmp_path):
    trees = []
    for number, order in enumerate((two, two[::-1])):
        imgmem.build(order, tmp_path / f"out{number}", size=16, split="val=0.4", shuffle=True)
        trees.append(snapshot(tmp_path / f"out{number}"))
    assert trees[0] == trees[1]


def test_the_dataset_records_the_prefixes_and_no_absolute_path(two, tmp_path):
    imgmem.build(two, tmp_path / "out", size=16)
    text = (tmp_path / "out/dataset.json").read_text()
    assert json.loads(text)["build"]["source"]["prefixes"] == ["2026-10", "2026-11"]
    assert str(tmp_path) not in text


def test_a_changed_image_in_one_of_them_is_noticed(two, tmp_path):
    imgmem.build(two, tmp_path / "out", size=16)
    assert imgmem.build(two[::-1], tmp_path / "out", size=16).already_done
    plant(two[1], "eel/01.png", data=(two[1] / "eel/00.png").read_bytes())
    with pytest.raises(imgmem.DatasetError):
        imgmem.build(two, tmp_path / "out", size=16)


def test_splits_are_joined_by_name(tmp_path):
    for name, more in (("a", "val"), ("b", "test")):
        plant(tmp_path / name, "train/cat/1.jpg", "train/dog/2.jpg", f"{more}/cat/3.jpg")
        plant(tmp_path / name, f"{more}/dog/4.jpg")
    splits = {split for _, split in placed(tmp_path / "a", tmp_path / "b").values()}
    assert splits == {"train", "val", "test"}


def test_sources_that_are_no_folders_and_named_like_splits_are_splits(tmp_path):
    for name in ("train", "val"):
        plant(tmp_path / name, "cat/1.jpg", "dog/2.jpg")
        with tarfile.open(tmp_path / f"{name}.tar", "w") as archive:
            archive.add(tmp_path / name, "")
    found = placed(tmp_path / "train.tar", tmp_path / "val.tar")
    assert found["train.tar/cat/1.jpg"] == ("cat", "train")
    assert found["val.tar/dog/2.jpg"] == ("dog", "val")


def test_lists_keep_their_order_and_their_columns(tmp_path):
    plant(tmp_path, "img/1.jpg", "img/2.jpg", "img/3.jpg")
    (tmp_path / "a.csv").write_text("path,label,site\nimg/2.jpg,cat,x\nimg/1.jpg,dog,y\n")
    (tmp_path / "b.csv").write_text("path,label,year\nimg/3.jpg,cat,2026\n")
    found, settled, _ = listing((tmp_path / "b.csv", tmp_path / "a.csv"))
    assert list(found) == ["a.csv/img/2.jpg", "a.csv/img/1.jpg", "b.csv/img/3.jpg"]
    assert settled.extra_columns == ("site", "year")


def test_a_table_labels_the_images_of_all_of_them(tmp_path):
    plant(tmp_path, "x/1.jpg", "y/2.jpg")
    (tmp_path / "labels.csv").write_text("path,label\n1.jpg,cat\n2.jpg,dog\n")
    found = placed(tmp_path / "x", tmp_path / "y", labels=str(tmp_path / "labels.csv"))
    assert found == {"x/1.jpg": ("cat", None), "y/2.jpg": ("dog", None)}


def test_rules_and_globs_hold_below_each_source_and_patterns_see_the_prefix(two):
    assert {label for label, _ in placed(*two, labels="folder:1").values()} == {"cat", "dog", "eel"}
    assert len(placed(*two, include="./dog")) == 3
    assert {label for label, _ in placed(*two, labels="path:^([^/]+)/").values()} == {
        "2026-10",
        "2026-11",
    }


def test_groups_by_folder_are_those_below_each_source(tmp_path):
    for name in "ab":
        class_folders(tmp_path / name / "p1", {"cat": 2, "dog": 2})
    options = {"labels": "folder:2", "group": "folder:1", "size": 16}
    imgmem.build([tmp_path / "a", tmp_path / "b"], tmp_path / "out", **options)
    rows = (tmp_path / "out/rows.csv").read_text().splitlines()
    assert {row.rpartition(",")[2] for row in rows[1:]} == {"p1"}


def test_datasets_keep_their_class_numbers_where_they_agree(tmp_path):
    for name in ("a", "b"):
        images = [photo(4, 4, seed) for seed in range(2)]
        write_dataset(tmp_path / name, images, [0, 1], classes=("zebra", "ant"), names=["1", "2"])
    assert listing((tmp_path / "a", tmp_path / "b"))[2].classes == ("zebra", "ant")


def test_estimate_and_dry_run_take_several(two, tmp_path):
    assert imgmem.estimate(list(two)).images.class_counts == {"cat": 2, "dog": 3, "eel": 1}
    assert imgmem.preview_build(two, tmp_path / "out").images == 6


# Doubts and refusals -----------------------------------------------------------------------


def command(error, at=0):
    return json.loads(error)["error"]["doubts"][0]["remedies"][at]["command"]


def test_sub_folders_given_one_by_one_are_doubted_and_the_commands_work(tmp_path):
    class_folders(tmp_path / "photos", {"cat": 2, "dog": 2, "eel": 2})
    words = ["build", "photos/cat", "photos/dog", "out", "--size", "16"]
    done = run(*words, "--json", cwd=tmp_path)
    assert done.returncode == 3
    assert "sub-folders of one folder: are they classes?" in done.stderr
    proposed = command(done.stdout)
    assert proposed == ("imgmem build photos out --size 16 --json --include ./cat --include ./dog")
    built = run(*proposed.split()[1:], cwd=tmp_path)
    assert json.loads(built.stdout)["class_counts"] == {"cat": 2, "dog": 2}
    unlabeled = command(done.stdout, 1).replace(" out ", " other ")
    assert json.loads(run(*unlabeled.split()[1:], cwd=tmp_path).stdout)["class_counts"] is None


def test_all_sub_folders_are_proposed_as_the_folder_alone(tmp_path):
    plant(tmp_path / "photos", "cat/1.jpg", "dog/2.jpg")
    (doubt,) = doubts(tmp_path / "photos/cat", tmp_path / "photos/dog")
    assert doubt.remedies[0].options == {"source": str(tmp_path / "photos")}


def test_sub_folders_named_like_splits_are_doubted(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3.jpg", "val/dog/4.jpg")
    (doubt,) = doubts(tmp_path / "train", tmp_path / "val")
    assert doubt.remedies[0].meaning == "they are splits"
    merged = placed(tmp_path / "train", tmp_path / "val", **doubt.remedies[1].options)
    assert {split for _, split in merged.values()} == {None}


@pytest.mark.parametrize(
    "names", [("2026-10", "2026-11"), ("part_1", "part_2"), ("x/flat", "y/flat")]
)
def test_flat_folders_that_are_parts_or_apart_are_not_doubted(tmp_path, names):
    for name in names:
        plant(tmp_path / name, "1.jpg", "2.jpg")
    found, _, labeling = listing([tmp_path / name for name in names])
    assert labeling.doubts == () and len(found) == 4


def test_labeled_next_to_unlabeled_sources_are_doubted(tmp_path):
    plant(tmp_path, "a/cat/1.jpg", "a/dog/2.jpg", "far/b/3.jpg")
    (doubt,) = doubts(tmp_path / "a", tmp_path / "far/b")
    assert doubt.name == "partly-labeled"
    assert doubts(tmp_path / "a", tmp_path / "far/b", **doubt.remedies[-1].options) == ()


def test_split_next_to_other_sources_are_doubted(tmp_path):
    plant(tmp_path, "a/train/cat/1.jpg", "a/train/dog/2.jpg", "a/val/cat/3.jpg", "a/val/dog/4.jpg")
    plant(tmp_path, "b/cat/1.jpg", "b/dog/2.jpg")
    (doubt,) = doubts(tmp_path / "a", tmp_path / "b")
    assert doubt.name == "partly-split"
    assert doubts(tmp_path / "a", tmp_path / "b", **doubt.remedies[0].options) == ()


@pytest.mark.parametrize("classes", [("cat/", "dog/"), ("images/cat/", "images/dog/"), ("",)])
def test_sources_that_hold_one_split_each_may_be_split_by_these_folders(tmp_path, classes):
    for split in ("a/train", "b/test", "c/valid"):
        plant(tmp_path, *(f"{split}/{c}{n}.jpg" for c in classes for n in range(2)))
    (doubt,) = doubts(*(tmp_path / name for name in "abc"))
    assert doubt.name == "partly-split"
    assert doubt.remedies[0].options == {"split": "folder:1"}
    done = imgmem.preview_build(
        [tmp_path / name for name in "abc"], tmp_path / "out", **doubt.remedies[0].options
    )
    assert done.problem is None and set(done.splits) == {"train", "val", "test"}
    assert [each.name for each in done.classes] == (["cat", "dog"] if classes[0] else [None])


@pytest.mark.parametrize("names", [("m/cat", "m/dog"), ("m/cat", "n/dog")])
def test_sources_with_one_folder_each_of_one_name_are_doubted(tmp_path, names):
    for name in names:
        plant(tmp_path / name, "x/1.jpg", "x/2.jpg")
    given = [tmp_path / name for name in names]
    (doubt,) = doubts(*given)
    assert doubt.name == "one-class" and "class, x: are the SOURCEs" in doubt.evidence
    each, all_of_one = (listing(given, **remedy.options)[2] for remedy in doubt.remedies)
    assert each.classes == ("cat", "dog") and each.doubts == ()
    assert all_of_one.classes == ("x",) and all_of_one.doubts == ()


@pytest.mark.parametrize("names", [("2026-10", "2026-11"), ("batch1", "batch2"), ("a/x", "b/x")])
def test_more_images_of_one_class_are_not_doubted(tmp_path, names):
    for name in names:
        plant(tmp_path / name, "x/1.jpg", "x/2.jpg")
    assert doubts(*(tmp_path / name for name in names)) == ()


def test_sub_folders_of_the_folder_that_out_is_in_are_classes_by_a_rule(tmp_path):
    class_folders(tmp_path, {"cat": 2, "dog": 2})
    done = run("build", "cat", "dog", "out", "--size", "16", "--json", cwd=tmp_path)
    proposed = command(done.stdout)
    assert "--labels" in proposed and " . " not in proposed
    built = run(*shlex.split(proposed)[1:], cwd=tmp_path)
    assert json.loads(built.stdout)["class_counts"] == {"cat": 2, "dog": 2}
    elsewhere = run("build", "cat", "dog", str(tmp_path.parent / "o"), "--json", cwd=tmp_path)
    assert " . " in command(elsewhere.stdout)


def test_splits_in_the_working_directory_are_taken_as_such(tmp_path, monkeypatch):
    for name in ("train", "val"):
        class_folders(tmp_path / name, {"cat": 2, "dog": 2})
    monkeypatch.chdir(tmp_path)
    result = imgmem.build(["train", "val"], "out", size=16)
    assert result.splits == {"train": 4, "val": 4}


def test_one_labeled_source_next_to_others_is_proposed_alone(tmp_path):
    plant(tmp_path, "a/train/cat/1.jpg", "a/train/dog/2.jpg", "b/test/3.jpg", "b/test/4.jpg")
    (doubt,) = doubts(tmp_path / "a/train", tmp_path / "b/test")
    assert doubt.remedies[0].options == {"source": str(tmp_path / "a/train")}


def test_sources_named_like_splits_may_hold_a_folder_of_their_split(tmp_path):
    for split in ("train", "val"):
        with tarfile.open(tmp_path / f"{split}.tar", "w") as archive:
            for name in ("cat/1.jpg", "dog/2.jpg"):
                archive.addfile(tarfile.TarInfo(f"{split}/{name}"))
    found = placed(tmp_path / "train.tar", tmp_path / "val.tar")
    assert found["train.tar/train/cat/1.jpg"] == ("cat", "train")
    assert found["val.tar/val/cat/1.jpg"] == ("cat", "val")


def test_a_doubt_about_one_of_them_names_it(tmp_path):
    plant(tmp_path, "a/seg_train/cat/1.jpg", "a/seg_train/dog/1.jpg", "a/seg_test/cat/2.jpg")
    plant(tmp_path, "a/seg_test/dog/2.jpg", "b/cat/1.jpg", "b/dog/2.jpg")
    (doubt,) = doubts(tmp_path / "a", tmp_path / "b")
    assert doubt.evidence.startswith(f"{tmp_path / 'a'}: ")


def test_image_files_are_a_usage_error_with_the_command_for_their_folder(tmp_path):
    plant(tmp_path / "photos", "1.jpg", "2.jpg")
    done = run("build", "photos/1.jpg", "photos/2.jpg", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "imgmem build photos out --include '*.jpg'" in done.stderr
    forgot = run("build", "photos/1.jpg", "photos/2.jpg", cwd=tmp_path)
    assert forgot.returncode == 2
    assert "imgmem build photos OUT --include 1.jpg" in forgot.stderr
    assert (
        "imgmem estimate photos --include 1.jpg"
        in run("estimate", "photos/1.jpg", cwd=tmp_path).stderr
    )


def test_a_source_twice_or_inside_another_is_a_usage_error(two, tmp_path):
    with pytest.raises(UsageError, match="is given twice"):
        imgmem.build([two[0], two[0]], tmp_path / "out")
    with pytest.raises(UsageError, match="is inside SOURCE"):
        imgmem.build([two[0], two[0] / "cat"], tmp_path / "out")
    with pytest.raises(UsageError, match="there is no SOURCE"):
        imgmem.build([], tmp_path / "out")


def test_different_targets_are_refused(tmp_path):
    plant(tmp_path, "1.jpg", "2.jpg")
    (tmp_path / "a.csv").write_text("path,label\n1.jpg,cat\n")
    (tmp_path / "b.csv").write_text('path,labels\n2.jpg,"cat|dog"\n')
    with pytest.raises(InputError):
        listing((tmp_path / "a.csv", tmp_path / "b.csv"))


def test_without_a_result_the_command_says_so():
    done = run("build", "photos")
    assert done.returncode == 2
    assert "OUT is missing" in done.stderr
