"""What is in a dataset, from one pass over its features."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgmem.core.levels.histograms import PixelSums
from imgmem.core.levels.moments import combined
from imgmem.core.machine import memory
from imgmem.core.messages import Message, option
from imgmem.core.progress import ProgressCallback
from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.read.dataset import open as open_dataset
from imgmem.core.read.selection import has_folds
from imgmem.core.rows.background import background_note, background_share
from imgmem.core.rows.duplicates import in_force, load_facts, near_notes
from imgmem.core.rows.facts import Facts
from imgmem.core.rows.leak_hints import leak_hints
from imgmem.core.rows.origins import further_columns, named_rows
from imgmem.core.specs import ALL, FOLD, NOT, TRAIN, RunSpec, StatsSpec
from imgmem.core.stats.findings import Figures, Finding, find
from imgmem.core.stats.scan import ScanResult, histogram_step, plan_scan, scan, split_parts
from imgmem.core.stats.targets import LabelSets, NumberTarget, label_sets, number_targets
from imgmem.core.storage.labels import class_counts
from imgmem.core.storage.record import Normalization, Record
from imgmem.core.storage.verify import require_whole
from imgmem.core.text import array_text, counts_text, summary
from imgmem.core.thresholds import Thresholds


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of some rows.

    mean, std (population), minimum, maximum: of the values as they are stored.
    nan, infinite: how many values are. histogram: counts of the pixel values 0-255 that the
    values stand for (65,536 of those of uint16), in every `histogram_step`-th row.
    """

    mean: float
    std: float
    minimum: float
    maximum: float
    nan: int
    infinite: int
    histogram: list[int]


@dataclass(frozen=True, slots=True)
class ClassRows:
    """Rows of a class, in all and by split. mean, std, minimum, maximum: with by_class, of
    its pixel values 0-255, per channel."""

    name: str
    label: int
    rows: int
    splits: dict[str, int]
    mean: list[float] | None = None
    std: list[float] | None = None
    minimum: list[int] | None = None
    maximum: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What the rows were made from. formats: name → rows. heights, widths: of the sources in
    pixels, as smallest, median, largest."""

    formats: dict[str, int]
    heights: tuple[float, float, float]
    widths: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Standardize:
    """What `normalize` would use: from which split (None: all rows), in original values.

    line: the same for torchvision, on the scale 0 to 1; None where a channel is constant.
    """

    split: str | None
    mean: list[float]
    std: list[float]
    line: str | None


@dataclass(frozen=True, kw_only=True, repr=False)
class DatasetStats:
    """What is in a dataset, or in one split of it.

    shape: (N, H, W, C). bytes: on disk, all files of the dataset. balance: rows of the
    largest class ÷ rows of the smallest; None without classes or with an empty one.
    target: what labels are, None without. label_sets: where a row may have several labels.
    numbers: where labels are numbers, one for each.
    splits: rows of each. channels: "all" or the split asked for, and each split, to its
    channels. histogram_step: 1 for all but large datasets. standardize: None for a normalized
    dataset, and for all rows of one with folds and no train. window: the original values that
    are shown black and white. background: share of the pixels that fit=pad added, None for
    another fit.
    line: `normalization` for torchvision, on the scale 0 to 1, as `standardize` has it.
    notes: what to know about the figures and the findings, in sentences.
    verified: whether all checksums were compared (and found right).
    peak_memory, memory: bytes of anonymous memory that this took, and its budget.
    """

    path: str
    split: str | None
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    classes: list[ClassRows] | None
    balance: float | None
    splits: dict[str, int]
    channels: dict[str, list[Channel]]
    histogram_step: int
    standardize: Standardize | None
    normalization: Normalization | None
    line: str | None
    sources: Sources
    findings: list[Finding]
    thresholds: Thresholds
    target: str | None = None
    label_sets: LabelSets | None = None
    numbers: list[NumberTarget] | None = None
    window: tuple[float, float] = (0, 255)
    background: float | None = None
    notes: list[str] = field(default_factory=list)
    build: dict[str, Any] = field(default_factory=dict)
    verified: bool = False
    peak_memory: int = 0
    memory: int = 0

    def __repr__(self) -> str:
        found = counts_text({finding.kind: finding.count for finding in self.findings})
        return summary(
            self,
            array_text(self.shape, self.dtype),
            counts_text(self.splits),
            f"{len(self.classes)} classes" if self.classes else "",
            f"findings: {found}" if found else "no findings",
        )


def describe(
    path: str | os.PathLike[str], spec: StatsSpec, *, run: RunSpec, progress: ProgressCallback
) -> DatasetStats:
    """Describe the dataset at `path`, as `stats` does without its checks and its report."""
    with memory.PeakMemory() as peak, open_dataset(path, spec.split) as dataset:
        budget, workers = plan_scan(dataset, run)
        if spec.verify:
            require_whole(dataset.path, run=run, progress=progress)
        facts = load_facts(dataset)
        parts = {
            name: scan(dataset, *rows, workers=workers, by_class=spec.by_class, progress=progress)
            for name, rows in _parts(dataset).items()
        }
        bad_rows = sorted(row for part in parts.values() for row in part.bad_rows)
        limits = in_force(facts, spec.thresholds)
        found = find(dataset, facts, bad_rows, limits)
        notes = [*_split_notes(dataset), *_finding_notes(dataset, found)]
        described = _described(dataset, parts)
        sources = _sources(facts)
        background = background_share(facts, dataset.record.image)
    return DatasetStats(
        **described,
        sources=sources,
        findings=found,
        thresholds=spec.thresholds,
        notes=[*background_note(background), *near_notes(spec.thresholds, limits), *notes],
        background=background,
        verified=spec.verify,
        peak_memory=peak.peak,
        memory=budget,
    )


def _split_notes(dataset: Dataset) -> Iterator[str]:
    yield from _fold_notes(dataset)
    yield from _leak_notes(dataset)


def _finding_notes(dataset: Dataset, found: list[Finding]) -> Iterator[str]:
    yield from _threshold_notes(found, len(dataset))
    yield from _transparency_note(found, dataset.record.build)


def _threshold_notes(findings: list[Finding], rows: int) -> Iterator[str]:
    """Of findings of single rows that are more than half of all rows."""
    for finding in findings:
        if len(finding.items[0].rows) == 1 and finding.count > rows / 2 >= 5:
            for name, value in finding.threshold.items():
                yield (
                    f"{finding.count / rows:.0%} of the rows are {finding.kind}: "
                    f"{name}={value:g} does not fit this dataset"
                )


def _fold_notes(dataset: Dataset) -> Iterator[str]:
    if dataset.split is None and has_folds(dataset.record):
        choice = option("split", f"{NOT}{FOLD}1")
        yield Message(f"{choice} shows the mean and std of the training rows of the first fold")


def _leak_notes(dataset: Dataset) -> Iterator[str]:
    """Of splits that were drawn without groups, where names look like groups."""
    drawn = _drawn_splits(dataset.record)
    if dataset.split is None and drawn and dataset.record.group_column is None:
        rows = (row for row in named_rows(dataset.path, dataset.record) if row.split in drawn)
        yield from leak_hints(rows, further_columns(dataset.path, dataset.record))


def _drawn_splits(record: Record) -> set[str]:
    """The splits that `build` drew, which an author's own are not."""
    options = record.build.get("options", {})
    wanted, folds = options.get("splits"), options.get("folds")
    if not wanted and not folds:
        return set()
    named = {TRAIN, *wanted} if isinstance(wanted, dict) else {TRAIN}
    return {name for name in record.splits if name in named or (folds and name.startswith(FOLD))}


def _transparency_note(findings: list[Finding], build: dict[str, Any]) -> Iterator[str]:
    """Where rows are blank, for drawings in black on transparency are."""
    transparent = build.get("converted", {}).get("alpha")
    if transparent and any(finding.kind == "blank" for finding in findings):
        color = option("background")
        yield Message(
            f"{transparent} images were transparent: {color} of build is the color behind them"
        )


def _parts(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """The rows, cut where splits begin and end: by the split's name, or "" and a number."""
    inside = split_parts(dataset)
    parts = {}
    for first, last in row_set(dataset).ranges:
        place = first
        for name, (start, stop) in inside.items():
            if first <= start < last:
                if place < start:
                    parts[f"/{place}"] = (place, start)  # no split's name has a slash
                parts[name], place = (start, stop), stop
        if place < last:
            parts[f"/{place}"] = (place, last)
    return parts


def _described(dataset: Dataset, parts: dict[str, ScanResult]) -> dict[str, Any]:
    """The fields of DatasetStats that follow from the pass and the record."""
    record = dataset.record
    whole = _together(list(parts.values()))
    named = {name: part for name, part in parts.items() if not name.startswith("/")}
    classes = _classes(dataset, whole.classes)
    return {
        "path": dataset.path,
        "split": dataset.split,
        "shape": (len(dataset), *record.shape[1:]),
        "dtype": record.dtype,
        "bytes": _bytes_on_disk(dataset.path),
        "classes": classes,
        "balance": classes and _balance([each.rows for each in classes]),
        "target": dataset.target,
        "label_sets": label_sets(dataset),
        "numbers": number_targets(dataset),
        "splits": {
            name: stop - start
            for name, (start, stop) in dataset.splits.items()
            if dataset.split is None or name in named
        },
        "channels": {
            dataset.split or ALL: _channels(whole),
            **{name: _channels(part) for name, part in named.items()},
        },
        "histogram_step": histogram_step(dataset),
        "window": record.window,
        "standardize": _standardize(dataset, named, whole),
        "normalization": record.normalization,
        "line": _applied_line(record),
        "build": record.build,
    }


def _together(parts: list[ScanResult]) -> ScanResult:
    """The counts of several ranges of rows as one."""
    depth, values = parts[0].histograms.shape
    whole = ScanResult.none(depth, values - 1)
    for part in parts:
        whole.add(part)
    moments = [part.moments for part in parts if part.moments]
    whole.moments = combined(moments) if moments else None
    return whole


def _channels(counts: ScanResult) -> list[Channel]:
    columns = (*_figures(counts), counts.histograms.tolist())
    return [Channel(*channel) for channel in zip(*columns, strict=True)]


def _figures(counts: ScanResult) -> tuple[list[Any], ...]:
    """Mean, std, minimum, maximum, nan and infinite, each a list over the channels."""
    if counts.moments:
        m = counts.moments
        names = (m.mean, m.std, m.minimum, m.maximum, m.nan, m.infinite)
        return tuple(figure.tolist() for figure in names)
    sums = counts.sums
    mean, std = sums.mean_std()
    none = [0] * len(mean)
    return mean.tolist(), std.tolist(), sums.minimum.tolist(), sums.maximum.tolist(), none, none


def _standardize(
    dataset: Dataset, named: dict[str, ScanResult], whole: ScanResult
) -> Standardize | None:
    """From the train split if there is one, as `normalize` does; pixel values are exact."""
    record = dataset.record
    folded = dataset.split is None and has_folds(record)
    if record.normalization or record.unscaled or folded:
        return None
    split = TRAIN if TRAIN in named else dataset.split
    mean, std = named.get(split or "", whole).sums.mean_std()
    return Standardize(split, mean.tolist(), std.tolist(), _line(mean, std, dataset.record.highest))


def _applied_line(record: Record) -> str | None:
    done = record.normalization
    if done is None or record.unscaled:
        return None
    offset, scale = np.array([done.offset, done.scale])
    return _line(offset, 1 / scale, record.highest)


def _line(mean: Figures, std: Figures, highest: int) -> str | None:
    """The constants as people paste them, on the scale 0 to 1."""
    if not (std > 0).all():
        return None
    means, stds = (
        ", ".join(f"{each / highest:.4f}" for each in figures) for figures in (mean, std)
    )
    return f"Normalize(mean=[{means}], std=[{stds}])"


def _classes(dataset: Dataset, sums: dict[int, PixelSums]) -> list[ClassRows] | None:
    if dataset.classes is None or dataset.labels is None:
        return None
    labels, classes, rows = dataset.labels, len(dataset.classes), row_set(dataset)
    counts = class_counts(labels, classes).tolist()
    in_splits = {
        name: class_counts(labels[rows.indices(np.arange(start, stop))], classes).tolist()
        for name, (start, stop) in split_parts(dataset).items()
    }
    return [
        ClassRows(
            name=name,
            label=label,
            rows=counts[label],
            splits={split: each[label] for split, each in in_splits.items()},
            **_levels(sums.get(label)),
        )
        for label, name in enumerate(dataset.classes)
    ]


def _levels(sums: PixelSums | None) -> dict[str, list[Any]]:
    if sums is None:
        return {}
    mean, std = sums.mean_std()
    return {
        "mean": mean.tolist(),
        "std": std.tolist(),
        "minimum": sums.minimum.tolist(),
        "maximum": sums.maximum.tolist(),
    }


def _balance(rows: list[int]) -> float | None:
    return max(rows) / min(rows) if min(rows) else None


def _bytes_on_disk(path: str) -> int:
    return sum(entry.stat().st_size for entry in os.scandir(path) if entry.is_file())


def _sources(facts: Facts) -> Sources:
    names, counts = np.unique(facts["format"], return_counts=True)
    by_count = sorted(zip(counts.tolist(), names.tolist(), strict=True), reverse=True)
    return Sources(
        formats={name.decode("ascii", "replace"): count for count, name in by_count},
        heights=_spread(facts["height"]),
        widths=_spread(facts["width"]),
    )


def _spread(sizes: NDArray[np.uint32]) -> tuple[float, float, float]:
    return float(sizes.min()), float(np.median(sizes)), float(sizes.max())
