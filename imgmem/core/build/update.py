"""`update`: a finished dataset is built again from its source, which has changed.

It is a full build that copies the rows of images which it knows (`known`, `copying`), under the
splits that known images have (`split_like`): so the result has the bytes of one that decodes all.
"""

import hashlib
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from imgmem._version import __version__
from imgmem.core.build.classes import with_classes
from imgmem.core.build.drop import with_options_of
from imgmem.core.build.freshness import may_be_newer, require_files
from imgmem.core.build.known import UpdateCounts
from imgmem.core.build.manifest import BuildInputs, BuildManifest
from imgmem.core.build.plan import Plan
from imgmem.core.build.split_like import DRAWN_BY, split_rule, with_split_of
from imgmem.core.build.sticky import require_sticky, with_known_classes, without_new_pin
from imgmem.core.errors import DatasetError
from imgmem.core.forecast import copied_row_bytes
from imgmem.core.messages import Message, option
from imgmem.core.sources.datasets import DatasetSource
from imgmem.core.specs import BuildSpec, OutPolicy
from imgmem.core.storage import store
from imgmem.core.storage.record import Record
from imgmem.core.storage.system import naming
from imgmem.core.text import differences


def settled_spec(
    sources: tuple[str, ...],
    spec: BuildSpec,
    given: Mapping[str, Any],
    *,
    out: str,
    updated: Record | None,
    existing: OutPolicy,
) -> BuildSpec:
    """`spec` with what it takes from other datasets, and from the one that is updated.

    given: the options that were given. updated: the record of the dataset at `out`, if that is
    to be updated. Raises UsageError, InputError or DatasetError where one cannot be followed.
    """
    if existing.update:
        spec = with_known_classes(spec, updated, out)
    spec = with_options_of(sources, with_split_of(with_classes(spec)), given)
    if updated is None or not _has_drawn(updated):
        return spec
    asked = bool(spec.splits or spec.folds or spec.split_like)
    theirs = split_rule(updated)
    if existing.resplit:
        seed = spec.seed or theirs.seed
        return spec if asked else replace(spec, splits=theirs.splits, folds=theirs.folds, seed=seed)
    drawn_otherwise = (spec.splits, spec.folds) != theirs[:2] or (
        spec.split_like is not None and spec.seed != theirs.seed
    )
    if asked and drawn_otherwise:
        return spec  # `_require_same_options` says what differs
    return with_split_of(replace(spec, split_like=out))


def like_notes(asked: str | None, plan: Plan, out: str) -> list[str]:
    """That an update keeps the splits of `out` where those of another dataset were asked for."""
    if (
        asked is None
        or plan.spec.split_like != out
        or os.path.realpath(asked) == os.path.realpath(out)
    ):
        return []
    moved, known = plan.moved_since(asked)
    if not moved:
        return []
    kept = f"{moved} of {known} images have another split in {asked}, and kept that of {out}"
    return [Message(f"{kept}; {option('resplit', True)} takes those of {asked}")]


def _has_drawn(record: Record) -> bool:
    """Whether images of a dataset are in splits that its source does not say."""
    rule = split_rule(record)
    return bool(record.splits) and bool(rule.splits or rule.folds or record.split_table)


def compare(
    record: Record, out: str, inputs: BuildInputs, plan: Plan, existing: OutPolicy
) -> tuple[bool, UpdateCounts]:
    """Whether the dataset `out` is what an update would make of it; and what the update does.

    Raises InputError where known classes would get another index, and DatasetError where it was
    built with other options or lacks files.
    """
    require_files(record, out)
    _require_same_options(record, out, inputs, existing)
    require_sticky(record, plan.classes, out)
    inputs = without_new_pin(inputs, record, plan.classes)
    same = record.build.get("identity") == inputs.identity
    if existing.resplit and record.split_table is not None:
        same = False
    if same and not may_be_newer(out, plan):
        return True, UpdateCounts(kept=record.shape[0])
    counts = plan.find_known(out, record)
    return same and counts.nothing, counts


def _require_same_options(
    record: Record, out: str, inputs: BuildInputs, existing: OutPolicy
) -> None:
    settled = ("classes", *(DRAWN_BY if existing.resplit else ()))
    before, now = (
        {name: value for name, value in options.items() if name not in settled}
        for options in (record.build.get("options", {}), inputs.options)
    )
    changed = differences(before, now)
    if not changed:
        return
    hint = (
        f"Give the options that it was built with, or replace it with {option('overwrite', True)}."
    )
    if all(before.get(name) == now.get(name) for name in before | now if name not in DRAWN_BY):
        hint = (
            f"Leave out {option('split')} and {option('seed')}, for its splits are kept, or draw "
            f"all of them again with {option('resplit', True)}."
        )
    raise DatasetError(
        f"{option('update', True)} needs the options that {out} was built with; these differ: "
        f"{changed}",
        hint=hint,
        path=out,
    )


def fingerprint(out: str) -> str:
    """sha256 of `dataset.json`, which vouches for the rows of the dataset at `out`."""
    name = os.path.join(out, store.RECORD)
    with naming(name), open(name, "rb", opener=store.open_regular) as file:
        return hashlib.sha256(file.read()).hexdigest()


def why_not_copied(
    record: Record, inputs: BuildInputs, manifest: BuildManifest | None = None
) -> str | None:
    """Why rows of a dataset are not those that decoding would make; None where they are.

    manifest: of what is built, where that is known.
    """
    build = record.build
    versions = differences(
        {"imgmem": build.get("imgmem")} | build.get("decoders", {}),
        {"imgmem": __version__} | inputs.decoders,
    )
    if versions:
        return f"other versions made its rows ({versions})"
    if record.notes_column is None:
        return "the version of imgmem that built it noted less of each image"
    if record.normalization is not None and record.normalization.is_final:
        return "16-bit values as float16 do not invert to the original ones"
    if manifest is not None and not _is_made_alike(record, manifest):
        return "its images have another size or range of values than before"
    return None


def _is_made_alike(record: Record, manifest: BuildManifest) -> bool:
    made = _as_json(manifest.image), manifest.shape, manifest.dtype
    return made == (record.image, record.shape[1:], record.original_dtype)


def with_copies(manifest: BuildManifest, record: Record, out: str) -> BuildManifest:
    """The manifest of a build that copies rows of the dataset at `out`."""
    header = record.features_header
    return replace(
        manifest,
        copied_from=fingerprint(out),
        copied_row_bytes=copied_row_bytes(
            values=prod(manifest.shape),
            itemsize=np.dtype(manifest.dtype).itemsize,
            stored=header.dtype.itemsize,
            whole=header.dtype.kind == "u" or record.unscaled,
        ),
    )


def open_copied(out: str, expected: str, work: str) -> DatasetSource:
    """The dataset that rows are copied from, locked against writers.

    expected: its fingerprint. work: of the build. Raises DatasetError where it is another by now.
    """
    with ExitStack() as failed:
        source = DatasetSource(out)
        failed.callback(source.close)
        if fingerprint(out) != expected:
            raise DatasetError(
                f"{out} has changed since its update was started in {work}",
                hint=f"Start over with {option('restart', True)}.",
                path=out,
            )
        failed.pop_all()
    return source


def _as_json(value: Any) -> Any:
    """With lists in place of tuples."""
    if isinstance(value, Mapping):
        return {key: _as_json(each) for key, each in value.items()}
    return [_as_json(each) for each in value] if isinstance(value, list | tuple) else value
