"""`imgmem sample` on the command line and in terminals."""

import json
import re
import sys

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo
from support.program import IMGMEM, imgmem, on_terminal

COMMAND = [sys.executable, "-m", "imgmem", "sample"]


def sample(*arguments):
    return imgmem("sample", *arguments)


def terminal(*arguments, **options):
    """What a terminal is sent."""
    return on_terminal([*IMGMEM, "sample", *arguments], **options)


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    images = np.stack([photo(40, 40, seed) for seed in range(12)])
    return write_dataset(
        tmp_path_factory.mktemp("sample") / "set",
        images,
        [0, 1] * 6,
        classes=["ant", "bee\x1b[2J"],
        splits={"train": (0, 9), "val": (9, 12)},
    )


def test_rows_are_listed_with_their_sources(dataset):
    done = sample(dataset, "--rows", "7,2-3")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["row", "7", "2", "3"]
    assert lines[1][1:3] == ["train", "bee\\x1b[2J"]
    assert lines[1][-2:] == ["40x40", "7.png"]


def test_json_tells_where_rows_came_from(dataset):
    done = sample(dataset, "--rows", "9", "--json")
    (row,) = json.loads(done.stdout)["rows"]
    assert (row["row"], row["split"], row["class_name"]) == (9, "val", "bee\x1b[2J")
    assert (row["path"], row["width"], row["height"]) == ("9.png", 40, 40)
    assert len(row["digest"]) == 64


def test_out_writes_a_file_and_says_so(dataset, tmp_path):
    done = sample(dataset, "-n", "4", "--out", tmp_path / "sheet.png")
    assert done.stdout == f"4 rows written to {tmp_path}/sheet.png\n"
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_no_rows_are_no_error_and_no_file(dataset, tmp_path):
    done = sample(dataset, "--group", "duplicates", "--out", tmp_path / "sheet.png")
    assert (done.returncode, done.stdout) == (0, "No matching rows; nothing written.\n")
    assert list(tmp_path.iterdir()) == []


def test_query_and_balance_reach_the_core(dataset):
    done = sample(dataset, "--query", "class=ant,split=val", "--json")
    assert [row["row"] for row in json.loads(done.stdout)["rows"]] == [10]
    done = sample(dataset, "--balanced", "-n", "2", "--json")
    assert len({row["class_name"] for row in json.loads(done.stdout)["rows"]}) == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--rows", "x"),
        ("--rows", "3-"),
        ("--query", "color=red"),
        ("--query", "split=a", "--split", "b"),
        ("--rows", "1", "-n", "3"),
        ("--per-class", "2", "--balanced"),
        ("--group", "color"),
        ("-n", "0"),
        ("--out", "sheet.gif"),
    ],
)
def test_garbage_is_refused_before_the_dataset_is_looked_at(options):
    done = sample("nowhere", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 2


def test_unlabeled_datasets_cannot_be_balanced(tmp_path):
    path = write_dataset(tmp_path / "set", np.stack([photo(16, 16)]))
    assert sample(path, "--balanced").returncode == 2
    assert sample(path, "--per-class", "1").returncode == 2


@pytest.mark.parametrize("columns", [14, 40, 80, 200])
def test_the_preview_fits_the_terminal(dataset, columns):
    shown = plain(terminal(dataset, "-n", "8", columns=columns, COLORTERM="truecolor"))
    blocks = [line for line in shown.splitlines() if "▀" in line]
    assert blocks
    assert max(len(line.rstrip()) for line in blocks) <= columns


def test_the_preview_has_the_colors_of_the_image(tmp_path):
    red = np.full((1, 20, 20, 3), (200, 30, 40), np.uint8)
    path = write_dataset(tmp_path / "set", red)
    shown = terminal(path, COLORTERM="truecolor")
    assert "38;2;200;30;40" in shown
    assert "48;2;200;30;40" in shown


def test_terminals_without_color_get_shades(dataset):
    shown = terminal(dataset, "-n", "4", TERM="dumb")
    assert "▀" not in shown
    assert "\x1b" not in shown
    assert len(re.findall(r"[-=+*#%@:.]{8}", shown)) > 10


def test_class_names_cannot_move_the_cursor(dataset):
    assert "\x1b[2J" not in terminal(dataset, "-n", "4", COLORTERM="truecolor")


def test_pipes_get_the_list_alone(dataset):
    assert "▀" not in sample(dataset, "-n", "4").stdout
