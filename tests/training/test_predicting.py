"""The examples of the guide's page on predicting run as they are, and find the classes."""

import csv
import os
import re
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.program import python

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "imgmem/docs/predicting.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
TRAIN, ONE, MANY, SUBMISSION, KERAS = CODE
CLASSES = ("columns", "rows")


def stripes(label, random, side=48):
    """Columns or rows in two colors, with noise."""
    waves = np.sin(random.uniform(20, 40) * np.arange(side) / side + random.uniform(0, 6))
    pattern = np.broadcast_to(waves if label == 0 else waves[:, np.newaxis], (side, side))
    colors = random.uniform(30, 225, (2, 3))
    image = np.where(pattern[..., np.newaxis] > 0, *colors)
    return (image + random.normal(0, 12, image.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Labeled `photos`, and images to predict in `new`, the last of them damaged."""
    random = np.random.default_rng(0)
    for number in range(300):
        path = tmp_path / "photos" / CLASSES[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), stripes(number % 2, random))
    (tmp_path / "new").mkdir()
    for number in range(20):
        cv2.imwrite(str(tmp_path / f"new/{number:02}.jpg"), stripes(number % 2, random))
    damaged = tmp_path / "new/20.jpg"
    damaged.write_bytes((tmp_path / "new/00.jpg").read_bytes()[:300])
    return tmp_path


def need(*modules):
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed (scripts/test --all)")


def run(code, folder):
    """What a program prints."""
    env = {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"} | os.environ
    return python(code, cwd=folder, env=env, timeout=600).stdout


def require_submission_is_right(folder):
    with open(folder / "submission.csv", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["path", "class"]
    assert [path for path, _ in lines] == [f"{number:02}.jpg" for number in range(21)]
    right = [found == CLASSES[number % 2] for number, (_, found) in enumerate(lines[:20])]
    assert sum(right) >= 16


def test_pytorch_predicts_one_image_many_and_a_file_to_submit(folder):
    need("torch")
    run(TRAIN, folder)
    (folder / "flowers/X.npy").rename(folder / "X.npy")  # a server has no features
    with_bytes = "\nwith open('new/00.jpg', 'rb') as file:\n    print(predict(file.read()))\n"
    one, again = run(ONE + with_bytes, folder).split()
    (folder / "X.npy").rename(folder / "flowers/X.npy")
    assert one == again
    run(MANY + SUBMISSION + f"assert found['00.jpg'] == {one!r}\n", folder)
    require_submission_is_right(folder)


def test_keras_predicts_one_image_many_and_a_file_to_submit(folder):
    need("torch", "keras")
    printed = run(KERAS + "assert train.classes[scores[0].argmax()] == open('submission.csv')"
                  ".readlines()[1].split(',')[1].strip()\n", folder)  # fmt: skip
    assert printed.splitlines()
    require_submission_is_right(folder)
