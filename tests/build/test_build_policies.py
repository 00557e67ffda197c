"""What a build does with images that cannot be trusted."""

import csv
import gc
import os
import time

import pytest
from support.images import photo, write
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.build.workdir import WorkDir
from imgmem.core.errors import InputError, Interrupted, ResourceError, UsageError
from imgmem.core.specs import BuildSpec, ImageSpec, RejectPolicy, RunSpec

SPEC = BuildSpec(image=ImageSpec(size=(4, 4)))
SKIP = RejectPolicy(on_error="skip")


@pytest.fixture
def source(tmp_path):
    """Ten pictures in two classes, of which a/03 and b/01 are cut off."""
    source = class_folders(tmp_path / "src", {"a": 5, "b": 5}, size=(20, 20))
    for name in ("a/03.png", "b/01.png"):
        data = (source / name).read_bytes()
        (source / name).write_bytes(data[: len(data) // 2])
    time.sleep(0.03)  # a reject that is as new as the listing may have changed since
    return source


def test_stop_names_the_file_and_publishes_nothing(tmp_path, source):
    with pytest.raises(InputError, match=r"a/03\.png"):
        imgmem.build(source, tmp_path / "out", spec=SPEC)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="open files are listed in /proc")
def test_a_build_that_stops_leaves_no_file_open(tmp_path, source):
    with pytest.raises(InputError):
        imgmem.build(source, tmp_path / "out", spec=SPEC)
    gc.collect()  # the exception's frames may still hold what they iterate over
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    names = [os.readlink(link) for link in links if os.path.lexists(link)]
    assert not [name for name in names if name.startswith(str(tmp_path))]


def test_stop_again_stops_at_the_same_file(tmp_path, source):
    for _ in range(2):
        with pytest.raises(InputError, match=r"a/03\.png"):
            imgmem.build(source, tmp_path / "out", spec=SPEC)


def test_skip_resumes_from_where_stop_stopped(tmp_path, source):
    with pytest.raises(InputError):
        imgmem.build(source, tmp_path / "out", spec=SPEC)
    result = imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP)
    assert result.resumed_at == 3
    imgmem.build(source, tmp_path / "straight", spec=SPEC, policy=SKIP)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "straight")


def test_skip_lists_the_rejects_with_their_reasons(tmp_path, source):
    result = imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP)
    with open(tmp_path / "out" / "rejected.csv", encoding="utf-8", newline="") as file:
        rejects = list(csv.DictReader(file))
    assert [reject["path"] for reject in rejects] == ["a/03.png", "b/01.png"]
    assert {reject["reason"] for reject in rejects} == {"truncated"}
    assert result.rejected == {"truncated": 2}
    assert result.class_counts == {"a": 4, "b": 4}


def test_without_rejects_there_is_no_rejected_csv(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2}, size=(4, 4))
    imgmem.build(source, tmp_path / "out", spec=SPEC)
    assert not (tmp_path / "out" / "rejected.csv").exists()


@pytest.mark.parametrize("limit", [1, 0.1, 0])
def test_too_many_rejects_fail_without_publishing(tmp_path, source, limit):
    policy = RejectPolicy(on_error="skip", max_rejects=limit)
    with pytest.raises(InputError, match="max_rejects"):
        imgmem.build(source, tmp_path / "out", spec=SPEC, policy=policy)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", [1, 0.1, 0])
def test_a_finished_dataset_is_held_to_the_limit_too(tmp_path, source, limit):
    imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP)
    policy = RejectPolicy(on_error="skip", max_rejects=limit)
    with pytest.raises(InputError, match=r"2 of 10 images for .*out were rejected \(2 truncated"):
        imgmem.build(source, tmp_path / "out", spec=SPEC, policy=policy)
    policy = RejectPolicy(on_error="skip", max_rejects=2)
    assert imgmem.build(source, tmp_path / "out", spec=SPEC, policy=policy).already_done


def test_a_finished_dataset_with_rejects_is_not_up_to_date_for_a_build_that_must_have_none(
    tmp_path, source
):
    imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP)
    with pytest.raises(InputError, match=r"2 images for .*out were rejected") as caught:
        imgmem.build(source, tmp_path / "out", spec=SPEC)
    assert "on_error='skip'" in caught.value.hint
    assert imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP).already_done


def test_a_complete_build_that_was_not_published_is_held_to_the_limit_too(
    tmp_path, source, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(WorkDir, "publish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(Interrupted):
            imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP)
    policy = RejectPolicy(on_error="skip", max_rejects=1)
    with pytest.raises(InputError, match="max_rejects"):
        imgmem.build(source, tmp_path / "out", spec=SPEC, policy=policy)
    assert not (tmp_path / "out").exists()


def test_a_raised_limit_resumes(tmp_path, source):
    policy = RejectPolicy(on_error="skip", max_rejects=1)
    with pytest.raises(InputError):
        imgmem.build(source, tmp_path / "out", spec=SPEC, policy=policy)
    policy = RejectPolicy(on_error="skip", max_rejects=2)
    assert imgmem.build(source, tmp_path / "out", spec=SPEC, policy=policy).images == 10


def test_a_class_whose_images_are_all_rejected_keeps_its_number_and_is_named(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 1, "b": 1, "c": 1}, size=(20, 20))
    (source / "b" / "00.png").write_bytes(b"")
    result = imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP)
    assert result.class_counts == {"a": 1, "b": 0, "c": 1}
    assert "class without rows: b" in result.notes


def test_allowing_rejects_and_stopping_at_the_first_contradict_each_other(tmp_path, source):
    policy = RejectPolicy(on_error="stop", max_rejects=3)
    with pytest.raises(UsageError, match="max_rejects requires on_error='skip'"):
        imgmem.build(source, tmp_path / "out", spec=SPEC, policy=policy)
    assert not list(tmp_path.glob("*out*"))


def test_an_empty_class_folder_is_an_error_with_stop(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 1, "b": 0}, size=(4, 4))
    with pytest.raises(InputError, match="without any image: b"):
        imgmem.build(source, tmp_path / "out", spec=SPEC)
    result = imgmem.build(source, tmp_path / "out", spec=SPEC, policy=SKIP)
    assert result.class_counts == {"a": 1, "b": 0}


def test_no_usable_image_at_all_is_an_error(tmp_path):
    (tmp_path / "src" / "a").mkdir(parents=True)
    (tmp_path / "src" / "a" / "x.jpg").write_bytes(b"<html>")
    with pytest.raises(InputError, match="all images were rejected"):
        imgmem.build(tmp_path / "src", tmp_path / "out", spec=SPEC, policy=SKIP)
    assert [path.name for path in tmp_path.iterdir()] == ["src"]


def test_an_image_too_large_for_the_budget_stops_the_build_and_is_not_rejected(tmp_path):
    write(tmp_path / "src" / "a" / "big.png", photo(3000, 3000))
    run = RunSpec(workers=1, memory=70 * 2**20)
    with pytest.raises(ResourceError, match=r"a/big\.png needs"):
        imgmem.build(tmp_path / "src", tmp_path / "out", spec=SPEC, policy=SKIP, run=run)
    imgmem.build(tmp_path / "src", tmp_path / "out", spec=SPEC, policy=SKIP)
    assert (tmp_path / "out" / "X.npy").exists()
