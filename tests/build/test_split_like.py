"""`split="like:DATASET"`: known images keep their splits, whatever else changes."""

import json
import shutil
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import rows, split_of
from support.images import photo, write
from support.trees import class_folders

import imgmem
from imgmem.core.build.allocate import Unit, place
from imgmem.core.errors import DatasetError, InputError, UsageError

SMALL = {"size": 4, "workers": 1}


def record(out):
    return json.loads((out / "dataset.json").read_text())


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"a": 30, "b": 20}, size=(4, 4))


def add(source, name, seed):
    write(source / name, photo(4, 4, seed=seed))


@pytest.mark.parametrize("split", ["val=0.2", "test=0.2,folds=3", "train=0.5,val=0.5"])
def test_known_images_stay_and_new_ones_restore_the_shares(source, tmp_path, split):
    imgmem.build(source, tmp_path / "old", split=split, seed=3, **SMALL)
    before = split_of(tmp_path / "old")
    for number in range(40):
        add(source, f"a/new{number:02}.png", 1000 + number)
    for path in [path for path, name in before.items() if name in ("val", "test")][:5]:
        (source / path).unlink()
    imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'old'}", **SMALL)
    after = split_of(tmp_path / "new")
    assert all(before[path] == name for path, name in after.items() if path in before)
    imgmem.build(source, tmp_path / "scratch", split=split, seed=3, **SMALL)
    drawn = imgmem.open(tmp_path / "scratch").splits
    assert {name: b - a for name, (a, b) in imgmem.open(tmp_path / "new").splits.items()} == {
        name: b - a for name, (a, b) in drawn.items()
    }


def test_of_an_unchanged_source_it_is_the_same_dataset(source, tmp_path):
    imgmem.build(source, tmp_path / "old", split="val=0.2", **SMALL)
    imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'old'}", **SMALL)
    for name in ("X.npy", "y.npy", "rows.csv", "rows.npy"):
        assert (tmp_path / "old" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()


def test_rule_seed_and_table_are_recorded(source, tmp_path):
    imgmem.build(source, tmp_path / "old", split="test=0.1,folds=2", seed=7, **SMALL)
    like = f"like:{tmp_path / 'old'}"
    imgmem.build(source, tmp_path / "new", split=like, **SMALL)
    old, new = record(tmp_path / "old"), record(tmp_path / "new")
    assert new["build"]["options"] == old["build"]["options"]
    assert len(new["split_table"]) == 64 and "split_table" not in old
    imgmem.build(tmp_path / "src", tmp_path / "again", split=f"like:{tmp_path / 'new'}", **SMALL)
    assert record(tmp_path / "again")["split_table"] == new["split_table"]


def test_a_renamed_image_is_known_by_its_bytes(source, tmp_path):
    imgmem.build(source, tmp_path / "old", split="val=0.3", **SMALL)
    before = split_of(tmp_path / "old")
    for number, path in enumerate(sorted(before)):
        (source / path).rename(source / path[0] / f"renamed{number:03}.png")
    imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'old'}", **SMALL)
    after = split_of(tmp_path / "new")
    assert {
        f"{path[0]}/renamed{n:03}.png": before[path] for n, path in enumerate(sorted(before))
    } == (after)


def test_a_new_image_with_the_bytes_of_a_known_one_joins_it(source, tmp_path):
    imgmem.build(source, tmp_path / "old", split="val=0.3", **SMALL)
    before = split_of(tmp_path / "old")
    for path in list(before):
        shutil.copy(source / path, source / "b" / f"copy_{path[0]}{path[2:]}")
    imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'old'}", **SMALL)
    after = split_of(tmp_path / "new")
    assert all(after[f"b/copy_{path[0]}{path[2:]}"] == after[path] for path in before)


def test_a_merged_unit_goes_where_most_are_and_what_moved_is_named(tmp_path):
    source = tmp_path / "src"
    for patient, split in {"p1": "val", "p2": "train", "p3": "train", "p4": "val"}.items():
        for number in range(3 if patient == "p1" else 2):
            add(source, f"{split}/a/{patient}_{number}.png", len(list(source.rglob("*.png"))))
    imgmem.build(source, tmp_path / "old", **SMALL)
    flat = tmp_path / "flat"
    for path in source.rglob("*.png"):
        name = path.relative_to(source)
        (flat / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, flat / name)
    joined = {"p1": "p1", "p2": "p1", "p3": "p3", "p4": "p3"}
    names = sorted(flat.rglob("*.png"))
    table = ["path,label,patient"] + [
        f"{path.relative_to(flat)},a,{joined[path.name[:2]]}" for path in names
    ]
    (tmp_path / "t.csv").write_text("\n".join(table))
    result = imgmem.build(
        flat, tmp_path / "new", labels=tmp_path / "t.csv", group="patient", auto_split=False,
        split=f"like:{tmp_path / 'old'}", **SMALL,
    )  # fmt: skip
    found = defaultdict(set)
    for row in rows(tmp_path / "new"):
        found[row["patient"]].add(row["split"])
    assert found == {"p1": {"val"}, "p3": {"train"}}  # on a tie the earlier split
    (note,) = [note for note in result.notes if "moved" in note]
    for name in ("train/a/p2_0.png (train → val)", "train/a/p2_1.png (train → val)",
                 "val/a/p4_0.png (val → train)", "val/a/p4_1.png (val → train)"):  # fmt: skip
        assert name in note
    assert note.startswith("4 known images moved")


def test_images_that_no_rule_draws_are_named(tmp_path):
    for number in range(6):
        add(tmp_path / "src", f"{'train' if number < 3 else 'val'}/a/{number}.png", number)
    imgmem.build(tmp_path / "src", tmp_path / "old", **SMALL)
    like = {"auto_split": False, "split": f"like:{tmp_path / 'old'}", **SMALL}
    result = imgmem.build(tmp_path / "src", tmp_path / "same", **like)
    assert result.splits == {"train": 3, "val": 3}
    add(tmp_path / "src", "train/a/new.png", 99)
    with pytest.raises(InputError, match=r"has no split for 1 image, .* train/a/new.png"):
        imgmem.build(tmp_path / "src", tmp_path / "new", **like)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"split": "like:{}/none"}, InputError, "none"),
        ({"split": "like:{}/plain"}, UsageError, "has no splits"),
        ({"split": "like:{}/old", "seed": 5}, UsageError, "seed=2"),
        ({"split": "like:"}, UsageError, "split"),
    ],
)
def test_a_dataset_without_such_splits_is_refused(source, tmp_path, options, error, message):
    imgmem.build(source, tmp_path / "old", split="val=0.2", seed=2, **SMALL)
    imgmem.build(source, tmp_path / "plain", **SMALL)
    options["split"] = options["split"].format(tmp_path)
    with pytest.raises(error, match=message):
        imgmem.build(source, tmp_path / "new", **options, **SMALL)


def test_a_dataset_is_up_to_date_whatever_splits_it_took(source, tmp_path):
    imgmem.build(source, tmp_path / "old", split="val=0.2", **SMALL)
    for number in range(10):
        add(source, f"a/new{number}.png", 500 + number)
    like = f"like:{tmp_path / 'old'}"
    imgmem.build(source, tmp_path / "new", split=like, **SMALL)
    for split in (like, "val=0.2", f"like:{tmp_path / 'new'}"):
        assert imgmem.build(source, tmp_path / "new", split=split, **SMALL).already_done
    imgmem.build(source, tmp_path / "other", split="val=0.2", seed=1, **SMALL)
    with pytest.raises(DatasetError, match="seed"):
        imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'other'}", **SMALL)
    imgmem.build(source, tmp_path / "other", split="val=0.2", overwrite=True, **SMALL)
    with pytest.raises(DatasetError, match="other splits than"):
        imgmem.build(source, tmp_path / "new", split=f"like:{tmp_path / 'other'}", **SMALL)


def test_a_dataset_whose_images_are_where_they_are_now_is_up_to_date(source, tmp_path):
    imgmem.build(source, tmp_path / "other", split="val=0.2", **SMALL)
    like = f"like:{tmp_path / 'other'}"
    imgmem.build(source, tmp_path / "out", split=like, **SMALL)
    more = shutil.copytree(source, tmp_path / "more")
    add(more, "a/new.png", 500)
    imgmem.build(more, tmp_path / "other", update=True, **SMALL)
    assert imgmem.build(source, tmp_path / "out", split=like, **SMALL).already_done


@pytest.mark.parametrize("seed", [0, 5])
def test_what_settles_other_splits_does(source, tmp_path, seed):
    """`update` keeps the splits, and says so; with `resplit` it takes those that are asked for."""
    imgmem.build(source, tmp_path / "first", split="val=0.2", **SMALL)
    out, other = tmp_path / "out", tmp_path / "other"
    imgmem.build(source, out, split=f"like:{tmp_path / 'first'}", **SMALL)
    for number in range(40):
        add(source, f"b/new{number}.png", 500 + number)
    imgmem.build(source, other, split="val=0.2", seed=seed, **SMALL)
    for number in range(40):
        (source / f"b/new{number}.png").unlink()
    asked = {"split": f"like:{other}", **SMALL}
    with pytest.raises(DatasetError, match="update=True and resplit=True"):
        imgmem.build(source, out, **asked)
    if seed:
        with pytest.raises(DatasetError, match=r"Leave out split and seed, .* resplit=True"):
            imgmem.build(source, out, update=True, **asked)
    else:
        result = imgmem.build(source, out, update=True, **asked)
        noted = [note for note in result.notes if "kept that of" in note]
        assert result.already_done and len(noted) == 1 and "resplit=True" in noted[0]
        assert noted[0] in imgmem.preview_build(source, out, update=True, **asked).notes
    assert not imgmem.build(source, out, update=True, resplit=True, **asked).already_done
    assert split_of(out).items() <= split_of(other).items()
    assert imgmem.build(source, out, **asked).already_done


def test_overwriting_says_how_many_images_moved(source, tmp_path):
    imgmem.build(source, tmp_path / "out", split="val=0.2", **SMALL)
    before = split_of(tmp_path / "out")
    for number in range(30):
        add(source, f"a/01new{number}.png", 500 + number)
    result = imgmem.build(source, tmp_path / "out", split="val=0.2", overwrite=True, **SMALL)
    after = split_of(tmp_path / "out")
    moved = sum(after[path] != split for path, split in before.items())
    (note,) = [note for note in result.notes if "moved" in note]
    assert (
        moved > 0
        and note.startswith(f"{moved} of 50 known images moved to another split; split='like:")
        and note.endswith("would have kept them")
    )
    like = f"like:{tmp_path / 'out'}"
    add(source, "a/more.png", 999)
    result = imgmem.build(source, tmp_path / "out", split=like, overwrite=True, **SMALL)
    assert not any("moved" in note for note in result.notes)
    assert after.items() <= split_of(tmp_path / "out").items()


@pytest.mark.parametrize("group", [{}, {"group": "name:^(g[0-9]+)_"}])
def test_groups_that_the_dataset_kept_are_not_forgotten_in_silence(source, tmp_path, group):
    for number in range(8):
        add(source, f"a/g{number % 4}_{number}.png", 500 + number)
    by_name = {"group": "name:^(g[0-9]+)_"}
    imgmem.build(source, tmp_path / "old", split="val=0.2", **by_name, **SMALL)
    like = f"like:{tmp_path / 'old'}"
    result = imgmem.build(source, tmp_path / "new", split=like, **group, **SMALL)
    noted = any("group='name:^(g[0-9]+)_' keeps them together" in note for note in result.notes)
    assert noted != bool(group)


def test_an_unfinished_build_is_not_resumed_with_other_splits(source, tmp_path):
    imgmem.build(source, tmp_path / "old", split="val=0.2", **SMALL)
    for number in range(30):
        add(source, f"a/01new{number}.png", 500 + number)
    like = {"split": f"like:{tmp_path / 'old'}", **SMALL}
    (source / "b/zz.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(InputError, match=r"zz\.png"):
        imgmem.build(source, tmp_path / "new", **like)
    with pytest.raises(DatasetError, match="unfinished"):
        imgmem.build(source, tmp_path / "new", split="val=0.2", **SMALL)
    imgmem.build(source, tmp_path / "new", on_error="skip", **like)


@given(st.lists(st.integers(0, 1), max_size=30), st.integers(0, 30))
def test_new_units_fill_what_known_ones_leave(known, new):
    units = [Unit(b"%d" % number, {"a": 1}) for number in range(new)]
    taken = [(split, Unit(b"", {"a": 1})) for split in known]
    total = len(known) + new
    counts = [known.count(0), known.count(1)]
    for _, split in place(units, {"a": total}, (0.5, 0.5), known=taken):
        counts[split] += 1
    assert abs(counts[0] - counts[1]) <= max(1, abs(known.count(0) - known.count(1)) - new)
