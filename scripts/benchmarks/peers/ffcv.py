"""ffcv: raw pixels in its own file format, batches by compiled pipelines."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import (
    IntDecoder,
    RandomResizedCropRGBImageDecoder,
    SimpleRGBImageDecoder,
)
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import NormalizeImage, RandomHorizontalFlip
from ffcv.writer import DatasetWriter

from benchmarks import peers

Work = Callable[[], int]


class _Images:
    def __init__(self, paths: list[str], size: int) -> None:
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return peers.picture(self.paths[index], self.size), 0


def build(source: str, out: str, size: int, threads: int) -> Work:
    paths = peers.list_files(source)
    peers.clean(out)

    def work() -> int:
        fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
        writer = DatasetWriter(out, fields, num_workers=threads)
        writer.from_indexed_dataset(_Images(paths, size))
        return len(paths)

    return work


def batches(source: str, out: str, size: int, threads: int, batch: int) -> Work:
    return _loaded(source, out, size, threads, batch, [SimpleRGBImageDecoder()])


def crops(source: str, out: str, size: int, threads: int, batch: int, crop: int) -> Work:
    steps = [RandomResizedCropRGBImageDecoder((crop, crop)), RandomHorizontalFlip()]
    return _loaded(source, out, size, threads, batch, steps)


def _loaded(source: str, out: str, size: int, threads: int, batch: int, steps: list[Any]) -> Work:
    if not peers.built(out):
        build(source, out, size, threads)()
    loader = Loader(
        out, batch_size=batch, num_workers=threads, order=OrderOption.RANDOM, os_cache=True,
        pipelines={
            "image": [*steps, NormalizeImage(peers.MEAN, peers.STD, np.float32)],
            "label": [IntDecoder()],
        },
    )  # fmt: skip
    for _ in loader:  # compiles the pipelines
        pass
    return lambda: sum(len(images) for images, _ in loader)
