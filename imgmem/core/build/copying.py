"""Rows that are copied from a dataset, not decoded."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.build.csv_text import csv_lines, csv_texts
from imgmem.core.build.decoding import Chunk, DecodeSpec
from imgmem.core.build.planned import PlannedImage, planned_images
from imgmem.core.errors import RejectedImage
from imgmem.core.levels.split_sums import sums_by_split
from imgmem.core.rows.facts import ROW_FACTS, Facts, read_facts
from imgmem.core.sources.datasets import DatasetSource
from imgmem.core.sources.files import DROPPED
from imgmem.core.storage import store


class Copying:
    """An `Execution` that copies rows with what is known of them."""

    def __init__(self, source: DatasetSource, spec: DecodeSpec, rows_per_chunk: int) -> None:
        self.rows_per_chunk = rows_per_chunk
        self._source = source
        self._spec = spec
        self._facts = read_facts(source.path, source.rows)

    def pids(self) -> Iterable[int]:
        return ()

    def chunks(self, tasks: Iterable[list[bytes]]) -> Iterator[Chunk]:
        return map(self._copied, tasks)

    def close(self, *, wait: bool = False) -> None:
        """There is nothing to end: the source is its owner's."""

    def _copied(self, lines: list[bytes]) -> Chunk:
        images = planned_images(lines)
        kept = [image for image in images if image.locator[0] != DROPPED]
        dropped = [image for image in images if image.locator[0] == DROPPED]
        reasons = [str(image.locator[2]) for image in dropped]
        pixels, facts = self._pixels(kept), self._facts_of(kept)
        splits = [image.split for image in kept]
        rejects = ((i.name, i.locator[2], i.locator[3]) for i in dropped)
        return Chunk(
            features=pixels.astype(self._spec.dtype, copy=False),
            facts=facts,
            sums=sums_by_split(pixels, splits),
            labels=[image.label for image in kept],
            splits=splits,
            texts=csv_texts(
                (image.name, fact["width"], fact["height"], image.locator[2], *image.extra)
                for image, fact in zip(kept, facts, strict=True)
            ),
            rejects=csv_lines(rejects),
            reasons=Counter(reasons),
            done=len(images),
            done_bytes=sum(map(len, lines)),
        )

    def _pixels(self, images: list[PlannedImage]) -> npt.NDArray[Any]:
        """The original values, (n, H, W, C). Raises DatasetError for a row that has none."""
        pixels = self._spec.buffer(len(images))
        for row, image in zip(pixels, images, strict=True):
            try:
                row.reshape(-1)[:] = self._source.values(image.locator)
            except RejectedImage as reject:
                name = os.path.join(self._source.path, store.FEATURES)
                raise store.damaged(name, f"{image.name}: {reject.detail}") from None
        return pixels

    def _facts_of(self, images: list[PlannedImage]) -> Facts:
        known = self._facts[[int(image.locator[1]) for image in images]]
        facts = np.empty(len(images), ROW_FACTS)
        for name in ROW_FACTS.names or ():
            facts[name] = known[name]
        return facts
