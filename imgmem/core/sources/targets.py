"""Targets other than one class: how an `Entry.label` holds them, and how text becomes one.

A set of labels and a row of numbers are JSON lists, each always written alike, so that equal
targets are equal texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.sources.tables.values import is_number
from imgmem.core.storage.targets import CLASS, MULTILABEL, NUMBER

if TYPE_CHECKING:
    from imgmem.core.sources.base import Entry, Listing
    from imgmem.core.specs import LabelSpec

_LARGEST = float(np.finfo(np.float32).max)
RULE_NAME = "label"
"""What a number that a rule finds in a path is called."""


def label_set(names: Iterable[str]) -> str:
    """Labels as the text of a set."""
    return json.dumps(sorted(set(names)))


def names_in(label: str | None, target: str) -> tuple[str, ...]:
    """The classes that a label names: one, those of a set, or none."""
    if label is None or target == NUMBER:
        return ()
    return (label,) if target == CLASS else tuple(json.loads(label))


def number_row(cells: Sequence[str]) -> str | None:
    """Cells as the text of a row of float32 numbers; None where one is not a finite number."""
    if not all(map(is_number, cells)):
        return None
    found = [float(cell) for cell in cells]
    if max(map(abs, found)) > _LARGEST:
        return None
    return json.dumps([float(str(np.float32(number))) for number in found])


def renamed(label: str, target: str, names: Mapping[str, str]) -> str:
    """A label under new names; "" for a class that is dropped. A set only loses dropped names."""
    if target == CLASS:
        return names.get(label, label)
    if target == NUMBER or not names:
        return label
    return label_set(to for name in json.loads(label) if (to := names.get(name, name)))


def planned(label: str | None, target: str, indices: Mapping[str, int]) -> Any:
    """A label as a line of the plan has it: a class index, a list of them, or of numbers."""
    if label is None:
        return -1
    if target == CLASS:
        return indices.get(label, -1)
    found = json.loads(label)
    return found if target == NUMBER else sorted(indices[name] for name in found)


def targeted(listing: Listing, spec: LabelSpec) -> Listing:
    """The listing with the target that `spec` asks for.

    Raises UsageError for one that the source cannot have.
    """
    wanted = spec.target
    if wanted in (None, listing.target):
        return listing
    if wanted == NUMBER and listing.target == CLASS and listing.labeled:
        entries = _Numbered(listing.entries, listing.rule)
        return replace(listing, entries=entries, target=NUMBER, target_names=(RULE_NAME,))
    if wanted == NUMBER and not listing.labeled:
        raise UsageError(
            f"{option('target', wanted)}: the source has no labels",
            hint=f"Give a label table, or the place in the path: {option('labels', 'name:REGEX')}.",
        )
    has = {CLASS: "one class per image", MULTILABEL: "several labels", NUMBER: "numbers"}
    raise UsageError(
        f"{option('target', wanted)}: the source has {has[listing.target]}",
        hint=f"Drop {option('target')}, or give a label table: {option('labels', 'FILE')}.",
    )


@dataclass(frozen=True)
class _Numbered:
    """Entries whose labels are numbers, as often as they are iterated."""

    entries: Iterable[Entry]
    rule: str

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            yield entry if entry.label is None else entry._replace(label=self._number(entry))

    def _number(self, entry: Entry) -> str:
        number = number_row([entry.label or ""])
        if number is None:
            raise InputError(
                f"{entry.name}: its label {entry.label!r} ({self.rule}) is not a finite number",
                hint=f"Change {option('labels')}, or leave it out with {option('exclude')}.",
                path=entry.name,
            )
        return number
