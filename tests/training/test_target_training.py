"""From a table to a model, for findings of X-rays and for ages, with patients and people whole."""

import numpy as np
import pytest
from support.datasets import write_dataset
from support.images import photo
from support.targets import FINDINGS, draw_people, draw_xrays

import imgmem
from imgmem.core.errors import UsageError

FLAGS = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1], [1, 0, 0], [1, 0, 0]], np.uint8)


@pytest.fixture(scope="module")
def xrays(tmp_path_factory):
    """400 X-rays of 100 patients, in four folds."""
    folder = tmp_path_factory.mktemp("xrays")
    draw_xrays(folder)
    imgmem.build(
        folder / "images", folder / "set", labels=folder / "findings.csv", size=24,
        channels="gray", columns="path=image,label=findings,group=patient", split="folds=4",
        target="multilabel", no_label="No Finding",
    )  # fmt: skip
    return folder / "set"


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """360 images of 120 people, in train and val."""
    folder = tmp_path_factory.mktemp("people")
    draw_people(folder)
    imgmem.build(
        folder / "people", folder / "set", labels=folder / "ages.csv", size=24, target="number",
        columns="path=file,label=age,group=person", split="val=0.25",
    )  # fmt: skip
    return folder / "set"


def inputs(images):
    """Each image as one line of numbers around 0, and a 1."""
    flat = images.reshape(len(images), -1) / 255 - 0.5
    return np.column_stack([flat, np.ones(len(images))])


def area(scores, flags):
    """Under the curve: how often an image with the finding is scored above one without."""
    return (scores[flags == 1][:, None] > scores[flags == 0]).mean()


def test_findings_are_learned_in_every_fold(xrays):
    for fold in range(1, 5):
        train, held_out = imgmem.open(xrays, f"!fold{fold}"), imgmem.open(xrays, f"fold{fold}")
        weights = np.zeros((24 * 24 + 1, len(FINDINGS)))
        for epoch in range(30):
            for images, flags in train.batches(32, balanced=True, seed=epoch):
                found = inputs(images)
                weights -= 0.3 * found.T @ (1 / (1 + np.exp(-found @ weights)) - flags) / len(flags)
        scores = inputs(held_out[:][0]) @ weights
        areas = [area(*each) for each in zip(scores.T, held_out.labels.T, strict=True)]
        assert min(areas) > 0.9


def test_no_patient_is_in_two_folds_and_each_fold_has_every_finding(xrays):
    found = imgmem.stats(xrays, fail_on="group-leaks")
    assert all(rows for each in found.classes for rows in each.splits.values())
    assert set(found.splits.values()) == {100}


def test_ages_are_learned(people):
    train, val = imgmem.open(people, "train"), imgmem.open(people, "val")
    known = inputs(train[:][0])
    mean = train.labels.mean()
    close = known.T @ known + 10 * np.eye(known.shape[1])
    weights = np.linalg.solve(close, known.T @ (train.labels - mean))
    errors = np.abs(inputs(val[:][0]) @ weights + mean - val.labels)
    assert errors.mean() < 0.5 * np.abs(val.labels - mean).mean()


def test_no_person_is_in_two_splits_and_ages_are_spread_alike(people):
    (age,) = imgmem.stats(people, fail_on="group-leaks").numbers
    train, val = age.parts["train"], age.parts["val"]
    assert abs(train.mean - val.mean) < 2
    assert max(abs(a - b) for a, b in zip(train.quantiles, val.quantiles, strict=True)) < 8


@pytest.fixture
def several(tmp_path):
    images = np.stack([photo(8, 8, seed=n) for n in range(6)])
    return write_dataset(
        tmp_path / "set", images, FLAGS, classes=("a", "b", "c"), target="multilabel"
    )


@pytest.mark.parametrize(("balanced", "rounds"), [("oversample", 5), ("undersample", 1)])
def test_each_label_takes_its_turn_in_balanced_batches(several, balanced, rounds):
    data = imgmem.open(several)
    rows = [row for batch in data.batches(4, balanced=balanced, rows=True) for row in batch[2]]
    counts = np.bincount(rows, minlength=6)
    assert len(rows) == 4 * rounds  # three labels, and none
    assert (counts[[0, 3, 2]] >= rounds).all()  # all of b, of c, of none


def test_numbers_cannot_be_balanced(people):
    with pytest.raises(UsageError, match="numbers have no classes"):
        imgmem.open(people).batches(4, balanced=True)


def test_pytorch_gets_what_its_losses_want(several, people):
    torch = pytest.importorskip("torch")
    from imgmem.torch import ImageDataset, loader

    data = ImageDataset(several)
    for images, flags in loader(data, 3, balanced=True, num_workers=1):
        assert (flags.dtype, flags.shape) == (torch.float32, (len(images), 3))
    assert data[3][1].tolist() == FLAGS[3].tolist()
    assert data.targets == FLAGS.tolist()
    torch.nn.functional.binary_cross_entropy_with_logits(torch.zeros(1, 3), data[3][1][None])
    ages = ImageDataset(people)
    images, found = next(iter(loader(ages, 4, order="sequential")))
    assert (found.dtype, found.tolist()) == (torch.float32, ages.data.labels[:4].tolist())
    assert isinstance(ages[0][1], float)
