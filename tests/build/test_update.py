"""`update`: a dataset is built again from its changed source, and what it has is copied."""

import json
import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image
from support.datasets import rows, split_of
from support.images import photo, write
from support.trees import class_folders, snapshot

import imgmem
from imgmem.core.errors import DatasetError, InputError, Interrupted, UsageError

SMALL = {"size": 8, "workers": 1}


@pytest.fixture
def source(tmp_path):
    """Images of two classes; something is noted of two of them."""
    source = class_folders(tmp_path / "src", {"a": 6, "b": 5}, size=(9, 12))
    write(source / "b/00.png", photo(9, 12, seed=90)[:, :, :1].repeat(4, 2))
    pages = [Image.fromarray(photo(9, 12, seed=seed)) for seed in range(91, 94)]
    pages[0].save(source / "b/01.png", "TIFF", save_all=True, append_images=pages[1:])
    return source


def add(source):
    write(source / "a/00-new.png", photo(9, 12, seed=100))
    write(source / "b/new.png", photo(12, 9, seed=101))


def replace(source):
    write(source / "a/02.png", photo(9, 12, seed=102))


def replace_by_an_older_file(source):
    write(source / "new", photo(9, 12, seed=103), "PNG")
    os.utime(source / "new", (10**9, 10**9))
    os.replace(source / "new", source / "b/01.png")


def touch(source):
    for path in source.rglob("*.png"):
        path.touch()


def rename(source):
    os.replace(source / "a/03.png", source / "a/renamed.png")


def relabel(source):
    os.replace(source / "a/04.png", source / "b/from-a.png")


def swap(source):
    os.replace(source / "a/01.png", source / "t")
    os.replace(source / "b/01.png", source / "a/01.png")
    os.replace(source / "t", source / "b/01.png")


def remove(source):
    (source / "a/05.png").unlink()
    (source / "b/00.png").unlink()


def break_one(source):
    (source / "a/01.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")


def all_of_it(source):
    for change in (add, replace, touch, rename, relabel, remove, break_one):
        change(source)


CHANGES = [
    add, replace, replace_by_an_older_file, touch, rename, relabel, swap, remove, break_one,
    all_of_it,
]  # fmt: skip
COUNTS = {
    add: (2, 0, 0, 11),
    replace: (0, 1, 0, 10),
    touch: (0, 0, 0, 11),
    swap: (0, 2, 0, 9),
    remove: (0, 0, 2, 9),
    break_one: (0, 1, 0, 10),
}


def counts(result):
    return result.added, result.changed, result.removed, result.kept


def night(source, out, change, **options):
    """Build, change the source, update; returns the result and the dataset before."""
    old = out.with_name(f"{out.name}-old")
    imgmem.build(source, out, **options)
    shutil.copytree(out, old)
    time.sleep(0.02)  # the clocks of file systems tick every few milliseconds
    change(source)
    return imgmem.build(source, out, update=True, **options), old


def require_equal_to_a_full_build(source, out, old, **options):
    """All files of `out` have the bytes of a build that decodes everything."""
    if imgmem.open(old).splits and "auto_split" not in options:
        options = options | {"split": f"like:{old}"}
        options.pop("seed", None)
    new = out.with_name(f"{out.name}-new")
    imgmem.build(source, new, **options)
    assert snapshot(out) == snapshot(new)


@pytest.mark.parametrize(
    ("change", "split"),
    [(change, "val=0.3") for change in CHANGES]
    + [(swap, ""), (all_of_it, ""), (all_of_it, "test=0.2,folds=2")],
)
def test_the_result_has_the_bytes_of_a_build_that_decodes_all(source, tmp_path, change, split):
    options = SMALL | {"on_error": "skip", "seed": 3, "shuffle": change is all_of_it}
    if split:
        options["split"] = split
    result, old = night(source, tmp_path / "out", change, **options)
    if change in COUNTS:
        assert counts(result) == COUNTS[change]
    if change is touch:
        assert result.already_done and snapshot(tmp_path / "out") == snapshot(old)
        return
    require_equal_to_a_full_build(source, tmp_path / "out", old, **options)


def test_only_images_that_are_new_or_changed_are_decoded(source, tmp_path, monkeypatch):
    decoded = []

    def noted(data, *arguments, **options):
        decoded.append(data)
        return decode(data, *arguments, **options)

    def change(source):
        all_of_it(source)
        (source / "a/01.png").unlink()
        monkeypatch.setattr("imgmem.core.build.decoding.decode_into", noted)

    decode = imgmem.core.build.decoding.decode_into
    night(source, tmp_path / "out", change, split="val=0.3", **SMALL)
    new = ["a/00-new.png", "a/02.png", "b/new.png"]
    assert sorted(decoded) == sorted((source / name).read_bytes() for name in new)


def packed(source, kind):
    archive = source.with_name(f"photos.{kind}")
    shutil.make_archive(str(source.with_name("photos")), kind, source)
    return archive


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_of_an_archive_rows_are_copied_too(source, tmp_path, kind, monkeypatch):
    def change(_):
        all_of_it(source)
        (source / "a/01.png").unlink()
        packed(source, kind)

    archive = packed(source, kind)
    result, old = night(archive, tmp_path / "out", change, split="val=0.3", **SMALL)
    assert result.kept == 7
    require_equal_to_a_full_build(archive, tmp_path / "out", old, split="val=0.3", **SMALL)


TABLES = {
    "class": (["flat/0.png,a,x", "flat/1.png,b,x", "flat/2.png,b,y"], {}),
    "number": (["flat/0.png,1.5,x", "flat/1.png,2,x", "flat/2.png,3,y"], {"target": "number"}),
    "multilabel": (["flat/0.png,a|b,x", "flat/1.png,b,x", "flat/2.png,,y"], {
        "target": "multilabel", "no_label": ""}),
}  # fmt: skip


@pytest.mark.parametrize("target", TABLES)
def test_rows_whose_line_in_the_label_table_changed_are_copied_with_the_new_one(
    tmp_path, target, monkeypatch
):
    lines, options = TABLES[target]
    options = SMALL | options | {"labels": tmp_path / "labels.csv"}
    for number in range(4):
        write(tmp_path / f"src/flat/{number}.png", photo(8, 8, seed=number))

    def table(lines):
        (tmp_path / "labels.csv").write_text("\n".join(["path,label,camera", *lines, ""]))

    def change(_):
        table([lines[0].replace(",x", ",z"), *lines[2:], lines[0].replace("0.png", "3.png")])
        with open(tmp_path / "labels.csv", "a") as file:
            file.write(lines[0].replace("0.png", "1.png"))

    table(lines)
    result, old = night(tmp_path / "src", tmp_path / "out", change, **options)
    assert counts(result) == (1, 0, 0, 3) and result.relabeled == 1
    require_equal_to_a_full_build(tmp_path / "src", tmp_path / "out", old, **options)
    assert {row["camera"] for row in rows(tmp_path / "out")} == {"x", "y", "z"}


def test_a_row_that_lost_its_label_is_not_copied(tmp_path):
    options = SMALL | {"labels": tmp_path / "labels.csv", "on_error": "skip"}
    for number in range(3):
        write(tmp_path / f"src/{number}.png", photo(8, 8, seed=number))
    (tmp_path / "labels.csv").write_text("path,label\n0.png,a\n1.png,b\n2.png,a\n")

    def change(_):
        (tmp_path / "labels.csv").write_text("path,label\n0.png,a\n1.png,b\n2.png,\n")

    result, old = night(tmp_path / "src", tmp_path / "out", change, **options)
    assert result.rejected == {"no-label": 1} and result.shape[0] == 2
    require_equal_to_a_full_build(tmp_path / "src", tmp_path / "out", old, **options)


def test_several_sources_are_updated_as_one(source, tmp_path):
    class_folders(tmp_path / "more", {"a": 2, "c": 2}, size=(9, 12))
    both = [source, tmp_path / "more"]

    def change(_):
        all_of_it(source)
        write(tmp_path / "more/c/07.png", photo(8, 8, seed=70))

    options = SMALL | {"on_error": "skip", "split": "val=0.3"}
    result, old = night(both, tmp_path / "out", change, **options)
    assert result.added == 3 and result.kept == 11
    require_equal_to_a_full_build(both, tmp_path / "out", old, **options)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_other_executors_make_the_same(tmp_path, executor, monkeypatch):
    """Tasks of a few lines, more copies in a row than are kept waiting, and new images between."""
    source = class_folders(tmp_path / "src", {"a": 40, "b": 40}, size=(9, 12))
    for path in sorted(source.rglob("*.png"))[::7]:
        shutil.move(path, tmp_path / f"{path.parent.name}-{path.name}")

    def change(_):
        for path in tmp_path.glob("*.png"):
            os.replace(path, source / path.name.replace("-", "/", 1))

    monkeypatch.setattr("imgmem.core.build.mixed.LOOK_AHEAD", 9)
    monkeypatch.setattr("imgmem.core.build.filling.TASK_BYTES", 2000)
    options = {"size": 8, "workers": 2, "executor": executor}
    result, old = night(source, tmp_path / "out", change, **options)
    assert counts(result) == (12, 0, 0, 68)
    require_equal_to_a_full_build(source, tmp_path / "out", old, **options)


def test_resplit_draws_all_splits_again(source, tmp_path):
    imgmem.build(source, tmp_path / "out", split="val=0.3", seed=5, **SMALL)
    add(source)
    imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    remove(source)
    imgmem.build(source, tmp_path / "out", update=True, resplit=True, **SMALL)
    imgmem.build(source, tmp_path / "new", split="val=0.3", seed=5, **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_resplit_of_an_unchanged_source_forgets_the_table(source, tmp_path):
    imgmem.build(source, tmp_path / "out", split="val=0.3", **SMALL)
    assert imgmem.build(source, tmp_path / "out", update=True, resplit=True, **SMALL).already_done
    add(source)
    imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    assert imgmem.build(source, tmp_path / "out", update=True, **SMALL).already_done
    result = imgmem.build(source, tmp_path / "out", update=True, resplit=True, **SMALL)
    assert not result.already_done and result.kept == 13
    imgmem.build(source, tmp_path / "new", split="val=0.3", **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_new_shares_are_drawn_with_resplit_only(source, tmp_path):
    imgmem.build(source, tmp_path / "out", split="val=0.3", **SMALL)
    add(source)
    with pytest.raises(DatasetError, match="splits") as caught:
        imgmem.build(source, tmp_path / "out", update=True, split="val=0.5", **SMALL)
    assert "resplit" in caught.value.hint
    imgmem.build(source, tmp_path / "out", update=True, resplit=True, split="val=0.5", **SMALL)
    imgmem.build(source, tmp_path / "new", split="val=0.5", **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_splits_of_the_source_are_taken_from_it(tmp_path):
    for number, split in enumerate(("train", "train", "val", "val")):
        write(tmp_path / f"src/{split}/{'ab'[number % 2]}/{number}.png", photo(8, 8, seed=number))

    def change(source):
        os.replace(source / "train/a/0.png", source / "val/a/0.png")
        write(source / "train/a/9.png", photo(8, 8, seed=9))

    night(tmp_path / "src", tmp_path / "out", change, **SMALL)
    imgmem.build(tmp_path / "src", tmp_path / "new", **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_where_nothing_is_there_it_is_a_plain_build(source, tmp_path):
    result = imgmem.build(source, tmp_path / "out", update=True, split="val=0.3", **SMALL)
    assert result.kept is None and not result.already_done
    imgmem.build(source, tmp_path / "new", split="val=0.3", **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


@pytest.mark.parametrize("options", [{"size": 9}, {"fit": "crop"}, {"shuffle": True}])
def test_other_options_are_refused_with_what_differs(source, tmp_path, options):
    imgmem.build(source, tmp_path / "out", **SMALL)
    add(source)
    with pytest.raises(DatasetError, match=f"these differ: {next(iter(options))}"):
        imgmem.build(source, tmp_path / "out", update=True, **SMALL | options)


@pytest.mark.parametrize(
    "options", [{"update": True, "overwrite": True}, {"resplit": True}], ids=lambda o: next(iter(o))
)
def test_switches_that_contradict_each_other_are_refused(source, tmp_path, options):
    with pytest.raises(UsageError):
        imgmem.build(source, tmp_path / "out", **SMALL, **options)
    assert not (tmp_path / "out").exists()


def edited(out, change):
    record = json.loads((out / "dataset.json").read_text())
    change(record)
    (out / "dataset.json").write_text(json.dumps(record))


def test_rows_of_other_decoders_are_not_copied(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    edited(tmp_path / "out", lambda record: record["build"]["decoders"].update(pillow="0.9"))
    np.lib.format.open_memmap(tmp_path / "out/X.npy", "r+")[:] = 7
    add(source)
    preview = imgmem.preview_build(source, tmp_path / "out", update=True, **SMALL)
    result = imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    for notes in (preview.notes, result.notes):
        assert any("pillow: 0.9" in note for note in notes)
    imgmem.build(source, tmp_path / "new", **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_damaged_rows_are_not_copied(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    np.lib.format.open_memmap(tmp_path / "out/X.npy", "r+")[3, 0, 0, 0] += 1
    before = snapshot(tmp_path / "out")
    add(source)
    with pytest.raises(DatasetError, match="is damaged"):
        imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    assert snapshot(tmp_path / "out") == before


def test_what_is_not_part_of_a_dataset_stops_it_before_any_work(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    (tmp_path / "out/notes.txt").write_text("mine")
    add(source)
    with pytest.raises(DatasetError, match=r"notes\.txt"):
        imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    assert not list(tmp_path.glob(".out*"))


def test_known_images_keep_their_splits(source, tmp_path):
    imgmem.build(source, tmp_path / "out", split="val=0.4", **SMALL)
    before = split_of(tmp_path / "out")
    add(source)
    imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    after = split_of(tmp_path / "out")
    assert all(after[path] == split for path, split in before.items())


def test_a_new_class_that_sorts_last_changes_nothing_else(source, tmp_path):
    def change(source):
        write(source / "c/1.png", photo(9, 12, seed=104))

    result, old = night(source, tmp_path / "out", change, split="val=0.3", **SMALL)
    assert result.class_counts == {"a": 6, "b": 5, "c": 1}
    require_equal_to_a_full_build(source, tmp_path / "out", old, **SMALL)


def test_a_class_that_would_change_the_indices_of_known_ones_stops_it_before_any_work(
    source, tmp_path
):
    imgmem.build(source, tmp_path / "out", split="val=0.3", **SMALL)
    shutil.copytree(tmp_path / "out", tmp_path / "old")
    write(source / "aa/1.png", photo(9, 12, seed=104))
    with pytest.raises(InputError, match="class indices") as caught:
        imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    assert "classes=" in caught.value.hint and "overwrite" in caught.value.hint
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "old")
    assert not list(tmp_path.glob(".out*"))
    pinned = imgmem.build(source, tmp_path / "out", update=True, classes=tmp_path / "out", **SMALL)
    assert pinned.class_counts == {"a": 6, "b": 5, "aa": 1} and pinned.kept == 11
    options = SMALL | {"split": f"like:{tmp_path / 'old'}", "classes": ["a", "b", "aa"]}
    imgmem.build(source, tmp_path / "new", **options)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")
    assert imgmem.build(source, tmp_path / "out", update=True, **SMALL).already_done
    write(source / "ab/1.png", photo(9, 12, seed=105))
    result = imgmem.build(source, tmp_path / "out", update=True, **SMALL)
    assert list(result.class_counts) == ["a", "b", "aa", "ab"]


def stop_at(done):
    """A progress callback that interrupts a build once so many images are done."""

    def interrupt(progress):
        if progress.phase == "build" and progress.done >= done:
            raise KeyboardInterrupt

    return interrupt


@pytest.fixture
def changed(source, tmp_path, monkeypatch):
    """A source that changed since `out` was built; what an update is to give is at `new`."""
    monkeypatch.setattr("imgmem.core.build.filling.TASK_BYTES", 1)
    imgmem.build(source, tmp_path / "out", split="val=0.3", **SMALL)
    shutil.copytree(tmp_path / "out", tmp_path / "old")
    time.sleep(0.02)
    add(source)
    relabel(source)
    replace(source)
    imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'old'}", **SMALL)
    return source


@pytest.mark.parametrize("switch", ["update", "overwrite"])
def test_an_interrupted_update_is_resumed_with_the_same_counts(changed, tmp_path, switch):
    for done in (1, 4, 9):
        with pytest.raises(Interrupted):
            imgmem.build(changed, tmp_path / "out", update=True, progress=stop_at(done), **SMALL)
        assert snapshot(tmp_path / "out") == snapshot(tmp_path / "old")
    options = {"update": {}, "overwrite": {"split": f"like:{tmp_path / 'old'}"}}
    result = imgmem.build(changed, tmp_path / "out", **{switch: True}, **options[switch], **SMALL)
    assert result.resumed_at >= 9
    if switch == "update":
        assert counts(result) == (2, 1, 0, 10)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_a_source_that_changed_again_is_named_and_restart_starts_over(changed, tmp_path):
    with pytest.raises(Interrupted):
        imgmem.build(changed, tmp_path / "out", update=True, progress=stop_at(4), **SMALL)
    write(changed / "a/z.png", photo(9, 12, seed=150))
    with pytest.raises(DatasetError, match=r"its inputs changed: 1 new \(a/z\.png\)"):
        imgmem.build(changed, tmp_path / "out", update=True, **SMALL)
    result = imgmem.build(changed, tmp_path / "out", update=True, restart=True, **SMALL)
    assert counts(result) == (3, 1, 0, 10)


def test_rows_are_not_copied_from_a_dataset_that_changed_meanwhile(changed, tmp_path):
    with pytest.raises(Interrupted):
        imgmem.build(changed, tmp_path / "out", update=True, progress=stop_at(4), **SMALL)
    imgmem.normalize(tmp_path / "out")
    with pytest.raises(DatasetError, match="has changed since its update was started"):
        imgmem.build(changed, tmp_path / "out", update=True, **SMALL)
    imgmem.build(changed, tmp_path / "out", update=True, restart=True, **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_a_dataset_that_is_being_updated_cannot_be_written(changed, tmp_path):
    def normalize(progress):
        if progress.phase == "build" and progress.done:
            with pytest.raises(DatasetError, match="in use"):
                imgmem.normalize(tmp_path / "out")

    imgmem.build(changed, tmp_path / "out", update=True, progress=normalize, **SMALL)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "new")


def test_a_dry_run_says_what_stops_an_update_and_writes_nothing(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    before = snapshot(tmp_path / "out")
    write(source / "aa/1.png", photo(9, 12, seed=104))
    preview = imgmem.preview_build(source, tmp_path / "out", update=True, **SMALL)
    assert isinstance(preview.problem, InputError) and preview.changes == "not compared"
    pinned = SMALL | {"classes": tmp_path / "out", "update": True}
    preview = imgmem.preview_build(source, tmp_path / "out", **pinned)
    assert preview.problem is None and preview.changes == "updated: +1 ~0 −0, 11 kept"
    assert (preview.added, preview.kept) == (1, 11)
    preview = imgmem.preview_build(source, tmp_path / "out", update=True, size=9)
    assert isinstance(preview.problem, DatasetError) and "size" in preview.changes
    assert snapshot(tmp_path / "out") == before


def deep(shape, seed):
    """A photograph of 16 bits, gray."""
    return (photo(*shape, seed=seed)[:, :, 0].astype(np.uint16) * 257 + seed).clip(0, 65535)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "float32", "split": "val=0.3"},
        {"channels": "gray", "fit": "pad"},
        {"size": "native", "fsync": False},
        {"limit": 6, "shuffle": True, "seed": 4},
        {"group": "name:^(.)", "split": "val=0.3"},
        {"dtype": "uint16", "channels": "gray", "levels": "none"},
        {"dtype": "float32", "channels": "gray", "levels": "none"},
        {"labels": "none", "exclude": "*3.png"},
    ],
    ids=str,
)
def test_rows_of_any_kind_are_copied(tmp_path, options):
    options = {"size": 8, "workers": 1} | options
    made = deep if options.get("levels") == "none" else lambda shape, seed: photo(*shape, seed=seed)
    if options.get("levels") == "none" and options["dtype"] == "uint16":
        del options["levels"]
    for number in range(12):
        write(tmp_path / f"src/{'ab'[number % 2]}/{number}.png", made((9, 12), number))

    def change(source):
        write(source / "a/30.png", made((9, 12), 30))
        write(source / "b/1.png", made((9, 12), 31))
        (source / "b/5.png").unlink()

    result, old = night(tmp_path / "src", tmp_path / "out", change, **options)
    assert not result.already_done
    assert not any("no row could be copied" in note for note in result.notes)
    require_equal_to_a_full_build(tmp_path / "src", tmp_path / "out", old, **options)
