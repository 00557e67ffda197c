"""`imgmem estimate` as a process."""

import json

import numpy as np
import pytest
from support.datasets import write_dataset
from support.program import imgmem
from support.trees import class_folders

TABLE_WORDS = ("list of images", "np.array(list)", "to float", "standardize", "peak")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return class_folders(tmp_path_factory.mktemp("photos"), {"a": 6, "b": 4})


def estimate(*arguments, **options):
    return imgmem("estimate", *arguments, **options)


def test_the_table_has_every_stage_and_both_commands(photos):
    done = estimate(photos)
    assert (done.returncode, done.stderr) == (0, "")
    for word in (*TABLE_WORDS, "uint8", "float32", "float64", "build", "normalize", "fits"):
        assert word in done.stdout, word
    assert "10 x 224 x 224 x 3" in done.stdout


def test_json_is_one_object_with_the_documented_keys(photos):
    done = estimate(photos, "--json")
    document = json.loads(done.stdout)
    assert set(document) == {
        "command", "schema", "path", "kind", "images", "available", "naive", "build", "normalize",
        "fitting_size",
    }  # fmt: skip
    assert set(document["naive"]) == {"uint8", "float32", "float64"}
    assert set(document["naive"]["uint8"]) == {
        "stages", "peak_bytes", "error_bytes", "fits", "verdict", "largest_batch",
    }  # fmt: skip
    assert set(document["build"]) == {"memory_bytes", "disk_bytes", "fits", "verdict"}


def test_a_limit_that_is_passed_is_exit_1_and_one_object(photos):
    done = estimate(photos, "--limit", "64MiB", "--json")
    document = json.loads(done.stdout)
    assert (done.returncode, document["error"]["kind"]) == (1, "check")
    assert document["error"]["limit_bytes"] == 64 * 2**20
    assert document["naive"]["float64"]["peak_bytes"] == document["error"]["peak_bytes"]
    assert "over the limit of 64.0 MiB" in done.stderr


def test_a_limit_that_is_kept_is_exit_0(photos):
    assert estimate(photos, "--limit", "10GiB", "-q").returncode == 0
    assert estimate(photos, "--limit", "64MiB", "-q").stdout == ""


def test_the_limit_can_come_from_the_environment(photos):
    assert estimate(photos, env={"IMGMEM_ESTIMATE_LIMIT": "64MiB"}).returncode == 1


def test_a_sample_shows_its_uncertainty(tmp_path):
    for side in range(20, 60):
        class_folders(tmp_path, {f"c{side}": 1}, size=(side, side))
    done = estimate(tmp_path, "--size", "native", "--sample", "15")
    assert "15 headers of 40" in done.stdout
    assert "±" in done.stdout


def test_it_works_where_opencv_cannot_be_loaded(photos, tmp_path):
    """As on a machine without libGL: build fails with a remedy, estimate does not need it."""
    (tmp_path / "cv2.py").write_text(
        "raise ImportError('libGL.so.1: cannot open shared object file', name='cv2')"
    )
    without = {"PYTHONPATH": str(tmp_path)}
    assert estimate(photos, env=without).returncode == 0
    assert estimate(photos, "--size", "native", env=without).returncode == 0
    path = write_dataset(tmp_path / "data", np.zeros((2, 8, 8, 3), np.uint8))
    assert estimate(path, env=without).returncode == 0


def test_a_dataset_with_image_options_is_a_usage_error(tmp_path):
    path = write_dataset(tmp_path / "data", np.zeros((2, 8, 8, 3), np.uint8))
    done = estimate(path, "--size", "64")
    assert done.returncode == 2
    assert "is a dataset" in done.stderr


def test_strange_names_are_shown_escaped(tmp_path):
    folder = class_folders(tmp_path / "odd\x1b[31m[bold]", {"a": 1})
    done = estimate(folder)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "odd\\x1b[31m[bold]" in done.stdout
