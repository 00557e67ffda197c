"""What a build does before it writes: the source listed, what it means settled, the plan made."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.plan import Plan
from imgmem.core.build.remedies import table_notes, with_tables, with_working, working
from imgmem.core.build.seen import origin_of
from imgmem.core.build.workdir import require_outside
from imgmem.core.decode.images import decoder_versions
from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.rows.drop import dropped_rows
from imgmem.core.rows.looks import look_groups, search_notes
from imgmem.core.sources import Listing, Source, open_several, open_source
from imgmem.core.sources.datasets import copied_rows
from imgmem.core.sources.files import MISSING, NO_LABEL, UNREADABLE
from imgmem.core.sources.grammar import label_rule, mapping, paths, roles
from imgmem.core.sources.groups import grouped
from imgmem.core.sources.label_doubts import dropped_splits
from imgmem.core.sources.labeling import UNLABELED, Doubt, Labeling, Remedy, require_certain
from imgmem.core.sources.no_images import require_images
from imgmem.core.sources.remote.fetched import forget_fetched
from imgmem.core.sources.scratch import scratch_near
from imgmem.core.sources.settle import settle
from imgmem.core.specs import NEAR_DUPLICATES, BuildSpec, RejectPolicy
from imgmem.core.text import counted

_BY_COLUMN = ("array", "parquet", "table")
"""Rules of sources in which labels may be missing everywhere."""
_BY_BYTES = ("duplicates", "blank")
"""The words of `drop` that no looks decide."""


def open_and_list(
    stack: ExitStack,
    sources: tuple[str, ...],
    scratch: str,
    spec: BuildSpec,
    budget: int,
    progress: ProgressCallback,
) -> tuple[Source, Listing, Labeling]:
    """The source, open until `stack` ends, with its listing and what that means.

    scratch: a directory for what has to be decompressed, and for all scratch data where
    temporary space is too small. budget: of memory, in bytes.
    Raises InputError where it holds no images, ResourceError where the budget is too small.
    """
    stack.enter_context(scratch_near(scratch))
    stack.callback(forget_fetched)
    opened = partial(_opened, scratch=scratch, budget=budget)
    look = partial(_look, sources, opened, scratch)
    try:
        images, listing, labeling = _settled(stack, sources, opened, spec, progress)
    except InputError as error:
        raise with_working(error, spec, look) from error.__cause__
    if labeling.doubts and not images.spool_bytes:
        doubts = with_tables(working(labeling.doubts, spec, look), sources, spec, look)
        labeling = replace(labeling, doubts=tuple(doubts))
    notes = (*table_notes(sources, spec, labeling, look), *_near_notes(sources[0], spec))
    listing = replace(listing, notes=(*listing.notes, *notes), origin=origin_of(sources))
    looks = look_groups(sources[0]) if spec.group == NEAR_DUPLICATES else {}
    return images, grouped(listing, spec, looks), labeling


def _near_notes(source: str, spec: BuildSpec) -> tuple[str, ...]:
    """Whether looks tell rows apart in a dataset, where they decide what a build does with it."""
    by_looks = any(word not in _BY_BYTES for word in spec.drop)
    return search_notes(source) if by_looks or spec.group == NEAR_DUPLICATES else ()


def _look(
    sources: tuple[str, ...], opened: "_Opener", scratch: str, spec: BuildSpec, source: str | None
) -> Labeling:
    """What the sources mean, or another source instead of them, under other options.

    Raises UsageError for another source that the result would be in.
    """
    if source is not None:
        require_outside(scratch, source)
    with ExitStack() as stack:
        given = sources if source is None else (source,)
        return _settled(stack, given, opened, spec, no_progress)[2]


_Opener = Callable[[tuple[str, ...], BuildSpec], Source]
"""Opens sources as a build with these options does."""


def _opened(sources: tuple[str, ...], spec: BuildSpec, *, scratch: str, budget: int) -> Source:
    if not spec.copies:
        return open_source(sources, spec, spool=scratch, budget=budget)
    if not spec.merge:
        return copied_rows(sources[0], spec, dropped_rows(sources[0], spec.drop))
    return open_several(sources, spec, lambda path, inner: copied_rows(path, inner, {}))


def _settled(
    stack: ExitStack,
    sources: tuple[str, ...],
    opened: _Opener,
    spec: BuildSpec,
    progress: ProgressCallback,
) -> tuple[Source, Listing, Labeling]:
    images = opened(sources, spec)
    stack.callback(images.close)
    listing, labeling = settle(images.listing(progress), spec, spec.classes, more=spec.more_classes)
    require_images(", ".join(sources), listing, labeling)
    _require_splits(spec, labeling)
    return images, listing, labeling


def _require_splits(spec: BuildSpec, labeling: Labeling) -> None:
    """Raises InputError where no image is in the folder that is to be its split."""
    if spec.split_from is not None and not labeling.splits:
        raise InputError(
            f"{option('split', spec.split_from)} finds no split: no image is in such a folder",
            hint="folder:1 is the first folder below the source, folder:-1 the one that holds "
            "the image.",
        )


def _require_labels(plan: Plan, policy: RejectPolicy) -> None:
    """Raises InputError where the rule finds no label, in any image or in one that must have it."""
    count, first = plan.listed_as(NO_LABEL)
    if not count or (policy.on_error == "skip" and count < plan.total):
        return
    require_certain(_unlabeled(plan, count))
    few = f"{count} of {plan.total} images have no label"
    said = "no image has a label" if count == plan.total else few
    skip = "" if count == plan.total else f", or leave them out with {option('on_error', 'skip')}"
    in_table = plan.listing.rule == "table"
    names = [f"{name} ({why})" if in_table else name for name, why in first]
    by = "in the label table" if in_table else f"by {option('labels', plan.spec.labels)}"
    raise InputError(
        f"{said} {by}: {_some(names, count)}",
        hint=f"{'Fill in the labels' if in_table else 'Change the rule'}{skip}.",
        unlabeled=count,
    )


def _unlabeled(plan: Plan, count: int) -> Iterator[Doubt]:
    """A doubt where all images without a label are those of a split, as in a test set whose labels
    are not published, or are all that there are."""
    if count == plan.total:
        if plan.listing.rule in _BY_COLUMN:
            evidence = f"none of the {count} images has a label"
            yield Doubt("unlabeled", evidence, (UNLABELED,))
        return
    whole = {
        split: unlabeled
        for split, unlabeled in plan.counts().get(None, {}).items()
        if unlabeled == plan.split_counts().get(split or "")
    }
    if whole and sum(whole.values()) == count:
        names = sorted(map(str, whole))
        evidence = f"no image of the split {' and '.join(names)} has a label ({count} images)"
        rejected = Remedy({"on_error": "skip"}, "its images are rejected")
        yield Doubt("unlabeled-split", evidence, (dropped_splits(plan.spec, names), rejected))


def require_usable(plan: Plan, policy: RejectPolicy) -> None:
    """InputError where classes are empty, or images are missing, unreadable or without a label."""
    _require_filled_classes(plan, policy)
    _require_all_there(plan, policy)
    _require_readable(plan, policy)
    _require_labels(plan, policy)


def _require_filled_classes(plan: Plan, policy: RejectPolicy) -> None:
    """Raises InputError for class folders without an image, unless they may be rejected."""
    if policy.on_error == "stop" and plan.empty_classes:
        raise InputError(
            f"classes without any image: {', '.join(plan.empty_classes)}",
            hint="Fill or remove their folders, or keep them as empty classes with "
            f"{option('on_error', 'skip')}.",
            classes=plan.empty_classes,
        )


def _require_all_there(plan: Plan, policy: RejectPolicy) -> None:
    """Raises InputError where a label table names images that are not there, and none may be."""
    count, first = plan.listed_as(MISSING)
    if count and policy.on_error == "stop":
        raise InputError(
            f"the source does not have the images of {counted(count, 'line')} of the label table: "
            f"{_some([name for name, _ in first], count)}",
            hint=f"Add the images or remove the lines, or use {option('on_error', 'skip')}.",
            missing=count,
        )


def _require_readable(plan: Plan, policy: RejectPolicy) -> None:
    """Raises InputError where files could not even be listed with their sizes, and none may be
    rejected."""
    count, first = plan.listed_as(UNREADABLE)
    if count and policy.on_error == "stop":
        names = _some([f"{name} ({why})" for name, why in first], count)
        raise InputError(
            f"{counted(count, 'image')} of the source cannot be read: {names}",
            hint="Fix or remove them, or leave them out with " + option("on_error", "skip") + ".",
            rejected={UNREADABLE: count},
        )


def _some(first: list[str], count: int) -> str:
    """The first of some names."""
    return ", ".join(first) + (", …" if count > len(first) else "")


def build_inputs(plan: Plan) -> BuildInputs:
    """What must not change between two runs of one build."""
    listing, listing_now = plan.digests()
    return BuildInputs(
        options=recorded_options(_with_all_classes(plan)),
        decoders=decoder_versions(),
        listing=listing,
        listing_now=listing_now,
        split_table=plan.split_table,
    )


def _with_all_classes(plan: Plan) -> BuildSpec:
    """The spec with the classes that came after the pinned ones."""
    spec = plan.spec
    return replace(spec, classes=plan.classes) if spec.more_classes else spec


def recorded_options(spec: BuildSpec) -> dict[str, Any]:
    """The options that decide a dataset's bytes, as JSON has them and without paths.

    What a file said is recorded by its content; what was not given is left out, for datasets
    that were built before there was such an option.
    """
    options, later = asdict(spec) | asdict(spec.image), _later_options(spec)
    for name in (*_NOT_RECORDED, *later):
        del options[name]
    labels = "file" if label_rule(spec.labels).kind == "file" else spec.labels
    plain = options | {"splits": dict(spec.splits), "labels": labels}
    plain |= {name: value for name, value in later.items() if value}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in plain.items()
        if not (name in _LATER_IMAGE_OPTIONS and value is None)
    }


_LATER_IMAGE_OPTIONS = ("shorter", "levels")
_NOT_RECORDED = (
    "image", "classes_from", "more_classes", "split_like", "like", "allow_mismatch"
)  # fmt: skip
"""Fields whose values come in by other names, or say only where to find them."""


def _later_options(spec: BuildSpec) -> dict[str, Any]:
    """The options that are left out where they were not given."""
    return {
        "columns": [list(pair) for pair in roles(spec.columns, "columns")],
        "class_map": mapping(spec.class_map, "class_map"),
        "target": spec.target,
        "no_label": list(spec.no_label),
        "group": spec.group,
        "folds": spec.folds,
        "drop": list(spec.drop),
        "merge": spec.merge,
        "tables": len(spec.tables),
        "split_from": spec.split_from,
        "split_lists": [name for name, _ in spec.split_lists],
        "split_map": mapping(spec.split_map, "split_map"),
        "include": _recorded_paths(spec.include, "include"),
        "exclude": _recorded_paths(spec.exclude, "exclude"),
    }


def _recorded_paths(value: str | tuple[str, ...], name: str) -> list[str]:
    """Globs as they are; the paths in files by their digest, for there may be millions."""
    found = paths(value, name)
    text = json.dumps(sorted(found.literal)).encode()
    digest = [f"sha256:{hashlib.sha256(text).hexdigest()}"] if found.literal else []
    return [*found.globs, *digest]
