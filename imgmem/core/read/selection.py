"""Which splits a reader takes: one, several, or all but some."""

import re
from collections.abc import Sequence
from functools import reduce
from operator import add

from imgmem.core.errors import UsageError
from imgmem.core.levels.histograms import PixelSums
from imgmem.core.levels.split_sums import from_field
from imgmem.core.read.row_set import joined
from imgmem.core.specs import ALL, FOLD, NOT, TRAIN, SplitChoice
from imgmem.core.storage.record import Record, split_names

_FOLD = re.compile(rf"{FOLD}\d+")


def ranges_of(record: Record, split: SplitChoice) -> tuple[tuple[int, int], ...]:
    """The rows that `split` selects, as (start, stop) in the order of the file.

    Raises UsageError for a name that there is not, and for a list that is empty, has a name twice,
    or both takes and leaves out.
    """
    if split is None or split == ALL:
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
    return split_names(record, split) if isinstance(split, str) else list(split)


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
            raise UsageError(f"no fold is left without {', '.join(names)}")
        return tuple(sorted(kept))
    starts = [0, *(stop for _, stop in left_out)]
    stops = [*(start for start, _ in left_out), record.shape[0]]
    return tuple(zip(starts, stops, strict=True))


def has_folds(record: Record) -> bool:
    """Whether it is cross-validated: it has folds and no train."""
    return not _rows(record, TRAIN) and any(map(_FOLD.fullmatch, record.splits))


def trained_on(record: Record, split: SplitChoice) -> SplitChoice:
    """The splits that a model is trained on whose images, or held-out images, are those of `split`.

    One fold is held out from the others; several folds, and all but some, are trained on. Else
    it is train, or all rows where there is none. Raises UsageError where that is any fold.
    """
    if split is not None and is_of_folds(record, split):
        names = names_in(record, split)
        held_out = len(names) == 1 and not names[0].startswith(NOT)
        return f"{NOT}{names[0]}" if held_out else split
    if has_folds(record):
        what = "all rows" if split is None else f"{choice_text(split)!r}"
        raise UsageError(
            f"there are folds and no train, so {what} may belong to a model trained on any of them",
            hint=f'Name the rows that it is trained on, as "{NOT}{FOLD}1".',
        )
    return TRAIN if _rows(record, TRAIN) else None


def is_of_folds(record: Record, *choices: str | Sequence[str]) -> bool:
    """Whether all names in these choices are those of folds."""
    names = (name.removeprefix(NOT) for each in choices for name in names_in(record, each))
    return all(map(_FOLD.fullmatch, names))


def _rows(record: Record, name: str) -> int:
    start, stop = record.splits.get(name, (0, 0))
    return stop - start


def sums_of(record: Record, split: SplitChoice, where: str) -> PixelSums:
    """The sums of the original pixel values in the rows that `split` selects.

    where: what to name in the UsageError for a dataset that has no sums of them.
    """
    chosen = joined(ranges_of(record, split))
    parts = {name: rows for name, rows in record.splits.items() if rows[0] < rows[1]}
    inside = [
        name
        for name, rows in (parts or {ALL: record.rows_of(None)}).items()
        if any(first <= rows[0] and rows[1] <= last for first, last in chosen)
    ]
    try:
        found = [from_field(record.sums[name], record.shape[3]) for name in inside]
    except (KeyError, ValueError):
        raise UsageError(
            f"{where} has no sums of its splits: it was built by an earlier version",
            hint="Build it again, or pass (mean, std) as `stats` shows them.",
        ) from None
    return reduce(add, found, PixelSums.none(record.shape[3]))
