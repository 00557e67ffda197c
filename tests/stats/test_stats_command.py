"""`imgmem stats` on the command line."""

import json
import os
import zlib

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo
from support.program import imgmem


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Ten pictures in three classes and two splits; row 8 has the bytes of row 1."""
    images = np.stack([photo(64, 64, seed) for seed in range(10)])
    images[8] = images[1]
    images[5] = images[5] // 7
    return write_dataset(
        tmp_path_factory.mktemp("stats") / "set",
        images,
        [0, 0, 0, 0, 0, 0, 1, 1, 1, 2],
        classes=["ant", "[bold]bee\x1b[31m", "cow"],
        splits={"train": (0, 7), "val": (7, 10)},
        names=[f"f{row}\n.png" if row == 8 else f"f{row}.png" for row in range(10)],
        digests=[1 if row == 8 else row for row in range(10)],
    )


@pytest.fixture(scope="module")
def document(dataset):
    return json.loads(imgmem("stats", dataset, "--json", "--by-class").stdout)


def test_the_tables_say_what_is_in_it(dataset):
    done = imgmem("stats", dataset)
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("10 x 64 x 64 x 3 uint8", "train 7, val 3", "PNG 10", "balance    6 "):
        assert text in done.stdout
    assert "leaks 1: same image in more than one split (near=6)" in done.stdout
    assert "f1.png (row 1, train) = f8\\n.png (row 8, val)" in done.stdout


def test_names_are_shown_escaped(dataset):
    shown = imgmem("stats", dataset).stdout
    assert "[bold]bee\\x1b[31m" in shown
    assert "\x1b" not in shown


def test_bars_are_plain_where_the_terminal_knows_no_blocks(dataset):
    shown = imgmem("stats", dataset, env=os.environ | {"PYTHONIOENCODING": "ascii"}).stdout
    assert "########################" in shown
    assert "\\u" not in shown


def test_json_is_one_object_with_the_documented_keys(document):
    assert (document["command"], document["schema"]) == ("stats", 2)
    assert set(document) == {
        "command", "schema", "path", "split", "shape", "dtype", "bytes", "classes", "balance",
        "target", "label_sets", "numbers",
        "splits", "channels", "histogram_step", "standardize", "normalization", "line", "sources",
        "findings", "thresholds", "notes", "background", "build", "verified", "peak_memory",
        "memory", "window",
    }  # fmt: skip
    assert set(document["channels"]) == {"all", "train", "val"}
    assert set(document["channels"]["all"][0]) == {
        "mean", "std", "minimum", "maximum", "nan", "infinite", "histogram",
    }  # fmt: skip
    assert set(document["classes"][0]) == {
        "name", "label", "rows", "splits", "mean", "std", "minimum", "maximum",
    }  # fmt: skip


def test_json_lists_rows_and_files_of_findings(document):
    findings = {finding["kind"]: finding for finding in document["findings"]}
    assert list(findings) == ["leaks", "conflicts", "duplicates", "dark"]
    (leak,) = findings["leaks"]["items"]
    assert leak["exact"]
    assert [row["row"] for row in leak["rows"]] == [1, 8]
    assert leak["rows"][1]["path"] == "f8\n.png"
    assert findings["dark"]["threshold"] == {"dark": 20.0}


def test_quiet_prints_nothing(dataset):
    done = imgmem("stats", dataset, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_by_class_shows_levels(dataset):
    images, labels = np.load(dataset / "X.npy"), np.load(dataset / "y.npy")
    red, green, blue = images[labels == 0].reshape(-1, 3).mean(0)
    assert f"{red:5.1f} {green:5.1f} {blue:5.1f}" in imgmem("stats", dataset, "--by-class").stdout


def test_a_failed_check_says_what_was_found_and_shows_the_tables_anyway(dataset):
    done = imgmem("stats", dataset, "--fail-on", "leaks,dark,imbalance>2")
    assert "failed the check: leaks 1, dark 1, imbalance 6" in done.stderr
    assert "leaks 1" in done.stdout
    document = json.loads(imgmem("stats", dataset, "--fail-on", "dark", "--json").stdout)
    assert document["error"]["failed"] == {"dark": 1}
    assert document["shape"] == [10, 64, 64, 3]


def test_thresholds_can_be_set(dataset):
    done = imgmem("stats", dataset, "--threshold", "dark=2", "--fail-on", "dark")
    assert done.returncode == 0
    done = imgmem("stats", dataset, "--threshold", "blurred=99,near=0", "--fail-on", "blurred")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--fail-on", "ugly"),
        ("--fail-on", "dark>many"),
        ("--threshold", "ugly=3"),
        ("--threshold", "dark"),
        ("--threshold", "near=17"),
        ("--workers", "0"),
    ],
)
def test_garbage_is_refused_before_the_dataset_is_looked_at(option, value):
    done = imgmem("stats", "nowhere", option, value)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [("near=x", "near is a whole number, not 'x'"), ("dark=x", "dark is a number, not 'x'")],
)
def test_a_threshold_that_is_not_a_number_is_refused_in_words(value, said):
    done = imgmem("stats", "nowhere", "--threshold", value)
    assert done.returncode == 2
    assert said in done.stderr


def test_balance_cannot_be_checked_without_labels(tmp_path):
    path = write_dataset(tmp_path / "set", np.stack([photo(32, 32)]))
    done = imgmem("stats", path, "--fail-on", "imbalance")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no labels" in done.stderr


def test_no_dataset_is_an_input_error(tmp_path):
    assert imgmem("stats", tmp_path / "none").returncode == 3
    assert imgmem("stats", tmp_path).returncode == 3


def test_many_classes_are_cut_to_the_largest(tmp_path):
    labels = [0, *range(60)]
    path = write_dataset(tmp_path / "set", np.zeros((61, 8, 8, 1), np.uint8), labels)
    shown = imgmem("stats", path).stdout
    assert "and 50 smaller ones" in shown
    assert shown.count("\n") <= 60
    assert "c0 " in shown


def test_verify_says_that_all_is_whole(dataset):
    assert "verified   all checksums match" in imgmem("stats", dataset, "--verify").stdout


def test_verify_names_damaged_rows(tmp_path):
    """Four blocks of checksums, the second and third of which are damaged."""
    images = np.stack([photo(40, 40, seed) for seed in range(8)])
    data = images.tobytes()
    block = len(data) // 4
    crcs = [zlib.crc32(data[start : start + block]) for start in range(0, len(data), block)]
    path = write_dataset(tmp_path / "set", images, checksum_block=block, checksums={"X": crcs})
    assert imgmem("stats", path, "--verify").returncode == 0
    values = np.memmap(path / "X.npy", np.uint8, "r+", 128)
    values[[block + 5, 3 * block - 1]] ^= 255
    values.flush()
    assert imgmem("stats", path).returncode == 0
    done = imgmem("stats", path, "--verify", "--json")
    assert done.returncode == 4
    assert "rows 2 to 5 of X" in done.stderr
    assert json.loads(done.stdout)["error"]["damaged"] == [{"array": "X", "start": 2, "stop": 6}]


@pytest.mark.parametrize("more", [[], ["--by-class"]])
def test_columns_of_splits_that_would_be_cut_are_left_out(tmp_path, more):
    images = np.stack([photo(8, 8, seed) for seed in range(24)])
    folds = {f"fold{n}": (2 * n - 2, 2 * n) for n in range(1, 13)}
    path = write_dataset(tmp_path / "set", images, [0, 1] * 12, classes=["a", "b"], splits=folds)
    shown = imgmem("stats", path, *more).stdout
    assert "class  label  rows  " in shown and "…" not in shown
