"""Remedies that work: each is tried on the source before it is proposed.

What settles one doubt may lead to the next: labels of the folders below may lack a class in
train. Then the proposal is the remedies of both, together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from imgmem.core.errors import ImgmemError, InputError
from imgmem.core.messages import Message, option
from imgmem.core.options.option import applied
from imgmem.core.options.tables import BuildOptions
from imgmem.core.paths import is_address
from imgmem.core.sources.label_doubts import MISSING_IN_TRAIN
from imgmem.core.sources.labeling import Doubt, Labeling, Remedy, require_certain
from imgmem.core.sources.remote.store import names_at
from imgmem.core.sources.tables.reader import is_table, names_images
from imgmem.core.sources.words import split_meant
from imgmem.core.specs import TRAIN, BuildSpec, RejectPolicy

_LOOKED_INTO = 10
"""Folders in which label tables are looked for."""
_TRIED = 3
"""Label tables that are tried."""
_NO_LABELS = re.compile(r"submission|readme|license", re.IGNORECASE)
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
    """The doubts with the label tables next to the images that settle them: train.csv where there
    are no class folders, val_annotations.txt in val/ where train has some."""
    for doubt in doubts:
        found: list[Remedy] = []
        if spec.labels == "folder" and not spec.tables:
            tables = (each for path in sources for each in _by_tables(doubt, path))
            tried = _unique(_completed(each, spec, look, _STEPS) for each in tables)
            found = sorted(tried, key=lambda remedy: len(remedy.options))  # what needs no choice
        yield replace(doubt, remedies=(*found, *doubt.remedies))


def table_notes(
    sources: Sequence[str], spec: BuildSpec, labeling: Labeling, look: Look
) -> Iterator[str]:
    """A note of a label table next to images that get no labels, or of one in each split."""

    def labels_them(paths: tuple[str, ...]) -> bool:
        by_table = Remedy({"labels": paths if len(paths) > 1 else paths[0]}, "")
        alone = len(paths) == 1 and names_images(paths[0])
        steps = 1 if len(paths) == 1 else _STEPS
        return alone or _completed(by_table, spec, look, steps) is not None

    if labeling.rule == "none" and spec.labels == "folder" and not labeling.doubts:
        for source in sources:
            tables = [(path,) for path in islice(_tables([source]), _TRIED)]
            several = (*_by_split(source), *_repeated(source))
            for paths in islice(filter(labels_them, (*several, *tables)), 1):
                given = " ".join(option("labels", path) for path in paths)
                verb = "is" if len(paths) == 1 else "are"
                what = "takes labels from it" if len(paths) == 1 else "take labels from them"
                yield Message(f"{', '.join(paths)} {verb} not read; {given} {what}")


def _by_split(source: str) -> list[tuple[str, ...]]:
    """The tables right in a source whose names say a split each: train.csv and val.csv."""
    meant: dict[str, str] = {}
    for path in islice(_tables([source]), _LOOKED_INTO):
        if split := _split_of(path):
            meant.setdefault(split, path)
    return [tuple(meant.values())] if TRAIN in meant and len(meant) > 1 else []


def _split_of(path: str) -> str | None:
    """The split that a table's name hints at."""
    return split_meant(os.path.splitext(os.path.basename(path))[0])


def _repeated(source: str) -> list[tuple[str, ...]]:
    """The tables of one name in several folders of a source: `metadata.csv` in each split."""
    inner = (os.path.join(source, name) for name in _names(source))
    folders = list(islice(filter(os.path.isdir, inner), _LOOKED_INTO))
    by_name: dict[str, list[str]] = {}
    for path in _tables(folders):
        by_name.setdefault(os.path.basename(path), []).append(path)
    return [tuple(paths) for paths in by_name.values() if len(paths) > 1][:_TRIED]


def _by_tables(doubt: Doubt, source: str) -> Iterator[Remedy]:
    """What tables in the folder of a source may settle a doubt, as remedies to try."""
    if doubt.name == MISSING_IN_TRAIN:
        inner = (os.path.join(source, name) for name in _names(source))
        folders = islice(filter(os.path.isdir, inner), _LOOKED_INTO)
        tables = filter(names_images, _tables([source, *folders]))
        for path in islice(tables, _TRIED):
            meaning = f"by {os.path.relpath(path, source)} where it has a line"
            yield Remedy({"labels": ("folder", path)}, meaning)
    elif any(remedy.options.get("labels") == "none" for remedy in doubt.remedies):
        for path in islice(_tables([source]), _TRIED):
            yield Remedy({"labels": path}, f"the labels are in {os.path.basename(path)}")


def _tables(folders: Iterable[str]) -> Iterator[str]:
    """The files right in these folders that may be label tables, those called train first."""
    for folder in folders:
        for name in sorted(_names(folder), key=lambda name: _split_of(name) != TRAIN):
            if is_table(name) and not _NO_LABELS.search(name):
                yield os.path.join(folder, name)


def _names(folder: str) -> list[str]:
    """What is in a folder; nothing for one that cannot be listed, which does not matter here."""
    try:
        return names_at(folder) if is_address(folder) else sorted(os.listdir(folder))
    except (OSError, ImgmemError):
        return []


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
    """The first of each meaning."""
    seen = list[Mapping[str, Any] | str]()
    for remedy in remedies:
        if remedy is not None and remedy.options not in seen and remedy.meaning not in seen:
            seen += [remedy.options, remedy.meaning]
            yield remedy


def _doubt(fact: Mapping[str, Any]) -> Doubt:
    remedies = tuple(Remedy(each["options"], each["meaning"]) for each in fact["remedies"])
    return Doubt(fact["name"], fact["evidence"], remedies)
