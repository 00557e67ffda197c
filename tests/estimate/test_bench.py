"""scripts/bench runs, and its figures are what they say."""

import json
import sys
from pathlib import Path

import pytest
from support.program import run

BENCH = Path(__file__).parents[2] / "scripts" / "bench"
SOME = ["build-photos", "normalize", "estimate"]


def bench(*arguments):
    command = [sys.executable, BENCH, *map(str, arguments)]
    return run(command)


@pytest.fixture(scope="module")
def quick(tmp_path_factory, by_tier):
    """The JSON and the table of a quick run: of all jobs with --all."""
    folder = tmp_path_factory.mktemp("bench")
    jobs = by_tier(SOME, [], [])
    done = bench(*jobs, "--quick", "--json", folder / "out.json", "--work", folder)
    assert done.returncode == 0, done.stderr
    assert not list(folder.glob("imgmem-bench-*")), "it leaves nothing behind"
    return json.loads((folder / "out.json").read_text()), done.stdout


def test_every_job_has_imgmem_its_limit_and_sane_figures(quick):
    document, _ = quick
    for job in document["jobs"]:
        kinds = {each["kind"] for each in job["contestants"].values()}
        assert {"imgmem", "limit"} <= kinds, job["job"]
        for name, figures in job["contestants"].items():
            assert figures["wall"] > 0, name
            assert figures["units"] > 0, name
            assert 1e6 < figures["peak_anonymous_bytes"] < 1e9, name


def test_all_contestants_of_a_job_do_the_same_number_of_units(quick):
    document, _ = quick
    for job in document["jobs"]:
        units = {each["units"] for each in job["contestants"].values()}
        assert len(units) == 1, job["job"]


def test_whoever_is_absent_is_named_with_the_reason(quick):
    document, table = quick
    absent = document["jobs"][0]["absent"]
    names = ("ffcv", "litdata", "streaming", "datasets", "webdataset", "turboloader")
    assert set(absent) == set(names)
    assert f"absent: {', '.join(names)} (no environment" in table


def test_no_contestant_failed(quick):
    document, _ = quick
    for job in document["jobs"]:
        failed = {name: why for name, why in job["absent"].items() if why.startswith("failed")}
        assert not failed, job["job"]


def test_an_unknown_job_is_refused():
    done = bench("nonsense")
    assert done.returncode == 2
    assert "unknown job nonsense" in done.stderr
