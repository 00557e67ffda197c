"""Which file a cell of a label table means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sources import exhausted, placed
from support.trees import plant

from imgmem.core.sources.tables import lines
from imgmem.core.sources.tables.keys import (
    Named,
    cell_parts,
    common_endings,
    file_parts,
    pair,
    weak_key,
)


def found(cells, files):
    """Cell → the file that it means, for cells and files of one weak key."""
    left = [Named(number, cell_parts(cell)) for number, cell in enumerate(cells)]
    right = [Named(number, file_parts(name)) for number, name in enumerate(files)]
    return {cells[line]: files[file] for line, file, _ in pair(left, right)}


@pytest.mark.parametrize(
    ("cell", "file", "how"),
    [
        ("cats\\1.jpg", "cats/1.jpg", ""),
        ("/cats/1.jpg", "cats/1.jpg", ""),
        ("./cats//1.jpg ", "cats/1.jpg", ""),
        ("cafe\u0301.jpg", "caf\u00e9.jpg", "in another Unicode form"),
        ("caf\udce9.jpg", "caf\u00e9.jpg", "in another Unicode form"),
        ("cats/1.JPG", "cats/1.jpg", "with the extension in another case"),
        ("cats/1", "cats/1.jpg", "without the extension"),
        ("cats/1.png", "cats/1.jpg", "without the extension"),
        ("Cats/1.jpg", "cats/1.jpg", "in another case"),
        ("/content/drive/photos/cats/1.jpg", "cats/1.jpg", "without leading folders"),
        ("C:\\photos\\cats\\1.jpg", "cats/1.jpg", "without leading folders"),
        ("https://example.org/a/cats/1.jpg", "cats/1.jpg", "without leading folders"),
        ("../input/cats/1.jpg", "cats/1.jpg", "without leading folders"),
        ("cats/1.jpg", "train/cats/1.jpg", "by the end of the path"),
        ("images/cats/1.jpg", "train/cats/1.jpg", "by the end of the path"),
        ("1.jpg", "train/cats/1.jpg", "by the base name"),
        ("1", "train/cats/1.jpg", "without the extension, by the base name"),
        ("dogs/1.jpg", "cats/1.jpg", "by the base name"),
        ("7", "000007.png", "without leading zeros"),
        ("0", "train/000000.png", "without leading zeros, by the base name"),
    ],
)
def test_a_cell_finds_its_file_by_the_strictest_key_that_fits(cell, file, how):
    assert list(pair([Named(1, cell_parts(cell))], [Named(2, file_parts(file))])) == [(1, 2, how)]


@pytest.mark.parametrize(
    ("cells", "files", "expected"),
    [
        (["1"], ["1.jpg", "1.png"], {}),
        (["1"], ["a/1.jpg", "b/1.jpg"], {}),
        (["1"], ["01.jpg", "001.jpg"], {}),
        (["1", "01"], ["001.jpg"], {}),
        (["1", "01"], ["001.jpg", "01.jpg"], {"01": "01.jpg"}),
        (["1.jpg", "1.png"], ["a/1.gif"], {}),
        (["1.JPG"], ["1.jpg", "a/1.JPG"], {"1.JPG": "1.jpg"}),
        (["train/1.jpg"], ["test/1.jpg"], {}),
        (["/data/training_images/1.jpg"], ["x/val2017/1.jpg"], {}),
        (["train/1.jpg"], ["train_images/1.jpg"], {"train/1.jpg": "train_images/1.jpg"}),
        (["train/1.jpg"], ["images/1.jpg"], {"train/1.jpg": "images/1.jpg"}),
        (["train/1.jpg", "val/1.jpg"], ["a/train/1.jpg", "test/1.jpg"],
         {"train/1.jpg": "a/train/1.jpg"}),
        (["a/1.jpg", "b/1.jpg"], ["x/b/1.jpg", "x/a/1.jpg"],
         {"a/1.jpg": "x/a/1.jpg", "b/1.jpg": "x/b/1.jpg"}),
        (["/m/a/1.jpg", "/m/b/1.jpg", "/m/1.jpg"], ["a/1.jpg", "b/1.jpg", "1.jpg"],
         {"/m/a/1.jpg": "a/1.jpg", "/m/b/1.jpg": "b/1.jpg", "/m/1.jpg": "1.jpg"}),
        (["c/1.jpg", "a/1.jpg"], ["a/1.jpg", "b/1.jpg"], {"a/1.jpg": "a/1.jpg"}),
    ],
)  # fmt: skip
def test_a_key_is_used_only_where_it_is_unique_on_both_sides(cells, files, expected):
    assert found(cells, files) == expected


def test_what_has_its_match_keeps_others_from_taking_it_or_its_key():
    files = [Named(1, ("a", "1.jpg"), taken=True), Named(2, ("b", "1.jpg"))]
    cells = [Named(1, ("a", "1.jpg"), taken=True), Named(2, ("c", "1.jpg"))]
    assert list(pair(cells, files)) == []


_names = st.lists(st.sampled_from(["a", "b", "A", "1.jpg", "1.JPG", "1", "01.png"]), min_size=1)
_paths = st.lists(_names.map(tuple), unique=True, max_size=6)


@given(_paths, _paths)
def test_no_line_and_no_file_is_taken_twice_and_pairs_share_their_weak_key(left, right):
    matches = list(pair_of(left, right))
    assert len({m.line for m in matches}) == len({m.file for m in matches}) == len(matches)
    for match in matches:
        assert weak_key(left[match.line]) == weak_key(right[match.file])


@given(_paths, _paths)
def test_the_order_of_lines_and_files_does_not_matter(left, right):
    forwards = {(left[m.line], right[m.file], m.how) for m in pair_of(left, right)}
    back = {
        (left[::-1][m.line], right[::-1][m.file], m.how) for m in pair_of(left[::-1], right[::-1])
    }
    assert forwards == back


@given(_names.map(tuple), _names.map(tuple))
def test_one_line_and_one_file_are_paired_as_if_there_were_more(cell, file):
    alone = list(pair([Named(0, cell)], [Named(0, file)]))
    other = Named(1, ("elsewhere",) * 2)
    assert alone == list(pair([Named(0, cell), other], [Named(0, file)]))


def pair_of(left, right):
    if not left or not right:
        return []
    return pair(
        list(map(Named, range(len(left)), left)), list(map(Named, range(len(right)), right))
    )


def test_files_of_one_name_in_many_folders_are_found_by_their_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LARGEST_GROUP", 3)
    names = [f"p{n}/view.png" for n in range(8)]
    images = plant(tmp_path / "images", *names)
    cells = "".join(f"CheX-small/p{n}/view.png,c{n % 2}\n" for n in range(8))
    (tmp_path / "l.csv").write_text("path,label\n" + cells)
    assert placed(images, labels=str(tmp_path / "l.csv")) == {
        name: (f"c{n % 2}", None) for n, name in enumerate(names)
    }
    notes = exhausted(images, labels=str(tmp_path / "l.csv")).notes
    assert "found the images of 8 lines without leading folders" in notes


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a/train_1_aligned.jpg", "test_21_aligned.png"], ["_aligned"]),
        (["1_left_green.png", "2_left_green.png"], ["_left_green", "_green"]),
        (["1.jpg", "11.jpg"], []),
        (["a_1.jpg", "b_1.jpg"], []),
        (["1_a.jpg", "2_b.jpg"], []),
        ([], []),
    ],
)
def test_a_word_at_the_end_of_all_names_is_found(files, expected):
    assert common_endings(files) == expected


def test_cells_find_files_that_are_all_called_so_and_a_word_more(tmp_path):
    plant(tmp_path / "images", "x/train_1_aligned.jpg", "x/train_2_aligned.jpg")
    (tmp_path / "l.txt").write_text("train_1.jpg cat\ntrain_2.jpg dog\n")
    assert placed(tmp_path / "images", labels=str(tmp_path / "l.txt")) == {
        "x/train_1_aligned.jpg": ("cat", None),
        "x/train_2_aligned.jpg": ("dog", None),
    }
    notes = exhausted(tmp_path / "images", labels=str(tmp_path / "l.txt")).notes
    how = "by the base name, with '_aligned' after the name"
    assert f"found the images of 2 lines {how}" in notes


def test_no_word_is_left_out_where_lines_find_their_files_without(tmp_path):
    plant(tmp_path / "images", "1_mask.jpg", "2_mask.jpg")
    (tmp_path / "l.csv").write_text("file,label\n1_mask.jpg,a\n2.jpg,b\n")
    found = placed(tmp_path / "images", labels=str(tmp_path / "l.csv"))
    assert found == {"1_mask.jpg": ("a", None), "2.jpg": ("b", None)}
    left_out = exhausted(tmp_path / "images", labels=str(tmp_path / "l.csv")).ignored
    assert left_out == {"image without a line in the label table": 1}
