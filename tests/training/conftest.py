"""Datasets whose every image tells which row it is."""

import numpy as np
import pytest
from support.datasets import write_dataset
from support.numbered import numbered_images


@pytest.fixture
def numbered(tmp_path):
    """A function that writes a dataset of numbered images, 100 rows in 3 uneven classes."""

    def write(count=100, name="dataset", shape=(6, 10, 3), labels=(0, 0, 0, 0, 1, 1, 2), **fields):
        images = numbered_images(count, *shape)
        labels = None if labels is None else np.resize(labels, count)
        return write_dataset(tmp_path / name, images, labels, **fields)

    return write
