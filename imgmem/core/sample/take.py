"""A few rows of a dataset, to look at or to work with."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core import forecast
from imgmem.core.arrays import Labels
from imgmem.core.errors import ResourceError
from imgmem.core.levels.to_uint8 import to_uint8
from imgmem.core.machine import memory
from imgmem.core.read.dataset import Dataset, reader_for
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.rows.origins import RowOrigin, sources_of
from imgmem.core.sample.selection import check_spec, choose
from imgmem.core.specs import SampleSpec
from imgmem.core.text import array_text, summary
from imgmem.core.units import format_bytes


@dataclass(frozen=True, kw_only=True, repr=False)
class Sample:
    """Some rows of a dataset, in the order to show them.

    rows: (n,) their numbers in the dataset. groups: title and number of rows that belong
    together, from the first on. sources: where each came from.
    images: (n, H, W, C) as `imgmem.open` gives them. pixels: (n, H, W, C) uint8, de-normalized;
    the same array as images where they are the same. labels: as `imgmem.open` has them, or
    None.
    """

    path: str
    rows: NDArray[np.int64]
    groups: tuple[tuple[str, int], ...]
    sources: tuple[RowOrigin, ...]
    images: NDArray[Any]
    pixels: NDArray[np.uint8]
    labels: Labels | None

    def __repr__(self) -> str:
        return summary(
            self,
            array_text(self.images.shape, self.images.dtype.name),
            "labeled" if self.labels is not None else "",
        )


def take(path: str | os.PathLike[str], spec: SampleSpec) -> Sample:
    """Take rows of the dataset at `path`, as `sample` does, and write nothing."""
    check_spec(spec)
    with open_dataset(path, spec.split) as part, open_dataset(path) as dataset:
        chosen = choose(part, spec)
        rows = np.concatenate([np.empty(0, np.int64), *(group.rows for group in chosen)])
        _require_room(dataset, len(rows))
        stored = reader_for(dataset, normalize=False)(rows)
        done = dataset.normalization
        sources = sources_of(dataset.path, rows.tolist())
        return Sample(
            path=dataset.path,
            rows=rows,
            groups=tuple((group.title, len(group.rows)) for group in chosen),
            sources=tuple(sources[row] for row in rows.tolist()),
            images=reader_for(dataset)(rows) if done and done.on_read else stored,
            pixels=to_uint8(stored, dataset.record),
            labels=None if dataset.labels is None else dataset.labels[rows],
        )


def _require_room(dataset: Dataset, count: int) -> None:
    """ResourceError where `count` rows would not fit into the default memory budget."""
    needed = forecast.sample_bytes(
        rows=count,
        row_bytes=dataset.record.features_header.row_bytes,
        normalized=dataset.normalization is not None,
    )
    budget = memory.budget(None)
    if needed > budget:
        raise ResourceError(
            f"{count} rows take {format_bytes(needed)}, the memory budget is "
            f"{format_bytes(budget)}",
            hint="Ask for fewer rows.",
            needed_bytes=needed,
        )
