"""A forecast says why a dataset grows, and which size there is room for."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.program import imgmem
from support.trees import class_folders

from imgmem.core.estimate.growth import fitting_size

SIDES = st.integers(8, 4000)


@given(
    shape=st.tuples(SIDES, SIDES, st.sampled_from([1, 3])),
    rows=st.integers(1, 10**7),
    other=st.integers(0, 2**30),
    share=st.floats(0, 1.5),
)
def test_the_size_that_is_named_fits_and_a_larger_one_would_not(shape, rows, other, share):
    height, width, depth = shape
    takes = rows * height * width * depth + other
    free = int(takes * share)
    size = fitting_size(shape, rows=rows, dtype="uint8", disk_bytes=takes, free_bytes=free)
    if size is not None:
        assert rows * size[0] * size[1] * depth + other <= free < takes
        assert rows * (size[0] + 2) * (size[1] + 2) * depth + other > free


def test_no_size_is_named_where_what_was_asked_for_fits():
    assert fitting_size((8, 8, 3), rows=1, dtype="uint8", disk_bytes=10, free_bytes=10) is None


@pytest.fixture
def shown(tmp_path):
    return imgmem("estimate", str(class_folders(tmp_path, {"a": 3})), "--size", "64").stdout


def test_the_growth_the_quota_and_on_read_are_said(shown):
    assert "times as much: rows are stored uncompressed" in shown
    assert "(quotas are not taken into account)" in shown
    assert "normalize --on-read" in shown


def test_the_bytes_of_the_source_are_in_json(tmp_path):
    source = class_folders(tmp_path, {"a": 3})
    document = json.loads(imgmem("estimate", str(source), "--json").stdout)
    expected = sum(path.stat().st_size for path in source.rglob("*.png"))
    assert document["images"]["source_bytes"] == expected
    assert document["fitting_size"] is None
