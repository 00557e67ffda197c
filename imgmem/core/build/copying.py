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
from imgmem.core.rows.notes import Noted, note_counts
from imgmem.core.sources import Source
from imgmem.core.sources.datasets import DatasetSource
from imgmem.core.sources.files import DROPPED
from imgmem.core.sources.several import SeveralSources
from imgmem.core.storage import store


class Copying:
    """An `Execution` that copies rows with what is known of them."""

    def __init__(self, source: Source, spec: DecodeSpec, rows_per_chunk: int) -> None:
        """source: a dataset, or several as one."""
        self.rows_per_chunk = rows_per_chunk
        self._sources = datasets_in(source)
        self._spec = spec
        self._facts = {
            prefix: read_facts(each.path, each.rows) for prefix, each in self._sources.items()
        }

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
        noted = [self._noted(image) for image in kept]
        notes, left = note_counts(noted)
        rejects = ((i.name, i.locator[2], i.locator[3]) for i in dropped)
        return Chunk(
            features=pixels.astype(self._spec.dtype, copy=False),
            facts=facts,
            sums=sums_by_split(pixels, splits),
            labels=[image.label for image in kept],
            splits=splits,
            texts=_texts(kept, facts, noted),
            rejects=csv_lines(rejects),
            reasons=Counter(reasons),
            notes=notes,
            left=left,
            done=len(images),
            done_bytes=sum(map(len, lines)),
        )

    def _pixels(self, images: list[PlannedImage]) -> npt.NDArray[Any]:
        """The original values, (n, H, W, C). Raises DatasetError for a row that has none."""
        pixels = self._spec.buffer(len(images))
        for row, image in zip(pixels, images, strict=True):
            source = self._sources[_prefix(image)]
            try:
                row.reshape(-1)[:] = source.values(image.locator)
            except RejectedImage as reject:
                name = os.path.join(source.path, store.FEATURES)
                raise store.damaged(name, f"{image.name}: {reject.detail}") from None
        return pixels

    def _noted(self, image: PlannedImage) -> Noted:
        """What the dataset notes of a row; nothing where it is of a version that did not."""
        try:
            return Noted.from_cell(str(image.locator[3]))
        except ValueError as error:
            name = os.path.join(self._sources[_prefix(image)].path, store.ROWS)
            raise store.damaged(name, f"{image.name}: {error}") from None

    def _facts_of(self, images: list[PlannedImage]) -> Facts:
        facts = np.empty(len(images), ROW_FACTS)
        for at, image in enumerate(images):
            known = self._facts[_prefix(image)][int(image.locator[1])]
            for name in ROW_FACTS.names or ():
                facts[name][at] = known[name]
        return facts


def datasets_in(source: Source) -> dict[str, DatasetSource]:
    """The datasets of a source whose rows are copied, by prefix; "" for one alone."""
    parts = source.parts if isinstance(source, SeveralSources) else {"": source}
    return {prefix: each for prefix, each in parts.items() if isinstance(each, DatasetSource)}


def _texts(images: list[PlannedImage], facts: Facts, noted: list[Noted]) -> list[str]:
    """The columns of rows.csv from the path on, as lines."""
    sizes = zip(facts["width"], facts["height"], strict=True)
    return csv_texts(
        (image.name, *size, image.locator[2], note.cell(), *image.extra)
        for image, size, note in zip(images, sizes, noted, strict=True)
    )


def _prefix(image: PlannedImage) -> str:
    """Of the dataset that a row is in, where there are several."""
    return str(image.locator[4]) if len(image.locator) > 4 else ""
