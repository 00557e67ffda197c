"""Ways to learn the sizes of a folder's images. For `child.py`."""

import os
from collections.abc import Callable

from benchmarks.building import list_files

Work = Callable[[], int]


def imgmem(source: str) -> Work:
    """Listing included."""
    from imgmem import estimate

    return lambda: estimate(source).images.examined


def pillow(source: str) -> Work:
    from PIL import Image

    def work() -> int:
        paths = list_files(source)
        for path in paths:
            with Image.open(path) as image:
                _ = image.size
        return len(paths)

    return work


def open_alone(source: str) -> Work:
    """The limit: open, read a page, close."""
    paths = list_files(source)

    def work() -> int:
        for path in paths:
            fd = os.open(path, os.O_RDONLY)
            os.pread(fd, 4096, 0)
            os.close(fd)
        return len(paths)

    return work
