"""A normalization on reading, for a dataset whose rows have changed."""

from dataclasses import replace

from imgmem.core.levels import lookup
from imgmem.core.levels.methods import METHODS
from imgmem.core.read.row_set import joined
from imgmem.core.read.selection import ranges_of, sums_of
from imgmem.core.storage.record import Normalization, Record


def renewed(before: Normalization, record: Record) -> Normalization | None:
    """`before` with constants from the same splits of `record`; None where these have no rows.

    Constants that did not come from rows of the dataset stay as they are.

    Args:
        before: The normalization of an earlier form of the dataset; it is on reading.
        record: Of the dataset as it is now, which is not normalized.

    Raises:
        UsageError: The constants would not keep all pixel values distinct.
    """
    make = METHODS[before.method].constants
    if not before.from_own_rows or make is None:
        return before
    rows = joined(ranges_of(record, before.split))
    if not any(stop > start for start, stop in rows):
        return None
    found = make(sums_of(record, before.split, "the dataset"), record.highest)
    after = replace(
        before,
        offset=found.offset,
        scale=found.scale,
        mean=found.mean,
        std=found.std,
        rows=rows[0] if len(rows) == 1 else None,
    )
    lookup.require_reversible(after)
    return after
