"""Source folders for the tests of build."""

import numpy as np

from support.images import photo, write


def class_folders(root, counts, size=(24, 32), ending=".png"):
    """root/CLASS/NN.png for each class and count; every picture is another one."""
    seed = 0
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            seed += 1
            write(root / name / f"{number:02}{ending}", photo(*size, seed=seed))
    return root


def contents(directory):
    """Name → bytes of every file of a directory."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def features(directory):
    """The features as plain NumPy reads them."""
    return np.load(directory / "X.npy", mmap_mode="r")
