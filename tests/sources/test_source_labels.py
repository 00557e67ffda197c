"""Label files and manifests: columns, what is refused, what is reported."""

import gc
import json
import os
import tarfile
import tracemalloc

import numpy as np
import pytest
from support.sources import doubted, exhausted, listed, placed
from support.trees import plant

from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.rows.origins import ROW_COLUMNS
from imgmem.core.sources.labeling import require_certain
from imgmem.core.sources.tables import lines, reader


@pytest.fixture
def images(tmp_path):
    return plant(tmp_path / "images", "a/1.jpg", "a/2.jpg", "b/3.jpg")


@pytest.fixture
def labels(tmp_path):
    """Writes a label file and gives its path."""

    def write(text, name="labels.csv"):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


def refusal(source, **options):
    with pytest.raises(InputError) as caught:
        require_certain(exhausted(source, **options).doubts)
    assert caught.value.hint
    return caught.value.message


# Labels of a file over another source ------------------------------------------------------


def test_labels_come_from_the_file_and_not_from_folders(images, labels, opened):
    file = labels("path,label\na/1.jpg,cat\na/2.jpg, dog \nb/3.jpg,cat\n")
    assert placed(images, labels=file) == {
        "a/1.jpg": ("cat", None),
        "a/2.jpg": ("dog", None),
        "b/3.jpg": ("cat", None),
    }
    assert exhausted(images, labels=file).labeled


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath,label\r\na/1.jpg,cat\r\n",
        'label,Image Path,"extra"\ncat,./a//1.jpg,x\n',
        '"FILENAME","Class"\n"a/1.jpg","cat"\n\n',
        "label,class,file\n7,cat,a/1.jpg\n",
        "category,category_name,img\n7,cat,a/1.jpg\n",
    ],
)
def test_columns_are_found_by_their_names(images, labels, text):
    assert placed(images, labels=labels(text)) == {"a/1.jpg": ("cat", None)}


def test_a_tsv_is_separated_by_tabs(images, labels):
    file = labels("path\tlabel\na/1.jpg\tcat, wild\n", "labels.TSV")
    assert placed(images, labels=file) == {"a/1.jpg": ("cat, wild", None)}


def test_further_columns_are_carried_along(images, labels):
    file = labels("id,path,label,width,note\n7,a/1.jpg,cat,640,nice\n8,a/2.jpg,dog,80,\n")
    source = exhausted(images, labels=file)
    assert source.extra_columns == ("id", "note")
    assert [entry.extra for entry in listed(images, labels=file).values()] in (
        [("7", "nice"), ("8", "")],
        [("8", ""), ("7", "nice")],
    )
    assert "left out the columns width: rows.csv has its own" in source.notes


@pytest.mark.parametrize(
    ("text", "columns", "classes", "said"),
    [
        ("image,label,label_name\n{},2,ant\n{},0,bee\n{},1,cow", "", "bee cow ant", "of label"),
        ("image,class_id,class_name\n{},0,b\n{},1,a\n{},0,b", "", "b a", "of class_id"),
        ("image,class_id,class_name\n{},9,a\n{},10,b\n{},2,c", "", "c a b", "c, 2 there, has"),
        ("image,class_id,name\n{},1,a\n{},0,b\n{},1,a", "label=name", "b a", "of class_id"),
        ("image,class_id,name\n{},1,a\n{},0,b\n{},1,a", "label=class_id", "0 1", "took"),
    ],
)
def test_the_numbers_of_classes_are_those_of_a_column_of_numbers(
    images, labels, text, columns, classes, said
):
    file = labels(text.format("a/1.jpg", "a/2.jpg", "b/3.jpg") + "\n")
    _, labeling = doubted(images, labels=file, columns=columns)
    assert labeling.classes == tuple(classes.split())
    assert any(said in note for note in labeling.notes)


def test_numbers_of_classes_follow_renamed_classes(images, labels):
    file = labels("image,class_id,class_name\na/1.jpg,0,b\na/2.jpg,1,a\nb/3.jpg,2,c\n")
    assert doubted(images, labels=file, class_map="b=z")[1].classes == ("z", "a", "c")
    assert doubted(images, labels=file, class_map="c=b")[1].classes == ("b", "a")


def test_a_column_that_does_not_number_the_labels_after_all_is_noted(tmp_path, labels):
    names = [f"{n}.jpg" for n in range(3000)]
    images = plant(tmp_path / "many", *names)
    lines = [f"{name},{n % 2},{'ab'[n % 2]}\n" for n, name in enumerate(names)]
    file = labels("image,class_id,name\n" + "".join(lines[:-1]) + f"{names[-1]},0,b\n")
    _, labeling = doubted(images, labels=file, columns="label=name")
    assert labeling.classes == ("a", "b")
    assert "class_id does not number the labels one to one: not used" in labeling.notes


def test_an_image_without_a_label_is_a_reject_that_names_its_line(images, labels, opened):
    file = labels("path,label\na/1.jpg,\na/2.jpg,dog\n")
    source = opened(str(images), labels=file)
    entries = {entry.name: entry for entry in source.listing().entries}
    with pytest.raises(RejectedImage, match=r"labels\.csv, line 2: it has no label") as caught:
        source.read("a/1.jpg", entries["a/1.jpg"].locator)
    assert caught.value.reason == "no-label"
    assert source.read("a/2.jpg", entries["a/2.jpg"].locator) == b"image"


def test_one_of_a_kind_is_not_spoken_of_as_several(images, labels):
    file = labels("path,label\n\\a\\1.jpg,cat\na/2.jpg,dog\n")
    said = " ".join(exhausted(images, labels=file).notes)
    assert "left out 1 image without a line" in said
    assert "found the images of 1 line with" in said


def test_a_split_column_says_the_split(images, labels):
    file = labels("path,label,split\na/1.jpg,cat,train\na/2.jpg,cat,Validation\nb/3.jpg,cat,test\n")
    assert {split for _, split in placed(images, labels=file).values()} == {"train", "val", "test"}
    assert {split for _, split in placed(images, labels=file, auto_split=False).values()} == {None}


def test_without_a_split_column_the_folders_say_it(tmp_path, labels):
    images = plant(tmp_path / "images", "train/1.jpg", "val/2.jpg")
    file = labels("path,label\ntrain/1.jpg,cat\nval/2.jpg,dog\n")
    assert placed(images, labels=file) == {
        "train/1.jpg": ("cat", "train"),
        "val/2.jpg": ("dog", "val"),
    }


def test_images_that_no_line_names_are_left_out_counted_and_named(images, labels):
    source = exhausted(images, labels=labels("path,label\na/1.jpg,cat\n"))
    assert source.ignored == {"image without a line in the label table": 2}
    assert "left out 2 images without a line in the label table: 1 in a/, 1 in b/" in source.notes


def test_lines_whose_file_is_missing_are_rejected_when_they_are_read(images, labels, opened):
    file = labels("path,label\na/1.jpg,x\na/2.jpg,x\nb/3.jpg,x\na/4.jpg,y\nc.txt,x\n")
    source = opened(images, labels=file)
    *_, missing, other = source.listing().entries
    assert (missing.name, missing.label, other.name) == ("a/4.jpg", "y", "c.txt")
    for read in (source.read, lambda name, locator: source.read_head(name, locator, 10)):
        with pytest.raises(RejectedImage, match=r"^missing: the source has no such image"):
            read(missing.name, missing.locator)


def test_a_file_of_other_paths_altogether_is_refused_with_both_spellings(images, labels):
    said = refusal(images, labels=labels("path,label\n7.jpg,x\n8.jpg,x\n"))
    assert "'7.jpg'" in said
    assert "'b/3.jpg'" in said or "'a/" in said


def test_the_label_file_may_lie_among_the_images(images):
    plant(images, "labels.csv", data=b"path,label\na/1.jpg,cat\n")
    source = exhausted(images, labels=str(images / "labels.csv"))
    assert source.ignored[".csv file"] == 1


def test_labels_of_a_file_go_with_an_archive_too(images, labels, tmp_path):
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        archive.add(images, arcname=".")
    file = labels("path,label\na/1.jpg,cat\nb/3.jpg,dog\n")
    assert placed(tmp_path / "images.tar", labels=file) == {
        "a/1.jpg": ("cat", None),
        "b/3.jpg": ("dog", None),
    }


def test_names_that_are_no_utf8_are_found(tmp_path, labels):
    images = plant(tmp_path / "images", b"caf\xe9.jpg")
    file = labels(b"path,label\ncaf\xe9.jpg,na\xefve\n")
    (entry,) = listed(images, labels=file).values()
    assert (os.fsencode(entry.name), entry.label) == (b"caf\xe9.jpg", "naïve")
    assert any("read as Latin-1" in note for note in exhausted(images, labels=file).notes)


# Several labels ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na/1.jpg,cat|dog\n",
        "path,label\na/1.jpg,cat;dog\n",
        'path,label\na/1.jpg,"[""cat"", ""dog""]"\n',
        "path,label\na/1.jpg,\"['cat']\"\n",
        "path,tags\na/1.jpg,cat dog\na/2.jpg,cat\nb/3.jpg,dog\n",
        "path,attribute_ids\na/1.jpg,7 8\na/2.jpg,8\nb/3.jpg,7\n",
        'path,labels\na/1.jpg,"cat,dog"\n',
        "path,cat,dog\na/1.jpg,1,1\na/2.jpg,1,0\n",
        "path,cat,dog\na/1.jpg,1,0\na/2.jpg,0,0\n",
        "path,label\na/1.jpg,cat\na/1.jpg,dog\n",
        "path,label\na/1.jpg,cat\n./a/1.jpg,dog\n",
    ],
)
def test_files_with_several_labels_are_refused(images, labels, text):
    assert "labels.csv" in refusal(images, labels=labels(text))


def test_equal_lines_count_once(images, labels):
    source = exhausted(images, labels=labels("path,label\n" + "a/1.jpg,cat\n" * 3))
    assert source.ignored["line of the label table that repeats another"] == 2


# Lines and files that are not right --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "labels.csv is empty"),
        ("path,label\n", "line 1: it has no lines below its header"),
        ("path\na/1.jpg\n", "no column of labels was found; its columns: path"),
        ("color,shape\nred,round\nred,square\nred,round\n", "no column of paths was found"),
        ("path,label,category\na/1.jpg,cat,animal\n", "could be the label: label, category"),
        ("file,image,label\na/1.jpg,x,cat\n", "could be the path: file, image"),
        ("path,label,path\na/1.jpg,cat,x\n", "names a column twice: path"),
        ("path,label\na/1.jpg\n", "line 2: it has 1 cell, not 2"),
        ("path,label\n\na/1.jpg,cat,x\n", "line 3: it has 3 cells"),
        ("path,label\n/etc/passwd,cat\n", "names an image of the source: it has 'etc/passwd'"),
        ("path,label,split\na/1.jpg,cat,all\n", "'all' cannot be the name of a split"),
        ("path,label,split\na/1.jpg,cat,\n", "line 2: it has no split"),
        ('path,label\n"a/1.jpg,cat\n', "unexpected end of data"),
        ("path,label\na/1.jpg," + "x" * 200_000 + "\n", "field larger"),
    ],
)
def test_what_is_not_right_is_refused_with_its_line(images, labels, text, said):
    assert said in refusal(images, labels=labels(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"path": "a/1.jpg", "label": "cat"\n', "line 1: it is not JSON"),
        ('{"path": "a/1.jpg", "label": "cat"}\n["a"]\n', "line 2: it is not a JSON object"),
        ('{"path": "a/1.jpg", "label": "\\ud800"}\n', "line 1: it holds half of a surrogate pair"),
        ('{"path": "a/1.jpg", "label": ["cat"]}\n', "looks like several labels"),
        ('{"path": "a/1.jpg"}\n', "no column of labels"),
    ],
)
def test_json_lines_that_are_not_right_are_refused(images, labels, text, said):
    assert said in refusal(images, labels=labels(text, "labels.jsonl"))


def test_a_label_file_that_is_missing_is_an_error(images, tmp_path):
    assert "missing.csv" in refusal(images, labels=str(tmp_path / "missing.csv"))


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04 and more", "an Excel workbook"),
        (b"\x1f\x8b\x08 and more", "compressed with gzip"),
        (b"a/1.jpg\0\0\1\2\3,cat", "not text"),
    ],
)
def test_a_label_file_that_is_not_text_is_refused_as_what_it_is(images, labels, data, what):
    assert f"labels.csv is {what}" in refusal(images, labels=labels(data))


JSON_TABLES = {
    "a list of objects": [{"file": "a/1.jpg", "label": "cat"}, {"file": "b/3.jpg", "label": "dog"}],
    "names with their labels": {"a/1.jpg": "cat", "b/3.jpg": "dog"},
    "COCO": {
        "images": [{"id": 7, "file_name": "a/1.jpg"}, {"id": 8, "file_name": "b/3.jpg"}],
        "annotations": [{"image_id": 8, "category_id": 2}, {"image_id": 7, "category_id": 1}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    },
}


def refused_with_hint(source, **options):
    with pytest.raises(InputError) as caught:
        exhausted(source, **options)
    return str(caught.value)


def made_by_the_lines(said):
    """Runs the lines of Python in a refusal."""
    exec("\n".join(line.strip() for line in said.split("\n") if line.startswith("  ")), {})


@pytest.mark.parametrize("name", JSON_TABLES)
def test_the_lines_for_json_make_a_table_of_it(images, labels, monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    file = labels(json.dumps(JSON_TABLES[name], indent=1), "l.json")
    said = refused_with_hint(images, labels=file)
    assert "JSON, not JSON Lines" in said and "labels='l.jsonl'" in said
    made_by_the_lines(said)
    assert placed(images, labels="l.jsonl") == {"a/1.jpg": ("cat", None), "b/3.jpg": ("dog", None)}


def test_the_lines_for_an_array_make_a_table_of_it(images, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    np.save("y.npy", [5, 7])
    plant(tmp_path / "IMAGES", "1.jpg", "2.jpg")
    said = refused_with_hint(images, labels="y.npy")
    made_by_the_lines(said)
    assert placed(tmp_path / "IMAGES", labels="y.csv") == {
        "1.jpg": ("5", None),
        "2.jpg": ("7", None),
    }


@pytest.mark.parametrize(
    ("name", "call"), [("y.mat", "scipy.io.loadmat"), ("y.pkl", "pickle.loads"), ("y.npz", "numpy")]
)
def test_labels_of_other_programs_are_refused_with_lines(images, labels, name, call):
    said = refused_with_hint(images, labels=labels(b"\x80\x04\x95", name))
    assert "which is not read" in said and call in said


def test_json_lines_are_read_whatever_the_extension(images, labels):
    text = '{"file": "a/1.jpg", "label": "cat"}\n{"file": "b/3.jpg", "label": "dog"}\n'
    assert placed(images, labels=labels(text, "l.json")) == {
        "a/1.jpg": ("cat", None),
        "b/3.jpg": ("dog", None),
    }


@pytest.mark.parametrize("name", ["gone.json", "gone.csv"])
def test_a_table_that_is_not_there_is_refused_as_such(images, tmp_path, name):
    assert "cannot be read" in refusal(images, labels=str(tmp_path / name))


def test_a_label_file_that_is_a_fifo_is_not_opened(images, tmp_path):
    os.mkfifo(tmp_path / "labels.csv")
    assert "not a regular file" in refusal(images, labels=str(tmp_path / "labels.csv"))


# Manifests ---------------------------------------------------------------------------------


def test_a_manifest_names_images_relative_to_its_own_folder(images, opened):
    plant(images, "list.csv", data=b"file,label,split\na/1.jpg,cat,train\nb/3.jpg,dog,val\n")
    assert placed(images / "list.csv") == {
        "a/1.jpg": ("cat", "train"),
        "b/3.jpg": ("dog", "val"),
    }
    source = opened(images / "list.csv")
    listing = source.listing()
    assert listing.labeled
    assert source.read("a/1.jpg", ()) == b"image"
    assert not listing.ignored


def test_a_manifest_may_name_files_of_any_extension(images):
    plant(images, "list.tsv", "x.dat", ".hidden", data=b"path\tclass\nx.dat\ta\n.hidden\tb\n")
    assert set(placed(images / "list.tsv")) == {"x.dat", ".hidden"}


def test_the_labels_of_a_manifest_are_not_read_with_labels_none(images):
    plant(images, "list.csv", data=b"path,species\na/1.jpg,cat\n")
    (entry,) = listed(images / "list.csv", labels="none").values()
    assert (entry.label, entry.extra) == (None, ("cat",))


@pytest.mark.parametrize("text", ["b/3.jpg\na/2.jpg\n", "path\nb/3.jpg\na/2.jpg\n"])
def test_a_manifest_of_paths_alone_needs_no_labels_none(images, text):
    plant(images, "list.txt", data=text.encode())
    listing = exhausted(images / "list.txt")
    assert (listing.labeled, listing.rule) == (False, "none")
    assert set(listed(images / "list.txt")) == {"a/2.jpg", "b/3.jpg"}


def test_a_manifest_keeps_its_order(images):
    plant(images, "list.csv", data=b"path,label\nb/3.jpg,x\na/2.jpg,y\na/1.jpg,x\n")
    assert exhausted(images / "list.csv").ordered
    assert list(listed(images / "list.csv")) == ["b/3.jpg", "a/2.jpg", "a/1.jpg"]


def test_a_manifest_finds_images_in_sub_folders_by_weaker_keys(images):
    plant(images, "list.csv", data=b"id,breed\n3,cat\n1,dog\n")
    assert placed(images / "list.csv") == {"b/3.jpg": ("cat", None), "a/1.jpg": ("dog", None)}


def test_a_manifest_of_images_elsewhere_is_refused_with_the_way_out(images, tmp_path):
    plant(tmp_path / "meta", "train.csv", data=b"path,label\na/1.jpg,cat\n")
    with pytest.raises(InputError, match=r"no image that .*train\.csv names is in") as caught:
        listed(tmp_path / "meta/train.csv")
    assert "labels=" in caught.value.hint


def test_a_label_file_of_paths_alone_is_refused_with_the_way_to_select_by_it(images, labels):
    file = labels("a/1.jpg\nb/3.jpg\n", "train.txt")
    with pytest.raises(InputError, match="no column of labels") as caught:
        listed(images, labels=file)
    assert "include='@" in caught.value.hint


@pytest.mark.parametrize("cell", ["../secret.jpg", "a/../../secret.jpg", "/secret.jpg"])
def test_a_manifest_never_leads_out_of_its_folder(images, tmp_path, cell):
    plant(tmp_path, "secret.jpg")
    plant(images, "list.csv", data=f"path,label\n{cell},cat\na/1.jpg,dog\n".encode())
    (missing, _) = listed(images / "list.csv").values()
    assert missing.locator == ("missing", "the source has no such image")


def test_what_a_manifest_names_and_is_not_a_file_is_rejected_when_it_is_read(images, opened):
    os.mkfifo(images / "fifo.jpg")
    (images / "loop.jpg").symlink_to("loop.jpg")
    names = ["missing.jpg", "fifo.jpg", "loop.jpg", "a"]
    plant(images, "list.csv", data="\n".join(["path,label", *(f"{n},x" for n in names)]).encode())
    source = opened(images / "list.csv")
    reasons = {}
    for entry in source.listing().entries:
        with pytest.raises(RejectedImage) as caught:
            source.read(entry.name, entry.locator)
        reasons[entry.name] = str(caught.value)
        assert entry.locator  # known from the listing: nothing is opened
    assert reasons == {
        "missing.jpg": "missing: the source has no such image",
        "fifo.jpg": "unreadable: not a regular file",
        "loop.jpg": "unreadable: a link that leads in circles",
        "a": "unreadable: not a regular file",
    }


def test_a_datasets_rows_csv_is_a_manifest(images):
    text = ",".join(ROW_COLUMNS) + ",note\n0,train,1,dog,a/1.jpg,9,9,abc,nice\n"
    plant(images, "rows.csv", data=text.encode())
    (entry,) = listed(images / "rows.csv").values()
    assert (entry.label, entry.split, entry.extra) == ("dog", "train", ("nice",))


def test_memory_does_not_grow_with_the_number_of_lines(tmp_path, labels, monkeypatch):
    monkeypatch.setattr(lines, "_BATCH", 256)
    monkeypatch.setattr(reader, "SAMPLE_LINES", 100)
    images = plant(tmp_path / "images", "000000.jpg")

    def peak(count):
        text = "".join(f"{number:06}.jpg,cat,some more\n" for number in range(count))
        file = labels("path,label,note\n" + text)
        gc.collect()
        tracemalloc.start()
        exhausted(images, labels=file)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    def least(count):  # what other threads allocate meanwhile counts too
        return min(peak(count), peak(count))

    peak(10)
    assert least(6_000) < least(1_500) + 100_000


AMBIGUOUS = {
    "folders": (
        ["a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg"], "name,label\n1.jpg,x\n2.jpg,y\n", "./b",
    ),
    "folders further down": (
        [f"{f}/{n}.jpg" for n in (1, 2) for f in ("p/a", "p/b")], "id,label\n1,x\n2,y\n", "p/b",
    ),
    "extensions": (
        ["1.jpg", "1.png", "2.jpg", "2.png"], "id,label\n1,x\n2,y\n", "*.png",
    ),
    "one line": (["a/1.jpg", "b/1.jpg", "b/2.jpg"], "id,label\n1,x\n2,y\n", "b/1.jpg"),
    "nothing else": (["a/1.jpg", "b/1.jpg"], "name,label\n1.jpg,x\n", "b/1.jpg"),
}  # fmt: skip


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_line_that_could_mean_several_images_is_a_doubt_with_what_decides(tmp_path, labels, case):
    tree, text, left_out = AMBIGUOUS[case]
    images, table = plant(tmp_path / "images", *tree), labels(text)
    try:
        (doubt,), _ = doubted(images, labels=table, exclude="x")
        found, options = doubt.name, doubt.remedies[0].options
    except InputError as error:
        (fact,) = error.facts["doubts"]
        found, options = fact["name"], fact["remedies"][0]["options"]
    assert (found, options) == ("which-image", {"exclude": ("x", left_out)})
    assert doubted(images, labels=table, **options)[0] == ()


def test_a_line_of_another_folder_is_missing_not_in_doubt(tmp_path, labels):
    images = plant(tmp_path / "images", "a/1.jpg", "b/1.jpg", "c/2.jpg")
    table = labels("path,label\nd/1.jpg,x\nc/2.jpg,y\n")
    assert [doubt.name for doubt in doubted(images, labels=table)[0]] == ["keys-do-not-fit"]
