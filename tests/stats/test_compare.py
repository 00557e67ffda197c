"""`stats A B`: rows in common are found by their sources' bytes."""

import json

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo
from support.program import imgmem

from imgmem.core.stats.compare import compare


@pytest.fixture(scope="module")
def images():
    return np.stack([photo(32, 32, seed) for seed in range(12)])


@pytest.fixture
def pair(tmp_path, images):
    """B has A's sources 4 to 7 (7 twice) under other numbers, one of them under another name."""
    a = write_dataset(
        tmp_path / "a", images[:8], [0] * 4 + [1] * 4, classes=["ant", "bee"], digests=range(8)
    )
    b = write_dataset(
        tmp_path / "b",
        images[4:10],
        [0, 0, 1, 0, 0, 2],
        classes=["bee", "cow", "dog"],
        digests=[4, 5, 6, 7, 7, 9],
    )
    return a, b


def test_rows_in_common_are_counted_both_ways(pair):
    found = compare(*pair)
    assert (found.rows_in_b, found.rows_in_a) == (4, 5)


def test_rows_under_another_class_name_are_counted(pair):
    assert compare(*pair).relabelled == 1


def test_classes_that_only_one_has_are_named(pair):
    found = compare(*pair)
    assert (found.classes_of_a, found.classes_of_b) == (["ant"], ["cow", "dog"])


def test_unlabeled_datasets_have_nothing_relabelled(tmp_path, images):
    a, b = (write_dataset(tmp_path / name, images[:3]) for name in "ab")
    found = compare(a, b)
    assert (found.rows_in_b, found.relabelled) == (3, None)


def test_the_command_shows_both_side_by_side(pair):
    done = imgmem("stats", *pair)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["rows", "8", "6"] in lines
    assert ["bee", "4", "4"] in lines
    assert ["ant", "4", "-"] in lines
    assert "4 rows of A are in B" in done.stdout
    assert "1 of them" in done.stdout


def test_json_holds_both(pair):
    document = json.loads(imgmem("stats", *pair, "--json").stdout)
    assert document["rows_in_b"] == 4
    assert document["a"]["shape"][0] == 8
    assert document["b"]["shape"][0] == 6


@pytest.mark.parametrize("option", [("--fail-on", "leaks"), ("--by-class",)])
def test_options_for_one_dataset_are_refused_for_two(pair, option):
    assert imgmem("stats", *pair, *option).returncode == 2
