"""Which splits a reader takes: one, several, or all but some."""

import re
from collections.abc import Sequence

from imgmem.core.errors import InputError, UsageError
from imgmem.core.specs import FOLD, NOT, SplitChoice
from imgmem.core.storage.record import Record

_FOLD = re.compile(rf"{FOLD}\d+")


def ranges_of(record: Record, split: SplitChoice) -> tuple[tuple[int, int], ...]:
    """The rows that `split` selects, as (start, stop) in the order of the file.

    Raises InputError for a name that there is not, and UsageError for a list that is empty, has
    a name twice, or both takes and leaves out.
    """
    if split is None:
        return ((0, record.shape[0]),)
    names = names_in(record, split)
    _check_names(names)
    if names[0].startswith(NOT):
        return _all_but(record, [name.removeprefix(NOT) for name in names])
    return tuple(sorted(record.rows_of(name) for name in names))


def choice_text(split: SplitChoice) -> str | None:
    """A choice as one text, which `ranges_of` takes too; None for all rows."""
    return split if isinstance(split, str | None) else ",".join(split)


def names_in(record: Record, split: str | Sequence[str]) -> list[str]:
    """The names of a choice; a text that is not a name itself may have several, with commas."""
    if not isinstance(split, str):
        return list(split)
    return [split] if split in record.splits else split.split(",")


def _check_names(names: list[str]) -> None:
    if not names:
        raise UsageError("no split is named", hint="Pass a name, or None for all rows.")
    if len(set(names)) < len(names):
        raise UsageError(f"a split is named twice: {', '.join(names)}")
    if len({name.startswith(NOT) for name in names}) > 1:
        raise UsageError(
            f"{', '.join(names)} both takes and leaves out splits",
            hint=f'Name the splits to take, or those to leave out, as "{NOT}fold3".',
        )


def _all_but(record: Record, names: list[str]) -> tuple[tuple[int, int], ...]:
    """All rows but these splits'; of folds the other folds, since a test set is not one."""
    left_out = sorted(record.rows_of(name) for name in names)
    if all(_FOLD.fullmatch(name) for name in names):
        folds = {name: rows for name, rows in record.splits.items() if _FOLD.fullmatch(name)}
        kept = [rows for name, rows in folds.items() if name not in names]
        if not kept:
            raise InputError(f"there is no fold but {', '.join(names)}")
        return tuple(sorted(kept))
    starts = [0, *(stop for _, stop in left_out)]
    stops = [*(start for start, _ in left_out), record.shape[0]]
    return tuple(zip(starts, stops, strict=True))
