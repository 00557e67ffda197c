"""From what a user asks for to the offset and scale of each channel."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imgmem.core.errors import UsageError
from imgmem.core.levels.histograms import LevelSums
from imgmem.core.normalize.measure import measure
from imgmem.core.normalize.recode import Chunking
from imgmem.core.progress import ProgressCallback
from imgmem.core.specs import NormalizeSpec, RunSpec
from imgmem.core.storage import store
from imgmem.core.storage.durable import File
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.record import Normalization, Record

TRAIN = "train"
_MAX = 255


@dataclass(frozen=True)
class Constants:
    """What decides the values, per channel, in gray levels; and what to tell about it."""

    method: str
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    warnings: tuple[str, ...] = ()


def require_consistent(spec: NormalizeSpec) -> None:
    """UsageError for options that contradict each other."""
    given = spec.mean is not None or spec.std is not None
    if given != (spec.method == "given"):
        raise UsageError("mean and std go with the method 'given', and only with it")
    if given and (spec.mean is None or spec.std is None):
        raise UsageError("--mean and --std go together", hint="Give both.")
    if spec.scale is not None and not given:
        raise UsageError("--scale tells what --mean and --std speak of", hint="Give these too.")
    if spec.stats_from is not None and spec.method in ("given", "rescale"):
        raise UsageError(
            "--stats-from gives the constants, so nothing else may",
            hint="Leave out --mean and --std, or --method rescale.",
        )


def statistics_rows(record: Record) -> tuple[str | None, tuple[int, int]]:
    """The split and its rows that statistics are taken from: train, or else all rows."""
    start, stop = record.splits.get(TRAIN, (0, 0))
    return (TRAIN, (start, stop)) if start < stop else (None, record.rows_of(None))


def own(spec: NormalizeSpec, sums: LevelSums) -> Constants:
    """Constants for the methods that need nothing but this dataset's own statistics, or none."""
    if spec.method == "rescale":
        depth = len(sums.count)
        return Constants("rescale", (0.0,) * depth, (1 / _MAX,) * depth)
    mean, std = sums.mean_std()
    if spec.method == "standardize":
        scale, warnings = _inverted(std)
        return Constants(
            "standardize",
            tuple(mean.tolist()),
            scale,
            tuple(mean.tolist()),
            tuple(std.tolist()),
            warnings,
        )
    low, high = sums.minimum.astype(np.float64), sums.maximum.astype(np.float64)
    scale, warnings = _inverted(high - low)
    return Constants("minmax", tuple(low.tolist()), scale, warnings=warnings)


def _inverted(spread: npt.NDArray[np.float64]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """1 / spread, and 1 with a warning for the channels that have none."""
    constant = spread == 0
    warnings = (
        f"channel {channel} is constant: its scale is left at 1"
        for channel in np.flatnonzero(constant)
    )
    return tuple((1 / np.where(constant, 1, spread)).tolist()), tuple(warnings)


def given(spec: NormalizeSpec, depth: int) -> Constants:
    """Constants from mean and std, on whichever scale they are."""
    assert spec.mean is not None and spec.std is not None
    mean, std = (_per_channel(numbers, depth) for numbers in (spec.mean, spec.std))
    if not (np.isfinite([mean, std]).all() and (std > 0).all()):
        raise UsageError("--mean and --std must be finite numbers, and --std above 0")
    factor = _MAX / (spec.scale or _scale_of(mean, std))
    mean, std = mean * factor, std * factor
    warnings = (
        ()
        if spec.scale or factor == 1
        else ("all of --mean and --std are at most 1: taken on the scale 0 to 1 (--scale 1)",)
    )
    scale = tuple((1 / std).tolist())
    return Constants(
        "given", tuple(mean.tolist()), scale, tuple(mean.tolist()), tuple(std.tolist()), warnings
    )


def _per_channel(numbers: Sequence[float], depth: int) -> npt.NDArray[np.float64]:
    if len(numbers) not in (1, depth):
        raise UsageError(
            f"{len(numbers)} numbers for {depth} channels",
            hint=f"Give --mean and --std one number, or {depth}, separated by commas.",
        )
    return np.resize(np.array(numbers, np.float64), depth)


def _scale_of(mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64]) -> int:
    if (mean <= 1).all() and (std <= 1).all():
        return 1
    if (mean > 1).all():
        return _MAX
    raise UsageError(
        "--mean and --std are in part above 1 and in part not: on which scale are they?",
        hint="Give --scale 1 (pixels from 0 to 1) or --scale 255.",
    )


def foreign(
    spec: NormalizeSpec, depth: int, *, run: RunSpec, progress: ProgressCallback
) -> Constants:
    """Constants from another dataset: those that it has been normalized with, or its statistics."""
    path = str(spec.stats_from)
    store.require_directory(path)
    with Lock(path, exclusive=False):
        record = store.read_record(path)
        store.check_arrays(path, record)
        if record.shape[3] != depth:
            raise UsageError(
                f"{path} has {record.shape[3]} channels, this dataset has {depth}",
                hint="Both must be rgb, or both gray.",
            )
        if record.normalization is not None:
            return _recorded(spec, path, record.normalization)
        return own(spec, _sums_of(path, record, run=run, progress=progress))


def _recorded(spec: NormalizeSpec, path: str, done: Normalization) -> Constants:
    if done.method not in ("given", spec.method):
        raise UsageError(
            f"{path} is normalized by {done.method}, not by {spec.method}",
            hint=f"Give --method {done.method}, or undo the normalization of {path} first.",
        )
    return Constants(done.method, done.offset, done.scale, done.mean, done.std)


def _sums_of(path: str, record: Record, *, run: RunSpec, progress: ProgressCallback) -> LevelSums:
    """The sums of the levels in the rows that statistics are taken from."""
    chunking = Chunking.of(record, "float32")
    rows = statistics_rows(record)[1]
    with File(os.path.join(path, store.FEATURES), writable=False) as features:
        return measure(features, record, chunking, rows=rows, run=run, progress=progress).sums
