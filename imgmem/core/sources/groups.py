"""Groups of images that no split may part: patients, videos, nests.

A group is the value of a column, or is found in the path of an image. It is a column of
`rows.csv`; an empty value is a group of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.sources.base import Entry, Listing
from imgmem.core.sources.grammar import folder_level, pattern
from imgmem.core.sources.layout import level
from imgmem.core.sources.several import without_source
from imgmem.core.specs import NEAR_DUPLICATES, LabelSpec

NAME = "group"


def grouped(listing: Listing, spec: LabelSpec, looks: Mapping[str, str] = {}) -> Listing:
    """The listing with the column of groups that `spec` names, which may be a new one.

    looks: path → group of the images that look like others, for `NEAR_DUPLICATES`.
    Raises UsageError for a column that does not exist, and for two that contradict each other.
    """
    if spec.group is None:
        return listing
    if spec.group == NEAR_DUPLICATES:
        _require_alone(listing, spec.group)
        return _with_column(listing, lambda name: looks.get(name, ""))
    prefix, colon, rest = spec.group.partition(":")
    if colon and prefix in ("folder", "name"):
        _require_alone(listing, spec.group)
        find = _by_folder(rest) if prefix == "folder" else _by_name(rest)
        return _with_column(listing, find)
    return _by_column(listing, rest if colon and prefix == "column" else spec.group)


def _require_alone(listing: Listing, group: str) -> None:
    if listing.group_column is not None:
        raise UsageError(
            f"{option('group')} and {option('columns')} name different groups: {group} and the "
            f"column {listing.group_column}",
            hint="Give one of them.",
        )


def _by_column(listing: Listing, column: str) -> Listing:
    if column not in listing.extra_columns:
        has = ", ".join(listing.extra_columns) or "none"
        raise UsageError(
            f"{option('group')}: the source has no further column {column!r}",
            hint=f"It has: {has}. A group may also be folder:N or name:REGEX.",
        )
    if listing.group_column not in (None, column):
        _require_alone(listing, column)
    return replace(listing, group_column=column)


def _with_column(listing: Listing, find: Callable[[str], str]) -> Listing:
    names = (f"{NAME}{number}" if number > 1 else NAME for number in count(1))
    column = next(name for name in names if name not in listing.extra_columns)
    return replace(
        listing,
        entries=_Grouped(listing.entries, lambda name: find(without_source(name, listing.sources))),
        extra_columns=(*listing.extra_columns, column),
        group_column=column,
    )


@dataclass(frozen=True)
class _Grouped:
    """Entries with their group as the last of their further values."""

    entries: Iterable[Entry]
    find: Callable[[str], str]

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            yield entry._replace(extra=(*entry.extra, self.find(entry.name)))


def _by_folder(text: str) -> Callable[[str], str]:
    """The name of the N-th folder, as labels have it: wherever it is, it is one group."""
    number = folder_level(text, "group")
    return lambda name: level(name.split("/")[:-1], number) or ""


def _by_name(text: str) -> Callable[[str], str]:
    expression = pattern(text, "group")

    def find(name: str) -> str:
        match = expression.search(os.path.basename(name))
        return _group_of(match) if match else ""

    return find


def _group_of(match: re.Match[str]) -> str:
    return match.groupdict().get("group") or match[1] or ""
