"""The training examples of the guide and the README run as they are, and learn."""

import csv
import os
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from support.datasets import write_dataset
from support.numbered import ON_READ
from support.program import python

import imgmem

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "imgmem/docs/training.md").read_text()


def picture(label, random, side=32):
    """Columns, rows or checks, in two colors, with noise."""
    down, across = np.sin(
        2 * np.pi * random.uniform(3, 6) * np.mgrid[:side, :side] / side
        + random.uniform(0, 2 * np.pi, (2, 1, 1))
    )
    pattern = (across, down, across * down)[label]
    colors = random.uniform(30, 225, (2, 3))
    image = np.where(pattern[..., np.newaxis] > 0, *colors)
    return (image + random.normal(0, 12, image.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a dataset `flowers` of three unequal classes, to be normalized on reading."""
    folder = tmp_path_factory.mktemp("readme")
    random = np.random.default_rng(0)
    labels = random.choice(3, 900, p=(0.6, 0.3, 0.1))
    write_dataset(
        folder / "flowers",
        np.stack([picture(label, random) for label in labels]),
        labels,
        classes=("columns", "rows", "checks"),
        splits={"train": (0, 600), "val": (600, 900)},
        normalization=ON_READ,
    )
    return folder


def example(heading, which):
    """The Python blocks under a heading: the one at the place `which`."""
    text = re.split(r"^## ", PAGE, flags=re.MULTILINE)
    part = next(part for part in text if part.startswith(heading)) if heading else text[0]
    return re.findall(r"```python\n(.*?)```", part, re.DOTALL)[which]


def run(code, folder):
    """What a program prints."""
    env = {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"} | os.environ
    return python(code, cwd=folder, env=env, timeout=600).stdout


def need(*modules):
    for module in modules:
        if find_spec(module) is None:
            pytest.skip(f"{module} is not installed (scripts/test --all)")


def accuracy(printed):
    return float(re.search(r"accuracy ([\d.]+)\s*\Z", printed)[1])


def test_the_first_lines_run(folder):
    run(example("", 0) + "assert image.shape == (32, 32, 3) and len(batches) > 1\n", folder)


def test_the_lines_that_augment_run(folder):
    check = "assert next(iter(batches))[0].shape[1:] == (176, 176, 3)\n"
    run(example("", 0) + example("", 1) + check, folder)


def test_the_lines_that_normalize_on_a_device_run(folder):
    need("torch")
    code = example("PyTorch", 0) + example("PyTorch", 1).replace("cuda", "cpu")
    run(code + "assert next(iter(batches))[0].dtype == torch.float32\n", folder)


def test_the_example_of_the_readme_runs(folder):
    need("torch")
    section = (ROOT / "README.md").read_text().split("## Train from it\n")[1]
    [code] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    run(code.replace('"shapes"', '"flowers"') + "assert len(images) > 0\n", folder)


def test_the_loop_over_plain_numpy_files_runs(folder):
    run(example("NumPy", 0) + "assert batch.dtype == np.float32 and len(batch) == 24\n", folder)


def test_a_small_network_learns_in_numpy(folder):
    assert accuracy(run(example("NumPy", 1), folder)) > 0.9


def test_a_small_network_learns_in_pytorch(folder):
    need("torch")
    assert accuracy(run(example("PyTorch", 0), folder)) > 0.9


def test_predictions_are_written_with_their_file_names(folder):
    need("torch")
    (folder / "flowers/rejected.csv").write_text("path,reason,detail\nbad.jpg,truncated,\n")
    run(example("PyTorch", 3), folder)
    with open(folder / "predictions.csv", newline="") as file:
        (_, *lines) = csv.reader(file)
    assert sorted(path for path, _ in lines[:-1]) == sorted(f"{row}.png" for row in range(600, 900))
    assert {name for _, name in lines[:-1]} <= {"columns", "rows", "checks"}
    assert lines[-1] == ["bad.jpg", ""]


def test_a_small_network_learns_in_keras(folder):
    need("torch", "keras")
    assert accuracy(run(example("Keras", 0), folder)) > 0.9


def test_the_augmentation_with_opencv_changes_each_image_and_keeps_its_kind(folder):
    names = {}
    exec(example("", 2), names)
    train = imgmem.open(folder / "flowers", "train")
    plain = train.batches(64, order="sequential")
    spec = imgmem.BatchSpec(transform=names["augment"])
    turned = train.batches(64, order="sequential", spec=spec)
    for (before, labels), (after, same) in zip(plain, turned, strict=True):
        assert (after.dtype, after.shape) == (np.float32, before.shape)
        assert (np.abs(after - before).mean(axis=(1, 2, 3)) > 0.01).mean() > 0.9
        assert np.abs(after.mean() - before.mean()) < 0.2
        assert np.array_equal(labels, same)
