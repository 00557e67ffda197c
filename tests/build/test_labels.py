"""Labels as they come out of a build: numbers of classes, maps, splits, previews."""

import json

import numpy as np
import pytest
from support.images import photo, write

import imgmem
from imgmem.core.errors import InputError
from imgmem.core.sources.numbering import number_notes, numbered


def planted(root, counts):
    """root/FOLDER/N.png for each folder and count; every image is another one."""
    seed = 0
    for folder, count in counts.items():
        for _ in range(count):
            seed += 1
            write(root / folder / f"{seed:03}.png", photo(8, 8, seed=seed))
    return root


def built(source, out, **options):
    return imgmem.build(source, out, size=8, **options)


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (["10", "9", "2", *"01345678"], [str(n) for n in range(11)]),
        (["007", "000", "001", "002", "003", "004", "005", "006"], [f"{n:03}" for n in range(8)]),
        (["102", "1", "20"], ["1", "20", "102"]),
        (["b", "B", "10", "9"], ["10", "9", "B", "b"]),
        (["a", "\u00e4", "z"], ["a", "z", "\u00e4"]),
    ],
)
def test_whole_numbers_are_in_the_order_of_their_values_and_all_else_of_bytes(found, names):
    assert numbered(found, {}) == tuple(names)


def test_a_one_to_one_map_does_not_move_a_number():
    found = [str(n) for n in range(12)]
    names = dict(zip(found, "lkjihgfedcba", strict=True))
    assert numbered(found, names) == tuple("lkjihgfedcba")


def test_classes_that_are_joined_are_numbered_by_their_new_names():
    assert numbered(["0", "1", "2"], {"0": "z", "1": "a", "2": "a"}) == ("a", "z")


def test_dropped_classes_have_no_number():
    assert numbered(["ant", "bee", "cat"], {"bee": ""}) == ("ant", "cat")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (["a", "b"], []),
        ([str(n) for n in range(10)], []),
        ([str(n) for n in range(11)], ["ImageFolder"]),
        (["1", "2"], ["class 1 has number 0"]),
        (["-1", "0", "1"], ["class 0 has number 1, because -1 is a class too"]),
        (["-1", "cat"], []),
        (["1", "2", "10"], ["class 1 has number 0", "ImageFolder"]),
    ],
)
def test_numbers_that_may_surprise_are_said(found, said):
    notes = number_notes(found, {})
    assert len(notes) == len(said)
    assert all(text in note for text, note in zip(said, notes, strict=True))


def test_y_is_the_number_that_the_folder_is_called(tmp_path):
    source = planted(tmp_path / "source", {str(n): 1 for n in range(12)})
    built(source, tmp_path / "out")
    dataset = imgmem.open(tmp_path / "out")
    assert [dataset.classes[n] for n in dataset.labels] == [
        path.split("/")[0] for path in sorted(f"{n}/{n + 1:03}.png" for n in range(12))
    ]
    assert list(dataset.classes) == [str(n) for n in range(12)]


def test_a_map_of_names_from_a_file_keeps_the_numbers(tmp_path):
    source = planted(tmp_path / "source", {"0": 2, "1": 2, "2": 2})
    (tmp_path / "names.json").write_text('{"0": "CBB", "1": "CBSD", "2": "healthy"}')
    built(source, tmp_path / "out", class_map=f"@{tmp_path / 'names.json'}")
    dataset = imgmem.open(tmp_path / "out")
    assert tuple(dataset.classes) == ("CBB", "CBSD", "healthy")
    assert np.asarray(dataset.labels).tolist() == [0, 0, 1, 1, 2, 2]


def test_maps_join_and_drop_classes_and_splits(tmp_path):
    folders = ("train/cat", "train/tabby", "train/dog", "train/toy", "val/cat", "test/cat")
    source = planted(tmp_path / "source", dict.fromkeys(folders, 2))
    result = built(
        source, tmp_path / "out", class_map="tabby=cat,toy=", split_map={"val": "dev", "test": ""}
    )
    assert result.class_counts == {"cat": 6, "dog": 2}
    assert result.splits == {"train": 6, "dev": 2}
    assert result.ignored == {"class dropped by class_map": 2, "split dropped by split_map": 2}


def test_classes_are_checked_after_the_map(tmp_path):
    source = planted(tmp_path / "source", {"n1": 2, "n2": 2})
    names = {"n1": "tench", "n2": "goldfish"}
    result = built(source, tmp_path / "out", class_map=names, classes=["goldfish", "tench"])
    assert result.class_counts == {"goldfish": 2, "tench": 2}
    with pytest.raises(InputError, match=r"not in .*: n1, n2"):
        built(source, tmp_path / "other", classes=["goldfish", "tench"])


@pytest.mark.parametrize(
    ("options", "classes"),
    [
        ({"labels": "folder:1"}, {"a": 2, "b": 2}),
        ({"labels": "folder:2"}, {"air": 2, "rail": 2}),
        ({"labels": "folder:-1"}, {"air": 2, "rail": 2}),
        ({"labels": "parent"}, {"air": 2, "rail": 2}),
        ({"labels": "path"}, {"a/air": 2, "b/rail": 2}),
        ({"labels": "path:^./(?P<label>..)"}, {"ai": 2, "ra": 2}),
        ({"labels": "name:^0(.)"}, {"0": 4}),
        ({"labels": "parent", "include": "a"}, {"air": 2}),
        ({"labels": "parent", "exclude": ["*/rail"]}, {"air": 2}),
        ({"labels": "parent", "exclude": "00[34].png"}, {"air": 2}),
    ],
)
def test_each_rule_takes_its_part_of_the_path(tmp_path, options, classes):
    source = planted(tmp_path / "source", {"a/air": 2, "b/rail": 2})
    assert built(source, tmp_path / "out", **options).class_counts == classes


def test_a_list_of_paths_is_literal_and_one_per_line(tmp_path):
    source = planted(tmp_path / "source", {"cat": 3, "dog": 1})
    write(source / "cat" / "*.png", photo(8, 8, seed=99))
    (tmp_path / "list.txt").write_text("cat/*.png\ncat/001.png\ndog/004.png\n")
    result = built(source, tmp_path / "out", include=f"@{tmp_path / 'list.txt'}")
    assert result.class_counts == {"cat": 2, "dog": 1}
    assert result.ignored == {"left out by include or exclude": 2}


def test_a_file_that_the_rule_does_not_match_is_a_reject(tmp_path):
    source = planted(tmp_path / "source", {".": 1})
    for name in ("cat_1", "dog_2"):
        write(source / f"{name}.png", photo(8, 8, seed=len(name)))
    rule = "name:^([a-z]+)_"
    with pytest.raises(InputError, match=r"1 of 3 images have no label.*: 001\.png"):
        built(source, tmp_path / "out", labels=rule)
    result = built(source, tmp_path / "skipped", labels=rule, on_error="skip")
    assert result.rejected == {"no-label": 1}
    assert result.class_counts == {"cat": 1, "dog": 1}


def test_a_folder_may_be_the_split(tmp_path):
    source = planted(tmp_path / "source", {"cat/train": 2, "cat/test": 1, "dog/train": 2})
    result = built(source, tmp_path / "out", labels="folder:1", split="folder:2")
    assert result.splits == {"train": 4, "test": 1}
    assert result.class_counts == {"cat": 3, "dog": 2}


def test_what_files_said_is_recorded_by_its_content(tmp_path):
    source = planted(tmp_path / "source", {"a": 1, "b": 1})
    for name in ("m1.csv", "m2.txt"):
        (tmp_path / name).write_text("a,cat\nb,dog\n")
    built(source, tmp_path / "out", class_map=f"@{tmp_path / 'm1.csv'}")
    assert built(source, tmp_path / "out", class_map=f"@{tmp_path / 'm2.txt'}").already_done
    assert built(source, tmp_path / "out", class_map={"a": "cat", "b": "dog"}).already_done


def test_a_preview_has_what_the_build_gives(tmp_path):
    source = planted(tmp_path / "source", {"train/cat": 3, "train/dog": 2, "val/cat": 1})
    preview = imgmem.preview_build(source, tmp_path / "out", size=8)
    assert preview.problem is None
    assert (preview.rule, preview.images, preview.changes) == ("folder:2", 6, "new")
    assert preview.splits == {"train": 5, "val": 1}
    assert [(each.name, each.number, each.splits) for each in preview.classes] == [
        ("cat", 0, {"train": 3, "val": 1}),
        ("dog", 1, {"train": 2, "val": 0}),
    ]
    assert preview.classes[1].examples == ("train/dog/004.png", "train/dog/005.png")
    assert not (tmp_path / "out").exists()
    built(source, tmp_path / "out")
    assert imgmem.preview_build(source, tmp_path / "out", size=8).changes == "nothing"


def test_a_preview_ends_as_the_build_would(tmp_path):
    source = planted(tmp_path / "source", {"cat": 1})
    (source / "emu").mkdir()
    assert "without any image: emu" in str(imgmem.preview_build(source, tmp_path / "o").problem)
    (source / "emu").rmdir()
    built(source, tmp_path / "out")
    other = imgmem.preview_build(source, tmp_path / "out", size=9)
    assert other.problem.exit_code == 4
    small = imgmem.preview_build(source, tmp_path / "new", memory="1MiB")
    assert small.problem.exit_code == 2


def test_no_images_found_says_what_is_there(tmp_path):
    (tmp_path / "source").mkdir()
    for name in ("a.rar", "b.rar", "c.txt"):
        (tmp_path / "source" / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"it holds 2 \.rar archives, 1 \.txt file"):
        built(tmp_path / "source", tmp_path / "out")


def test_the_rule_that_was_taken_is_recorded(tmp_path):
    source = planted(tmp_path / "source", {"train/cat": 2, "train/dog": 2})
    assert built(source, tmp_path / "out").rule == "folder:2"
    record = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert record["build"]["source"]["labels"] == "folder:2"


def test_rules_globs_and_splits_hold_for_lists_and_datasets(tmp_path):
    source = planted(tmp_path / "source", {"a/cat": 2, "b/cat": 1, "b/dog": 2})
    names = sorted(str(path.relative_to(source)) for path in source.rglob("*.png"))
    (source / "list.csv").write_text("path\n" + "\n".join(names) + "\n")
    built(source, tmp_path / "plain", labels="none")
    options = {"labels": "parent", "split": "folder:1", "exclude": "005.png"}
    for number, each in enumerate((source / "list.csv", tmp_path / "plain", source)):
        result = imgmem.build(each, tmp_path / f"out{number}", size=8, **options)
        assert result.class_counts == {"cat": 3, "dog": 1}
        assert result.splits == {"a": 2, "b": 2}
        assert result.rule == "parent"
        assert result.ignored["left out by include or exclude"] == 1


def test_rows_of_a_dataset_without_the_label_are_rejects(tmp_path):
    source = planted(tmp_path / "source", {".": 2})
    built(source, tmp_path / "plain")
    result = built(tmp_path / "plain", tmp_path / "out", labels="name:^.*(2)", on_error="skip")
    assert (result.class_counts, result.rejected) == ({"2": 1}, {"no-label": 1})


def test_a_line_without_a_label_ends_the_build_or_is_skipped(tmp_path):
    source = planted(tmp_path / "source", {".": 3})
    table = tmp_path / "labels.csv"
    table.write_text("image,class_id,class_name\n001.png,1,ant\n002.png,0,bee\n003.png,,\n")
    with pytest.raises(InputError, match=r"labels\.csv, line 4: it has no label"):
        built(source, tmp_path / "out", labels=str(table))
    result = built(source, tmp_path / "out", labels=str(table), on_error="skip")
    assert result.rejected == {"no-label": 1}
    assert list(result.class_counts) == ["bee", "ant"]


@pytest.mark.parametrize(
    ("options", "said", "remedy"),
    [
        ({"exclude": "a"}, "1 folder left out by exclude", "Change exclude"),
        ({"exclude": "*.png"}, "3 files left out by include or exclude", "Change include or exc"),
        ({"class_map": "a=,b="}, "3 images of a class that class_map drops", "Change class_map"),
    ],
)
def test_where_options_leave_nothing_they_are_to_be_changed(tmp_path, options, said, remedy):
    folders = {"a": 3} if options.get("exclude") == "a" else {"a": 2, "b": 1}
    source = planted(tmp_path / "source", folders)
    with pytest.raises(InputError, match=said) as caught:
        built(source, tmp_path / "out", **options)
    assert caught.value.hint.startswith(remedy)
