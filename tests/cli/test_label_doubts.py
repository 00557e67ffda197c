"""Doubts on the command line: what they propose, and `build --dry-run`."""

import json
import shlex

import pytest
from support.images import photo, write
from support.program import imgmem

from imgmem.cli.remedies import changed


def planted(root, folders, count=3):
    for seed, folder in enumerate(folders):
        for number in range(count):
            write(root / folder / f"{seed}{number}.png", photo(8, 8, seed=10 * seed + number))
    return root


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Two domains with the same two classes, in a folder whose name has a blank."""
    top = tmp_path_factory.mktemp("sources")
    return planted(top / "of fice", [f"{d}/{c}" for d in ("dslr", "web") for c in ("bike", "mug")])


@pytest.mark.parametrize(
    ("given", "options", "command"),
    [
        (["build", "a b", "o"], {"labels": "parent"}, "imgmem build 'a b' o --labels parent"),
        (
            ["build", "--labels", "folder:1", "a", "o", "-q"],
            {"labels": "folder:2"},
            "imgmem build a o -q --labels folder:2",
        ),
        (
            ["build", "a", "o", "--exclude=x", "--exclude", "y"],
            {"exclude": ("x", "z z")},
            "imgmem build a o --exclude x --exclude 'z z'",
        ),
        (
            ["build", "--seed", "1", "--", "-a", "o"],
            {"auto_split": False, "split_map": ("a=b", "c=")},
            "imgmem build --seed 1 --no-auto-split --split-map a=b --split-map c= -- -a o",
        ),
    ],
)
def test_a_remedy_is_the_command_that_was_given_with_changed_options(given, options, command):
    assert changed(given, options) == command


def test_a_doubt_stops_with_exit_3_and_commands_that_work(office, tmp_path):
    stopped = imgmem("build", office, tmp_path / "out", "--size", "8", "-q")
    assert stopped.returncode == 3
    lines = [line.strip() for line in stopped.stderr.splitlines()]
    assert "all hold the same sub-folders (bike, mug)" in lines[0]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("imgmem build")]
    assert len(commands) == 2
    for number, words in enumerate(commands):
        words[words.index(str(tmp_path / "out"))] = str(tmp_path / f"out{number}")
        assert imgmem(*words).returncode == 0
    record = json.loads((tmp_path / "out0" / "dataset.json").read_text())
    assert record["classes"] == ["bike", "mug"]


def test_dry_run_shows_classes_and_doubts_writes_nothing_and_ends_as_the_build(office, tmp_path):
    shown = imgmem("build", office, tmp_path / "out", "--size", "8", "--dry-run", "--json")
    assert shown.returncode == 3
    result = json.loads(shown.stdout)
    assert [each["name"] for each in result["classes"]] == ["dslr", "web"]
    (doubt,) = result["doubts"]
    assert doubt["remedies"][0]["options"] == {"labels": "folder:2"}
    assert "--labels folder:2" in doubt["remedies"][0]["command"]
    assert result["error"]["exit_code"] == 3
    assert list(tmp_path.iterdir()) == []


def test_dry_run_of_what_is_clear_is_a_table_and_exit_0(office, tmp_path):
    shown = imgmem(
        "build", office, tmp_path / "out", "--dry-run", "--labels", "parent", "--split", "val=0.5"
    )
    assert shown.returncode == 0
    assert "by parent" in shown.stdout
    assert "train 6, val 6" in shown.stdout
    assert "dslr/bike/00.png" in shown.stdout
    assert "not decoded" in shown.stdout
    assert list(tmp_path.iterdir()) == []
