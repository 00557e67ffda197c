"""What was lost, repaired or left out of an image is noted in its row."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.datasets import rows
from support.trees import class_folders, plant

import imgmem
from imgmem.core.decode.images import NOTES
from imgmem.core.decode.several import SEVERAL
from imgmem.core.errors import DatasetError
from imgmem.core.rows.notes import Noted, note_counts, notes_column

SIZE = {"size": (12, 12)}


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def image(mode="RGB", shift=0):
    values = np.add.outer(np.arange(20), np.arange(30)) * 5 + shift
    return Image.fromarray(values.astype(np.uint8)).convert(mode)


def odd_images(folder):
    """Images of two classes, most of which lose something; path → the cell of notes."""
    gray16 = Image.fromarray((np.arange(600).reshape(20, 30) * 100).astype(np.uint16))
    pages = [image(shift=n) for n in range(1, 4)]
    repaired = encoded(image(shift=9), "JPEG").removesuffix(b"\xff\xd9")
    clear = image("RGBA")
    clear.putalpha(100)
    files = {
        "cat/cmyk.jpg": (encoded(image("CMYK"), "JPEG"), "cmyk"),
        "cat/depth.png": (encoded(gray16, "PNG"), "16-bit"),
        "cat/pages.tif": (
            encoded(image("CMYK"), "TIFF", save_all=True, append_images=pages),
            "cmyk;pages=3",
        ),
        "dog/animated.gif": (
            encoded(image("L"), "GIF", save_all=True, append_images=pages),
            "animation=3",
        ),
        "dog/clear.png": (encoded(clear, "PNG"), "alpha"),
        "dog/plain.png": (encoded(image(), "PNG"), ""),
        "dog/repaired.jpg": (repaired, "jpeg-repaired"),
    }
    for path, (data, _) in files.items():
        plant(folder, path, data=data)
    return {path: cell for path, (_, cell) in files.items()}


def document(dataset):
    return json.loads((dataset / "dataset.json").read_text())


def counted_again(dataset):
    """The counts of `dataset.json` that the cells of all rows make up."""
    notes, left = note_counts(map(Noted.from_cell, imgmem.open(dataset).column("notes")))
    return {"converted": dict(notes)} | ({"left_out": dict(left)} if left else {})


def counts(dataset):
    build = document(dataset)["build"]
    return {name: build[name] for name in ("converted", "left_out") if name in build}


@pytest.fixture
def built(tmp_path):
    odd_images(tmp_path / "images")
    imgmem.build(tmp_path / "images", tmp_path / "set", **SIZE)
    return tmp_path / "set"


def test_each_row_says_what_was_lost_of_its_image(tmp_path):
    expected = odd_images(tmp_path / "images")
    imgmem.build(tmp_path / "images", tmp_path / "set", **SIZE)
    assert {row["path"]: row["notes"] for row in rows(tmp_path / "set")} == expected


def test_the_cells_make_up_the_counts_of_the_record(built):
    assert counts(built)["left_out"] == {"animation": 3, "pages": 3}
    assert counted_again(built) == counts(built)


def test_copied_rows_keep_their_notes_and_the_counts_follow_from_them(built, tmp_path):
    class_folders(tmp_path / "more", {"cat": 2})
    imgmem.build(tmp_path / "more", tmp_path / "other", **SIZE)
    imgmem.build([built, tmp_path / "other"], tmp_path / "merged")
    cells = {row["path"].partition("/")[2]: row["notes"] for row in rows(tmp_path / "merged")}
    assert cells == {row["path"]: row["notes"] for name in (built, tmp_path / "other")
                     for row in rows(name)}  # fmt: skip
    assert counts(tmp_path / "merged") == counts(built)


def test_dropped_rows_are_not_counted(tmp_path):
    odd_images(tmp_path / "images")
    twin = (tmp_path / "images/cat/pages.tif").read_bytes()
    plant(tmp_path / "images", "cat/twin.tif", data=twin)
    imgmem.build(tmp_path / "images", tmp_path / "set", **SIZE)
    imgmem.build(tmp_path / "set", tmp_path / "less", drop="duplicates")
    assert counts(tmp_path / "set")["left_out"] == {"animation": 3, "pages": 6}
    assert counts(tmp_path / "less")["left_out"] == {"animation": 3, "pages": 3}
    assert counted_again(tmp_path / "less") == counts(tmp_path / "less")


def without_notes(dataset):
    """The dataset as earlier versions wrote it."""
    record = document(dataset)
    del record["notes_column"]
    (dataset / "dataset.json").write_text(json.dumps(record))
    lines = (dataset / "rows.csv").read_text().splitlines()
    (dataset / "rows.csv").write_text("".join(f"{line.rpartition(',')[0]}\n" for line in lines))


def test_a_dataset_of_an_earlier_version_is_read_and_copied_without_notes(built, tmp_path):
    without_notes(built)
    assert len(imgmem.open(built).paths()) == 7
    imgmem.build([built, *odd_set(tmp_path)], tmp_path / "merged")
    cells = [row["notes"] for row in rows(tmp_path / "merged")]
    assert sorted(filter(None, cells)) == sorted(
        filter(None, imgmem.open(tmp_path / "set2").column("notes"))
    )


def odd_set(tmp_path):
    odd_images(tmp_path / "images2")
    imgmem.build(tmp_path / "images2", tmp_path / "set2", **SIZE)
    return [tmp_path / "set2"]


def test_a_dataset_whose_images_are_resized_does_not_hand_on_its_notes_as_a_column(built, tmp_path):
    imgmem.build(built, tmp_path / "small", size=(6, 6))
    assert set(imgmem.open(tmp_path / "small").column("notes")) == {""}
    assert "notes2" not in rows(tmp_path / "small")[0]


def test_a_column_of_that_name_in_a_label_table_keeps_its_name(tmp_path):
    odd_images(tmp_path / "images")
    table = 'path,label,notes\ncat/cmyk.jpg,a,blurred\ndog/plain.png,b,"sharp, bright"\n'
    (tmp_path / "table.csv").write_text(table)
    only = ["cat/cmyk.jpg", "dog/plain.png"]
    options = {**SIZE, "labels": tmp_path / "table.csv", "include": only}
    imgmem.build(tmp_path / "images", tmp_path / "set", **options)
    dataset = imgmem.open(tmp_path / "set")
    assert dataset.column("notes").tolist() == ["blurred", "sharp, bright"]
    assert dataset.record.notes_column == "notes2"
    assert dataset.column("notes2").tolist() == ["cmyk", ""]


def test_the_rows_of_a_dataset_as_a_label_table_do_not_hand_on_its_notes(tmp_path):
    images, first, again = (tmp_path / name for name in ("images", "first", "again"))
    odd_images(images)
    imgmem.build(images, first, split="val=0.3", **SIZE)
    imgmem.build(images, again, labels=first / "rows.csv", **SIZE)
    assert (again / "rows.csv").read_bytes() == (first / "rows.csv").read_bytes()


def test_cells_that_are_not_notes_are_damage_where_rows_are_copied(built, tmp_path):
    text = (built / "rows.csv").read_text()
    (built / "rows.csv").write_text(text.replace("pages=3", "pages=many"))
    with pytest.raises(DatasetError, match=r"rows\.csv is damaged: set/cat/pages\.tif"):
        imgmem.build([built, *odd_set(tmp_path)], tmp_path / "merged")


def test_a_record_that_names_a_column_that_is_not_there_is_refused(built, tmp_path):
    record = document(built) | {"notes_column": "width"}
    (built / "dataset.json").write_text(json.dumps(record))
    with pytest.raises(DatasetError, match=r"rows\.csv is damaged"):
        imgmem.build(built, tmp_path / "again", size=(6, 6))


@given(st.lists(st.sampled_from(NOTES), unique=True), st.integers(0, 10**6))
def test_a_cell_can_be_read_again(notes, left):
    noted = Noted(tuple(notes), left if SEVERAL.intersection(notes) else 0)
    assert Noted.from_cell(noted.cell()) == noted


@pytest.mark.parametrize(
    "cell", [";", "=3", "pages=0", "pages=-1", "pages=", "pages=1;animation=2"]
)
def test_text_that_is_not_a_list_of_notes_is_refused(cell):
    with pytest.raises(ValueError, match=r"not a list of notes|invalid literal"):
        Noted.from_cell(cell)


def test_the_column_of_notes_avoids_all_others():
    assert [notes_column(others) for others in ((), ("notes",), ("notes", "notes2"))] == [
        "notes", "notes2", "notes3",
    ]  # fmt: skip
