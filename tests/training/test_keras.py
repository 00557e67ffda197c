"""Keras 3: each row once an epoch through the model, whatever the workers and the backend."""

import importlib.util
import os
import pickle

import numpy as np
import pytest
from support.numbered import ON_READ, numbered_images, reference
from support.program import python

import imgmem
from imgmem.core.errors import UsageError

WITHOUT = "Keras and PyTorch are not installed (scripts/test --all)"
pytest.importorskip("torch", reason=WITHOUT)
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason=WITHOUT)

from imgmem.keras import PyDataset  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning",
    "ignore:__array__ implementation:DeprecationWarning",  # PyTorch under NumPy 2.4
)


def row_numbers_model(shape=(6, 10, 3)):
    """A model that gives the row number which stands in the first two pixels."""
    images = keras.Input(shape)
    return keras.Model(images, images[:, 0, 0, 0] * 256 + images[:, 0, 1, 0])


def rows_through(model, batches, **options):
    found = model.predict(PyDataset(batches, **options), verbose=0)
    return np.asarray(found).astype(int).tolist()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"workers": 1},
        {"workers": 3, "max_queue_size": 2},
        {"workers": 1, "use_multiprocessing": True},
        {"workers": 2, "use_multiprocessing": True},
    ],
    ids=str,
)
def test_a_model_sees_every_row_once_an_epoch_in_a_new_order(numbered, options):
    batches = imgmem.open(numbered()).batches(8, dtype="float32")
    model = row_numbers_model()
    epochs = [rows_through(model, batches, **options) for _ in range(2)]
    assert [sorted(rows) for rows in epochs] == [list(range(100))] * 2
    assert epochs[0] != epochs[1]


@pytest.mark.parametrize("workers", [{}, {"workers": 2}])
def test_fit_draws_balanced_batches(numbered, workers):
    seen = []

    class Remember(keras.losses.Loss):
        def call(self, labels, predicted):
            seen.append(keras.ops.convert_to_numpy(labels).ravel())
            return keras.ops.mean(predicted, axis=-1)

    batches = imgmem.open(numbered()).batches(9, balanced=True, dtype="float32")
    model = keras.Sequential([keras.Input((6, 10, 3)), keras.layers.GlobalAveragePooling2D()])
    model.add(keras.layers.Dense(3))
    model.compile(loss=Remember(), run_eagerly=True)
    if workers:  # else Keras peeks at a batch, and hands out again what they made by then
        model.train_on_batch(*batches[0])
    model.fit(PyDataset(batches, **workers), epochs=1, verbose=0)
    trained = seen[-len(batches) :]
    assert np.bincount(np.concatenate(trained).astype(int)).tolist() == [58, 58, 58]


def test_what_was_recorded_to_do_on_read_reaches_the_model(numbered):
    batches = imgmem.open(numbered(normalization=ON_READ)).batches(8, order="sequential")
    images = keras.Input((6, 10, 3))
    found = keras.Model(images, images + 0.0).predict(PyDataset(batches), verbose=0)
    assert np.array_equal(found, reference(numbered_images(100)))


def test_fit_evaluate_and_an_early_stop_leave_the_dataset_usable(numbered):
    dataset = imgmem.open(numbered(splits={"train": (0, 80), "val": (80, 100)}))
    train = PyDataset(imgmem.open(dataset.path, "train").batches(8, dtype="float32"))
    val = PyDataset(imgmem.open(dataset.path, "val").batches(8, dtype="float32"))
    model = keras.Sequential([keras.Input((6, 10, 3)), keras.layers.GlobalAveragePooling2D()])
    model.add(keras.layers.Dense(3))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(train, validation_data=val, epochs=3, steps_per_epoch=3, verbose=0)
    assert len(history.history["val_loss"]) == 3
    rows = rows_through(row_numbers_model(), train.batches)
    assert sorted(rows) == list(range(80))


def test_an_unlabeled_dataset_can_be_predicted(numbered):
    batches = imgmem.open(numbered(labels=None)).batches(8, dtype="float32")
    assert sorted(rows_through(row_numbers_model(), batches)) == list(range(100))


def test_row_numbers_are_never_taken_as_sample_weights(numbered):
    batches = imgmem.open(numbered()).batches(8, rows=True)
    with pytest.raises(UsageError, match="sample weights"):
        PyDataset(batches)


def test_what_goes_wrong_in_a_worker_is_raised_by_keras(numbered):
    path = numbered()
    batches = imgmem.open(path).batches(8, dtype="float32")
    os.truncate(path / "X.npy", 5000)
    with pytest.raises(imgmem.ImgmemError, match="is truncated"):
        rows_through(row_numbers_model(), batches)


def test_it_pickles_small(numbered):
    batches = imgmem.open(numbered()).batches(8, dtype="float32")
    data = pickle.dumps(PyDataset(batches, workers=3))
    assert len(data) < 1500
    assert np.array_equal(pickle.loads(data)[2][0], batches[2][0])


PROGRAM = """
import sys
import numpy as np, keras, imgmem, imgmem.keras
images = keras.Input((6, 10, 3))
model = keras.Model(images, images[:, 0, 0, 0] * 256 + images[:, 0, 1, 0])
batches = imgmem.open(sys.argv[1]).batches(8, dtype="float32")
for _ in range(2):
    found = model.predict(imgmem.keras.PyDataset(batches), verbose=0)
    rows = np.sort(np.asarray(found).astype(int))
    print(keras.backend.backend(), np.array_equal(rows, np.arange(100)))
"""


@pytest.mark.parametrize("backend", ["numpy", "torch", "jax", "tensorflow"])
def test_every_backend_sees_every_row_once(numbered, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    run = python(PROGRAM, numbered(), env={"KERAS_BACKEND": backend}, timeout=300)
    assert run.stdout.split() == [backend, "True"] * 2
