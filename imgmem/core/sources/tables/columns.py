"""Which column of a label table is which: as the user says, or found by names and values."""

from collections.abc import Sequence
from dataclasses import dataclass

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.rows.notes import is_notes_column
from imgmem.core.rows.origins import ROW_COLUMNS
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.tables import names as known
from imgmem.core.sources.tables.column_search import ColumnSearch, ambiguous, which_column
from imgmem.core.sources.tables.label_columns import label_columns
from imgmem.core.sources.tables.path_column import path_column
from imgmem.core.sources.tables.reader import Table, wrong
from imgmem.core.specs import TRAIN
from imgmem.core.text import is_whole_number

Given = Sequence[tuple[str, str]]
"""(role, column) pairs as the user gave them."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column is which, by index.

    labels: one column; several where each class has a column. twins: columns that must name the
    label in another way, line by line; where one does not, `which_label` is the doubt, None where
    the user named the column of labels.
    extra: columns to carry along, under `extra_names`. dropped: names of those that cannot be.
    given: whether the user named the columns of labels. notes: what was inferred.
    """

    path: int
    labels: tuple[int, ...] = ()
    twins: tuple[int, ...] = ()
    which_label: Doubt | None = None
    split: int | None = None
    group: int | None = None
    extra: tuple[int, ...] = ()
    extra_names: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    given: bool = False
    notes: tuple[str, ...] = ()


def find_columns(
    table: Table, given: Given = (), *, labels: bool = True, target: str | None = None
) -> Columns:
    """Which column is which.

    Args:
        table: The table, with its sample.
        given: (role, column) pairs that the user gave: a column by its name, or by its number
            from 1. What is not given is found.
        labels: Whether labels are wanted; a table that has only paths is complete without.
        target: What they are, as the option says it; None where it does not.

    Raises:
        UsageError: A given column does not exist.
        InputError: A column that is needed is missing, or two could be it.
    """
    _require_distinct(table)
    search = ColumnSearch(table, _given(table, given))
    path = path_column(search)
    taken = {path, *(index for indices in search.given.values() for index in indices)}
    split = _one(search, "split") if "split" in search.given else _split(search, taken)
    group = _one(search, "group") if "group" in search.given else None
    taken |= {split} if split is not None else set()
    found, twins = label_columns(search, path, taken, target) if labels else ((), ())
    rest = [i for i in range(len(table.names)) if i not in {path, split, *found}]
    own = _own_columns(table.names)
    extra = [i for i in rest if table.names[i] and table.names[i].lower() not in own]
    _require_own_group(search, group, extra)
    return Columns(
        path=path,
        labels=found,
        twins=twins,
        which_label=_which_label(search, path, found, twins),
        split=split,
        group=group,
        extra=tuple(extra),
        extra_names=tuple(column_name(table, index) for index in extra),
        dropped=tuple(table.names[i] for i in rest if i not in extra and table.names[i]),
        given="label" in search.given,
        notes=(_said(search, path, found, split, group),),
    )


def _which_label(
    search: ColumnSearch, path: int, labels: Sequence[int], twins: Sequence[int]
) -> Doubt | None:
    """The doubt where a twin turns out to name another label than the column that was found."""
    if not twins or "label" in search.given:
        return None
    return which_column(search, "label", [*labels, *twins], path=path)


def _require_own_group(search: ColumnSearch, group: int | None, extra: Sequence[int]) -> None:
    if group is not None and group not in extra:
        raise UsageError(
            f"{option('columns')}: {search.name(group)} cannot be the group",
            hint="The group needs a column of its own that is not in rows.csv already.",
        )


def _own_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns that `rows.csv` has by itself; in another dataset's, that of notes is one too."""
    rest = names[len(ROW_COLUMNS) :]
    if _is_rows_csv(names) and rest and is_notes_column(rest[0]):
        return (*ROW_COLUMNS, rest[0])
    return ROW_COLUMNS


def _is_rows_csv(names: Sequence[str]) -> bool:
    """Whether a table is that of the rows of a dataset."""
    return tuple(names[: len(ROW_COLUMNS)]) == ROW_COLUMNS


def _require_distinct(table: Table) -> None:
    repeated = sorted({name for name in table.names if name and table.names.count(name) > 1})
    if repeated:
        raise wrong(table.path, 1, f"it names a column twice: {', '.join(repeated)}")


def column_name(table: Table, index: int) -> str:
    """What a column is called; `column2` where the table has no header."""
    return table.names[index] if table.has_header else f"column{index + 1}"


def _given(table: Table, given: Given) -> dict[str, list[int]]:
    """Role → indices of its columns. Raises UsageError for what does not exist."""
    found: dict[str, list[int]] = {}
    for role, column in given:
        found.setdefault(role, []).append(_index(table, column))
    for role in ("path", "split", "group"):
        if len(found.get(role, ())) > 1:
            raise UsageError(f"{option('columns')}: {role} is given twice", hint="Give it once.")
    return found


def _index(table: Table, column: str) -> int:
    """The column of this name, in other case if need be, or of this number."""
    column = column.removeprefix("column:")
    if column in table.names:
        return table.names.index(column)
    keys = [known.folded(name) for name in table.names]
    if keys.count(known.folded(column)) == 1:
        return keys.index(known.folded(column))
    if is_whole_number(column) and 1 <= int(column) <= len(table.names):
        return int(column) - 1
    has = ", ".join(map(repr, table.names)) if table.has_header else f"1 to {len(table.names)}"
    raise UsageError(
        f"{table.path} has no column {column!r}",
        hint=f"It has the columns {has}; see {option('columns')}.",
    )


def _one(search: ColumnSearch, role: str) -> int:
    return search.given[role][0]


def _split(search: ColumnSearch, taken: set[int]) -> int | None:
    free = [index for index in range(len(search.keys)) if index not in taken]
    found = search.called(known.SPLIT_NAMES, free)
    if _is_rows_csv(search.table.names):  # all of its rows are in splits, or none
        found = [i for i in found if any(search.cells[i])]
    if not found:
        likely = search.called(known.LIKELY_SPLIT_NAMES, free)
        found = [i for i in likely if any(map(_is_split, search.cells[i]))]
    if not found:
        unnamed = set(free) - set(search.called(known.LABEL_NAMES, free))
        found = [i for i in sorted(unnamed) if _are_splits(search.cells[i])]
    if len(found) > 1:
        raise ambiguous(search, "split", found)
    return found[0] if found else None


def _is_split(cell: str) -> bool:
    """Whether a cell is the word for a split, or for a part of a test set."""
    return bool(split_name(cell.strip())) or known.folded(cell) in known.LEADERBOARDS


def _are_splits(cells: Sequence[str]) -> bool:
    """Whether all cells are words for splits, train and another one: a column `train_test`."""
    splits = {split_name(cell.strip()) for cell in cells}
    return TRAIN in splits and len(splits) > 1 and None not in splits


def _said(
    search: ColumnSearch, path: int, labels: Sequence[int], split: int | None, group: int | None
) -> str:
    """Which columns were taken, as a note."""
    roles = [f"the path from {search.name(path)}"]
    if labels:
        roles.append(f"the label from {search.names(labels)}")
    if split is not None:
        roles.append(f"the split from {search.name(split)}")
    if group is not None:
        roles.append(f"the group from {search.name(group)}")
    return f"took {', '.join(roles)}"
