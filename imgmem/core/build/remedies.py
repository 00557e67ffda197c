"""Remedies that work: each is tried on the source before it is proposed.

What settles one doubt may lead to the next: labels of the folders below may lack a class in
train. Then the proposal is the remedies of both, together.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from imgmem.core.errors import ImgmemError, InputError
from imgmem.core.options.option import applied
from imgmem.core.options.tables import BuildOptions
from imgmem.core.sources.label_doubts import MISSING_IN_TRAIN
from imgmem.core.sources.labeling import Doubt, Labeling, Remedy, require_certain
from imgmem.core.sources.tables.reader import is_table, names_images
from imgmem.core.specs import BuildSpec, RejectPolicy

_LOOKED_INTO = 10
"""Folders in which label tables are looked for."""
_STEPS = 3
"""Doubts that one proposal settles, at most."""

Look = Callable[[BuildSpec, str | None], Labeling]
"""What the source means under other options, or another source does."""


def working(doubts: Iterable[Doubt], spec: BuildSpec, look: Look) -> tuple[Doubt, ...]:
    """The doubts with those of their remedies that settle everything, completed where one leads
    to the next doubt; with all of them where none does."""
    found = []
    for doubt in doubts:
        tried = tuple(_unique(_completed(each, spec, look, _STEPS) for each in doubt.remedies))
        found.append(Doubt(doubt.name, doubt.evidence, tried or doubt.remedies))
    return tuple(found)


def with_tables(
    doubts: Iterable[Doubt], sources: Sequence[str], spec: BuildSpec, look: Look
) -> Iterator[Doubt]:
    """The doubts about classes that train lacks, with the label tables next to the images that
    settle them: val_annotations.txt in val/."""
    for doubt in doubts:
        found: list[Remedy] = []
        if doubt.name == MISSING_IN_TRAIN and not spec.tables:
            tables = (each for path in sources for each in _tables(path, spec.labels))
            found = list(_unique(_completed(each, spec, look, _STEPS) for each in tables))
        yield replace(doubt, remedies=(*found, *doubt.remedies))


def _tables(source: str, labels: str) -> Iterator[Remedy]:
    if not os.path.isdir(source):
        return
    folders = [source, *sorted(entry.path for entry in os.scandir(source) if entry.is_dir())]
    files = (path for each in folders[:_LOOKED_INTO] for path in sorted(_files(each)))
    for path in islice((path for path in files if is_table(path) and names_images(path)), 2):
        meaning = f"by {os.path.relpath(path, source)} where it has a line"
        yield Remedy({"labels": (labels, path)}, meaning)


def _files(folder: str) -> list[str]:
    return [entry.path for entry in os.scandir(folder) if entry.is_file()]


def with_working(error: InputError, spec: BuildSpec, look: Look) -> InputError:
    """The error that stands for a doubt, with remedies that work; any other as it is."""
    doubts = [_doubt(fact) for fact in error.facts.get("doubts", ())]
    try:
        require_certain(working(doubts, spec, look))
    except InputError as better:
        return better
    return error


def _completed(remedy: Remedy, spec: BuildSpec, look: Look, steps: int) -> Remedy | None:
    """The remedy, with those of the doubts that follow; None where the build would fail."""
    options = dict(remedy.options)
    source = options.pop("source", None)  # not an option, but the source to give instead
    changed, _ = applied(BuildOptions, options, spec, RejectPolicy())
    try:
        labeling = look(changed, None if source is None else str(source))
    except ImgmemError as error:
        next_doubts = [_doubt(fact) for fact in error.facts.get("doubts", ())]
        if not next_doubts:
            return None
    else:
        next_doubts = list(labeling.doubts)
        if not next_doubts:
            return None if _lacks_labels(labeling, remedy) else remedy
    if steps == 1 or not next_doubts[0].remedies:
        return None
    step = next_doubts[0].remedies[0]
    both = Remedy({**remedy.options, **step.options}, f"{remedy.meaning}, {step.meaning}")
    return _completed(both, spec, look, steps - 1)


def _lacks_labels(labeling: Labeling, remedy: Remedy) -> bool:
    """Whether images would be rejected for lack of a label, which ends a build by default."""
    unlabeled = labeling.classes is not None and bool(labeling.counts.get(None))
    return unlabeled and "on_error" not in remedy.options


def _unique(remedies: Iterable[Remedy | None]) -> Iterator[Remedy]:
    seen = list[Mapping[str, Any]]()
    for remedy in remedies:
        if remedy is not None and remedy.options not in seen:
            seen.append(remedy.options)
            yield remedy


def _doubt(fact: Mapping[str, Any]) -> Doubt:
    remedies = tuple(Remedy(each["options"], each["meaning"]) for each in fact["remedies"])
    return Doubt(fact["name"], fact["evidence"], remedies)
