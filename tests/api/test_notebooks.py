"""What a notebook shows: bars, and descriptions that fit on a line."""

import io
import re
from base64 import b64decode

import cv2
import numpy as np
import pytest
from support.datasets import write_dataset
from support.trees import class_folders
from tqdm import tqdm

import imgmem


@pytest.fixture
def built(tmp_path):
    photos = class_folders(tmp_path / "photos", {"<b>": 6, "dog": 4})
    return imgmem.build(photos, tmp_path / "set", size=24, split={"train": 0.8, "val": 0.2})


def test_a_result_says_in_a_line_what_is_in_it(built):
    assert re.fullmatch(
        r"<BuildResult '.*/set': 10 x 24 x 24 x 3 uint8, train 8, val 2>", repr(built)
    )
    stats = imgmem.stats(built.path, threshold={"dark": 255})
    assert "10 x 24 x 24 x 3 uint8, train 8, val 2, 2 classes, findings: " in repr(stats)
    assert any(re.fullmatch(r"<Finding dark: 10, dark=255>", repr(each)) for each in stats.findings)


@pytest.mark.parametrize(
    "make",
    [
        imgmem.estimate,
        imgmem.stats,
        imgmem.sample,
        imgmem.open,
        lambda path: imgmem.compare(path, path),
        lambda path: imgmem.normalize(path, on_read=True),
    ],
)
def test_every_result_fits_on_two_lines(built, make):
    shown = repr(make(built.path))
    assert shown.startswith("<")
    assert len(shown) < 160 + 2 * len(built.path)
    assert "\n" not in shown


def test_a_dataset_says_what_was_done_to_it(built):
    imgmem.normalize(built.path, on_read=True)
    with imgmem.open(built.path, split="val") as val:
        assert repr(val).endswith(
            ": 2 x 24 x 24 x 3 uint8, split val, 2 classes, standardize on read>"
        )


def test_a_dataset_is_shown_with_some_of_its_images(built):
    with imgmem.open(built.path) as dataset:
        page = dataset._repr_html_()
    assert "&lt;Dataset" in page
    data = b64decode(re.search(r"base64,([^\"]+)", page)[1])
    assert cv2.imdecode(np.frombuffer(data, np.uint8), -1).shape == (72, 10 * 72, 3)


@pytest.mark.parametrize("shape", [(1, 4, 9, 1), (40, 300, 2, 1), (3, 1, 1, 3)])
def test_datasets_of_all_shapes_are_shown(tmp_path, shape):
    with imgmem.open(write_dataset(tmp_path / "set", np.zeros(shape, np.uint8))) as dataset:
        assert "<img" in dataset._repr_html_()


def test_a_bar_for_each_phase_that_ends_full(built, tmp_path):
    shown = io.StringIO()
    bar = imgmem.ProgressBar(tqdm, file=shown, mininterval=0)
    imgmem.build(tmp_path / "photos", tmp_path / "again", size=24, progress=bar)
    assert "build: 100%" in shown.getvalue()


def test_the_bar_is_that_of_the_place_where_it_runs(monkeypatch):
    made = []
    monkeypatch.setattr(
        "tqdm.auto.tqdm", lambda **options: made.append(options) or tqdm(disable=True)
    )
    imgmem.ProgressBar()(imgmem.Progress("build", 1, 2, "images"))
    assert made == [
        {"desc": "build", "total": 2, "unit": " images", "unit_scale": False,
         "unit_divisor": 1024, "initial": 1}
    ]  # fmt: skip
