"""One call of `build`: its parts, and what follows from them."""

from dataclasses import asdict, dataclass, replace
from math import prod

import numpy as np

from imgmem.core.build.copying import datasets_in
from imgmem.core.build.decoding import DecodeSpec
from imgmem.core.build.downloads import download_digest
from imgmem.core.build.manifest import BuildInputs, BuildManifest
from imgmem.core.build.plan import Plan
from imgmem.core.build.unfinished import UnfinishedBuild
from imgmem.core.forecast import COPY_BYTES, UPDATE_BYTES, BuildDemand
from imgmem.core.machine import memory
from imgmem.core.machine.processes import ProcessExecutor
from imgmem.core.progress import ProgressCallback
from imgmem.core.rows.notes import notes_column
from imgmem.core.sources import Source
from imgmem.core.specs import BuildSpec, RejectPolicy, RunSpec


@dataclass(frozen=True, kw_only=True)
class BuildJob:
    """One call of `build`, its parts at hand. out: the dataset that it makes. workers: of
    `starting_workers`."""

    source: Source
    out: str
    plan: Plan
    inputs: BuildInputs
    workers: ProcessExecutor | None
    spec: BuildSpec
    policy: RejectPolicy
    run: RunSpec
    budget: int
    listed_at: int
    peak: memory.PeakMemory
    progress: ProgressCallback


def manifest_of(
    job: BuildJob, size: tuple[int, int], window: tuple[float, float] | None
) -> BuildManifest:
    """What is built. window: the values that look black and white, None for the usual ones."""
    image = job.spec.image
    shown = {} if window is None else {"window": list(window)}
    if job.spec.copies:
        shown = next(iter(datasets_in(job.source).values())).record.image
    return BuildManifest(
        inputs=job.inputs,
        image=asdict(replace(image, size=size)) | {"native": image.size is None} | shown,
        sources=job.plan.total,
        shape=(*size, image.depth),
        dtype=job.spec.dtype,
        classes=job.plan.classes,
        splits=job.plan.splits,
        target=job.plan.target,
        target_names=job.plan.labeling.target_names,
        notes_column=notes_column(job.plan.listing.extra_columns),
        extra_columns=job.plan.listing.extra_columns,
        group_column=job.plan.listing.group_column,
        labels=job.plan.labeling.rule,
        prefixes=job.plan.listing.sources,
        download=download_digest(job.source, job.spec, job.inputs),
        listed_at=job.listed_at,
        origin=job.plan.listing.origin,
    )


def decode_spec(building: UnfinishedBuild, job: BuildJob) -> DecodeSpec:
    """What all tasks of the build have in common."""
    return DecodeSpec(
        image=job.spec.image,
        shape=building.manifest.shape,
        dtype=building.manifest.dtype,
        window=building.manifest.window,
        stop_at_reject=job.policy.on_error == "stop",
    )


def demand_of(manifest: BuildManifest, job: BuildJob) -> BuildDemand:
    """What the build is to do, as far as its memory goes."""
    demand = decoding_demand(
        job.source, job.run, rows=manifest.sources, shape=manifest.shape, dtype=manifest.dtype
    )
    if manifest.copied_from is None:
        return demand
    return replace(demand, client_bytes=UPDATE_BYTES + max(COPY_BYTES, manifest.copied_row_bytes))


def decoding_demand(
    source: Source, run: RunSpec, *, rows: int, shape: tuple[int, int, int], dtype: str
) -> BuildDemand:
    """What decoding all images takes. shape: (H, W, C) of a row."""
    return BuildDemand.of(
        rows=rows,
        values=prod(shape),
        itemsize=np.dtype(dtype).itemsize,
        workers=run.workers,
        cpus=memory.allowed_cpus(),
        remote=source.remote,
    )
