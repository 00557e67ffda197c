"""Class indices stay under `update`: known classes keep theirs, new ones come after them."""

import os
from dataclasses import replace

from imgmem.core.build.manifest import BuildInputs
from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.sources.resolve import listed
from imgmem.core.specs import BuildSpec
from imgmem.core.storage import store
from imgmem.core.storage.record import Record

Classes = tuple[str, ...] | None
"""Names by index; None for a dataset without classes."""


def with_known_classes(spec: BuildSpec, record: Record | None, out: str) -> BuildSpec:
    """`spec` with the classes that the dataset at `out` has pinned, or that it is to keep.

    record: of that dataset, None for the first build of it. They are kept where they were pinned
    and no others are given, and where `out` itself is what gives them; new ones come after them.
    """
    own = spec.classes_from is not None and _is_same(spec.classes_from, out)
    if record is None:
        return replace(spec, classes_from=None) if own else spec
    given = spec.classes is not None or spec.classes_from is not None
    if not record.classes or not (own or (_pinned(record) is not None and not given)):
        return spec
    return replace(spec, classes=record.classes, classes_from=None, more_classes=True)


def require_sticky(record: Record, now: Classes, out: str) -> None:
    """InputError, with the commands that settle it, unless all classes that the dataset at `out`
    knows have the index `now` that they had."""
    known, found = record.classes or (), now or ()
    if found[: len(known)] == known:
        return
    index = {name: at for at, name in enumerate(found)}
    moved = [
        f"{name} {before} → {index[name]}" if name in index else f"{name} ({before}) is gone"
        for before, name in enumerate(known)
        if index.get(name) != before
    ]
    raise InputError(
        f"the class indices of {out} would change: {listed(moved)}",
        hint=f"Add {option('classes', out)} to keep them (new classes come after the known ones, "
        f"and those that are gone keep their index), or give {option('overwrite', True)} in place "
        f"of {option('update', True)} to number all classes again.",
        classes=[name for at, name in enumerate(known) if index.get(name) != at],
    )


def without_new_pin(inputs: BuildInputs, record: Record, now: Classes) -> BuildInputs:
    """`inputs` as those of a dataset whose classes are not pinned, where pinning them changes
    nothing: so an unchanged source is up to date whichever way they are given."""
    if _pinned(record) is not None or now != record.classes:
        return inputs
    return replace(inputs, options=inputs.options | {"classes": None})


def _pinned(record: Record) -> list[str] | None:
    pinned: list[str] | None = record.build.get("options", {}).get("classes")
    return pinned


def _is_same(path: str, out: str) -> bool:
    """Whether a path is the dataset at `out`, or its `dataset.json`."""
    if os.path.basename(path) == store.RECORD:
        path = os.path.dirname(path)
    return os.path.realpath(path) == os.path.realpath(out)
