"""From what a user asks for to the offset and scale of each channel."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from imgmem.core.errors import UsageError
from imgmem.core.levels.histograms import PixelSums
from imgmem.core.levels.methods import METHODS, Constants
from imgmem.core.messages import Message, command, option
from imgmem.core.normalize.measure import Ranges, measure
from imgmem.core.normalize.recode import Chunking
from imgmem.core.progress import ProgressCallback
from imgmem.core.read.row_set import joined
from imgmem.core.read.selection import choice_text, has_folds, ranges_of, trained_on
from imgmem.core.specs import ALL, FOLD, NOT, NormalizeSpec, RunSpec
from imgmem.core.storage import image_options, store
from imgmem.core.storage.durable import File
from imgmem.core.storage.locks import Lock
from imgmem.core.storage.record import Normalization, Record

_CHOICES = (
    "mean", "std", "scale", "stats_from", "stats_split", "allow_mismatch", "method", "dtype",
    "on_read",
)  # fmt: skip
"""Options that say what to normalize to."""


def with_method(spec: NormalizeSpec, given: Mapping[str, object]) -> NormalizeSpec:
    """`spec` with the method that a mean or std among the given options stands for.

    Raises UsageError for a method next to them, and for any of these next to `undo`.
    """
    chosen = [name for name in _CHOICES if given.get(name) not in (None, False)]
    if spec.undo and chosen:
        named = ", ".join(map(option, chosen))
        raise UsageError(
            f"{named} and {option('undo', True)} contradict each other", hint="Leave out one."
        )
    if not {"mean", "std"} & set(chosen):
        return spec
    if "method" in chosen:
        raise UsageError(
            f"{option('mean')} and {option('std')} cannot be combined with another method",
            hint=f"Leave out {option('method', given['method'])}.",
        )
    return replace(spec, method="given")


def require_consistent(spec: NormalizeSpec) -> None:
    """UsageError for options that contradict each other."""
    given = spec.mean is not None or spec.std is not None
    if given != (spec.method == "given"):
        raise UsageError(
            f"{option('mean')} and {option('std')} require {option('method', 'given')}, and "
            "vice versa"
        )
    if given and (spec.mean is None or spec.std is None):
        raise UsageError(
            f"{option('mean')} and {option('std')} are only valid together", hint="Give both."
        )
    if spec.scale is not None and not given:
        raise UsageError(
            f"{option('scale')} only applies with {option('mean')} and {option('std')}",
            hint="Give these too.",
        )
    if spec.stats_split is not None and not METHODS[spec.method].needs_statistics:
        raise UsageError(
            f"{option('stats_split')} has no effect: these constants do not come from rows",
            hint=f"Leave it out, or give {option('method', 'standardize')}.",
        )
    if spec.stats_from is not None and not METHODS[spec.method].needs_statistics:
        raise UsageError(
            f"{option('stats_from')} already provides the constants",
            hint=f"Leave out {option('mean')} and {option('std')}, or "
            f"{option('method', 'rescale')}.",
        )


def statistics_split(spec: NormalizeSpec, path: str, record: Record) -> str | None:
    """The splits that statistics are taken from: those asked for, else train, or all rows (None).

    Raises UsageError, with both commands, where that is not clear: with folds and no train.
    """
    if spec.stats_split is not None:
        return None if spec.stats_split == ALL else choice_text(spec.stats_split)
    if not has_folds(record):
        return choice_text(trained_on(record, None))
    one, every = (
        command("normalize", path, **_as_given(spec), stats_split=choice)
        for choice in (f"{NOT}{FOLD}1", ALL)
    )
    raise UsageError(
        f"{path} has folds and no train: which rows should the constants come from?",
        hint=f"Run `{one}` for the training rows of the first fold, or `{every}` for all rows, "
        "including held-out ones.",
        path=path,
    )


def own_rows(spec: NormalizeSpec, path: str, record: Record) -> tuple[str | None, Ranges]:
    """The splits of the dataset that its own constants come from (None for all rows), and their
    rows; no rows where the constants come from elsewhere."""
    if spec.stats_from is not None or not METHODS[spec.method].needs_statistics:
        return None, ()
    split = statistics_split(spec, path, record)
    return split, joined(ranges_of(record, split))


def _as_given(spec: NormalizeSpec) -> dict[str, Any]:
    """The options that are not at their defaults, for a command that repeats them."""
    usual = NormalizeSpec()
    return {
        field.name: value
        for field in fields(spec)
        if (value := getattr(spec, field.name)) != getattr(usual, field.name)
    }


def own(spec: NormalizeSpec, sums: PixelSums, highest: int) -> Constants:
    """Constants from the statistics of one dataset, for methods that are not given any.

    highest: the highest value that its rows can hold.
    """
    make = METHODS[spec.method].constants
    assert make is not None, "the method 'given' has no statistics"
    return make(sums, highest)


def given(spec: NormalizeSpec, record: Record) -> Constants:
    """Constants from mean and std, on whichever scale they are."""
    depth, highest = record.shape[3], record.highest
    _check_scale(spec, highest)
    assert spec.mean is not None and spec.std is not None
    mean, std = (_per_channel(numbers, depth) for numbers in (spec.mean, spec.std))
    if not (np.isfinite([mean, std]).all() and (std > 0).all()):
        raise UsageError(
            f"{option('mean')} and {option('std')} must be finite, and {option('std')} above 0"
        )
    factor = highest / (spec.scale or _scale_of(mean, std, highest))
    mean, std = mean * factor, std * factor
    means, stds = tuple(mean.tolist()), tuple(std.tolist())
    return Constants("given", means, tuple((1 / std).tolist()), means, stds)


def _check_scale(spec: NormalizeSpec, highest: int) -> None:
    if spec.scale not in (None, 1, highest):
        raise UsageError(
            f"{option('scale', spec.scale)} is not the range of these features, which hold values "
            f"up to {highest}",
            hint=f"Give {option('scale', 1)} or {option('scale', highest)}.",
        )


def notes(spec: NormalizeSpec) -> tuple[Message, ...]:
    """What was inferred about the given constants: that all of them are on the scale 0 to 1."""
    if spec.mean is None or spec.std is None or spec.scale:
        return ()
    if not _is_to_one(np.array(spec.mean), np.array(spec.std)):
        return ()
    return (
        Message(
            f"all of {option('mean')} and {option('std')} are at most 1: "
            f"using the scale 0 to 1 ({option('scale', 1)})"
        ),
    )


def _per_channel(numbers: Sequence[float], depth: int) -> npt.NDArray[np.float64]:
    if len(numbers) not in (1, depth):
        raise UsageError(
            f"{len(numbers)} numbers for {depth} channels",
            hint=f"Give {option('mean')} and {option('std')} one number, or {depth}, separated "
            "by commas.",
        )
    return np.resize(np.array(numbers, np.float64), depth)


def _is_to_one(mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64]) -> bool:
    return bool((mean <= 1).all() and (std <= 1).all())


def _scale_of(mean: npt.NDArray[np.float64], std: npt.NDArray[np.float64], highest: int) -> int:
    if _is_to_one(mean, std):
        return 1
    if (mean > 1).all():
        return highest
    raise UsageError(
        f"{option('mean')} and {option('std')} mix values above and below 1; pass "
        f"{option('scale')}",
        hint=f"Give {option('scale', 1)} (pixels from 0 to 1) or {option('scale', highest)}.",
    )


def foreign(
    spec: NormalizeSpec, target: str, ours: Record, *, run: RunSpec, progress: ProgressCallback
) -> Constants:
    """Constants from another dataset: those it was normalized with, or its statistics.

    target, ours: the dataset to normalize. Raises UsageError where both are the same dataset or
    differ in channels or range, and DatasetError where they differ in image options, unless that
    is allowed.
    """
    path = str(spec.stats_from)
    store.require_directory(path)
    if os.path.samefile(path, target):
        raise UsageError(
            f"{option('stats_from', path)} is the dataset itself",
            hint="Leave it out: a dataset is normalized by its own statistics.",
        )
    with Lock(path, exclusive=False):
        record = store.read_record(path)
        store.check_arrays(path, record)
        _require_same_values(path, record, ours)
        if not spec.allow_mismatch:
            image_options.require_same(path, record.image, ours.image, "stats_from")
        if record.normalization is not None:
            _require_no_split(spec, path)
            return _recorded(spec, path, record.normalization)
        rows = ranges_of(record, statistics_split(spec, path, record))
        sums = _sums_of(path, record, rows, run=run, progress=progress)
        return own(spec, sums, record.highest)


def _require_same_values(path: str, record: Record, ours: Record) -> None:
    """UsageError where the values of another dataset are not of the same kind as ours."""
    if record.shape[3] != ours.shape[3]:
        raise UsageError(
            f"{path} has {record.shape[3]} channels, this dataset has {ours.shape[3]}",
            hint="Both must be rgb, or both gray.",
        )
    if record.highest != ours.highest:
        raise UsageError(
            f"{path} has values up to {record.highest}, this dataset up to {ours.highest}",
            hint="Build both with the same dtype.",
        )
    require_whole_values(path, record)


def require_whole_values(path: str, record: Record) -> None:
    """UsageError for features that are floats of any range: they could not be restored."""
    if record.unscaled:
        raise UsageError(
            f"{path} holds unscaled floats ({option('levels', 'none')}), which could not be "
            "restored exactly after they were normalized",
            hint="Give mean and std to whatever reads the batches, or build with "
            f"{option('dtype', 'uint16')} or with {option('levels', '0,4095')}.",
        )


def _require_no_split(spec: NormalizeSpec, path: str) -> None:
    if spec.stats_split is not None:
        raise UsageError(
            f"{path} is normalized: its own constants are used, not {option('stats_split')}",
            hint=f"Leave out {option('stats_split')}, or undo the normalization of {path} first.",
        )


def _recorded(spec: NormalizeSpec, path: str, done: Normalization) -> Constants:
    if done.method not in ("given", spec.method):
        raise UsageError(
            f"{path} is normalized by {done.method}, not by {spec.method}",
            hint=f"Give {option('method', done.method)}, or undo the normalization of {path} "
            "first.",
        )
    return Constants(done.method, done.offset, done.scale, done.mean, done.std)


def _sums_of(
    path: str, record: Record, rows: Ranges, *, run: RunSpec, progress: ProgressCallback
) -> PixelSums:
    """The sums of the pixel values in some rows."""
    chunking = Chunking.of(record, "float32")
    with File(os.path.join(path, store.FEATURES), writable=False) as features:
        return measure(features, record, chunking, rows=rows, run=run, progress=progress).sums
