"""A few rows of a dataset, to look at or to work with."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core import forecast
from imgmem.core.arrays import Labels
from imgmem.core.errors import ResourceError, UsageError
from imgmem.core.levels.to_uint8 import to_uint8
from imgmem.core.machine import memory
from imgmem.core.messages import option
from imgmem.core.read.dataset import Dataset, reader_for
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.rows.origins import RowOrigin, sources_of
from imgmem.core.sample.folder import LABELS, write_folder
from imgmem.core.sample.selection import Group, check_spec, choose
from imgmem.core.specs import SampleSpec
from imgmem.core.storage.targets import MULTILABEL
from imgmem.core.text import array_text, summary
from imgmem.core.units import format_bytes


@dataclass(frozen=True, kw_only=True, repr=False)
class Sample:
    """Some rows of a dataset, in the order to show them.

    rows: (n,) their numbers in the dataset. groups: title and number of rows that belong
    together, from the first on. sources: where each came from; images and pixels: what they
    show. Where rows were written to a folder, these three are empty: they are there.
    images: (n, H, W, C) as `imgmem.open` returns them. pixels: (n, H, W, C) uint8, de-normalized;
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
        rows = _rows_of(chosen)
        _require_room(dataset, len(rows))
        stored = reader_for(dataset, normalize=False)(rows)
        done = dataset.normalization
        sources = sources_of(dataset.path, rows.tolist())
        return Sample(
            path=dataset.path,
            rows=rows,
            groups=_counts(chosen),
            sources=tuple(sources[row] for row in rows.tolist()),
            images=reader_for(dataset)(rows) if done and done.on_read else stored,
            pixels=to_uint8(stored, dataset.record),
            labels=None if dataset.labels is None else dataset.labels[rows],
        )


def take_out(path: str | os.PathLike[str], spec: SampleSpec, folder: str) -> Sample:
    """Write rows of the dataset at `path` into a folder, never all their images in memory."""
    check_spec(spec)
    with open_dataset(path, spec.split) as part, open_dataset(path) as dataset:
        by_class = spec.group == "class"
        if by_class and dataset.target == MULTILABEL:
            raise UsageError(
                "rows with several labels have no folder of one class",
                hint=f"Leave out {option('group', 'class')}: {LABELS} holds the labels then.",
            )
        chosen = choose(part, spec)
        rows = _rows_of(chosen)
        none = reader_for(dataset)(rows[:0])
        taken = Sample(
            path=dataset.path,
            rows=rows,
            groups=_counts(chosen),
            sources=(),
            images=none,
            pixels=np.empty(none.shape, np.uint8),
            labels=None if dataset.labels is None else dataset.labels[rows],
        )
        if len(rows):  # last: nothing may fail once the folder is there
            classes = [group.title for group in chosen] if by_class else []
            write_folder(dataset, np.unique(rows), folder, classes=classes)
        return taken


def _rows_of(chosen: Sequence[Group]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(group.rows for group in chosen)])


def _counts(chosen: Sequence[Group]) -> tuple[tuple[str, int], ...]:
    return tuple((group.title, len(group.rows)) for group in chosen)


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
