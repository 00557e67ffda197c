"""TurboLoader: raw pixels in its own file format, served from a memory map by compiled code."""

from collections.abc import Callable
from typing import Any

import turboloader

from benchmarks import peers

Work = Callable[[], int]
MEAN = tuple(float(value) / 255 for value in peers.MEAN)
STD = tuple(float(value) / 255 for value in peers.STD)


def build(source: str, out: str, size: int, threads: int) -> Work:
    paths = peers.list_files(source)
    peers.clean(out)

    def work() -> int:
        writer = turboloader.TblWriterV2(out, enable_compression=False)
        for path in paths:
            pixels = peers.picture(path, size).tobytes()
            writer.add_sample(pixels, turboloader.SampleFormat.RAW_U8, width=size, height=size)
        writer.finalize()
        return len(paths)

    return work


def batches(source: str, out: str, size: int, threads: int, batch: int) -> Work:
    """(B, 3, H, W), its fastest."""
    return _served(source, out, size, batch)


def crops(source: str, out: str, size: int, threads: int, batch: int, crop: int) -> Work:
    """Random-resized-crop, flip and normalization in one pass."""
    return _served(source, out, size, batch, train_aug=True, hflip_prob=0.5, image_size=crop)


def _served(source: str, out: str, size: int, batch: int, **options: Any) -> Work:
    if not peers.built(out):
        build(source, out, size, 1)()
    loader = turboloader.TblRawImageLoader(out, batch, mean=MEAN, std=STD, **options)

    def work() -> int:
        return sum(len(images) for images, _ in loader)

    work()  # an epoch to warm up, as the others
    return work
