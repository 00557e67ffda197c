"""Names in a dataset that somebody else made never reach a terminal, a page or a path as code."""

import contextlib
import csv
import io
import json
import os
import re

import numpy as np
import pytest
from support.datasets import write_dataset
from support.trees import class_folders, snapshot

import imgmem
from imgmem.cli import failures, main
from imgmem.core.errors import ImgmemError
from imgmem.core.text import printable

EVIL = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>[bold]{{7*7}}\u202e../../../evil"
RAW = ("\x1b", "\x07", "\u202e")
LIMITS = ("--workers", "1", "--memory", "256MiB")


def evil(what):
    return what + EVIL


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    """A dataset whose classes, splits, columns, paths, reasons and options are all hostile."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), np.uint8)
    images[5] = images[1] = images[0]
    path = write_dataset(
        tmp_path / "set", images, [0, 1, 2] * 4,
        classes=[evil(name) for name in "abc"],
        splits={evil("train"): (0, 4), evil("val"): (4, 12)},
        names=[evil(f"{row}") + ".png" for row in range(12)],
        digests=[0, 0, *range(2, 5), 0, *range(6, 12)],
        image={"fit": evil("fit"), "size": [8, 8]},
        build={"imgmem": evil("1"), "options": {evil("seed"): evil("0")},
               "decoders": {evil("cv2"): evil("4")}, "converted": {evil("alpha"): 3},
               "rejected": {evil("corrupt"): 2}, "source": {"images": 14}},
    )  # fmt: skip
    with open(path / "rejected.csv", "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["path", "reason", "detail"])
        lines.writerow([evil("x.png"), evil("corrupt"), evil("detail")])
        lines.writerow([evil("y.png"), evil("corrupt"), evil("detail")])
    return path


def said(*arguments):
    """(stdout, stderr) of a command line that runs in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        ended = main._run([*map(str, arguments)])
        if isinstance(ended, ImgmemError):
            assert ended.exit_code != 70, ended
            failures.report(ended, [*map(str, arguments)])
    return out.getvalue(), err.getvalue()


COMMANDS = {
    "stats": ["stats", "set", "--by-class", *LIMITS],
    "stats of a split": ["stats", "set", "--split", evil("val"), *LIMITS],
    "stats of a split that is not there": ["stats", "set", "--split", evil("x"), *LIMITS],
    "a failed check": ["stats", "set", "--fail-on", "leaks,conflicts", *LIMITS],
    "stats of two": ["stats", "set", "other"],
    "stats of none": ["stats", evil("none")],
    "sample": ["sample", "set", "--group", "duplicates"],
    "sample of a class": ["sample", "set", "--query", f"class={evil('x')}"],
    "estimate": ["estimate", "set", *LIMITS],
    "normalize": ["normalize", "set", *LIMITS],
    "normalize like another": ["normalize", "other", "--stats-from", "set", *LIMITS],
    "build": ["build", "set", "out", "--size", "4", *LIMITS],
    "build --dry-run": ["build", "set", "out", "--size", "4", "--dry-run", *LIMITS],
    "build, up to date?": ["build", "photos", "set", *LIMITS],
    "build with its classes": ["build", "photos", "out", "--classes", "set", *LIMITS],
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("json_too", [False, True])
def test_a_terminal_is_never_told_what_to_do(dataset, tmp_path, name, json_too):
    class_folders(tmp_path / "photos", {evil("a").replace("/", "_"): 2})
    write_dataset(tmp_path / "other", np.zeros((2, 8, 8, 3), np.uint8), image={"fit": "crop"})
    out, err = said(*COMMANDS[name], *["--json"] * json_too)
    assert out + err
    assert not [character for character in RAW if character in out + err]
    if json_too:
        json.loads(out)


@pytest.mark.parametrize("other", [[], ["other"]])
def test_a_page_shows_names_as_text(dataset, tmp_path, other):
    write_dataset(tmp_path / "other", np.zeros((2, 8, 8, 3), np.uint8), [0, 1], classes=["a", "b"])
    said("stats", "set", *other, "--report", "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alert(1)" in page
    check_page(page)


def check_page(page):
    assert not re.search(r"<script>alert|\b49\b.{0,9}evil", page)
    assert not [character for character in RAW if character in page]


def test_a_notebook_shows_names_as_text(dataset):
    with imgmem.open(dataset) as found:
        check_page(found._repr_html_())
        assert printable(repr(found)) == repr(found)
    result = imgmem.stats(dataset)
    assert printable(repr(result)) == repr(result)


@pytest.mark.parametrize("out", ["images/", "sheet.png", "batch.npz"])
def test_nothing_is_written_elsewhere(dataset, tmp_path, out):
    above = set(os.listdir(tmp_path.parent))
    before = set(snapshot(tmp_path))
    group = [] if out == "images/" else ["--group", "class"]  # such classes are no folders
    said("sample", "set", *group, "--out", out)
    new = set(snapshot(tmp_path)) - before
    assert new
    assert all(path.split("/")[0] == out.rstrip("/") for path in new)
    assert not any(".." in path for path in new)
    assert {os.path.dirname(path) for path in new} <= {"", out.rstrip("/")}  # no folder in it
    assert set(os.listdir(tmp_path.parent)) == above
