"""Rows that are copied as they are: what a build takes from the dataset that they are in."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imgmem.core.build.like import with_options_like
from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.read.prepare import image_options_of, image_spec_of
from imgmem.core.sources.datasets import is_dataset
from imgmem.core.sources.grammar import label_rule
from imgmem.core.specs import NEAR_DUPLICATES, BuildSpec
from imgmem.core.storage import store
from imgmem.core.storage.record import Record


def with_options_of(
    sources: tuple[str, ...], spec: BuildSpec, given: Mapping[str, Any]
) -> BuildSpec:
    """`spec` with the options of the dataset whose rows are copied, or that it should be like.

    given: the options that were given. Raises UsageError for a source that is not one dataset,
    and for options that would make other rows.
    """
    spec = replace(spec, merge=_are_merged(sources, spec))
    if not spec.copies:
        return with_options_like(spec, given)
    asked = option("drop") if spec.drop else option("group", NEAR_DUPLICATES)
    _require_datasets(sources, spec, asked)
    record = store.read_record(sources[0])
    theirs = _options_of(record)
    for other in sources[1:]:
        _require_alike(sources[0], other)
    _require_same(theirs, spec, given, "a build of several datasets" if spec.merge else asked)
    classes = spec.classes
    if classes is None and not spec.merge:
        classes = record.classes
    image = image_spec_of(sources[0], record)
    return replace(spec, image=image, dtype=theirs["dtype"], classes=classes)


def _require_datasets(sources: tuple[str, ...], spec: BuildSpec, asked: str) -> None:
    """UsageError unless the sources are what rows can be copied from, by the option `asked`."""
    if spec.like is not None:
        raise UsageError(
            f"{option('like')} has no effect where the rows of datasets are copied as they are",
            hint=f"Leave out {option('like')}.",
        )
    if not spec.merge and (len(sources) != 1 or not is_dataset(sources[0])):
        raise UsageError(
            f"{asked} is for a dataset as SOURCE, and {', '.join(sources)} is not one",
            hint="Build the dataset first, then give it as SOURCE.",
        )


def _require_same(
    theirs: Mapping[str, Any], spec: BuildSpec, given: Mapping[str, Any], who: str
) -> None:
    """UsageError for a given option that would make other rows than those that are copied."""
    for name, value in theirs.items():
        ours = spec.dtype if name == "dtype" else getattr(spec.image, name)
        if given.get(name) is not None and ours != value:
            raise UsageError(
                f"{who} copies rows as they are, and {option(name)} differs from theirs",
                hint=f"Leave out {option(name)}.",
            )


def _are_merged(sources: tuple[str, ...], spec: BuildSpec) -> bool:
    """Whether the sources are several datasets, with the labels that they have."""
    by_table = label_rule(spec.labels).kind == "file" or spec.tables or spec.split_lists
    if len(sources) < 2 or by_table or spec.drop or spec.group == NEAR_DUPLICATES:
        return False
    return all(map(is_dataset, sources))


def _options_of(record: Record) -> dict[str, Any]:
    """The image options that a dataset was built with, as `build` takes them."""
    return image_options_of(record) | {"dtype": record.original_dtype}


def _require_alike(first: str, other: str) -> None:
    """UsageError, with what differs, where the rows of two datasets were not made alike."""
    ours, theirs = (_made_by(store.read_record(path)) for path in (first, other))
    differing = [
        f"{option(name)} is {ours.get(name)} in {first} and {theirs.get(name)} in {other}"
        for name in ours | theirs
        if ours.get(name) != theirs.get(name)
    ]
    if differing:
        raise UsageError(
            f"datasets with different image options cannot be merged: {'; '.join(differing)}",
            hint="Build one of them again, from its images, with the options of the other.",
        )


def _made_by(record: Record) -> dict[str, Any]:
    """All that decided the rows of a dataset; a limit and how the size was found do not."""
    made = record.image | _options_of(record)
    return {name: made[name] for name in made if name not in ("max_pixels", "native")}
