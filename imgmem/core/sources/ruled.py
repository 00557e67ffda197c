"""Lists and datasets under the rules and globs of the user; folders and archives apply both while
they are listed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from imgmem.core.sources.arrange import rule_text
from imgmem.core.sources.base import Entry, Listing
from imgmem.core.sources.files import without_label
from imgmem.core.sources.grammar import label_rule, split_level
from imgmem.core.sources.layout import EXPLICIT, Layout, plain
from imgmem.core.sources.selection import NOT_SELECTED, Selection
from imgmem.core.specs import LabelSpec
from imgmem.core.storage.targets import CLASS


def ruled(listing: Listing, spec: LabelSpec) -> Listing:
    """`listing` with the labels and splits that `spec` finds in its paths, and only the paths
    that it selects.

    Raises UsageError for malformed globs, InputError for lists of paths that cannot be read.
    """
    if listing.placed:
        return listing
    listing = _selected(listing, Selection(spec.include, spec.exclude))
    rule = label_rule(spec.labels)
    level = None if spec.split_from is None else split_level(spec.split_from)
    if rule.kind not in EXPLICIT:
        if level is None:
            return listing
        layout = Layout(label_rule("none"), split_level=level)
        return replace(listing, entries=_Placed(listing.entries, layout))
    layout = Layout(plain(rule), split_level=level)
    entries = _Placed(listing.entries, layout)
    return replace(
        listing,
        entries=entries,
        rule=rule_text(layout.rule),
        labeled=True,
        target=CLASS,
        target_names=(),
    )


@dataclass(frozen=True)
class _Placed:
    """Entries with the label and split that a layout finds; what it does not say stays."""

    entries: Iterable[Entry]
    layout: Layout

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            place = self.layout.place(entry.name)
            split = entry.split if self.layout.split_level is None else place.split
            label = place.label if self.layout.labeled else entry.label
            locator = entry.locator
            if place.unlabeled:
                locator = without_label(locator, place.unlabeled)
            yield entry._replace(label=label, split=split, locator=locator)


def _selected(listing: Listing, selection: Selection) -> Listing:
    if selection.everything:
        return listing
    left_out = sum(1 for entry in listing.entries if not selection.takes(entry.name))
    ignored = Counter(listing.ignored) + Counter({NOT_SELECTED: left_out})
    noted = listing if listing.selected else selection.noted(listing, "")
    return replace(noted, entries=_Selected(listing.entries, selection), ignored=ignored)


@dataclass(frozen=True)
class _Selected:
    """The entries that are selected, as often as they are iterated."""

    entries: Iterable[Entry]
    selection: Selection

    def __iter__(self) -> Iterator[Entry]:
        return (entry for entry in self.entries if self.selection.takes(entry.name))
