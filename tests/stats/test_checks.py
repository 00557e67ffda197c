"""`stats --fail-on`: a gate fails where it should, and never passes a check that was not made."""

from dataclasses import replace

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo
from support.program import imgmem as run_imgmem

import imgmem
from imgmem.core.errors import CheckFailed, UsageError
from imgmem.core.storage import store

SPLITS = {"train": (0, 6), "val": (6, 10)}


def images():
    """Ten images, of which row 8 has the bytes of row 1 and row 5 is dark."""
    images = np.stack([photo(48, 48, seed) for seed in range(10)])
    images[8], images[5] = images[1], images[5] // 9
    return images


@pytest.fixture
def write(tmp_path):
    def write(labels=(0,) * 6 + (1,) * 3 + (2,), splits=SPLITS, rejected=None):
        digests = [1 if row == 8 else row for row in range(10)]
        path = write_dataset(tmp_path / "set", images(), labels, splits=splits, digests=digests)
        if rejected is not None:
            record = store.read_record(str(path))
            build = record.build | {"rejected": rejected}
            store.write_record(str(path), replace(record, build=build))
        return path

    return write


@pytest.mark.parametrize(
    ("check", "failed"),
    [
        ("leaks", {"leaks": 1}),
        ("leaks>1", {}),
        ("leaks>0%", {"leaks": 1}),
        ("leaks>10%", {}),
        ("leaks>9.9%,blank", {"leaks": 1}),
        ("dark,bright", {"dark": 1}),
        ("imbalance>5", {"imbalance": 6.0}),
        ("imbalance>6", {}),
        ("imbalance", {}),
        ("rejected", {"rejected": 2}),
        ("rejected>1", {"rejected": 2}),
        ("rejected>2", {}),
        ("rejected>16%", {"rejected": 2}),
        ("rejected>17%", {}),
    ],
)
def test_a_check_fails_where_there_is_more_than_is_allowed(write, check, failed):
    path = write(rejected={"corrupt": 1, "truncated": 1})
    if not failed:
        imgmem.stats(path, fail_on=check)
        return
    with pytest.raises(CheckFailed) as caught:
        imgmem.stats(path, fail_on=check)
    assert caught.value.facts["failed"] == failed


@pytest.mark.parametrize(
    ("check", "options", "missing"),
    [
        ("leaks", {"splits": {}}, "no two splits"),
        ("leaks", {"splits": {"train": (0, 10), "val": (10, 10)}}, "no two splits"),
        ("conflicts", {"labels": None}, "no labels"),
        ("imbalance>3", {"labels": None}, "no labels"),
        ("rejected", {}, "does not say what was rejected"),
    ],
)
def test_what_cannot_be_checked_is_refused_before_any_work(write, check, options, missing):
    with pytest.raises(UsageError, match=f"cannot be checked: .*{missing}"):
        imgmem.stats(write(**options), fail_on=f"blank,{check}")


@pytest.mark.parametrize(
    ("check", "given"),
    [("leaks", {"split": "val"}), ("near-duplicates", {"threshold": "near=off"})],
)
def test_a_check_that_another_option_leaves_out_is_refused(write, check, given):
    with pytest.raises(UsageError, match="cannot be checked"):
        imgmem.stats(write(), fail_on=check, **given)


@pytest.mark.parametrize("most", ["nan", "inf", "-1", "many", "", "5%%", "%"])
def test_a_limit_that_nothing_could_exceed_is_refused(write, most):
    with pytest.raises(UsageError, match="invalid limit"):
        imgmem.stats(write(), fail_on=f"leaks>{most}")


@pytest.mark.parametrize("checks", [{"leaks": None, "dark": "50%"}, ["leaks", "dark>3"]])
def test_checks_can_be_given_as_values(write, checks):
    with pytest.raises(CheckFailed) as caught:
        imgmem.stats(write(), fail_on=checks)
    assert caught.value.facts["failed"] == {"leaks": 1}


def test_the_command_exits_with_2_where_it_cannot_check(write):
    done = run_imgmem("stats", write(labels=None), "--fail-on", "conflicts")
    assert (done.returncode, done.stdout) == (2, "")
    assert "conflicts cannot be checked: the dataset has no labels" in done.stderr
