"""What `update` says of a dataset whose tables are damaged."""

import os

import pytest
from support.datasets import rows
from support.images import photo, write
from support.trees import class_folders

import imgmem
from imgmem.core.errors import DatasetError

SMALL = {"size": 8, "workers": 1}


@pytest.fixture
def source(tmp_path):
    return class_folders(tmp_path / "src", {"a": 6, "b": 5}, size=(9, 12))


@pytest.mark.parametrize("name", ["rows.csv", "rows.npy"])
def test_tables_that_disagree_are_not_copied(source, tmp_path, name):
    imgmem.build(source, tmp_path / "out", **SMALL)
    time_before = (tmp_path / "out/rows.npy").stat().st_mtime_ns
    digest = rows(tmp_path / "out")[3]["digest"]
    old, new = digest.encode(), digest.encode()[::-1]
    if name == "rows.npy":
        old, new = bytes.fromhex(digest)[:16], bytes(16)
    data = (tmp_path / "out" / name).read_bytes()
    assert old in data
    (tmp_path / "out" / name).write_bytes(data.replace(old, new))
    os.utime(tmp_path / "out/rows.npy", ns=(time_before, time_before))
    write(source / "a/new.png", photo(9, 12, seed=90))
    with pytest.raises(DatasetError, match=r"rows\.csv is damaged: the digest of a/03\.png"):
        imgmem.build(source, tmp_path / "out", update=True, **SMALL)


def test_a_dataset_without_its_facts_is_damaged(source, tmp_path):
    imgmem.build(source, tmp_path / "out", **SMALL)
    (tmp_path / "out/rows.npy").unlink()
    for options in ({}, {"update": True}):
        with pytest.raises(DatasetError, match=r"rows\.npy is damaged: it is missing"):
            imgmem.build(source, tmp_path / "out", **options, **SMALL)
