"""What is given without effect, or by accident, is refused or noted, and nothing is written."""

import os

import pytest
from support.images import photo, write
from support.trees import class_folders

import imgmem
from imgmem.core.errors import ImgmemError, InputError, UsageError

SMALL = {"size": 4, "workers": 1}


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "source", {"cat": 3, "dog": 3}, size=(8, 8))


@pytest.fixture
def table(tmp_path):
    """A list of two images, as text and as a path."""
    for seed, name in enumerate(("1.png", "2.png")):
        write(tmp_path / "listed" / name, photo(8, 8, seed))
    path = tmp_path / "listed/labels.csv"
    path.write_text("path,label\n1.png,cat\n2.png,dog\n")
    return path


def refusal(kind, source, out, **options):
    """The message of the error in which both a build and its dry run end; nothing is written."""
    before = set(os.listdir(os.path.dirname(out)))
    with pytest.raises(kind) as caught:
        imgmem.build(source, out, **SMALL | options)
    assert set(os.listdir(os.path.dirname(out))) == before
    try:
        foreseen = imgmem.preview_build(source, out, **SMALL | options).problem
    except ImgmemError as error:
        foreseen = error
    assert (type(foreseen), str(foreseen)) == (type(caught.value), str(caught.value))
    return str(caught.value)


def test_an_empty_source_or_destination_is_not_the_current_folder(source, tmp_path, monkeypatch):
    monkeypatch.chdir(source)
    with pytest.raises(UsageError, match="SOURCE is empty"):
        imgmem.build("", tmp_path / "out", **SMALL)
    with pytest.raises(UsageError, match="OUT is empty"):
        imgmem.preview_build(source, "", **SMALL)
    with pytest.raises(UsageError, match="SOURCE is empty"):
        imgmem.estimate("")
    imgmem.build(source, tmp_path / "out", **SMALL)
    monkeypatch.chdir(tmp_path / "out")
    for call in (imgmem.open, imgmem.stats, imgmem.sample, imgmem.normalize):
        with pytest.raises(UsageError, match="DATASET is empty"):
            call("")


@pytest.mark.parametrize(
    "options",
    [{"labels": ""}, {"class_map": ""}, {"include": ("",)}, {"split": ""}, {"classes": ""}],
)
def test_an_empty_option_is_refused(source, tmp_path, options):
    said = refusal(UsageError, source, tmp_path / "out", **options)
    assert said.startswith(f"{next(iter(options))}: the value is empty")


@pytest.mark.parametrize("options", [{}, {"labels": "parent"}])
def test_a_split_folder_that_no_image_is_in_is_refused(source, table, tmp_path, options):
    out = tmp_path / "out"
    assert "split='folder:5' finds no split" in refusal(
        InputError, source, out, split="folder:5", **options
    )
    refusal(InputError, table.parent, out, split="folder:5", labels=str(table))
    refusal(InputError, table, out, split="folder:5")


def test_options_of_a_label_table_are_refused_without_one(source, table, tmp_path):
    out = tmp_path / "out"
    said = refusal(UsageError, source, out, columns="foo=bar")
    assert "'foo' is not a role" in said
    assert "path, label, split, group" in said
    assert "'foo' is not a role" in refusal(UsageError, table, out, columns={"foo": "bar"})
    for options in ({"columns": "path=id"}, {"target": "class"}):
        said = refusal(UsageError, source, out, **options)
        assert f"{next(iter(options))} is for a label table, and labels='folder'" in said


def test_a_map_of_classes_is_refused_without_labels(source, tmp_path):
    said = refusal(UsageError, source, tmp_path / "out", labels="none", class_map="cat=dog")
    assert "class_map has no effect with labels='none'" in said


@pytest.mark.parametrize("group", ["folder:9", "name:^(zz)"])
def test_groups_that_no_image_has_are_refused(source, tmp_path, group):
    assert f"no image has a group by {group}" in refusal(
        InputError, source, tmp_path / "out", group=group, split="val=0.5"
    )


def test_images_without_a_group_are_counted(source, tmp_path):
    result = imgmem.build(source, tmp_path / "out", group="name:^(00)", split="val=0.5", **SMALL)
    assert "4 of 6 images have no group (name:^(00)): each is its own" in result.notes


def test_groups_of_one_image_each_are_not_said_to_be_kept_together(source, tmp_path):
    result = imgmem.build(
        source, tmp_path / "out", group="name:^([0-9]+)", split="val=0.5", exclude="dog", **SMALL
    )
    assert not [note for note in result.notes if "is split up" in note]


@pytest.mark.parametrize("policy", [{}, {"on_error": "skip"}])
def test_a_rule_that_finds_no_label_at_all_is_refused_before_anything_is_written(
    source, tmp_path, policy
):
    said = refusal(InputError, source, tmp_path / "out", labels="folder:7", **policy)
    assert said.startswith("no image has a label by labels='folder:7': cat/00.png")


def test_a_rule_that_finds_some_labels_needs_the_others_to_be_skipped(source, tmp_path):
    write(source / "loose.png", photo(8, 8, 99))
    said = refusal(InputError, source, tmp_path / "out", labels="folder:1")
    assert "1 of 7 images have no label" in said
    skipped = imgmem.build(source, tmp_path / "out", labels="folder:1", on_error="skip", **SMALL)
    assert skipped.rejected == {"no-label": 1}


def notes(source, out, **options):
    return imgmem.preview_build(source, out, **SMALL | options).notes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"exclude": "zebra"}, "exclude='zebra' matched nothing"),
        ({"exclude": ("zebra", "cat")}, "exclude='zebra' matched nothing"),
        ({"include": "*.png,zebra"}, "include='zebra' matched nothing"),
        ({"class_map": "catt=kitty"}, "class_map='catt=kitty' matched nothing"),
        ({"split_map": {"vall": ""}}, "split_map='vall=' matched nothing"),
    ],
)
def test_what_matches_nothing_is_noted(source, table, tmp_path, options, said):
    assert [each for each in notes(source, tmp_path / "out", **options) if "match" in each] == [
        said
    ]
    for listed in (table, table.parent):
        labels = {} if listed == table else {"labels": str(table)}
        assert said in notes(listed, tmp_path / "out", **{**options, **labels})


@pytest.mark.parametrize(
    "options",
    [
        {"exclude": ("cat", "cat/00.png")},
        {"exclude": "*.txt"},
        {"include": "cat,dog", "exclude": "dog/0?.png"},
        {"class_map": {"cat": "kitty"}},
    ],
)
def test_what_matches_something_is_not_noted(source, tmp_path, options):
    (source / "notes.txt").write_text("x")
    assert not [each for each in notes(source, tmp_path / "out", **options) if "match" in each]


def test_an_excluded_path_that_the_table_rules_is_not_noted(table, tmp_path):
    shown = notes(table.parent, tmp_path / "out", labels=str(table), exclude="2.png")
    assert not [each for each in shown if "match" in each]


def test_a_pattern_with_the_path_of_the_source_is_explained(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for pattern in ("source/cat", str(source / "cat")):
        (said,) = [n for n in notes("source", "out", exclude=pattern) if "match" in n]
        assert said.endswith("matched nothing: it is relative to SOURCE, without its path")


def test_files_of_paths_that_match_nothing_are_noted(source, tmp_path):
    (tmp_path / "paths.txt").write_text("zebra/1.png\n")
    said = f"exclude='@{tmp_path}/paths.txt' matched nothing"
    assert said in notes(source, tmp_path / "out", exclude=f"@{tmp_path}/paths.txt")


def test_paths_of_a_file_that_match_nothing_are_counted_and_named(source, tmp_path):
    (tmp_path / "paths.txt").write_text("cat\ncat/none.png\nzebra/1.png\nzebra/2.png\n")
    (said,) = [n for n in notes(source, tmp_path / "out", exclude=f"@{tmp_path}/paths.txt")
               if "match" in n]  # fmt: skip
    assert said == "exclude='@FILE': 2 paths matched nothing: 'zebra/1.png', 'zebra/2.png'"


@pytest.mark.parametrize(
    ("labels", "meant"),
    [("folders", "folder"), ("Parent", "parent"), ("nane:^(x)", "name:^(x)"), ("non", "none")],
)
def test_a_misspelled_rule_is_not_only_a_missing_file(source, tmp_path, labels, meant):
    said = refusal(InputError, source, tmp_path / "out", labels=labels)
    assert said.endswith(f"Did you mean labels={meant!r}?")


def test_a_missing_label_table_is_not_taken_for_a_rule(source, tmp_path):
    said = refusal(InputError, source, tmp_path / "out", labels="path.csv")
    assert "Did you mean" not in said


def test_a_source_that_is_the_destination_is_named_so(source):
    with pytest.raises(UsageError, match="SOURCE and OUT are the same"):
        imgmem.build(source, source, overwrite=True, **SMALL)


@pytest.mark.parametrize(("memory", "meant"), [("0.5", "0.5GiB"), ("4", "4GiB")])
def test_a_budget_without_a_unit_is_refused_with_the_likely_one(source, tmp_path, memory, meant):
    said = refusal(UsageError, source, tmp_path / "out", memory=memory)
    assert said.endswith(f"did you mean {meant}?")


def test_a_result_in_a_folder_that_is_not_there_is_a_usage_error(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    missing = tmp_path / "missing"
    for call in (
        lambda: imgmem.sample(tmp_path / "out", out=missing / "sheet.png"),
        lambda: imgmem.sample(tmp_path / "out", out=f"{missing}/images/"),
        lambda: imgmem.stats(tmp_path / "out", report=missing / "report.html"),
        lambda: imgmem.normalize(tmp_path / "out", to=missing / "new"),
    ):
        with pytest.raises(UsageError, match=f"there is no folder {missing}"):
            call()
    assert not missing.exists()


def test_lines_without_a_label_end_a_build_before_it_writes(table, tmp_path):
    table.write_text("path,label\n1.png,cat\n2.png,\n")
    said = refusal(InputError, table, tmp_path / "out")
    assert said.startswith("1 of 2 images have no label in the label table: 2.png")
