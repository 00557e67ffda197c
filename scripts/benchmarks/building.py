"""Ways to turn a folder of JPEGs into an array on disk. For `child.py`."""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Work = Callable[[], int]
Rows = npt.NDArray[np.uint8]
Fill = Callable[[list[str], Rows], None]


def imgmem(source: str, out: str, size: int, executor: str = "auto") -> Work:
    """imgmem build as it comes, all included: durable, digests, inspection figures."""
    from imgmem import BuildSpec, ImageSpec, build

    shutil.rmtree(out, ignore_errors=True)
    spec = BuildSpec(image=ImageSpec(size=(size, size)))
    return lambda: build(source, out, spec=spec, executor=executor).shape[0]


def planned(source: str, split: str | None) -> Work:
    """What a build does before the first image: listing, and the splits if there are any."""
    from imgmem import preview_build

    given = {"split": split} if split else {}
    return lambda: preview_build(source, f"{source}.imgmem", **given).images


def opencv_memmap(source: str, out: str, size: int, threads: int) -> Work:
    """The loop that people write over an open_memmap, each thread on its share of the files."""
    cv2.setNumThreads(1)
    paths = list_files(source)
    _prepare(out)

    def work() -> int:
        shape = (len(paths), size, size, 3)
        rows = np.lib.format.open_memmap(out, "w+", np.uint8, shape)
        _share(_opencv, paths, rows, threads)
        rows.flush()
        _sync(out)
        return len(paths)

    return work


def naive(source: str, out: str, size: int) -> Work:
    """A list of all images, np.array, np.save."""
    paths = list_files(source)
    _prepare(out)

    def work() -> int:
        images = [np.empty((size, size, 3), np.uint8) for _ in paths]
        for path, image in zip(paths, images, strict=True):
            _opencv([path], image[None])
        np.save(out, np.array(images))
        _sync(out)
        return len(paths)

    return work


def pillow_draft(source: str, out: str, size: int, threads: int) -> Work:
    """Pillow's scaled decoding (draft) and its bilinear filter, into an open_memmap."""
    paths = list_files(source)
    _prepare(out)

    def work() -> int:
        rows = np.lib.format.open_memmap(out, "w+", np.uint8, (len(paths), size, size, 3))
        _share(_pillow, paths, rows, threads)
        rows.flush()
        _sync(out)
        return len(paths)

    return work


def decode_alone(source: str, size: int, threads: int) -> Work:
    """The limit: read, decode and resize by imgmem's recipe, and throw the result away."""
    from imgmem.core.decode.images import decode_into
    from imgmem.core.specs import ImageSpec

    paths, spec = list_files(source), ImageSpec(size=(size, size))

    def decode(some: list[str], rows: Rows) -> None:
        row = np.empty((size, size, 3), np.uint8)
        for path in some:
            decode_into(read(path), spec, row)

    nothing = np.empty((len(paths), 0), np.uint8)
    return lambda: _share(decode, paths, nothing, threads)


def list_files(source: str) -> list[str]:
    return sorted(str(path) for path in Path(source).rglob("*.*") if path.is_file())


def read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _share(fill: Fill, paths: list[str], rows: Rows, threads: int) -> int:
    """`fill` in threads, each with one contiguous share."""
    cuts = [len(paths) * turn // threads for turn in range(threads + 1)]
    with ThreadPoolExecutor(threads) as pool:
        for start, stop in pairwise(cuts):
            pool.submit(fill, paths[start:stop], rows[start:stop])
    return len(paths)


def _opencv(paths: list[str], rows: Rows) -> None:
    """imread, colors in order, area filter."""
    for path, row in zip(paths, rows, strict=True):
        image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        row[:] = cv2.resize(image, row.shape[1::-1], interpolation=cv2.INTER_AREA)


def _pillow(paths: list[str], rows: Rows) -> None:
    from PIL import Image

    for path, row in zip(paths, rows, strict=True):
        with Image.open(path) as image:
            image.draft("RGB", row.shape[1::-1])
            small = image.convert("RGB").resize(row.shape[1::-1], Image.Resampling.BILINEAR)
        row[:] = small


def _prepare(out: str) -> None:
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).unlink(missing_ok=True)


def _sync(path: str) -> None:
    """As durable as imgmem's result."""
    fd = os.open(path, os.O_RDWR)
    os.fsync(fd)
    os.close(fd)
