"""Datasets as an imgmem of format version 1 wrote them: opened, verified, resumed, undone.

`format1.tar.xz` holds what that version (commit 2a6b198) left: a build with a reject, the same
normalized in place and on reading, and both an interrupted normalize and an interrupted undo.
"""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from support.trees import snapshot

import imgmem
from imgmem.core.normalize.operation import normalize, undo_normalize
from imgmem.core.rows.facts import ROW_FACTS, read_facts
from imgmem.core.rows.origins import sources_of
from imgmem.core.specs import RunSpec
from imgmem.core.storage.locks import LOCK
from imgmem.core.storage.verify import verify

RUN = RunSpec(workers=1)


@pytest.fixture
def old(tmp_path):
    with tarfile.open(Path(__file__).parent / "format1.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.mark.parametrize("name", ["built", "normalized", "on-read"])
def test_it_opens_and_verifies(old, name):
    with imgmem.open(old / name) as dataset:
        assert dataset.images.shape == (12, 4, 5, 3)
        assert dataset.splits == {"train": (0, 8), "val": (8, 12)}
    assert verify(str(old / name)) == []


def test_its_row_facts_and_origins_are_read(old):
    facts = read_facts(str(old / "built"), 12)
    assert facts.dtype == ROW_FACTS
    assert sources_of(str(old / "built"), [11])[11].path == "b/5.png"


@pytest.mark.parametrize("name", ["normalized", "on-read", "normalizing", "undoing"])
def test_undo_leads_back_to_the_bytes_that_the_old_version_built(old, name):
    undo_normalize(old / name, run=RUN)
    (old / name / LOCK).unlink()
    assert snapshot(old / name) == snapshot(old / "built")


def test_an_interrupted_normalize_is_resumed_to_the_bytes_of_the_old_version(old):
    normalize(old / "normalizing", run=RUN)
    (old / "normalizing" / LOCK).unlink()
    assert snapshot(old / "normalizing") == snapshot(old / "normalized")


def test_normalized_now_it_stays_of_the_version_that_older_readers_know(old):
    normalize(old / "built", run=RUN)
    (old / "built" / LOCK).unlink()
    assert json.loads((old / "built" / "dataset.json").read_text())["format_version"] == 1
    assert snapshot(old / "built") == snapshot(old / "normalized")


def test_its_statistics_are_those_of_the_array(old):
    stats = imgmem.stats(old / "built")
    mean = np.load(old / "built" / "X.npy")[:8].mean((0, 1, 2))
    assert stats.standardize.mean == pytest.approx(mean.tolist())
