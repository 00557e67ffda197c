"""The training examples of the guide and the README run as they are, and learn."""

import csv
import os
import re
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.datasets import write_dataset
from support.numbered import ON_READ
from support.program import python
from support.program import run as command_run
from support.targets import FINDINGS, draw_people, draw_xrays

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


def test_a_cross_validation_ends_with_a_file_to_submit(tmp_path):
    random = np.random.default_rng(0)
    names = ("columns", "rows", "checks")
    for number in range(150):
        label = number % 2 if number % 5 else 2
        (tmp_path / "photos" / names[label]).mkdir(parents=True, exist_ok=True)
        file = tmp_path / "photos" / names[label] / f"{number}.png"
        cv2.imwrite(str(file), picture(label, random))
    (tmp_path / "new").mkdir()
    for number in range(20):
        cv2.imwrite(str(tmp_path / f"new/{number:02}.png"), picture(number % 2, random))
    assert accuracy(run(example("Cross-validation", 0), tmp_path)) > 0.8
    with open(tmp_path / "submission.csv", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["path", "class"]
    assert [path for path, _ in lines] == [f"{number:02}.png" for number in range(20)]
    right = sum(found == names[number % 2] for number, (_, found) in enumerate(lines))
    assert right >= 16


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


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    """Two kinds of pictures in folders, one of them damaged, and new ones without labels."""
    folder = tmp_path_factory.mktemp("pets")
    random = np.random.default_rng(0)
    for name, label, count in (("PetImages/Cat", 0, 150), ("PetImages/Dog", 1, 150)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            image = picture(label, random, 48)
            cv2.imwrite(str(folder / name / f"{number}.jpg"), image)
    damaged = folder / "PetImages/Cat/0.jpg"
    damaged.write_bytes(damaged.read_bytes()[:500])
    (folder / "new").mkdir()
    for number in range(20):
        cv2.imwrite(str(folder / f"new/{number:02}.jpg"), picture(number % 2, random, 48))
    return folder


def require_pets_are_known(printed):
    """Most of the new pictures are of the class that they were drawn as."""
    found = dict(line.split() for line in printed.splitlines() if re.match(r"\d\d\.jpg ", line))
    assert len(found) == 20
    right = [found[f"{number:02}.jpg"] == ("Cat", "Dog")[number % 2] for number in range(20)]
    assert sum(right) >= 16


def test_the_folder_of_pets_is_learned_with_keras(pets):
    need("torch", "keras")
    require_pets_are_known(run(example("Keras", 1), pets))


@pytest.fixture(scope="session")
def tensorflow(tmp_path_factory):
    """A Python that has imgmem, Keras and TensorFlow."""
    venv = tmp_path_factory.mktemp("tensorflow") / "venv"
    require([sys.executable, "-m", "venv", venv])
    pip = [venv / "bin/pip", "install", "--quiet"]
    require([*pip, "tensorflow-cpu", "keras", ROOT])
    return venv / "bin/python"


def require(command, **options):
    done = command_run(command, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


ON_TENSORFLOW = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.mark.full
def test_the_folder_of_pets_is_learned_with_tensorflow(pets, tensorflow, tmp_path):
    shutil.copytree(pets / "PetImages", tmp_path / "PetImages")
    shutil.copytree(pets / "new", tmp_path / "new")
    code = example("Keras", 1)
    printed = require([tensorflow, "-c", code], cwd=tmp_path, env=ON_TENSORFLOW)
    require_pets_are_known(printed)


@pytest.mark.full
def test_a_small_network_learns_in_tensorflow(folder, tensorflow):
    printed = require([tensorflow, "-c", example("Keras", 0)], cwd=folder, env=ON_TENSORFLOW)
    assert accuracy(printed) > 0.9


@pytest.mark.full
def test_tensorflows_own_datasets_get_the_batches(folder, tensorflow):
    code = (
        example("TensorFlow", 0)
        + """
seen = [sorted(label for _, labels in data for label in labels.numpy().tolist()) for _ in range(2)]
assert seen[0] == seen[1] and len(seen[0]) > 600, len(seen[0])
"""
    )
    require([tensorflow, "-c", code], cwd=folder, env=ON_TENSORFLOW)


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    """X-rays of patients with their findings, and images of people with their ages."""
    folder = tmp_path_factory.mktemp("clinic")
    draw_xrays(folder)
    draw_people(folder)
    return folder


def test_findings_of_xrays_are_learned(clinic):
    need("torch")
    printed = run(example("Several labels", 0), clinic)
    found = dict(line.split() for line in printed.splitlines())
    assert set(found) == set(FINDINGS)
    assert min(map(float, found.values())) > 0.9


def test_ages_are_learned(clinic):
    need("torch")
    printed = run(example("Several labels", 1), clinic)
    error, spread = map(float, re.search(r"error ([\d.]+) .* by ([\d.]+)", printed).groups())
    assert error < 0.4 * spread


def test_findings_are_learned_with_keras(clinic):
    need("torch", "keras")
    printed = run(example("Several labels", 0) + example("Several labels", 2), clinic)
    assert float(re.search(r"area ([\d.]+)\s*\Z", printed)[1]) > 0.9
