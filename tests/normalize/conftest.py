"""Small datasets to normalize."""

import numpy as np
import pytest
from support.datasets import write_dataset


@pytest.fixture
def dataset(tmp_path):
    """A function that writes a dataset of noise in uneven channels, two splits by default."""

    def write(name="data", dtype="uint8", rows=12, depth=3, splits=None, block=4096, **fields):
        chance = np.random.default_rng(rows)
        images = chance.beta(2, 3, (rows, 9, 7, depth)) * np.array([250, 120, 60])[:depth]
        splits = {"train": (0, rows - 4), "val": (rows - 4, rows)} if splits is None else splits
        labels = np.arange(rows) % 3
        return write_dataset(
            tmp_path / name,
            np.rint(images).astype(dtype),
            labels,
            splits=splits,
            checksum_block=block,
            **fields,
        )

    return write
