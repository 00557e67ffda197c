"""Rows that are copied from a dataset, not decoded."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imgmem.core.build.csv_text import csv_lines, csv_texts
from imgmem.core.build.decoding import Chunk, DecodeSpec
from imgmem.core.build.planned import PlannedImage, planned_images
from imgmem.core.errors import RejectedImage
from imgmem.core.levels.split_sums import sums_by_split
from imgmem.core.rows.facts import ROW_FACTS, Facts, digest_words, read_facts
from imgmem.core.rows.notes import Noted, note_counts
from imgmem.core.sources import Source
from imgmem.core.sources.datasets import DatasetSource
from imgmem.core.sources.files import DROPPED
from imgmem.core.sources.several import SeveralSources
from imgmem.core.storage import store
from imgmem.core.storage.verify import WholeBlocks


class Copying:
    """An `Execution` that copies rows with what is known of them."""

    def __init__(self, source: Source, spec: DecodeSpec, rows_per_chunk: int) -> None:
        """source: a dataset, or several as one."""
        self.rows_per_chunk = rows_per_chunk
        self._spec = spec
        self._known = {prefix: _Known(each) for prefix, each in datasets_in(source).items()}

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
        pixels, facts = self._spec.buffer(len(kept)), np.empty(len(kept), ROW_FACTS)
        for run in _runs(kept):
            known, rows = self._known[run.prefix], slice(run.at, run.at + run.rows)
            known.copy_values(run.first, pixels[rows])
            known.copy_facts(run.first, facts[rows])
        for image, words in zip(kept, facts["digest"].tolist(), strict=True):
            self._known[_prefix(image)].require_digest(image, tuple(words))
        splits = [image.split for image in kept]
        noted = [self._known[_prefix(image)].noted(image) for image in kept]
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
            copied=True,
        )


class _Known:
    """What a dataset has of its rows."""

    def __init__(self, source: DatasetSource) -> None:
        self._source = source
        self._facts = read_facts(source.path, source.rows)
        self._whole = WholeBlocks(source.path, source.record)

    def copy_values(self, first: int, out: npt.NDArray[Any]) -> None:
        """The original values of the rows from `first` on, (n, H, W, C), into `out`.

        Raises DatasetError for a row that has none, or that does not match its checksum.
        """
        try:
            out.reshape(-1)[:] = self._source.values_of(first, len(out))
        except RejectedImage as reject:
            name = os.path.join(self._source.path, store.FEATURES)
            raise store.damaged(name, f"rows from {first} on: {reject.detail}") from None
        self._whole.require(first, first + len(out))

    def copy_facts(self, first: int, out: Facts) -> None:
        for name in ROW_FACTS.names or ():
            out[name] = self._facts[name][first : first + len(out)]

    def require_digest(self, image: PlannedImage, words: tuple[int, ...]) -> None:
        """DatasetError unless both tables, which have no checksums, agree on what a row is of."""
        try:
            agree = digest_words(str(image.locator[2])) == words
        except ValueError:
            agree = False
        if not agree:
            name = os.path.join(self._source.path, store.ROWS)
            raise store.damaged(name, f"the digest of {image.name} is not that in {store.FACTS}")

    def noted(self, image: PlannedImage) -> Noted:
        """What is noted of a row; nothing where the dataset is of a version that did not."""
        try:
            return Noted.from_cell(str(image.locator[3]))
        except ValueError as error:
            name = os.path.join(self._source.path, store.ROWS)
            raise store.damaged(name, f"{image.name}: {error}") from None


class _Run(NamedTuple):
    """Rows that follow one another in a dataset and in what they are copied to.

    prefix: of the dataset. first: row there. at: of those to copy.
    """

    prefix: str
    first: int
    at: int
    rows: int


def _runs(images: list[PlannedImage]) -> Iterator[_Run]:
    places = ((_prefix(image), int(image.locator[1]) - at) for at, image in enumerate(images))
    at = 0
    for (prefix, shift), run in groupby(places):
        count = len(list(run))
        yield _Run(prefix, at + shift, at, count)
        at += count


def datasets_in(source: Source) -> dict[str, DatasetSource]:
    """The datasets of a source whose rows are copied, by prefix; "" for one alone."""
    parts = source.parts if isinstance(source, SeveralSources) else {"": source}
    return {prefix: each for prefix, each in parts.items() if isinstance(each, DatasetSource)}


def _texts(images: list[PlannedImage], facts: Facts, noted: list[Noted]) -> list[str]:
    """The columns of rows.csv from the path on, as lines."""
    sizes = zip(facts["width"].tolist(), facts["height"].tolist(), strict=True)
    return csv_texts(
        (image.name, *size, image.locator[2], note.cell(), *image.extra)
        for image, size, note in zip(images, sizes, noted, strict=True)
    )


def _prefix(image: PlannedImage) -> str:
    """Of the dataset that a row is in, where there are several."""
    return str(image.locator[4]) if len(image.locator) > 4 else ""
