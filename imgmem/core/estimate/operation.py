"""`estimate`: what the naive conversion would take, next to what imgmem takes; headers only.

Nothing here needs OpenCV: it works even where OpenCV cannot be loaded.
"""

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass
from math import prod
from typing import Unpack

import numpy as np

from imgmem.core import forecast
from imgmem.core.errors import CheckFailed, InputError, UsageError
from imgmem.core.estimate import naive
from imgmem.core.estimate.existing import replacing_note
from imgmem.core.estimate.growth import fitting_size
from imgmem.core.estimate.header_stats import HeaderStats, scan_headers
from imgmem.core.estimate.naive import Stages
from imgmem.core.estimate.verdicts import (
    Available,
    NaiveForecast,
    Required,
    available_here,
    below_floor,
    judge_naive,
    judge_required,
)
from imgmem.core.machine import memory, process
from imgmem.core.messages import option
from imgmem.core.options.option import applied
from imgmem.core.options.tables import EstimateOptions
from imgmem.core.paths import SourcePaths, absolute
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.sources import Listing, Source, open_source
from imgmem.core.sources.labeling import Labeling, class_counts, split_counts
from imgmem.core.sources.no_images import require_images
from imgmem.core.sources.prefixes import require_no_images, source_paths
from imgmem.core.sources.remote.fetched import forget_fetched
from imgmem.core.sources.scratch import scratch_near
from imgmem.core.sources.settle import settle
from imgmem.core.specs import NAIVE_DTYPES, EstimateSpec, ImageSpec, NaiveDtype, RunSpec, row_dtype
from imgmem.core.storage import durable, store
from imgmem.core.storage.labels import count_labels
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import label_bytes
from imgmem.core.text import summary
from imgmem.core.units import format_bytes


@dataclass(frozen=True, kw_only=True)
class Images:
    """What was found.

    listed, examined: images, and how many headers of them were read. rows: what they make;
    row_shape: (H, W, C), or None where native sizes differ. values: array elements of all
    rows; error: half its 95 % interval, relative (0 unless sampled). sizes: how many
    different upright sizes there are; smallest, largest: (height, width) by area.
    rejected, ignored: counts by reason. rule: how labels were found. class_counts, splits:
    images (rows of a dataset) of each; class_counts is None without classes. source_bytes: of the
    image files, or of the dataset's features. requests: that a store took, at least. target: what
    labels are, None without. label_bytes: of a row's labels.
    """

    listed: int
    examined: int
    rows: int
    row_shape: tuple[int, int, int] | None
    values: int
    error: float
    sizes: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    rejected: dict[str, int]
    ignored: dict[str, int]
    notes: list[str]
    rule: str
    class_counts: dict[str, int] | None
    splits: dict[str, int]
    source_bytes: int
    requests: int = 0
    target: str | None = None
    label_bytes: int = 0


@dataclass(frozen=True, kw_only=True, repr=False)
class Estimate:
    """The forecast for `path`, which is a "source" or a "dataset" (`kind`).

    naive: by dtype. build: None for a dataset, and where native sizes differ. normalize:
    None where it has been done, and where there can be no dataset. fitting_size: where the disk
    has no room for the dataset, the largest (height, width) that it has room for.
    """

    path: str
    kind: str
    images: Images
    available: Available
    naive: dict[str, NaiveForecast]
    build: Required | None
    normalize: Required | None
    fitting_size: tuple[int, int] | None = None

    def __repr__(self) -> str:
        return summary(
            self,
            f"{self.images.rows} rows",
            *(
                f"{dtype} naively {format_bytes(naive.peak_bytes)}"
                for dtype, naive in self.naive.items()
            ),
            f"build {format_bytes(self.build.memory_bytes)}" if self.build else "",
        )


@process.settings()
def estimate(
    path: SourcePaths,
    *,
    spec: EstimateSpec = EstimateSpec(),
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[EstimateOptions],
) -> Estimate:
    """Predict what converting the images of a source, or a dataset, takes. Reads headers only.

    Args:
        path: A source as `build` takes it, or several, or a dataset.
        spec: What to predict; `options` change its fields.
        run: Workers and memory budget, as for `build`.
        progress: Called with a `Progress` now and then.
        **options: The options of the command by their names, e.g. `size="native"`,
            `sample=5000`, `limit="8GiB"`.

    Returns:
        What was found, the naive conversion stage by stage, and what imgmem takes.

    Raises:
        CheckFailed: The naive conversion takes more than `limit`; its `result` is the estimate.
        InputError: There is no usable image.
        DatasetError: The dataset is damaged.
        ResourceError: The memory budget is too small to read the source.
        UsageError: Options are unknown or contradict each other, or are for images and `path`
            is a dataset.
    """
    require_callback(progress)
    spec, run = applied(EstimateOptions, options, spec, run)
    paths = source_paths(path)
    require_no_images(paths, "estimate")
    result = _estimate(tuple(map(absolute, paths)), spec, run, progress)
    if failure := limit_check(result, spec):
        raise failure
    return result


def _estimate(
    paths: tuple[str, ...], spec: EstimateSpec, run: RunSpec, progress: ProgressCallback
) -> Estimate:
    if len(paths) == 1 and durable.is_file(os.path.join(paths[0], store.RECORD)):
        return _of_dataset(paths[0], spec, run, available_here(paths[0]))
    with ExitStack() as stack:
        stack.enter_context(scratch_near(spec.out))
        stack.callback(forget_fetched)
        opened = open_source(
            paths, spec, sizes=spec.sample is None, budget=memory.budget(run.memory)
        )
        source = stack.enter_context(closing(opened))
        return _of_source(", ".join(paths), source, spec, run, progress, available_here(spec.out))


def limit_check(result: Estimate, spec: EstimateSpec) -> CheckFailed | None:
    """The failure of `spec.limit`, where the naive conversion takes more; else None."""
    name, conversion = _wanted(result.naive, spec.naive_dtype)
    peak = conversion.peak_bytes
    if spec.limit is None or peak <= spec.limit:
        return None
    return CheckFailed(
        f"the naive conversion ({name}) takes {format_bytes(peak)}, "
        f"over the limit of {format_bytes(spec.limit)}",
        hint=f"Use imgmem build, fewer images or a smaller {option('size')}.",
        limit_bytes=spec.limit,
        peak_bytes=peak,
    ).of(result)


def _wanted(conversions: dict[str, NaiveForecast], dtype: str) -> tuple[str, NaiveForecast]:
    """The conversion to `dtype`, or the dearest one where a dataset has not that one."""
    return (dtype, conversions[dtype]) if dtype in conversions else list(conversions.items())[-1]


def _rejects(found: HeaderStats) -> str:
    said = [f"{count} rejected ({reason})" for reason, count in sorted(found.rejected.items())]
    return f": {', '.join(said)}" if said else ""


def _no_images_hint(found: HeaderStats) -> str:
    if found.rejected["too-large"]:
        return f"Give a larger {option('max_pixels')} for images that are too large."
    return "Image files end in .jpg, .png, .webp and the like, or have no extension."


def _of_source(
    path: str,
    source: Source,
    spec: EstimateSpec,
    run: RunSpec,
    progress: ProgressCallback,
    here: Available,
) -> Estimate:
    listing, labeling = settle(source.listing(progress), spec)
    require_images(path, listing, labeling)
    found = _usable_headers(path, source, listing, spec, progress)
    images = _images(found, listing, labeling, spec.image)
    images.notes.extend(replacing_note(spec.out))
    build = _build(found, images, source, listing, spec, run, here) if images.row_shape else None
    normalize = fitting = None
    if build and images.row_shape:
        shape = (images.rows, *images.row_shape)
        normalize = _normalize(shape, spec.dtype, spec, run, here, build.disk_bytes)
        fitting = fitting_size(
            images.row_shape, rows=images.rows, dtype=spec.dtype,
            disk_bytes=build.disk_bytes, free_bytes=here.disk_bytes,
        )  # fmt: skip
    return Estimate(
        path=path, kind="source", images=images, available=here,
        naive={name: _judged(_converting(images, name), images, here) for name in NAIVE_DTYPES},
        build=build, normalize=normalize, fitting_size=fitting,
    )  # fmt: skip


def _usable_headers(
    path: str, source: Source, listing: Listing, spec: EstimateSpec, progress: ProgressCallback
) -> HeaderStats:
    """What the headers say. Raises InputError where no image can be used."""
    found = scan_headers(
        source, listing, spec.image,
        dtype=row_dtype(spec.dtype, spec.image), sample=spec.sample, progress=progress,
    )  # fmt: skip
    if not found.usable:
        raise InputError(
            f"no image in {path} can be used{_rejects(found)}",
            hint=_no_images_hint(found),
            rejected=dict(found.rejected),
            ignored=dict(listing.ignored),
        )
    return found


def _images(found: HeaderStats, listing: Listing, labeling: Labeling, image: ImageSpec) -> Images:
    by_area = sorted(found.sizes, key=prod)
    target = labeling.target if listing.labeled else None
    size = image.size or (by_area[0] if len(by_area) == 1 else None)
    rows, error = found.rows.total(found.listed)
    values = round(rows) * prod(size) * image.depth if size else 0
    if size is None:
        total, error = found.values.total(found.weight)
        values = round(total)
    return Images(
        listed=found.listed, examined=found.examined, rows=round(rows),
        row_shape=size and (*size, image.depth), values=values, error=error,
        sizes=len(by_area), smallest=by_area[0], largest=by_area[-1],
        rejected=dict(found.rejected), ignored=dict(listing.ignored), notes=_notes(listing),
        rule=labeling.rule, class_counts=class_counts(labeling), splits=split_counts(labeling),
        source_bytes=found.file_bytes, requests=found.requests,
        target=target,
        label_bytes=label_bytes(
            target, classes=len(labeling.classes or ()), names=len(labeling.target_names)
        ),
    )  # fmt: skip


def _notes(listing: Listing) -> list[str]:
    return [*listing.notes, *(f"build would stop: {doubt.evidence}" for doubt in listing.doubts)]


def _converting(images: Images, dtype: NaiveDtype) -> Stages:
    return naive.conversion(
        rows=images.rows, values=images.values, largest=prod(images.largest),
        stackable=images.row_shape is not None, dtype=dtype,
    )  # fmt: skip


def _judged(stages: Stages, images: Images, here: Available) -> NaiveForecast:
    sizes = 1 if images.row_shape else images.sizes
    return judge_naive(stages, rows=images.rows, error=images.error, sizes=sizes, available=here)


def _build(
    found: HeaderStats,
    images: Images,
    source: Source,
    listing: Listing,
    spec: EstimateSpec,
    run: RunSpec,
    here: Available,
) -> Required:
    """What `build` takes, by the formula that it plans with."""
    values, itemsize = prod(images.row_shape or ()), np.dtype(spec.dtype).itemsize
    disk = source.spool_bytes + forecast.build_disk(
        rows=images.rows, row_bytes=values * itemsize, label_bytes=images.label_bytes,
        name_bytes=round(found.name_bytes * images.rows / images.listed),
    )  # fmt: skip
    demand = forecast.BuildDemand.of(
        rows=images.rows, values=values, itemsize=itemsize, workers=run.workers,
        cpus=memory.allowed_cpus(), remote=source.remote,
    )  # fmt: skip
    budget, needed = memory.budget(run.memory), demand.budget_alone(found.decode_bytes)
    mean_bytes = max(1, found.file_bytes // found.listed)
    by_processes = demand.by_processes("auto", budget=budget, mean_bytes=mean_bytes)
    if by_processes and by_processes.divide(budget).image_bytes >= found.decode_bytes:
        demand = by_processes
    elif budget < needed:
        why = "" if budget < demand.floor else "the largest image needs more to decode"
        return below_floor(budget, needed, disk, why=why)
    plan = demand.divide(budget)
    takes = forecast.expected_bytes(plan, decode_bytes=found.decode_bytes)
    if found.decode_bytes > plan.image_bytes:  # the largest image is decoded alone
        takes = max(takes, demand.budget_alone(found.decode_bytes))
    return judge_required(max(takes, listing.memory_bytes), disk, available=here)


def _normalize(
    shape: tuple[int, ...],
    dtype: str,
    spec: EstimateSpec,
    run: RunSpec,
    here: Available,
    before: int,
) -> Required:
    """What an in-place `normalize` of features of `shape` takes, by the formula of its own."""
    values, budget = prod(shape), memory.budget(run.memory)
    stored, wanted = np.dtype(dtype).itemsize, np.dtype(spec.float_dtype).itemsize
    disk = forecast.rewrite_disk(values=values, stored=stored, wanted=wanted)
    try:
        takes = forecast.rewrite_memory(values=values, stored=stored, wanted=wanted, budget=budget)
    except UsageError as error:
        return below_floor(budget, error.facts["floor_bytes"], disk)
    return judge_required(takes, disk, available=here, before=before)


def _of_dataset(path: str, spec: EstimateSpec, run: RunSpec, here: Available) -> Estimate:
    if spec.image != ImageSpec():
        raise UsageError(
            f"{path} is a dataset: its images are as they are, {option('size')} and the like do "
            "not apply",
            hint="Leave these options out, or estimate the source.",
        )
    record = store.read_record(path)
    images = _stored(path, record)
    stages = _loading(record)
    return Estimate(
        path=path, kind="dataset", images=images, available=here,
        naive={name: _judged(each, images, here) for name, each in stages.items()},
        build=None,
        normalize=None if record.normalization
        else _normalize(record.shape, record.dtype, spec, run, here, 0),
    )  # fmt: skip


def _stored(path: str, record: Record) -> Images:
    rows, height, width, depth = record.shape
    return Images(
        listed=rows, examined=0, rows=rows, row_shape=(height, width, depth),
        values=prod(record.shape), error=0.0, sizes=1, smallest=(height, width),
        largest=(height, width), rejected={}, ignored={}, notes=replacing_note(path),
        rule="dataset",
        class_counts=count_labels(path, record),
        splits={name: stop - start for name, (start, stop) in record.splits.items()},
        source_bytes=record.features_header.data_bytes, target=record.kind,
        label_bytes=record.labels_header.row_bytes if record.labeled else 0,
    )  # fmt: skip


def _loading(record: Record) -> dict[str, Stages]:
    """The naive stages by dtype; what is normalized already only needs to be loaded."""
    values, item_bytes = prod(record.shape), np.dtype(record.dtype).itemsize
    if record.normalization and not record.normalization.on_read:
        return {record.dtype: naive.loading(values, record.dtype, item_bytes, "uint8")}
    return {
        name: naive.loading(values, record.dtype, item_bytes, name)
        for name in NAIVE_DTYPES
        if naive.ITEM_BYTES[name] >= item_bytes
    }
