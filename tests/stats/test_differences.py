"""`stats A B`: what became of every row."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.datasets import write_dataset
from support.program import imgmem as run_imgmem

import imgmem
from imgmem.core.errors import UsageError


def written(path, rows):
    """A dataset of (path, bytes, class, split) rows, sorted by split."""
    rows = sorted(rows, key=lambda row: row[3])
    names, digests, labels, splits = zip(*rows, strict=True)
    classes = sorted(set(labels))
    return write_dataset(
        path,
        np.zeros((len(rows), 4, 4, 1), np.uint8),
        [classes.index(label) for label in labels],
        classes=classes,
        splits={s: (splits.index(s), splits.index(s) + splits.count(s)) for s in sorted({*splits})},
        names=names,
        digests=digests,
    )


BEFORE = [
    ("a/1", 1, "ant", "train"),
    ("a/2", 2, "ant", "train"),
    ("a/3", 3, "ant", "train"),
    ("b/1", 4, "bee", "train"),
    ("b/2", 5, "bee", "val"),
    ("b/3", 6, "bee", "val"),
]
AFTER = [
    ("a/1", 1, "ant", "train"),
    ("a/2", 20, "ant", "train"),
    ("b/1", 4, "cow", "train"),
    ("b/2", 5, "bee", "train"),
    ("b/new name", 6, "bee", "val"),
    ("b/9", 9, "bee", "val"),
]


@pytest.fixture
def pair(tmp_path):
    return written(tmp_path / "a", BEFORE), written(tmp_path / "b", AFTER)


def told(comparison):
    """kind → [(path in A, path in B)]."""
    return {
        each.kind: [(row.a and row.a.path, row.b and row.b.path) for row in each.rows]
        for each in comparison.differences
    }


def test_every_row_is_told_by_what_became_of_it(pair):
    assert told(imgmem.compare(*pair)) == {
        "added": [(None, "b/9")],
        "dropped": [("a/3", None)],
        "changed": [("a/2", "a/2")],
        "relabeled": [("b/1", "b/1")],
        "resplit": [("b/2", "b/2")],
        "renamed": [("b/3", "b/new name")],
    }


def test_a_dataset_does_not_differ_from_itself(pair):
    assert imgmem.compare(pair[0], pair[0]).differences == []


def test_a_split_is_compared_with_that_of_the_other(pair):
    found = told(imgmem.compare(*pair, split="val"))
    assert found == {
        "added": [(None, "b/9")],
        "dropped": [("b/2", None)],
        "renamed": [("b/3", "b/new name")],
    }


def test_the_command_shows_differences_and_json_lists_them(pair):
    shown = run_imgmem("stats", *pair).stdout
    assert "relabeled 1: rows with another label in B" in shown
    assert "  b/1 (row 3, bee, train) -> b/1 (row 2, cow, train)" in shown
    document = json.loads(run_imgmem("stats", *pair, "--json").stdout)
    kinds = {each["kind"]: each["count"] for each in document["differences"]}
    assert kinds == dict.fromkeys(
        ("added", "dropped", "changed", "relabeled", "resplit", "renamed"), 1
    )


row = st.tuples(st.sampled_from("pqrstu"), st.integers(0, 5), st.sampled_from("xy"), st.just("s"))
some_rows = st.lists(row, min_size=1, max_size=6, unique_by=lambda row: row[0])


@settings(max_examples=30, deadline=None)
@given(before=some_rows, after=some_rows)
def test_rows_that_are_kept_added_and_dropped_add_up(tmp_path_factory, before, after):
    folder = tmp_path_factory.mktemp("pair")
    found = imgmem.compare(written(folder / "a", before), written(folder / "b", after))
    counts = {each.kind: each.count for each in found.differences}
    kept = len(before) - counts.get("dropped", 0)
    assert kept == len(after) - counts.get("added", 0)
    same_path = {row[0] for row in before} & {row[0] for row in after}
    assert kept == len(same_path) + counts.get("renamed", 0)
    bytes_of = [{row[0]: row[1] for row in rows} for rows in (before, after)]
    changed = sum(bytes_of[0][path] != bytes_of[1][path] for path in same_path)
    assert counts.get("changed", 0) == changed


def test_the_page_shows_both_sides_and_needs_no_other_file(pair, tmp_path):
    done = run_imgmem("stats", *pair, "--report", tmp_path / "x.html", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    page = (tmp_path / "x.html").read_text()
    for kind in ("Added", "Dropped", "Changed", "Relabeled", "Resplit", "Renamed"):
        assert f">{kind}: " in page
    assert page.count("<img ") == page.count('src="data:image/jpeg;base64,') == 1 + 1 + 4 * 2
    assert "http" not in page


def test_names_on_the_page_are_text(tmp_path):
    odd = [("<script>/x", 1, "<b>", "s"), ("y", 2, "<b>", "s")]
    a, b = written(tmp_path / "a", odd), written(tmp_path / "b", odd[:1])
    imgmem.compare(a, b, report=tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text()
    assert "<script" not in page
    assert "&lt;b&gt;" in page


def test_a_page_is_not_written_into_either_dataset(pair):
    for dataset in pair:
        with pytest.raises(UsageError, match="inside the dataset"):
            imgmem.compare(*pair, report=dataset / "x.html")
