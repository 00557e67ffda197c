"""`imgmem build` as a process: signals, terminals, and going on after a stop."""

import json
import signal
import subprocess
import time

import numpy as np
import pytest
from support import images
from support.program import IMGMEM, imgmem, on_terminal


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two classes, three hundred JPEGs in all, and in the middle one that is cut off."""
    folder = tmp_path_factory.mktemp("photos")
    encoded = [images.encode(images.photo(300, 400, seed), "JPEG") for seed in range(6)]
    for number in range(300):
        label = "ab"[number // 150]
        (folder / label).mkdir(exist_ok=True)
        (folder / label / f"{number}.jpg").write_bytes(encoded[number % 6])
    (folder / "b/200.jpg").write_bytes(encoded[0][:2000])
    return folder


def test_stopped_at_a_bad_image_build_resumes_with_skip_and_lists_it(photos, tmp_path):
    stopped = imgmem("build", photos, tmp_path / "out", "--size", "32")
    assert stopped.returncode == 3
    assert "b/200.jpg" in stopped.stderr
    result = json.loads(
        imgmem(
            "build", photos, tmp_path / "out", "--size", "32", "--on-error", "skip", "--json"
        ).stdout
    )
    assert result["rejected"] == {"truncated": 1}
    assert result["resumed_at"] > 0
    assert np.load(tmp_path / "out/X.npy", mmap_mode="r").shape == (299, 32, 32, 3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_build_and_the_same_command_ends_it(photos, tmp_path, number):
    arguments = ("build", photos, tmp_path / "out", "--size", "500", "--on-error", "skip")
    with subprocess.Popen(
        [*IMGMEM, *map(str, arguments)], stderr=subprocess.PIPE, text=True
    ) as process:
        while not (tmp_path / ".out.partial/plan.json").exists():
            time.sleep(0.01)
        process.send_signal(number)
        complaint = process.stderr.read()
    assert process.returncode == 130
    assert complaint.endswith("Run the same command again to resume.\n")
    assert not (tmp_path / "out").exists()


def test_an_update_reports_what_became_of_the_images(tmp_path):
    for seed in range(4):
        images.write(tmp_path / f"photos/{'ab'[seed % 2]}/{seed}.png", images.photo(8, 8, seed))
    build = ("build", tmp_path / "photos", tmp_path / "out", "--size", "8", "--update")
    assert "kept" not in imgmem(*build).stdout
    time.sleep(0.02)  # the clocks of file systems tick every few milliseconds
    images.write(tmp_path / "photos/a/9.png", images.photo(8, 8, 9))
    images.write(tmp_path / "photos/a/2.png", images.photo(8, 8, 8))
    (tmp_path / "photos/b/3.png").unlink()
    before = (tmp_path / "out/dataset.json").read_bytes()
    dry = imgmem(*build, "--dry-run")
    assert "updated: +1 ~1 \u22121, 2 kept" in dry.stdout and dry.returncode == 0
    assert (tmp_path / "out/dataset.json").read_bytes() == before
    figures = {"added": 1, "changed": 1, "removed": 1, "kept": 2, "relabeled": 0, "renamed": 0}
    assert json.loads(imgmem(*build, "--dry-run", "--json").stdout).items() >= figures.items()
    (tmp_path / "photos/b/1.png").touch()
    assert "update     +1 ~1 \u22121, 2 kept" in imgmem(*build).stdout
    assert json.loads(imgmem(*build, "--json").stdout)["kept"] == 4


def test_on_a_terminal_a_build_shows_a_bar(photos, tmp_path):
    arguments = ("build", photos, tmp_path / "out", "--on-error", "skip", "--size", "8")
    shown = on_terminal([*IMGMEM, *arguments], stream="stderr", columns=100)
    assert "build:   0%|" in shown
    assert "0/300 [" in shown


def test_elsewhere_a_short_build_says_nothing_but_its_result(photos, tmp_path):
    done = imgmem("build", photos, tmp_path / "out", "--on-error", "skip", "--size", "8")
    assert done.stderr == ""
    assert "299 x 8 x 8 x 3 uint8" in done.stdout


def test_quiet_says_nothing_at_all(photos, tmp_path):
    done = imgmem("build", photos, tmp_path / "out", "--on-error", "skip", "--size", "8", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
