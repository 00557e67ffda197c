"""The pictures that are measured with: drawn, or taken from a folder and repeated."""

import os
import shutil
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

PHOTO = (375, 500)  # the commonest size in ImageNet
LARGE = (3000, 4000)
TINY = (32, 32)
QUALITY = 90
CLASSES = 10
ENDINGS = (".jpg", ".jpeg", ".JPEG", ".JPG")

Picture = npt.NDArray[np.uint8]


def scenery(height: int, width: int, seed: int) -> Picture:
    """Something as smooth, as sharp and as noisy as a photograph: 110 KB as a JPEG of 375×500."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float32)
    for cells, weight in ((3, 40), (8, 25), (25, 14), (80, 9), (250, 7)):
        noise = random.standard_normal((cells, cells, 3), np.float32)
        picture += weight * cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        center = (int(random.integers(width)), int(random.integers(height)))
        axes = (int(random.integers(5, width // 4)), int(random.integers(5, height // 4)))
        color = random.normal(0, 60, 3).tolist()
        cv2.ellipse(picture, center, axes, float(random.integers(180)), 0, 360, color, -1)
    picture += random.standard_normal((height, width, 1), np.float32) * 9
    return np.clip(picture + 120, 0, 255).astype(np.uint8)


def photos(folder: Path, count: int, given: Path | None) -> Path:
    """`count` photographs: those in `given`, or 60 drawn ones, over and over."""
    if given is None:
        drawn = (_jpeg(scenery(*PHOTO, seed)) for seed in range(min(count, 60)))
        return _spread(folder, count, list(drawn))
    found = sorted(path for path in given.rglob("*") if path.suffix in ENDINGS)
    return _spread(folder, count, [path.read_bytes() for path in found])


def large(folder: Path, count: int) -> Path:
    """`count` pictures of twelve megapixels, four of them different."""
    return _spread(folder, count, [_jpeg(scenery(*LARGE, seed)) for seed in range(min(count, 4))])


def tiny(folder: Path, count: int) -> Path:
    """`count` pictures of 32×32 pixels, a thousand of them different."""
    drawn = [scenery(*PHOTO, seed) for seed in range(10)]
    small = (_jpeg(_crop(drawn[seed % 10], seed)) for seed in range(min(count, 1000)))
    return _spread(folder, count, list(small))


def tiny_gray(folder: Path, count: int) -> Path:
    """`count` gray PNGs of 28×28 pixels, a thousand of them different."""
    drawn = [scenery(*PHOTO, seed)[:, :, 0] for seed in range(10)]
    small = (
        cv2.imencode(".png", np.ascontiguousarray(drawn[seed % 10][seed % 300 :][:28, :28]))[1]
        for seed in range(min(count, 1000))
    )
    return _spread(folder, count, [data.tobytes() for data in small], ".png")


def many_classes(folder: Path, count: int, classes: int) -> Path:
    """`count` files of different bytes that are only listed, in `classes` folders."""
    for number in range(count):
        path = folder / f"{number % classes:05}" / f"{number:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * (1 + number % 97))
    return folder


def _crop(picture: Picture, seed: int) -> Picture:
    random = np.random.default_rng(seed)
    side = int(random.integers(64, 300))
    top, left = (int(random.integers(size - side)) for size in PHOTO)
    cut = picture[top : top + side, left : left + side]
    return cv2.resize(cut, TINY, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _jpeg(picture: Picture) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _spread(folder: Path, count: int, encoded: list[bytes], extension: str = ".jpg") -> Path:
    """Files in class folders, each a file of its own as in life."""
    for number, data in enumerate(islice(cycle(encoded), count)):
        path = folder / f"class{number % CLASSES}" / f"{number:06}{extension}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def fresh_copy(source: str, target: str) -> None:
    """A copy of a dataset in the page cache, with nothing left to write back."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    os.sync()
