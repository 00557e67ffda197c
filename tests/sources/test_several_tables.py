"""Several label tables as one, a rule behind a table, and lists of images for splits."""

import pytest
from support.sources import doubted, exhausted, placed
from support.trees import plant

import imgmem
from imgmem.core.errors import InputError, UsageError
from imgmem.core.options.option import applied
from imgmem.core.options.tables import LabelOptions
from imgmem.core.sources.tables import reader
from imgmem.core.sources.tables.several import open_tables
from imgmem.core.specs import LabelSpec


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to plant tables and images in, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


CUB = {
    "images": "1 001.Auk/a_1.jpg\n2 001.Auk/a_2.jpg\n3 002.Bee/b_1.jpg\n",
    "image_class_labels": "1 1\n2 1\n3 2\n",
    "train_test_split": "1 1\n2 0\n3 1\n",
}
CUB_IMAGES = ("001.Auk/a_1.jpg", "001.Auk/a_2.jpg", "002.Bee/b_1.jpg")


@pytest.fixture
def cub(folder):
    write(folder, **CUB)
    plant(folder / "images", *CUB_IMAGES)
    return folder


def test_tables_of_the_same_ids_are_one_table(cub):
    found = placed(
        "images",
        labels="images.txt",
        tables=("image_class_labels.txt", "train_test_split.txt"),
        columns="path=2,label=3,split=4",
    )
    assert list(map(found.get, CUB_IMAGES)) == [("1", "1"), ("1", "0"), ("2", "1")]


def test_without_columns_the_doubt_names_what_decides(cub):
    with pytest.raises(InputError) as caught:
        placed("images", labels="images.txt", tables=("image_class_labels.txt",) * 1)
        placed(
            "images",
            labels="images.txt",
            tables=("image_class_labels.txt", "train_test_split.txt"),
        )
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["remedies"][0]["options"] == {"columns": "path=2,label=3"}


def test_a_rule_labels_what_tables_without_labels_select(cub):
    found = placed(
        "images",
        labels="parent",
        tables=("images.txt", "train_test_split.txt"),
        columns="path=2,split=3",
    )
    assert list(map(found.get, CUB_IMAGES)) == [
        ("001.Auk", "1"), ("001.Auk", "0"), ("002.Bee", "1"),
    ]  # fmt: skip


def test_tables_of_other_images_are_not_put_together(cub):
    write(cub, longer="1 1\n2 1\n3 2\n4 2\n", mixed="2 1\n1 1\n3 2\n")
    with pytest.raises(InputError, match="do not fit together"):
        open_tables(["images.txt", "longer.txt"])
    with pytest.raises(InputError, match="list the same images in another order"):
        open_tables(["images.txt", "mixed.txt"])


@pytest.mark.parametrize("end", ["", "4 2\n", "3 2\n4 2\n"])
def test_tables_that_differ_further_down_are_refused_by_line(cub, monkeypatch, end):
    monkeypatch.setattr(reader, "SAMPLE_LINES", 2)
    write(cub, other=f"1 1\n2 1\n{end}")
    with pytest.raises(InputError, match=r"do not list the same images in the same order: line"):
        list(open_tables(["images.txt", "other.txt"]).records())


def test_a_table_for_each_split_is_one_table_with_splits(folder):
    write(folder, train="name,label\n0.jpg,a\n1.jpg,b\n", validation="name,label\n2.jpg,a\n")
    plant(folder / "all", *(f"{n}.jpg" for n in range(4)))
    found = placed("all", labels="train.txt", tables=("validation.txt",))
    assert found == {"0.jpg": ("a", "train"), "1.jpg": ("b", "train"), "2.jpg": ("a", "val")}


def test_tables_whose_names_say_no_split_are_just_longer(folder):
    write(folder, one="name,label\n0.jpg,a\n", two="name,label\n1.jpg,b\n")
    plant(folder / "all", "0.jpg", "1.jpg")
    assert placed("all", labels="one.txt", tables=("two.txt",)) == {
        "0.jpg": ("a", None),
        "1.jpg": ("b", None),
    }


def test_tables_of_one_name_are_of_their_folders(folder):
    """As Hugging Face's ImageFolder has them."""
    for split, labels in (("train", "ab"), ("test", "ba")):
        plant(folder / "photos" / split, "0.jpg", "1.jpg")
        lines = (
            f'{{"file_name": "{n}.jpg", "label": "{name}"}}\n' for n, name in enumerate(labels)
        )
        (folder / "photos" / split / "metadata.jsonl").write_text("".join(lines))
    found = placed(
        "photos", labels="photos/train/metadata.jsonl", tables=("photos/test/metadata.jsonl",)
    )
    assert found == {
        "train/0.jpg": ("a", "train"),
        "train/1.jpg": ("b", "train"),
        "test/0.jpg": ("b", "test"),
        "test/1.jpg": ("a", "test"),
    }


def test_tables_in_several_folders_find_images_elsewhere(folder):
    for split, name in (("train", "a"), ("val", "b")):
        (folder / split).mkdir()
        (folder / split / "list.csv").write_text(f"name,label\n{name}.jpg,{name}\n")
    plant(folder / "images", "a.jpg", "b.jpg")
    found = placed("images", labels="train/list.csv", tables=("val/list.csv",))
    assert found == {"a.jpg": ("a", "train"), "b.jpg": ("b", "val")}


def test_a_line_that_is_wrong_is_named_with_its_own_file(folder):
    write(folder, train="name,label\n0.jpg,a\n", val="name,label\n1.jpg,a|b\n")
    plant(folder / "all", "0.jpg", "1.jpg")
    with pytest.raises(InputError, match=r"val\.txt, line 2: 'a\|b' looks like several labels"):
        placed("all", labels="train.txt", tables=("val.txt",))


TINY = [
    *(f"train/n0{n}/images/{n}_{i}.JPEG" for n in range(2) for i in range(3)),
    *(f"{split}/images/{split}_{i}.JPEG" for split in ("val", "test") for i in range(3)),
]


def test_a_rule_behind_a_table_labels_the_images_without_a_line(folder):
    """Tiny ImageNet: folders for train, a table for val."""
    plant(folder / "tiny", *TINY)
    lines = (f"val_{i}.JPEG\tn0{i % 2}\t0\t32\t44\t62\n" for i in range(3))
    write(folder / "tiny" / "val", val_annotations="".join(lines))
    tables = ("tiny/val/val_annotations.txt",)
    doubts, labeling = doubted("tiny", labels="folder", tables=tables, split_map="test=")
    assert doubts == ()
    assert labeling.classes == ("n00", "n01")
    assert labeling.counts == {
        "n00": {"train": 3, "val": 2},
        "n01": {"train": 3, "val": 1},
    }
    assert "9 images without a line in the label table: labeled by the rule" in labeling.notes
    (doubt,), _ = doubted("tiny", labels="folder", tables=tables)
    assert doubt.remedies[0].options == {"split_map": ("test=",)}


FOOD = [f"images/{name}/{n}.jpg" for name in ("pie", "ramen") for n in range(4)]


@pytest.fixture
def food(folder):
    plant(folder / "food", *FOOD)
    write(folder, train="pie/0\npie/1\nramen/0\n", test="pie/2\nramen/3\n")
    return folder


def test_lists_say_the_splits_and_folders_the_classes(food):
    lists = (("train", "train.txt"), ("test", "test.txt"))
    assert placed("food", split_lists=lists) == {
        "images/pie/0.jpg": ("pie", "train"),
        "images/pie/1.jpg": ("pie", "train"),
        "images/ramen/0.jpg": ("ramen", "train"),
        "images/pie/2.jpg": ("pie", "test"),
        "images/ramen/3.jpg": ("ramen", "test"),
    }
    listing = exhausted("food", split_lists=lists)
    assert listing.ignored["image that no list of a split names"] == 3
    assert any("left out 3 images that no list of a split names" in n for n in listing.notes)


def test_an_image_in_two_lists_is_refused(food):
    write(food, test="pie/2\npie/0\n")
    with pytest.raises(InputError, match=r"test\.txt, line 2: pie/0 is"):
        placed("food", split_lists=(("train", "train.txt"), ("test", "test.txt")))


def test_lists_that_name_no_image_are_refused(food):
    write(food, train="a/7\nb/8\n")
    with pytest.raises(InputError, match=r"no line of train\.txt names an image"):
        placed("food", split_lists=(("train", "train.txt"),))


def test_lists_stand_over_a_table_of_labels(food):
    write(food, labels="name,label,by\npie/0.jpg,x,me\npie/2.jpg,y,you\nramen/0.jpg,x,me\n")
    write(food, train="pie/0\nramen/0\n", test="pie/2\n")
    found = placed(
        "food", labels="labels.txt", split_lists=(("train", "train.txt"), ("test", "test.txt"))
    )
    assert found == {
        "images/pie/0.jpg": ("x", "train"),
        "images/ramen/0.jpg": ("x", "train"),
        "images/pie/2.jpg": ("y", "test"),
    }
    assert exhausted(
        "food", labels="labels.txt", split_lists=(("train", "train.txt"), ("test", "test.txt"))
    ).extra_columns == ("by",)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"labels": "a.csv"}, {"labels": "a.csv", "tables": ()}),
        ({"labels": ["folder:2", "a.csv"]}, {"labels": "folder:2", "tables": ("a.csv",)}),
        ({"labels": ("a.csv", "b.csv")}, {"labels": "a.csv", "tables": ("b.csv",)}),
    ],
)
def test_the_option_labels_takes_one_value_or_several(options, fields):
    (spec,) = applied(LabelOptions, options, LabelSpec())
    assert {name: getattr(spec, name) for name in fields} == fields


def test_a_rule_comes_before_tables(cub):
    with pytest.raises(UsageError, match="comes after another value"):
        placed("images", labels="images.txt", tables=("parent",))


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("id,label\na1,cat\na2,dog\n", "id\nb1\nb2\n"),
        ("id,label\na1,cat\na2,dog\n", "Id\nb1\nb2\n"),
        ("label,id\ncat,a1\ndog,a2\n", "id\nb1\nb2\n"),
        ("id,width,label\na1,3,cat\na2,4,dog\n", "id,width\nb1,3\nb2,4\n"),
        ("id,cat,dog\na1,1,0\na2,0,1\n", "id\nb1\nb2\n"),
    ],
)
@pytest.mark.parametrize("top", ["", "images/", "both"])
def test_a_table_of_test_images_without_labels_is_their_split(folder, train, test, top):
    (folder / "train.csv").write_text(train)
    (folder / "test.csv").write_text(test)
    tops = ("train/", "test/") if top == "both" else (top, top)
    plant(
        folder / "source",
        *(f"{at}{i}{n}.jpg" for i, at in zip("ab", tops, strict=True) for n in "12"),
    )
    given = {"labels": ["train.csv", "test.csv"]}
    assert placed("source", labels="train.csv", tables=("test.csv",)) == {
        f"{tops[0]}a1.jpg": ("cat", "train"),
        f"{tops[0]}a2.jpg": ("dog", "train"),
        f"{tops[1]}b1.jpg": (None, "test"),
        f"{tops[1]}b2.jpg": (None, "test"),
    }
    problem = imgmem.preview_build("source", "out", **given).problem
    assert problem.message == "no image of the split test has a label (2 images)"
    remedy = problem.facts["doubts"][0]["remedies"][0]["options"]
    found = imgmem.preview_build("source", "out", **given, **remedy)
    assert found.problem is None and found.splits == {"train": 2}


@pytest.mark.parametrize("test", ["filename\n1.jpg\n2.jpg\n", "filename,label\n1.jpg,p\n2.jpg,q\n"])
def test_tables_of_splits_that_name_files_alike_mean_those_of_their_split(folder, test):
    (folder / "Training_set.csv").write_text("filename,label\n1.jpg,cat\n2.jpg,dog\n")
    (folder / "Testing_set.csv").write_text(test)
    plant(folder / "source", *(f"{split}/{n}.jpg" for split in ("train", "test") for n in "12"))
    one, two = ("p", "q") if "label" in test else (None, None)
    assert placed("source", labels="Training_set.csv", tables=("Testing_set.csv",)) == {
        "train/1.jpg": ("cat", "train"),
        "train/2.jpg": ("dog", "train"),
        "test/1.jpg": (one, "test"),
        "test/2.jpg": (two, "test"),
    }


def test_an_image_in_the_tables_of_two_splits_is_refused(folder):
    (folder / "train.csv").write_text("file,label\n1.jpg,cat\n2.jpg,dog\n3.jpg,dog\n4.jpg,cat\n")
    (folder / "val.csv").write_text("file,label\n4.jpg,cat\n5.jpg,cat\n6.jpg,dog\n")
    plant(folder / "source", *(f"{n}.jpg" for n in range(1, 7)))
    with pytest.raises(InputError, match=r"4\.jpg is 'val' here, and 'train' in an earlier line"):
        placed("source", labels="train.csv", tables=("val.csv",))


def test_a_table_of_a_split_proposes_the_folder_of_that_split_first(folder):
    (folder / "train_v2.csv").write_text("file,label\n1.jpg,cat\n2.jpg,dog\n")
    plant(folder / "source", *(f"{split}/{n}.jpg" for split in ("train", "test") for n in "12"))
    with pytest.raises(InputError) as caught:
        placed("source", labels="train_v2.csv")
    (doubt,) = caught.value.facts["doubts"]
    assert doubt["remedies"][0]["options"] == {"exclude": ("./test",)}


def test_a_list_of_a_split_that_is_not_there_is_named_as_such(folder):
    plant(folder / "source", "1.jpg")
    with pytest.raises(InputError, match=r"there is no list missing\.txt of the split train"):
        imgmem.build("source", "out", split="train=@missing.txt")
