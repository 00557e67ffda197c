"""Whether a finished dataset is still what its source would give: whatever the dates say."""

import os
import re
import shutil
import time

import pytest
from support.images import photo, write
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.build import freshness
from imgmem.core.errors import DatasetError, InputError

SMALL = {"size": 8, "workers": 1}


@pytest.fixture
def source(tmp_path):
    """Uncompressed images, which all have the same size."""
    return class_folders(tmp_path / "src", {"a": 3, "b": 3}, size=(8, 8), extension=".bmp")


@pytest.fixture
def built(source, tmp_path):
    time.sleep(0.02)
    imgmem.build(source, tmp_path / "out", **SMALL)
    time.sleep(0.02)  # the clocks of file systems tick every few milliseconds
    return tmp_path / "out"


def older(tmp_path, seed=99):
    """Another image of the same size, with a date of long ago."""
    write(tmp_path / "old.bmp", photo(8, 8, seed=seed))
    os.utime(tmp_path / "old.bmp", (10**9, 10**9))
    return tmp_path / "old.bmp"


def require_noticed(source, out, what, **options):
    with pytest.raises(DatasetError, match=what):
        imgmem.build(source, out, **SMALL, **options)


@pytest.mark.parametrize("replace", [shutil.copy2, os.replace])
def test_a_file_replaced_by_one_with_an_older_date_is_noticed(source, built, tmp_path, replace):
    replace(older(tmp_path), source / "a/01.bmp")
    require_noticed(source, built, r"1 changed \(a/01\.bmp\)")


def test_two_images_that_changed_classes_are_noticed(source, built, tmp_path):
    os.replace(source / "a/01.bmp", tmp_path / "t")
    os.replace(source / "b/02.bmp", source / "a/01.bmp")
    os.replace(tmp_path / "t", source / "b/02.bmp")
    require_noticed(source, built, "2 changed")


def test_two_folders_that_changed_names_are_noticed(source, built):
    os.replace(source / "a", source / "t")
    os.replace(source / "b", source / "a")
    os.replace(source / "t", source / "b")
    require_noticed(source, built, "6 changed")


def test_two_folders_that_changed_names_and_got_new_files_are_noticed(source, built):
    os.replace(source / "a", source / "t")
    os.replace(source / "b", source / "a")
    os.replace(source / "t", source / "b")
    for label in "ab":
        write(source / label / "new.bmp", photo(8, 8, seed=70 + ord(label)))
    require_noticed(source, built, "2 new")
    assert imgmem.build(source, built, update=True, **SMALL).changed == 6


def test_a_link_to_another_folder_is_noticed(tmp_path):
    for name in "xy":
        class_folders(tmp_path / name, {"c": 2}, size=(8, 8), extension=".bmp")
    write(tmp_path / "y/c/01.bmp", photo(8, 8, seed=99))
    source = class_folders(tmp_path / "src", {"b": 2}, size=(8, 8), extension=".bmp")
    (source / "a").symlink_to(tmp_path / "x/c")
    imgmem.build(source, tmp_path / "out", **SMALL)
    time.sleep(0.02)
    (tmp_path / "l").symlink_to(tmp_path / "y/c")
    os.replace(tmp_path / "l", source / "a")
    require_noticed(source, tmp_path / "out", r"a/01\.bmp")


def test_new_files_in_a_folder_are_no_reason_to_read_the_others(source, built, monkeypatch):
    write(source / "a/new.bmp", photo(8, 8, seed=70))
    os.utime(source / "a", (10**9, 10**9))  # as rsync sets it
    read = []
    monkeypatch.setattr(freshness, "digest_of", lambda _, image: read.append(image.name))
    assert imgmem.build(source, built, update=True, **SMALL).kept == 6
    assert read == []


def test_another_folder_in_the_place_of_the_source_is_noticed(source, built, tmp_path):
    shutil.copytree(source, tmp_path / "copy")
    shutil.copy2(older(tmp_path), tmp_path / "copy/b/00.bmp")
    shutil.rmtree(source)
    os.replace(tmp_path / "copy", source)
    require_noticed(source, built, r"1 changed \(b/00\.bmp\)")


def test_a_link_that_points_elsewhere_is_noticed(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 2}, size=(8, 8), extension=".bmp")
    (source / "a/link.bmp").symlink_to(source / "a/00.bmp")
    target = older(tmp_path)
    imgmem.build(source, tmp_path / "out", **SMALL)
    time.sleep(0.02)
    (tmp_path / "l").symlink_to(target)
    os.replace(tmp_path / "l", source / "a/link.bmp")
    require_noticed(source, tmp_path / "out", r"a/link\.bmp")


def test_an_archive_replaced_by_one_with_an_older_date_is_noticed(source, tmp_path):
    shutil.make_archive(str(tmp_path / "one"), "tar", source)
    shutil.copy2(older(tmp_path), source / "a/01.bmp")
    os.utime(source / "a/01.bmp", ns=(0, (source / "a/00.bmp").stat().st_mtime_ns))
    shutil.make_archive(str(tmp_path / "two"), "tar", source)
    os.utime(tmp_path / "two.tar", (10**9, 10**9))
    imgmem.build(tmp_path / "one.tar", tmp_path / "out", **SMALL)
    time.sleep(0.02)
    os.replace(tmp_path / "two.tar", tmp_path / "one.tar")
    require_noticed(tmp_path / "one.tar", tmp_path / "out", "1 changed")


def test_several_sources_are_looked_at(source, tmp_path):
    class_folders(tmp_path / "more", {"a": 2}, size=(8, 8), extension=".bmp")
    write(tmp_path / "more/a/01.bmp", photo(8, 8, seed=50))
    both = [source, tmp_path / "more"]
    imgmem.build(both, tmp_path / "out", **SMALL)
    time.sleep(0.02)
    os.replace(older(tmp_path), tmp_path / "more/a/00.bmp")
    require_noticed(both, tmp_path / "out", "1 changed")


def test_equal_bytes_are_up_to_date_and_are_not_read_again(source, built, monkeypatch):
    before, seen = (built / "dataset.json").read_bytes(), (built / "dataset.json").stat()
    for path in source.rglob("*.bmp"):
        os.chmod(path, 0o600)
        shutil.copy2(path, source / "t")
        os.replace(source / "t", path)
    time.sleep(0.02)
    assert imgmem.build(source, built, **SMALL).already_done
    assert (built / "dataset.json").read_bytes() == before
    assert (built / "dataset.json").stat() == seen  # Make has nothing to do

    def not_again(*_):
        raise AssertionError("an image was read")

    monkeypatch.setattr("imgmem.core.sources.folder.FolderSource.read", not_again)
    assert imgmem.build(source, built, **SMALL).already_done


def test_a_dry_run_notes_nothing(source, built):
    os.chmod(source / "a/00.bmp", 0o600)
    before = (built / "rows.npy").stat().st_mtime_ns
    assert imgmem.preview_build(source, built, size=8).changes == "nothing"
    assert (built / "rows.npy").stat().st_mtime_ns == before


def test_files_that_are_added_next_to_the_images_are_no_reason_to_read_them(
    source, built, monkeypatch
):
    (source / "a/Thumbs.db").write_bytes(b"x")
    monkeypatch.setattr("imgmem.core.sources.folder.FolderSource.read", None)
    assert imgmem.build(source, built, **SMALL).already_done


def test_copied_rows_are_compared_by_the_digests_that_they_have(source, built, tmp_path):
    imgmem.build(built, tmp_path / "clean", drop="duplicates")
    time.sleep(0.02)
    for name in os.listdir(built):
        os.chmod(built / name, 0o600)
    assert imgmem.build(built, tmp_path / "clean", drop="duplicates").already_done


def test_a_change_before_a_normalization_is_noticed_after_it(source, built, tmp_path):
    os.replace(older(tmp_path), source / "a/01.bmp")
    imgmem.normalize(built, on_read=True)
    require_noticed(source, built, "1 changed")


def test_an_image_replaced_after_it_was_decoded_is_noticed_by_the_next_run(source, tmp_path):
    out, old = tmp_path / "out", older(tmp_path)

    def replace_at_the_end(now):
        if (now.phase, now.done) == ("build", now.total):
            os.replace(old, source / "a/01.bmp")

    imgmem.build(source, out, progress=replace_at_the_end, **SMALL)
    assert not old.exists()
    require_noticed(source, out, r"1 changed \(a/01\.bmp\)")
    imgmem.normalize(out, to=tmp_path / "copy")
    require_noticed(source, tmp_path / "copy", r"1 changed \(a/01\.bmp\)")


def test_an_image_replaced_between_two_runs_of_a_build_is_noticed_by_the_next(source, tmp_path):
    out, first = tmp_path / "out", source / "a/01.bmp"
    write(source / "b/zz.bmp", photo(8, 8))
    (source / "b/zz.bmp").write_bytes(b"BM broken")
    os.utime(first, (10**9, 10**9))
    time.sleep(0.02)  # the bytes of zz.bmp, which is rejected, are not known
    with pytest.raises(InputError, match="zz"):
        imgmem.build(source, out, **SMALL)
    os.replace(older(tmp_path), first)  # of the same size and date: it can be resumed
    time.sleep(0.02)
    assert imgmem.build(source, out, on_error="skip", **SMALL).resumed_at > 0
    require_noticed(source, out, r"1 changed \(a/01\.bmp\)", on_error="skip")


def without_times(out):
    """A copy that has the times when it was made."""
    copy = out.with_name("copy")
    shutil.copytree(out, copy, copy_function=shutil.copyfile)
    return copy


def test_in_a_copy_that_did_not_keep_times_a_change_before_it_is_noticed(source, built, tmp_path):
    os.replace(older(tmp_path), source / "a/01.bmp")
    time.sleep(0.02)
    copy = without_times(built)
    require_noticed(source, copy, r"1 changed \(a/01\.bmp\)")
    shutil.copytree(built, tmp_path / "kept")  # its times too
    require_noticed(source, tmp_path / "kept", r"1 changed \(a/01\.bmp\)")
    assert imgmem.build(source, copy, update=True, **SMALL).changed == 1


@pytest.mark.parametrize("options", [{}, {"update": True}])
def test_a_copy_that_did_not_keep_times_is_up_to_date_once_its_images_were_read(
    source, tmp_path, monkeypatch, options
):
    (source / "a/bad.bmp").write_bytes(b"BM broken")
    imgmem.build(source, tmp_path / "out", on_error="skip", **SMALL)
    time.sleep(0.02)
    copy = without_times(tmp_path / "out")
    options |= {"on_error": "skip", **SMALL}
    assert imgmem.build(source, copy, **options).already_done
    monkeypatch.setattr("imgmem.core.sources.folder.FolderSource.read", None)
    assert imgmem.build(source, copy, **options).already_done


def test_another_source_of_the_same_names_is_noticed_though_its_files_are_older(tmp_path):
    for seed, name in enumerate(("one", "two")):
        for number in range(3):
            write(tmp_path / name / f"a/{number}.bmp", photo(8, 8, seed=10 * seed + number))
    shutil.copy2(tmp_path / "one/a/1.bmp", tmp_path / "two/a/1.bmp")
    time.sleep(0.02)
    imgmem.build(tmp_path / "one", tmp_path / "out", **SMALL)
    require_noticed(tmp_path / "two", tmp_path / "out", "2 changed")
    result = imgmem.build(tmp_path / "two", tmp_path / "out", update=True, **SMALL)
    assert (result.kept, result.changed) == (1, 2)
    imgmem.build(tmp_path / "two", tmp_path / "new", **SMALL)
    assert (tmp_path / "out/X.npy").read_bytes() == (tmp_path / "new/X.npy").read_bytes()


def test_a_source_is_the_same_by_whatever_path_it_is_given(source, built, monkeypatch):
    monkeypatch.chdir(source)
    (source.parent / "link").symlink_to(source)
    monkeypatch.setattr("imgmem.core.sources.folder.FolderSource.read", None)
    for path in (".", "../src", source, source.parent / "link"):
        assert imgmem.build(path, built, **SMALL).already_done


def test_a_source_that_was_moved_is_read_once(source, built, monkeypatch):
    source = source.rename(source.with_name("moved"))
    time.sleep(0.02)
    assert imgmem.build(source, built, **SMALL).already_done
    monkeypatch.setattr("imgmem.core.sources.folder.FolderSource.read", None)
    assert imgmem.build(source, built, **SMALL).already_done


@pytest.mark.parametrize(
    ("target", "before", "after"),
    [("class", "path,label,camera", "path,label,site"), ("number", "path,price", "path,cost")],
)
def test_a_column_with_another_name_is_a_change(source, tmp_path, target, before, after):
    table, cells = tmp_path / "labels.csv", ["1"] * before.count(",")
    rows = [",".join([f"{folder}/0{i}.bmp", *cells]) for folder in "ab" for i in range(3)]
    options = {"labels": table, "target": target}
    table.write_text("\n".join([before, *rows]))
    imgmem.build(source, tmp_path / "out", **SMALL, **options)
    table.write_text("\n".join([after, *rows]))
    require_noticed(source, tmp_path / "out", "labels, splits", **options)
    imgmem.build(source, tmp_path / "out", update=True, **SMALL, **options)
    imgmem.build(source, tmp_path / "new", **SMALL, **options)
    for name in ("rows.csv", "dataset.json"):
        now, full = ((tmp_path / out / name).read_text() for out in ("out", "new"))
        assert now.partition(',\n "split_table"')[0] == full.partition(',\n "split_table"')[0]


OTHERWISE = [
    ({"split": None, "classes": None}, {}),
    ({"seed": 0, "split": None}, {}),
    ({"split": "val=0.5"}, {"resplit": True}),
    ({"seed": 3}, {"resplit": True}),
    ({"split": "folds=3"}, {"resplit": True}),
    ({"classes": ["b", "a", "c"]}, {}),
    ({"classes": ["a", "b"]}, None),
    ({"size": 4}, None),
]
"""Options that differ from those of a dataset, and what has to be added to `update` for them."""


@pytest.mark.parametrize(("options", "more"), OTHERWISE)
def test_an_update_is_proposed_where_it_settles_other_options(source, tmp_path, options, more):
    built_with = SMALL | {"split": "val=0.4", "seed": 2, "classes": ["b", "a"]}
    imgmem.build(source, tmp_path / "out", **built_with)
    asked = {name: value for name, value in (built_with | options).items() if value is not None}
    with pytest.raises(DatasetError, match="built with other options") as caught:
        imgmem.build(source, tmp_path / "out", **asked)
    hint = caught.value.hint
    assert ("update=True" in hint, "resplit=True" in hint) == (more is not None, bool(more))
    if more is None:
        with pytest.raises((DatasetError, InputError)):
            imgmem.build(source, tmp_path / "out", update=True, resplit=True, **asked)
    else:
        imgmem.build(source, tmp_path / "out", update=True, **more, **asked)


def remove(path):
    path.unlink()


def cut(path):
    os.truncate(path, path.stat().st_size - 8)


def overwrite_the_header(path):
    path.write_bytes(b"\1" * 40 + path.read_bytes()[40:])


DAMAGED = [
    (name, damage)
    for name in ("X.npy", "y.npy", "rows.npy")
    for damage in (remove, cut, overwrite_the_header)
] + [("rows.csv", remove), ("rejected.csv", remove)]


@pytest.mark.parametrize(("name", "damage"), DAMAGED)
def test_a_dataset_that_lacks_a_file_is_not_up_to_date(source, tmp_path, name, damage):
    (source / "a/02.bmp").write_bytes(b"no image")
    options = SMALL | {"on_error": "skip", "split": "val=0.4"}
    imgmem.build(source, tmp_path / "out", **options)
    whole = snapshot(tmp_path / "out")
    damage(tmp_path / "out" / name)
    for how in ({}, {"update": True}, {"update": True, "resplit": True}):
        with pytest.raises(DatasetError, match=re.escape(name)):
            imgmem.build(source, tmp_path / "out", **options, **how)
    preview = imgmem.preview_build(source, tmp_path / "out", **options)
    assert isinstance(preview.problem, DatasetError)
    preview = imgmem.preview_build(source, tmp_path / "out", overwrite=True, **options)
    assert preview.changes.startswith("replaced: ") and name in preview.changes
    assert not imgmem.build(source, tmp_path / "out", overwrite=True, **options).already_done
    assert snapshot(tmp_path / "out") == whole


def test_a_dataset_with_a_damaged_table_can_be_replaced(source, built):
    (built / "rows.csv").write_bytes(b"\xff")
    (source / "a/02.bmp").unlink()
    assert imgmem.build(source, built, overwrite=True, **SMALL).images == 5
