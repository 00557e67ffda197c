"""Other packages at the same work, each run by the Python of its own environment.

Every module has `build(source, out, size, threads)` and `batches(source, out, size, threads,
batch)`: the same images, resized by the same filter, handed out in random order as normalized
float32. They need OpenCV and NumPy beside the package itself.
"""

import shutil
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

MEAN = np.array((123.675, 116.28, 103.53), np.float32)
STD = np.array((58.395, 57.12, 57.375), np.float32)


def list_files(source: str) -> list[str]:
    return sorted(str(path) for path in Path(source).rglob("*.*") if path.is_file())


def picture(path: str, size: int) -> npt.NDArray[np.uint8]:
    """Decoded, in RGB, resized by the area filter."""
    cv2.setNumThreads(1)
    image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)


def normalized(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    return ((images.astype(np.float32) - MEAN) / STD).astype(np.float32)


def clean(out: str) -> None:
    """Remove what an earlier run left."""
    path = Path(out)
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)


def built(out: str) -> bool:
    """Whether the set for `batches` is there from an earlier round; if not, the way is clear."""
    done = Path(out + ".done")
    if done.exists():
        return True
    clean(out)
    done.touch()
    return False
