"""What a build would do: everything up to the first image that is decoded, and nothing written."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any, Unpack

import numpy as np

from imgmem.core.build import workdir
from imgmem.core.build.depth import survey_depth
from imgmem.core.build.freshness import require_unchanged
from imgmem.core.build.plan import Plan
from imgmem.core.build.prepare import (
    build_inputs,
    open_and_list,
    require_usable,
)
from imgmem.core.build.rejects import require_allowed_in
from imgmem.core.build.renormalize import undone_notes
from imgmem.core.build.request import BuildRequest
from imgmem.core.build.update import compare, like_notes, why_not_copied
from imgmem.core.errors import DatasetError, ImgmemError, ResourceError
from imgmem.core.forecast import BuildDemand, build_disk
from imgmem.core.machine import memory
from imgmem.core.options.tables import BuildOptions
from imgmem.core.paths import SourcePaths
from imgmem.core.progress import ProgressCallback, no_progress, require_callback
from imgmem.core.sources.labeling import Doubt, require_certain
from imgmem.core.specs import BuildSpec, OutPolicy, RejectPolicy, RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.destination import Destination
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import label_bytes
from imgmem.core.units import format_bytes


@dataclass(frozen=True, kw_only=True)
class PreviewedClass:
    """One class: its name and number (None for images without a label), its images by split,
    and the first paths that are in it."""

    name: str | None
    number: int | None
    images: int
    splits: dict[str, int]
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PreviewedNumber:
    """A number to predict, and its range; None where no image has one."""

    name: str
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True, kw_only=True)
class BuildPreview:
    """What a build would do. Of the images, only some of more than 8 bits are decoded.

    Attributes:
        path: The dataset that would be built.
        source: What it would be built from; several sources are separated by commas.
        rule: How labels are found: "folder:1", "none", "table" ….
        images: Images that would be decoded.
        target: What labels are: "class", "multilabel" or "number"; None without.
        classes: Names, indices and counts, by index; unlabeled images last.
        numbers: The numbers, if labels are numbers.
        splits: Images of each split, in row order.
        ignored: What is skipped, counted by reason.
        notes: What the user should know.
        doubts: Other readings of the source, and the options that settle them.
        changes: What would change at `path`: "new", "nothing", or what differs; "not compared"
            where a problem comes first.
        added: New images; None if no dataset would be updated, as for the next five.
        changed: Images whose bytes have changed.
        removed: Images that are gone.
        kept: Images that have not changed.
        relabeled: Images among `kept` whose label has changed.
        renamed: Images among `kept` whose path has changed.
        disk_bytes: Approximate disk space; None if sizes are not known yet.
        problem: The error that would stop the build before the first image, or None.
    """

    path: str
    source: str
    rule: str
    images: int
    target: str | None
    classes: tuple[PreviewedClass, ...]
    numbers: tuple[PreviewedNumber, ...]
    splits: dict[str, int]
    ignored: dict[str, int]
    notes: tuple[str, ...]
    doubts: tuple[dict[str, Any], ...]
    changes: str
    disk_bytes: int | None
    problem: ImgmemError | None = None
    added: int | None = None
    changed: int | None = None
    removed: int | None = None
    kept: int | None = None
    relabeled: int | None = None
    renamed: int | None = None


def preview_build(
    source: SourcePaths,
    out: str | os.PathLike[str],
    *,
    spec: BuildSpec = BuildSpec(),
    policy: RejectPolicy = RejectPolicy(),
    existing: OutPolicy = OutPolicy(),
    run: RunSpec = RunSpec(),
    progress: ProgressCallback = no_progress,
    **options: Unpack[BuildOptions],
) -> BuildPreview:
    """Show what `build` would do with the same arguments, without decoding or writing.

    Args:
        source: As for `build`.
        out: As for `build`.
        spec: As for `build`.
        policy: As for `build`.
        existing: As for `build`.
        run: As for `build`.
        progress: Called with a `Progress` while images are listed.
        **options: The options of `build` by their names.

    Returns:
        Rule, classes, splits, examples, doubts, and as `problem` the error that `build` would
        end with before it opens the first image.

    Raises:
        UsageError: Options are unknown, or contradict each other or the source.
        InputError: The source cannot be listed, or holds no images.
        ResourceError: There is no scratch space.
    """
    require_callback(progress)
    request = BuildRequest.of(source, out, options, spec, policy, existing, run)
    spec = request.settled(_updated(request))
    budget = memory.budget(request.run.memory)
    with ExitStack() as stack:
        images, listing, labeling = open_and_list(
            stack, request.sources, request.destination.scratch, spec, budget, progress
        )
        plan = Plan.make(images, listing, labeling, spec)
        stack.callback(plan.close)
        doubts = labeling.doubts or survey_depth(plan, images, spec, budget).doubts
        preview = _preview(request, plan, doubts)
        preview = _checked(preview, _checks(plan, request, doubts, preview.disk_bytes or 0))
        kept = like_notes(request.spec.split_like, plan, request.out)
        return replace(preview, notes=(*preview.notes, *kept))


def _preview(request: BuildRequest, plan: Plan, doubts: tuple[Doubt, ...]) -> BuildPreview:
    counts, out = plan.counts(), request.out
    return BuildPreview(
        path=out,
        source=", ".join(request.sources),
        rule=plan.labeling.rule,
        images=plan.total,
        target=plan.target,
        classes=tuple(_classes(plan, counts)),
        numbers=tuple(_numbers(plan)),
        splits=plan.split_counts(),
        ignored=dict(sorted(plan.listing.ignored.items())),
        notes=plan.notes,
        doubts=tuple(asdict(doubt) for doubt in doubts),
        changes="not compared" if durable.exists(os.path.join(out, store.RECORD)) else "new",
        disk_bytes=_disk(plan),
    )


def _classes(
    plan: Plan, counts: Mapping[str | None, Mapping[str | None, int]]
) -> Iterator[PreviewedClass]:
    names: list[str | None] = [*(plan.classes or ()), *([None] if None in counts else [])]
    for number, name in enumerate(names):
        by_split = counts.get(name, {})
        yield PreviewedClass(
            name=name,
            number=None if name is None else number,
            images=sum(by_split.values()),
            splits={split: by_split.get(split, 0) for split in plan.splits},
            examples=plan.labeling.examples.get(name, ()),
        )


def _numbers(plan: Plan) -> Iterator[PreviewedNumber]:
    ranges = plan.number_ranges()
    for name, (low, high) in zip(plan.labeling.target_names, ranges, strict=True):
        yield PreviewedNumber(name=name, minimum=low, maximum=high)


def _disk(plan: Plan) -> int | None:
    spec = plan.spec
    if spec.image.size is None:
        return None
    values = prod(spec.image.size) * spec.image.depth
    return plan.source.spool_bytes + build_disk(
        rows=plan.total,
        row_bytes=values * np.dtype(spec.dtype).itemsize,
        label_bytes=label_bytes(
            plan.target, classes=len(plan.classes or ()), names=len(plan.labeling.target_names)
        ),
        name_bytes=plan.name_bytes(),
    )


Check = Any


def _checks(
    plan: Plan, request: BuildRequest, doubts: tuple[Doubt, ...], needed: int
) -> Iterator[Check]:
    """What `build` checks before the first image, in its order; each is called.

    needed: bytes of disk.
    """
    yield lambda: require_certain(plan.labeling.doubts)
    yield lambda: require_usable(plan, request.policy)
    yield lambda: _changes(plan, request)
    yield lambda: require_certain(doubts)
    if plan.spec.image.size is not None:
        yield lambda: _require_memory(plan, request.run)
    yield lambda: _require_disk(request.destination, needed)


def _checked(preview: BuildPreview, checks: Iterator[Check]) -> BuildPreview:
    """The preview with the first problem, and with what would change."""
    for check in checks:
        try:
            preview = replace(preview, **(check() or {}))
        except DatasetError as error:
            return replace(preview, problem=error, changes=error.message)
        except ImgmemError as error:
            return replace(preview, problem=error)
        if preview.changes == "nothing":
            return preview
    return preview


def _changes(plan: Plan, request: BuildRequest) -> dict[str, Any]:
    """What would change at the destination, as fields of the preview. Raises what `build` would."""
    destination, existing = request.destination, request.existing
    record = workdir.finished_record(destination)
    if record is None:
        inputs = build_inputs(plan)
        changes = workdir.what_becomes(destination, inputs, plan, restart=existing.restart)
        return {"changes": changes}
    if existing.update:
        fields = _update(plan, destination, record, existing)
    else:
        fields = {"changes": _replaced(plan, destination, record, existing)}
    if fields["changes"] == "nothing":
        require_allowed_in(record, request.policy, total=plan.total, out=destination.out)
        return fields
    workdir.require_replaceable(destination)
    inputs = build_inputs(plan)
    unfinished = workdir.what_becomes(destination, inputs, plan, restart=existing.restart)
    more = unfinished.removeprefix("new").removeprefix("; ")
    return fields | {"changes": f"{fields['changes']}; {more}" if more else fields["changes"]}


def _update(
    plan: Plan, destination: Destination, record: Record, existing: OutPolicy
) -> dict[str, Any]:
    inputs = build_inputs(plan)
    done, counts = compare(record, destination.out, inputs, plan, existing)
    if done:
        return asdict(counts) | {"changes": "nothing"}
    notes = [*plan.notes, *undone_notes(record)]
    why = None if plan.spec.copies else why_not_copied(record, inputs)
    if why is not None:
        notes.append(f"all images will be decoded, because no row can be copied: {why}")
    return asdict(counts) | {"changes": f"updated: {counts.text()}", "notes": tuple(notes)}


def _replaced(plan: Plan, destination: Destination, record: Record, existing: OutPolicy) -> str:
    """What `overwrite` would replace the dataset for, or "nothing"; DatasetError without it."""
    try:
        require_unchanged(record, destination.out, build_inputs(plan), plan)
    except DatasetError as error:
        if not existing.overwrite:
            raise
        return f"replaced: {error.message}"
    return "nothing"


def _updated(request: BuildRequest) -> Record | None:
    """The dataset that would be updated; one that cannot be is a problem of the preview."""
    if not request.existing.update:
        return None
    try:
        return workdir.finished_record(request.destination)
    except ImgmemError:
        return None


def _require_memory(plan: Plan, run: RunSpec) -> None:
    """Raises UsageError for a memory budget that is too small."""
    size = plan.spec.image.size or (1, 1)
    BuildDemand.of(
        rows=plan.total,
        values=prod(size) * plan.spec.image.depth,
        itemsize=np.dtype(plan.spec.dtype).itemsize,
        workers=run.workers,
        cpus=memory.allowed_cpus(),
        remote=plan.source.remote,
    ).divide(memory.budget(run.memory))


def _require_disk(destination: Destination, needed: int) -> None:
    """Raises ResourceError where the disk of the destination has too little space."""
    out, directory = destination.out, destination.scratch
    free = durable.free_bytes(directory)
    if needed > free:
        raise ResourceError(
            f"no space for {out}: it takes {format_bytes(needed)}, {directory} has "
            f"{format_bytes(free)}",
            hint="Free some space (or raise the quota), or write to another disk.",
            path=out,
        )
