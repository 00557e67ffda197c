"""Targets other than one class: sets of labels and numbers, from tables as they are published."""

import json
from contextlib import closing

import pytest
from support.trees import plant

from imgmem.core.errors import InputError, UsageError
from imgmem.core.sources import open_source
from imgmem.core.sources.settle import settle
from imgmem.core.specs import LabelSpec


@pytest.fixture
def targets(tmp_path):
    """What a table says of the images that it names, next to 1.png to 9.png."""

    def read(text, **options):
        images = plant(tmp_path / "images", *(f"{n}.png" for n in range(1, 10)))
        (tmp_path / "l.csv").write_text(text)
        spec = LabelSpec(labels=str(tmp_path / "l.csv"), **options)
        with closing(open_source(str(images), spec)) as source:
            listing, labeling = settle(source.listing(), spec)
            found = {entry.name.removesuffix(".png"): entry.label for entry in listing.entries}
            labels = {name: label and json.loads(label) for name, label in found.items()}
            return labels, labeling

    return read


LISTS = {
    "NIH ChestX-ray14": ("Image Index,Finding Labels\n1.png,A|B\n2.png,B\n3.png,A|B|C\n", "|"),
    "semicolons": ('id,tags\n1,"A;B"\n2,B\n3,"A; B;C"\n', ";"),
    "commas": ('id,tags\n1,"A,B"\n2,B\n3,"A, B,C"\n', ","),
    "blanks": ("id,tags\n1,A B\n2,B\n3,A B C\n", "blanks"),
    "lists of Python": ("id,tags\n1,\"['A', 'B']\"\n2,['B']\n3,\"['A','B','C']\"\n", "no mark"),
    "lists of JSON": ('id\ttags\n1\t["A","B"]\n2\t["B"]\n3\t["A","B","C"]\n', "no mark"),
    "lists without quotes": ('id,tags\n1,"[A, B]"\n2,[B]\n3,"[A,B,C]"\n', "no mark"),
    "sets": ("id,tags\n1,\"{'A', 'B'}\"\n2,{'B'}\n3,\"{'C', 'A','B'}\"\n", "no mark"),
    "objects": (
        "id\ttags\n1\t{'A': 1, 'B': 1}\n2\t{'A': 0, 'B': 1}\n3\t{'A':1,'B':1,'C':1}\n",
        "no mark",
    ),
    "a line for each label": ("id,tag\n1,A\n1,B\n2,B\n3,A\n3,C\n3,B\n", "several lines"),
    "lines far apart": ("id,tag\n1,A\n3,A\n2,B\n3,C\n1,B\n3,B\n", "several lines"),
    "a column for each class": ("id,A,B,C\n1,1,1,0\n2,0,1,0\n3,1,1,1\n", "a column"),
    "CelebA": ("3\nA B C\n1.png  1  1 -1\n2.png -1  1 -1\n3.png  1  1  1\n", "a column"),
    "lists of paths and flags": ("1.png 1 1 0\n2.png 0 1 0\n3.png 1 1 1\n", "a column"),
    "paths and words": ("1.png A B\n2.png B\n3.png A B C\n", "blanks"),
    "objects by line": (
        "image_id,class_name,class_id,rad\n1,A,0,r1\n1,B,1,r1\n2,B,1,r2\n2,B,1,r3\n3,A,0,r1\n"
        "3,B,1,r1\n3,C,2,r1\n",
        "several lines",
    ),
    "words for flags": ("id,A,B,C\n1,yes,True,no\n2,false,1,0\n3,1.0,1,true\n", "a column"),
    "flags next to other columns": ("id,sex,A,B,C\n1,m,1,1,0\n2,f,0,1,0\n3,m,1,1,1\n", "a column"),
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_several_labels_are_found_however_they_are_written(targets, name):
    text, said = LISTS[name]
    labels, labeling = targets(text, target="multilabel")
    names = "012" if name == "lists of paths and flags" else "ABC"  # they have no names
    a, b, c = names
    assert labels == {"1": [a, b], "2": [b], "3": [a, b, c]}
    assert labeling.classes == tuple(names)
    assert any(said in note for note in labeling.notes)


SURE = [
    name for name in LISTS if name not in {"blanks", "paths and words", "lists of paths and flags"}
]


@pytest.mark.parametrize("name", SURE)
def test_without_the_target_they_stop_with_the_option_that_takes_them(targets, name):
    text, _ = LISTS[name]
    with pytest.raises(InputError) as caught:
        targets(text)
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["remedies"][0]["options"]["target"] == "multilabel"


def test_a_column_of_splits_is_not_a_class(targets):
    text = "id,partition,A,B\n1,0,1,1\n2,0,0,1\n"
    assert targets(text, target="multilabel")[0] == {"1": ["A", "B"], "2": ["B"]}


@pytest.mark.parametrize("column", ["Confidence", "is_present"])
def test_a_label_that_its_line_says_is_absent_is_refused(targets, column):
    text = f"ImageID,LabelName,{column}\n1,A,1\n1,B,0\n2,B,1\n"
    with pytest.raises(InputError, match=f"{column} is 0") as caught:
        targets(text, target="multilabel")
    assert caught.value.facts["line"] == 3


def test_names_with_blanks_are_not_cut_at_them(targets):
    text = "id,tag\n1,Pleural effusion\n1,Pleural thickening\n2,Hernia\n"
    labels, _ = targets(text, target="multilabel")
    assert labels == {"1": ["Pleural effusion", "Pleural thickening"], "2": ["Hernia"]}


@pytest.mark.parametrize(
    "text",
    [
        "id,tag\n1,A|B\n2,No Finding\n",
        "id,A,B,No Finding\n1,1,1,0\n2,0,0,1\n",
        "id,tag\n1,A\n1,B\n2,No Finding\n2,No Finding\n",
    ],
)
def test_a_word_for_none_is_not_a_class(targets, text):
    labels, labeling = targets(text, target="multilabel", no_label=("No Finding",))
    assert labels == {"1": ["A", "B"], "2": []}
    assert labeling.classes == ("A", "B")
    assert "images with none of the classes: 1 of 2" in labeling.notes


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,tag\n1,A|B\n2,No Finding|A\n", 3),
        ("id,A,B,No Finding\n1,1,1,0\n2,1,0,1\n", 3),
        ("id,tag\n1,A\n2,A\n2,B\n1,No Finding\n", 5),
    ],
)
def test_a_word_for_none_next_to_a_label_is_refused_with_its_line(targets, text, line):
    with pytest.raises(InputError) as caught:
        targets(text, target="multilabel", no_label=("No Finding",))
    assert caught.value.facts["line"] == line


def test_a_word_for_none_that_no_line_has_is_reported(targets):
    _, labeling = targets("id,tag\n1,A|B\n", target="multilabel", no_label=("none",))
    assert "no_label='none' matched nothing" in labeling.notes


@pytest.mark.parametrize("word", ["No Findings", "no finding", "No_Finding"])
@pytest.mark.parametrize(
    "text", ["id,tag\n1,A|B\n2,No Finding\n", "id,A,No Finding\n1,1,0\n2,0,1\n"]
)
def test_a_misspelled_word_for_none_is_doubted(targets, text, word):
    _, labeling = targets(text, target="multilabel", no_label=(word,))
    (doubt,) = labeling.doubts
    assert doubt.name == "no-label"
    assert doubt.remedies[0].options == {"no_label": ("No Finding",)}


@pytest.mark.parametrize("text", ["id,tag\n1,A|B\n2,\n", "id,A,B\n1,1,1\n2,,\n"])
def test_an_empty_cell_means_none_only_where_the_user_says_so(targets, text):
    assert targets(text, target="multilabel")[0] == {"1": ["A", "B"], "2": None}
    labels, _ = targets(text, target="multilabel", no_label=("",))
    assert labels == {"1": ["A", "B"], "2": []}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,A,B\n1,1,1\n2,0,x\n", 3),
        ("id,A,B\n1,1,1\n2,0,0.5\n", 3),
        ("id,A,B,C\n1,1,0,0\n2,-1,0,1\n", 3),
        ("id,tag\n1,A|B\n2,|\n", 3),
        ("id,tag\n1,\"[{'a': 1}]\"\n", 2),
    ],
)
def test_a_cell_that_is_not_a_set_of_labels_is_refused_with_its_line(targets, text, line):
    with pytest.raises(InputError) as caught:
        targets(
            text, target="multilabel", columns="label=tag" if "tag" in text else "label=A,label=B"
        )
    assert caught.value.facts["line"] == line


def test_a_class_without_an_image_keeps_its_column(targets):
    _, labeling = targets("id,b,a,c\n1,0,1,0\n2,1,1,0\n", target="multilabel")
    assert labeling.classes == ("a", "b", "c")


def test_labels_are_renamed_and_dropped_one_by_one(targets):
    text = "id,tag\n1,A|B\n2,B\n3,A|C\n"
    labels, labeling = targets(text, target="multilabel", class_map="A=C,B=")
    assert labels == {"1": ["C"], "2": [], "3": ["C"]}
    assert labeling.classes == ("C",)


def test_no_label_at_all_is_refused(targets):
    with pytest.raises(InputError, match="no image has a label"):
        targets("id,tag\n1,none\n2,none\n", target="multilabel", no_label=("none",))


NUMBERS = {
    "ages": ("id,age\n1,31\n2,4.5\n", {}, {"1": [31.0], "2": [4.5]}, ("age",)),
    "a column that the user names": (
        "id,width,age\n1,31,7\n2,4.5,8\n", {"columns": "label=width"}, {"1": [31.0], "2": [4.5]},
        ("width",),
    ),
    "bone ages": (
        "id,boneage,male\n1,180,False\n2,12,True\n", {}, {"1": [180], "2": [12]}, ("boneage",)
    ),
    "several": (
        "id,x,y\n1,0.1,2\n2,-3,1e3\n", {"columns": "label=x,label=y"},
        {"1": [0.1, 2.0], "2": [-3.0, 1000.0]}, ("x", "y"),
    ),
    "the only numbers": (
        "id,who,steer\n1,a,-0.25\n2,b,.5\n", {}, {"1": [-0.25], "2": [0.5]}, ("steer",)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_read_from_their_columns(targets, name):
    text, options, expected, names = NUMBERS[name]
    labels, labeling = targets(text, target="number", **options)
    assert labels == expected
    assert labeling.target_names == names
    assert labeling.classes is None


@pytest.mark.parametrize(
    "cell", ["x", "nan", "inf", "1,5", "1_000", "0x1f", "1e39", "--", "5 years"]
)
def test_a_cell_that_is_not_a_finite_number_is_refused_with_its_line(targets, cell):
    with pytest.raises(InputError, match="not a finite number") as caught:
        targets(f'id,age\n1,31\n2,"{cell}"\n', target="number")
    assert caught.value.facts["line"] == 3


def test_a_table_without_numbers_has_no_column_of_them(targets):
    with pytest.raises(InputError, match="no column of numbers was found"):
        targets("id,label\n1,cat\n2,dog\n", target="number")


def test_an_empty_cell_is_not_a_number(targets):
    assert targets("id,age\n1,31\n2,\n", target="number")[0] == {"1": [31.0], "2": None}


def test_several_columns_of_numbers_are_a_doubt_that_all_of_them_settle_too(targets):
    with pytest.raises(InputError) as caught:
        targets("id,age,weight\n1,31,80\n2,4,20\n", target="number")
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["name"] == "which-label"
    labels = [str(remedy["options"]["columns"]) for remedy in doubt["remedies"]]
    assert ["age" in labels[0] and "weight" in labels[0], len(labels)] == [True, 3]


def test_a_number_is_read_from_the_name(tmp_path):
    plant(tmp_path, "25_0_x.jpg", "101_1_y.jpg")
    spec = LabelSpec(labels=r"name:^(\d+)_", target="number")
    with closing(open_source(str(tmp_path), spec)) as source:
        listing, labeling = settle(source.listing(), spec)
        assert {e.name: e.label for e in listing.entries} == {
            "25_0_x.jpg": "[25.0]", "101_1_y.jpg": "[101.0]"
        }  # fmt: skip
        assert labeling.target == "number"


def test_a_folder_that_is_not_a_number_is_refused(tmp_path):
    plant(tmp_path, "12/a.jpg", "old/b.jpg")
    spec = LabelSpec(target="number")
    with (
        closing(open_source(str(tmp_path), spec)) as source,
        pytest.raises(InputError, match="old"),
    ):
        settle(source.listing(), spec)


@pytest.mark.parametrize(
    "options",
    [
        {"target": "multilabel"},
        {"no_label": ("x",)},
        {"target": "number", "labels": "none"},
        {"target": "number", "class_map": "1=2"},
    ],
)
def test_options_for_another_target_are_refused(tmp_path, options):
    plant(tmp_path, "1/a.jpg", "2/b.jpg")
    spec = LabelSpec(**options)
    with pytest.raises(UsageError), closing(open_source(str(tmp_path), spec)) as source:
        settle(source.listing(), spec)
