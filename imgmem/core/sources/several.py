"""Several sources as one: their paths with a prefix each, their classes and splits by name.

The order in which they are given shows nowhere: they are sorted by prefix.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property

from imgmem.core.errors import InputError
from imgmem.core.messages import Message, option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources import files
from imgmem.core.sources.base import ALL_NAMED, Address, Entry, Listing, Locator, Source
from imgmem.core.sources.grammar import label_rule
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.layout import level, searched
from imgmem.core.sources.numbering import ClassNumbers, in_order
from imgmem.core.sources.resolve import listed
from imgmem.core.sources.ruled import ruled
from imgmem.core.sources.several_doubts import Given, several_doubts, splits_by_name
from imgmem.core.specs import LabelSpec

_REJECTED = ((files.UNREADABLE,), (files.MISSING,), (files.NO_LABEL,))
"""How the locators of images begin that are rejects already."""


def inner_spec(spec: LabelSpec) -> LabelSpec:
    """What each of several sources is opened with: a pattern in paths sees the prefix, too."""
    is_pattern = label_rule(spec.labels).kind == "path-pattern"
    return replace(spec, labels="none") if is_pattern else spec


class SeveralSources:
    """Sources by prefix; a locator is that of the source, and then the prefix."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        spec: LabelSpec = LabelSpec(),
        paths: Mapping[str, str] | None = None,
    ) -> None:
        """paths: as they were given, by prefix; only a listing needs them."""
        self._sources = {prefix: sources[prefix] for prefix in sorted(sources, key=os.fsencode)}
        self._spec = spec
        self._paths = paths or {}

    @property
    def parts(self) -> Mapping[str, Source]:
        """The sources, by prefix."""
        return self._sources

    @property
    def spool_bytes(self) -> int:
        return sum(source.spool_bytes for source in self._sources.values())

    @property
    def remote(self) -> bool:
        return any(source.remote for source in self._sources.values())

    @property
    def address(self) -> Address | None:
        parts = []
        for prefix, source in self._sources.items():
            address = source.address
            if address is None:
                return None
            parts.append((prefix, address))
        return Address("several", "", parts=tuple(parts))

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        parts = [
            _Part(prefix, ruled(source.listing(progress), inner_spec(self._spec)), self._spec)
            for prefix, source in self._sources.items()
        ]
        _require_one_target(parts)
        given = [
            Given(
                path=self._paths.get(part.prefix, part.prefix), labeled=part.listing.labeled,
                rule=part.listing.rule,
                splits=part.splits, classes=part.classes, folders=part.folders,
                doubts=part.listing.doubts,
            )
            for part in parts
        ]  # fmt: skip
        doubts = several_doubts(given, self._spec)
        named = () if doubts else splits_by_name(given, self._spec)
        splits = {part.prefix: split for part, split in zip(parts, named, strict=False)}
        return _joined(parts, splits, doubts)

    def read(self, name: str, locator: Locator) -> bytes:
        source, name, locator = self._inner(name, locator)
        return source.read(name, locator)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        source, name, locator = self._inner(name, locator)
        return source.read_head(name, locator, length)

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        *inner, prefix = locator
        source = self._sources.get(str(prefix))
        if source is None:  # listed as a reject
            return 0
        return source.changed_ns(name.removeprefix(f"{prefix}/"), tuple(inner), folders=folders)

    def _inner(self, name: str, locator: Locator) -> tuple[Source, str, Locator]:
        files.require_usable(locator)
        *inner, prefix = locator
        return self._sources[str(prefix)], name.removeprefix(f"{prefix}/"), tuple(inner)

    def close(self) -> None:
        with ExitStack() as stack:
            for source in self._sources.values():
                stack.callback(source.close)


class _Part:
    """The listing of one source, as a part of all."""

    def __init__(self, prefix: str, listing: Listing, spec: LabelSpec) -> None:
        self.prefix = prefix
        rule = label_rule(spec.labels)
        self.pattern = rule.value if rule.kind == "path-pattern" else None
        self.listing = listing
        if self.pattern is not None:
            self.listing = replace(listing, labeled=True, rule=f"path:{self.pattern}")

    @cached_property
    def _seen(self) -> frozenset[tuple[str | None, str | None]]:
        return frozenset((entry.split, entry.label) for entry in self.listing.entries)

    @property
    def splits(self) -> frozenset[str | None]:
        """The author's splits; None for images without."""
        return frozenset(split for split, _ in self._seen)

    @property
    def classes(self) -> frozenset[str | None]:
        """The labels; None for images without."""
        return frozenset(label for _, label in self._seen)

    def folders(self, number: int) -> frozenset[str | None]:
        """The folders of that number that images are in; None for images that are in none."""
        names = (entry.name.split("/")[:-1] for entry in self.listing.entries)
        return frozenset(level(folders, number) for folders in names)

    def entries(self, columns: Sequence[str], split: str | None) -> Iterator[Entry]:
        """All entries under the prefix, with a cell for each of `columns`."""
        at = {name: index for index, name in enumerate(self.listing.extra_columns)}
        places = [at.get(name) for name in columns]
        for entry in self.listing.entries:
            yield self._labeled(entry)._replace(
                name=f"{self.prefix}/{entry.name}",
                split=entry.split or split,
                extra=tuple("" if place is None else entry.extra[place] for place in places),
            )

    def _labeled(self, entry: Entry) -> Entry:
        """The entry with the label that a pattern finds in its path, the prefix included."""
        if entry.locator[:1] in _REJECTED:
            return entry
        entry = entry._replace(locator=(*entry.locator, self.prefix))
        if self.pattern is None:
            return entry
        try:
            return entry._replace(label=searched(self.pattern, f"{self.prefix}/{entry.name}"))
        except LookupError as error:
            return entry._replace(locator=(files.NO_LABEL, str(error.args[0])))


@dataclass(frozen=True)
class _Joined:
    """The entries of all parts, as often as they are iterated."""

    parts: Sequence[_Part]
    columns: tuple[str, ...]
    splits: Mapping[str, str]
    labeled: bool

    def __iter__(self) -> Iterator[Entry]:
        for part in self.parts:
            for entry in part.entries(self.columns, self.splits.get(part.prefix)):
                yield entry if self.labeled else entry._replace(label=None)


def _joined(
    parts: Sequence[_Part], splits: Mapping[str, str], doubts: tuple[Doubt, ...]
) -> Listing:
    listings = [part.listing for part in parts]
    labeled = all(listing.labeled for listing in listings)
    columns = tuple(dict.fromkeys(name for each in listings for name in each.extra_columns))
    rules = {listing.rule for listing in listings}
    names, said = _class_names(parts)
    by_name = [f"splits from the SOURCEs: {listed(f'{s} from {p}' for p, s in splits.items())}"]
    return Listing(
        entries=_Joined(parts, columns, splits, labeled),
        ordered=all(listing.ordered for listing in listings),
        rule=("several" if len(rules) > 1 else rules.pop()) if labeled else "none",
        labeled=labeled,
        target=listings[0].target,
        target_names=listings[0].target_names,
        class_names=names if labeled else (),
        numbers=_numbers(listings),
        extra_columns=columns,
        group_column=_group_column(listings),
        placed=True,
        selected=True,
        memory_bytes=max(listing.memory_bytes for listing in listings),
        sources=tuple(part.prefix for part in parts),
        ignored=sum((Counter(listing.ignored) for listing in listings), Counter()),
        notes=(*_notes(parts), *said, *(by_name if splits else ())),
        doubts=doubts,
    )


def _require_one_target(parts: Sequence[_Part]) -> None:
    """InputError unless labels are of one kind everywhere."""
    kinds: dict[tuple[str, tuple[str, ...]], str] = {}
    for part in parts:
        if part.listing.labeled:
            kinds.setdefault((part.listing.target, part.listing.target_names), part.prefix)
    if len(kinds) > 1:
        found = ", ".join(
            f"{prefix} has {target} {', '.join(names)}".rstrip()
            for (target, names), prefix in kinds.items()
        )
        raise InputError(
            f"the SOURCEs have different targets: {found}",
            hint=f"Build them one by one, or without labels: {option('labels', 'none')}.",
        )


def _class_names(parts: Sequence[_Part]) -> tuple[tuple[str, ...], list[str]]:
    """Classes that need no entry, and a note where they are not numbered as before."""
    orders = dict.fromkeys(part.listing.class_names for part in parts if part.listing.class_names)
    if len(orders) <= 1:
        return next(iter(orders), ()), []
    every = tuple(in_order({name for order in orders for name in order}))
    moved = [
        part.prefix
        for part in parts
        if part.listing.rule in ALL_NAMED and every[: len(part.listing.class_names)]
        != part.listing.class_names
    ]  # fmt: skip
    said = f"classes have other numbers than in {listed(moved)}: {option('classes')} fixes them"
    return every, [Message(said)] if moved else []


def _numbers(listings: Iterable[Listing]) -> ClassNumbers | None:
    """The author's numbers of classes, where all sources agree on them."""
    found: dict[str, int] = {}
    column = ""
    for listing in listings:
        if listing.numbers is None:
            return None
        column = listing.numbers.column
        for name, number in listing.numbers.of.items():
            if found.setdefault(name, number) != number:
                return None
    return ClassNumbers(column, found)


def _group_column(listings: Iterable[Listing]) -> str | None:
    names = {listing.group_column for listing in listings} - {None}
    if len(names) > 1:
        raise InputError(
            f"the SOURCEs have groups in different columns: {listed(map(str, names))}",
            hint=f"Name one with {option('group')}, and give it the same name everywhere.",
        )
    return names.pop() if names else None


def _notes(parts: Sequence[_Part]) -> list[str]:
    """The notes of all parts: once where all have it, else with the sources that do."""
    by_note: dict[str, list[_Part]] = {}
    for part in parts:
        for note in part.listing.notes:
            by_note.setdefault(note, []).append(part)
    said: list[str] = []
    for note, having in by_note.items():
        whose = "" if len(having) == len(parts) else f"{listed(p.prefix for p in having)}: "
        said.append(note.after(whose) if isinstance(note, Message) else whose + note)
    return said


def without_source(name: str, sources: Sequence[str]) -> str:
    """The path of an image below the source that it is from."""
    for prefix in sources:
        if name.startswith(f"{prefix}/"):
            return name[len(prefix) + 1 :]
    return name
