"""A listing with the maps of classes and splits applied, and its labeling: counted, numbered,
doubted.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from operator import attrgetter
from typing import NamedTuple

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import Message, option
from imgmem.core.sources.base import ALL_NAMED, Entry, Listing
from imgmem.core.sources.files import MISSING
from imgmem.core.sources.grammar import mapping
from imgmem.core.sources.label_doubts import LabelCounts, label_doubts
from imgmem.core.sources.labeling import Labeling
from imgmem.core.sources.layout import SHOWN, split_name
from imgmem.core.sources.numbering import in_new_names, number_notes, numbered
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.ruled import ruled
from imgmem.core.sources.targets import names_in, renamed, targeted
from imgmem.core.specs import LabelSpec
from imgmem.core.storage.targets import CLASS, MULTILABEL, NUMBER

CLASS_DROPPED = "class dropped by class_map"
SPLIT_DROPPED = "split dropped by split_map"
EXAMPLES = 3
_AT_ONCE = 1024


@dataclass(frozen=True)
class Mapped:
    """Entries under their new names, as often as they are iterated."""

    entries: Iterable[Entry]
    classes: Mapping[str, str]
    splits: Mapping[str, str]
    target: str = CLASS

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            label, split = self.named(entry.label, entry.split)
            if label != "" and split != "":
                yield entry._replace(label=label, split=split)

    def named(self, label: str | None, split: str | None) -> tuple[str | None, str | None]:
        """Label and split under their new names; "" for one that is dropped."""
        if label is not None:
            label = renamed(label, self.target, self.classes)
        return label, split if split is None else self.splits.get(split, split)


@dataclass
class _Tally:
    """found: labels, less those whose split is dropped. labels, splits: as they were found.

    images: by split, total_bytes: of their files. none: images with an empty set of labels.
    """

    target: str = CLASS
    images: Counter[str | None] = field(default_factory=Counter)
    total_bytes: int = 0
    none: int = 0
    found: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    splits: set[str | None] = field(default_factory=set)
    counts: defaultdict[str | None, Counter[str | None]] = field(
        default_factory=lambda: defaultdict(Counter)
    )
    missing: Counter[str | None] = field(default_factory=Counter)
    examples: defaultdict[str | None, list[str]] = field(default_factory=lambda: defaultdict(list))
    ignored: Counter[str] = field(default_factory=Counter)

    def add(self, entries: list[Entry], label: str | None, split: str | None) -> None:
        """Count entries that have this label and split under their new names."""
        if label == "" or split == "":
            self.ignored[CLASS_DROPPED if label == "" else SPLIT_DROPPED] += len(entries)
            return
        self.images[split] += len(entries)
        self.total_bytes += sum(entry.size for entry in entries)
        names = [None] if label is None else names_in(label, self.target)
        if not names and self.target == MULTILABEL:
            self.none += len(entries)
        for name in names:
            self._count(entries, name, split)

    def _count(self, entries: list[Entry], label: str | None, split: str | None) -> None:
        self.counts[label][split] += len(entries)
        self.missing[label] += sum(entry.locator[:1] == (MISSING,) for entry in entries)
        found = [entry.name for entry in entries]
        self.examples[label] = sorted([*self.examples[label], *found])[:EXAMPLES]


class _Pinned(NamedTuple):
    """Class names by number, None for those found; `more`: others may come after them."""

    names: tuple[str, ...] | None
    more: bool


def settle(
    listing: Listing,
    spec: LabelSpec,
    classes: tuple[str, ...] | None = None,
    *,
    more: bool = False,
) -> tuple[Listing, Labeling]:
    """`listing` under the names that `spec` maps to, and what it all means.

    classes: names by number, pinned by the user; None for those found. more: whether others that
    are found come after them.
    Raises UsageError for malformed maps, and for `classes` without labels; InputError for
    classes that are not among the pinned ones.
    """
    listing = targeted(ruled(listing, spec), spec)
    _require_classes(listing, spec)
    class_map = mapping(spec.class_map, "class_map")
    split_map = mapping(spec.split_map, "split_map")
    mapped = Mapped(listing.entries, class_map, _with_splits(split_map), listing.target)
    tally = _tallied(mapped)
    unused = (*_unused_classes(class_map, listing, tally), *_unused_splits(split_map, tally))
    listing = replace(listing, notes=(*listing.notes, *unused))
    labeling = _labeling(listing, spec, class_map, tally, _Pinned(classes, more))
    names = {class_map.get(name, name) for name in listing.class_names} - {""}
    settled = replace(
        listing,
        entries=mapped if class_map or split_map else listing.entries,
        class_names=tuple(name for name in labeling.classes or () if name in names),
        ignored=Counter(listing.ignored) + tally.ignored,
        notes=labeling.notes,
        doubts=labeling.doubts,
    )
    return settled, labeling


def _with_splits(split_map: dict[str, str]) -> dict[str, str]:
    """The map of splits; a folder's name stands for the split that it is, too (`Test`: test)."""
    return {split_name(name) or name: to for name, to in split_map.items()} | split_map


def _unused_classes(class_map: Mapping[str, str], listing: Listing, tally: _Tally) -> list[str]:
    known = {*tally.labels, *listing.class_names}
    return _unused_notes("class_map", {n: to for n, to in class_map.items() if n not in known})


def _unused_splits(split_map: Mapping[str, str], tally: _Tally) -> list[str]:
    unused = {
        name: to
        for name, to in split_map.items()
        if name not in tally.splits and (split_name(name) or name) not in tally.splits
    }
    return _unused_notes("split_map", unused)


def _unused_notes(name: str, unused: Mapping[str, str]) -> list[str]:
    """A note of each part of a map that nothing is called; one of many (the map is a file)."""
    if len(unused) > SHOWN:
        return [Message(f"{len(unused)} names of {option(name)} matched nothing: {listed(unused)}")]
    return [
        Message(f"{option(name, f'{found}={to}')} matched nothing") for found, to in unused.items()
    ]


def _tallied(mapped: Mapped) -> _Tally:
    """Counts of all entries, by runs of those that are labeled alike: mostly whole folders."""
    tally = _Tally(mapped.target)
    for (label, split), run in groupby(mapped.entries, key=attrgetter("label", "split")):
        named = mapped.named(label, split)
        names = names_in(label, mapped.target)
        tally.labels.update(names)
        tally.splits.add(split)
        if named[1] != "":
            tally.found.update(names)
        while entries := list(islice(run, _AT_ONCE)):
            tally.add(entries, *named)
    return tally


def _labeling(
    listing: Listing,
    spec: LabelSpec,
    class_map: Mapping[str, str],
    tally: _Tally,
    pinned: _Pinned,
) -> Labeling:
    names, notes = _numbered(listing, class_map, tally, pinned)
    labels = LabelCounts(
        rule=listing.rule,
        counts=tally.counts,
        missing=tally.missing,
        class_map=class_map,
        pinned=pinned.names is not None,
    )
    return Labeling(
        rule=listing.rule,
        target=listing.target,
        target_names=listing.target_names,
        classes=names,
        images=dict(tally.images),
        total_bytes=tally.total_bytes,
        counts={label: dict(by_split) for label, by_split in tally.counts.items()},
        examples={label: tuple(paths) for label, paths in tally.examples.items()},
        splits=tuple(sorted({s for c in tally.counts.values() for s in c if s is not None})),
        doubts=listing.doubts or (label_doubts(labels, spec) if listing.labeled else ()),
        notes=(*listing.notes, *notes),
    )


def _numbered(
    listing: Listing,
    class_map: Mapping[str, str],
    tally: _Tally,
    pinned: _Pinned,
) -> tuple[tuple[str, ...] | None, list[str]]:
    """The classes by number, and what is to be said about their numbers."""
    if not listing.labeled or listing.target == NUMBER:
        _require_not_pinned(pinned.names)
        return None, []
    if pinned.names is None:
        return _newly_numbered(listing, class_map, tally)
    if pinned.more:
        found, _ = _newly_numbered(listing, class_map, tally)
        return tuple(dict.fromkeys((*pinned.names, *found))), []
    used = {name for name in tally.counts if name is not None}
    _require_known(used | {class_map.get(n, n) for n in listing.class_names} - {""}, pinned.names)
    return pinned.names, []


def _newly_numbered(
    listing: Listing, class_map: Mapping[str, str], tally: _Tally
) -> tuple[tuple[str, ...], list[str]]:
    """The classes that are found by number, and what is to be said about their numbers."""
    if listing.rule in ALL_NAMED and tally.found <= set(listing.class_names):
        return in_new_names(listing.class_names, class_map), []
    found = tally.found | set(listing.class_names)
    if listing.target == MULTILABEL:
        _require_some(found)
    said = _said(listing, tally, found)
    numbers = listing.numbers if listing.rule in ("table", "array") else None
    if numbers and found <= numbers.of.keys():
        return numbers.numbered(found, class_map), said + numbers.notes(found, class_map)
    return numbered(found, class_map), said + number_notes(found, class_map)


def _said(listing: Listing, tally: _Tally, found: set[str]) -> list[str]:
    """What is odd in the labels that were found."""
    if listing.target == MULTILABEL:
        few = f"images with none of the classes: {tally.none} of {sum(tally.images.values())}"
        return [few] if tally.none else []
    alone = len(found) == 1 and listing.rule != "pairs"
    return [f"all images are of one class, {next(iter(found))}"] if alone else []


def _require_some(found: set[str]) -> None:
    if not found:
        raise InputError(
            "no image has a label: there would be no classes",
            hint=f"Change {option('no_label')} or {option('columns')}.",
        )


def _require_classes(listing: Listing, spec: LabelSpec) -> None:
    """UsageError for an option about classes, where there are none."""
    if listing.target == NUMBER and spec.class_map:
        raise UsageError(
            f"{option('class_map')} renames classes, and {option('target', NUMBER)} has none",
            hint="Give one of them.",
        )


def _require_not_pinned(pinned: tuple[str, ...] | None) -> None:
    if pinned:
        raise UsageError(
            f"{option('classes')} was given, but the source has no classes",
            hint=f"Drop {option('classes')}, or put the images into class folders.",
        )


def _require_known(names: set[str], pinned: tuple[str, ...]) -> None:
    unknown = sorted(names - set(pinned), key=os.fsencode)
    if unknown:
        raise InputError(
            f"classes not in {option('classes')}: {', '.join(unknown[:10])}",
            hint="Correct their names, or add them to the list.",
            classes=unknown,
        )
