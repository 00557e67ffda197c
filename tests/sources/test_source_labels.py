"""Label files and manifests: columns, what is refused, what is reported."""

import os
import tarfile
import tracemalloc

import pytest
from support.sources import exhausted, listed, placed
from support.trees import plant

from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.rows.origins import ROW_COLUMNS


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
        listed(source, **options)
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
    assert source.ignored == {"image that the label file does not name": 2}
    assert source.notes == ("image that the label file does not name: a/2.jpg, b/3.jpg",)


def test_lines_whose_file_is_missing_are_counted_and_named(images, labels):
    file = labels("path,label\na/1.jpg,x\na/2.jpg,x\nb/3.jpg,x\na/4.jpg,x\nc.txt,x\n")
    source = exhausted(images, labels=file)
    assert source.ignored == {"line of the label file without an image": 2}
    assert source.notes == ("line of the label file without an image: a/4.jpg, c.txt",)


def test_a_file_of_other_paths_altogether_is_refused_with_both_spellings(images, labels):
    said = refusal(images, labels=labels("path,label\n1.jpg,x\n2.jpg,x\n"))
    assert "'1.jpg'" in said
    assert "/" in said


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
    (entry,) = listed(images, labels=labels(b"path,label\ncaf\xe9.jpg,\xff\n")).values()
    assert (os.fsencode(entry.name), os.fsencode(entry.label)) == (b"caf\xe9.jpg", b"\xff")


# Several labels ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "path,label\na/1.jpg,cat|dog\n",
        "path,label\na/1.jpg,cat;dog\n",
        'path,label\na/1.jpg,"[""cat"", ""dog""]"\n',
        "path,label\na/1.jpg,\"['cat']\"\n",
        "path,tags\na/1.jpg,cat dog\n",
        'path,labels\na/1.jpg,"cat,dog"\n',
        "path,cat,dog\na/1.jpg,1,0\n",
        "path,label,category\na/1.jpg,cat,animal\n",
        "path,label\na/1.jpg,cat\na/1.jpg,dog\n",
        "path,label\na/1.jpg,cat\n./a/1.jpg,dog\n",
    ],
)
def test_files_with_several_labels_are_refused(images, labels, text):
    assert "labels.csv, line " in refusal(images, labels=labels(text))


def test_equal_lines_count_once(images, labels):
    source = exhausted(images, labels=labels("path,label\n" + "a/1.jpg,cat\n" * 3))
    assert source.ignored["line of the label file that repeats another"] == 2


# Lines and files that are not right --------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column of paths; it has: none"),
        ("a/1.jpg,cat\n", "no column of paths; it has: a/1.jpg, cat"),
        ("path;label\na/1.jpg;cat\n", "no column of paths; it has: path;label"),
        ("path,species\na/1.jpg,cat\n", "no column of labels; beside paths it has: species"),
        ("path\na/1.jpg\n", "no column of labels"),
        ("path,label,path\n", "names a column twice: path"),
        ("path,label\na/1.jpg\n", "line 2: it has 1 cells"),
        ("path,label\n\na/1.jpg,cat,x\n", "line 3: it has 3 cells"),
        ("path,label\na/1.jpg,\n", "line 2: it has no label"),
        ("path,label\n../x.jpg,cat\n", "leads upwards"),
        ("path,label\na/../../x.jpg,cat\n", "leads upwards"),
        ("path,label\n/etc/passwd,cat\n", "absolute"),
        ("path,label\nC:\\x.jpg,cat\n", "absolute"),
        ("path,label\n,cat\n", "is no path"),
        ("path,label,split\na/1.jpg,cat,holdout\n", "'holdout' is no split"),
        ('path,label\n"a/1.jpg,cat\n', "unexpected end of data"),
        ("path,label\na/1.jpg," + "x" * 200_000 + "\n", "field larger"),
    ],
)
def test_what_is_not_right_is_refused_with_its_line(images, labels, text, said):
    assert said in refusal(images, labels=labels(text))


@pytest.mark.parametrize("name", ["missing.csv", "labels.txt", "labels"])
def test_a_label_file_that_is_none_is_an_error(images, labels, name):
    file = labels("path,label\na/1.jpg,cat\n", name)
    if name == "missing.csv":
        os.unlink(file)
    assert name in refusal(images, labels=file)


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


def test_a_manifest_may_name_files_of_any_ending(images):
    plant(images, "list.tsv", "x.dat", ".hidden", data=b"path\tclass\nx.dat\ta\n.hidden\tb\n")
    assert set(placed(images / "list.tsv")) == {"x.dat", ".hidden"}


def test_a_manifest_without_labels_needs_labels_none(images):
    plant(images, "list.csv", data=b"path,species\na/1.jpg,cat\n")
    assert "no column of labels" in refusal(images / "list.csv")
    (entry,) = listed(images / "list.csv", labels="none").values()
    assert (entry.label, entry.extra) == (None, ("cat",))


def test_what_a_manifest_names_and_is_no_file_is_rejected_when_it_is_read(images, opened):
    os.mkfifo(images / "fifo.jpg")
    (images / "loop.jpg").symlink_to("loop.jpg")
    names = ["missing.jpg", "fifo.jpg", "loop.jpg", "a"]
    plant(images, "list.csv", data="\n".join(["path,label", *(f"{n},x" for n in names)]).encode())
    source = opened(images / "list.csv")
    reasons = {}
    for entry in source.listing().entries:
        with pytest.raises(RejectedImage, match=r"^unreadable: ") as caught:
            source.read(entry.name, entry.locator)
        reasons[entry.name] = caught.value.detail
        assert entry.locator  # known from the listing: nothing is opened
    assert reasons == {
        "missing.jpg": "no such file (a dangling link?)",
        "fifo.jpg": "not a regular file",
        "loop.jpg": "a link that leads in circles",
        "a": "not a regular file",
    }


def test_a_datasets_rows_csv_is_a_manifest(images):
    text = ",".join(ROW_COLUMNS) + ",note\n0,train,1,dog,a/1.jpg,9,9,abc,nice\n"
    plant(images, "rows.csv", data=text.encode())
    (entry,) = listed(images / "rows.csv").values()
    assert (entry.label, entry.split, entry.extra) == ("dog", "train", ("nice",))


def test_memory_does_not_grow_with_the_number_of_lines(tmp_path, labels):
    images = plant(tmp_path / "images", "000000.jpg")

    def peak(count):
        lines = "".join(f"{number:06}.jpg,cat,some more\n" for number in range(count))
        file = labels("path,label,note\n" + lines)
        tracemalloc.start()
        exhausted(images, labels=file)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)
    assert peak(20_000) < peak(1_000) + 100_000  # a byte a line, and what it grew from
