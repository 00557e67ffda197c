"""Which column of a label table is which: as the user says, or found by names and values."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.rows.notes import is_notes_column
from imgmem.core.rows.origins import ROW_COLUMNS
from imgmem.core.sources.grammar import ROLES, as_part
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.tables import names as known
from imgmem.core.sources.tables.dialect import looks_like_image
from imgmem.core.sources.tables.reader import Table, doubtful, wrong
from imgmem.core.sources.tables.values import are_numbers, flag_columns, is_number, pairs_up
from imgmem.core.storage.targets import MULTILABEL, NUMBER
from imgmem.core.text import is_whole_number, shortened

MAX_REMEDIES = 5
_BOX = 4
"""Numbers of a box, which stand next to the name of the class in tables without a header."""

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


@dataclass
class _Search:
    """The columns of a table while their roles are being found."""

    table: Table
    given: dict[str, list[int]]

    def __post_init__(self) -> None:
        self.keys = [known.folded(name) for name in self.table.names]
        self.cells = self.table.columns
        self.cells += [()] * (len(self.keys) - len(self.cells))

    def called(self, names: Iterable[str], among: Sequence[int] | None = None) -> list[int]:
        indices = range(len(self.keys)) if among is None else among
        return [index for index in indices if self.keys[index] in names]

    def where(self, test: Callable[[Sequence[str]], bool]) -> list[int]:
        return [index for index, cells in enumerate(self.cells) if cells and test(cells)]

    def name(self, index: int) -> str:
        return self.table.names[index] or f"column {index + 1}"

    def remedy(self, meaning: str, **roles: Sequence[int]) -> Remedy:
        """`columns` with all roles that the user gave, and those of this remedy."""
        merged = self.given | {role: list(indices) for role, indices in roles.items()}
        parts = [
            (role, self.table.names[index] or str(index + 1))
            for role in ROLES
            for index in merged.get(role, [])
        ]
        return Remedy(
            {"columns": ",".join(as_part(f"{role}={name}") for role, name in parts)}, meaning
        )


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
    search = _Search(table, _given(table, given))
    path = _path(search)
    taken = {path, *(index for indices in search.given.values() for index in indices)}
    split = _one(search, "split") if "split" in search.given else _split(search, taken)
    group = _one(search, "group") if "group" in search.given else None
    taken |= {split} if split is not None else set()
    found, twins = _labels(search, path, taken, target) if labels else ((), ())
    sure = not twins or "label" in search.given
    which = None if sure else _which(search, "label", [*found, *twins], path=path)
    rest = [i for i in range(len(table.names)) if i not in {path, split, *found}]
    own = _own_columns(table.names)
    extra = [i for i in rest if table.names[i] and table.names[i].lower() not in own]
    if group is not None and group not in extra:
        raise UsageError(
            f"{option('columns')}: {search.name(group)} cannot be the group",
            hint="The group needs a column of its own, which is not one of rows.csv.",
        )
    return Columns(
        path=path,
        labels=found,
        twins=twins,
        which_label=which,
        split=split,
        group=group,
        extra=tuple(extra),
        extra_names=tuple(column_name(table, index) for index in extra),
        dropped=tuple(table.names[i] for i in rest if i not in extra and table.names[i]),
        given="label" in search.given,
        notes=(_said(search, path, found, split, group),),
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


def _one(search: _Search, role: str) -> int:
    return search.given[role][0]


# Paths ---------------------------------------------------------------------------------------


def _path(search: _Search) -> int:
    if "path" in search.given:
        return _one(search, "path")
    named = [i for i in search.called(known.PATH_NAMES[0]) if i not in _given_others(search)]
    images = [i for i in search.where(_are_images) if i not in _given_others(search)]
    ids = [i for i in search.called(known.PATH_NAMES[1]) if i not in _given_others(search)]
    for candidates in (named, images, _better_ids(search, ids), _only_unique(search)):
        same = _same_files(search, candidates)
        if len(same) == 1:
            return same[0]
        if same:
            raise _ambiguous(search, "path", same)
    has = shortened(search.table.names) or "none"
    raise InputError(
        f"{search.table.path}: no column of paths was found; its columns: {has}",
        hint=f"Name the column of paths: {option('columns', 'path=NAME')}.",
        path=search.table.path,
    )


def _given_others(search: _Search) -> set[int]:
    return {index for indices in search.given.values() for index in indices}


def _are_images(cells: Sequence[str]) -> bool:
    return all(looks_like_image(cell) and "://" not in cell for cell in cells if cell.strip())


def _same_files(search: _Search, candidates: list[int]) -> list[int]:
    """One column for several that name the same files: that with the longest paths."""
    if len(candidates) < 2:
        return candidates
    longest = max(candidates, key=lambda index: sum(map(len, search.cells[index])))
    whole = [_slashed(cell) for cell in search.cells[longest]]
    ends = [[_slashed(cell) for cell in search.cells[index]] for index in candidates]
    if all(a.endswith(b) and b for end in ends for a, b in zip(whole, end, strict=True)):
        return [longest]
    return candidates


def _slashed(cell: str) -> str:
    return cell.strip().replace("\\", "/")


def _better_ids(search: _Search, ids: list[int]) -> list[int]:
    """Ids of images before other ids, and those that differ line by line before those not."""
    of_images = [i for i in ids if re.search(r"im|photo|picture|file", search.keys[i])]
    unique = [i for i in of_images or ids if _unique(search.cells[i])]
    return unique or of_images or ids


def _unique(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells)


def _only_unique(search: _Search) -> list[int]:
    """Where no name helps: the only column, the one next to the label, or the one whose cells
    all differ."""
    if len(search.keys) == 1 and not search.table.has_header:
        return [0]
    splits = set(search.called(known.SPLIT_NAMES))
    others = set(search.called(known.LABEL_NAMES)) | splits | _given_others(search)
    rest = [i for i in range(len(search.keys)) if i not in others and search.keys[i]]
    if len(search.keys) - len(splits) == 2 and len(rest) == 1:
        return rest
    unique = [i for i in rest if len(search.cells[i]) > 1 and _unique(search.cells[i])]
    if len(search.keys) - len(splits) > 2:
        return [i for i in unique if not are_numbers(search.cells[i])]
    return [i for i in unique if _have_digits(search.cells[i])] or unique


def _have_digits(cells: Sequence[str]) -> bool:
    return all(any(map(str.isdigit, cell)) for cell in cells)


# Splits --------------------------------------------------------------------------------------


def _split(search: _Search, taken: set[int]) -> int | None:
    free = [index for index in range(len(search.keys)) if index not in taken]
    found = search.called(known.SPLIT_NAMES, free)
    if _is_rows_csv(search.table.names):  # all of its rows are in splits, or none
        found = [i for i in found if any(search.cells[i])]
    if not found:
        likely = search.called(known.LIKELY_SPLIT_NAMES, free)
        found = [i for i in likely if any(split_name(cell.strip()) for cell in search.cells[i])]
    if len(found) > 1:
        raise _ambiguous(search, "split", found)
    return found[0] if found else None


# Labels --------------------------------------------------------------------------------------


def _labels(
    search: _Search, path: int, taken: set[int], target: str | None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(columns of labels, columns that name the same label in another way)."""
    if "label" in search.given:
        given = search.given["label"]
        return tuple(given), _numbers_of(search, given, taken) if target != NUMBER else ()
    free = [i for i in range(len(search.keys)) if i not in taken and not _never_label(search, i)]
    free = [i for i in free if i > path or not _counts_lines(search, i)]
    if target == NUMBER:
        return _numbers(search, path, free), ()
    named = search.called(known.LABEL_NAMES, free)
    named = [index for index in named if search.keys[index] != "y" or _is_lone_y(search, index)]
    if named:
        return _named_label(search, path, named)
    splits = search.called(known.SPLIT_NAMES | known.LIKELY_SPLIT_NAMES, free)
    flags = [i for i in flag_columns(search.cells) if i in free and i not in splits]
    flags = flags if search.table.has_header or target == MULTILABEL else []
    sure = target == MULTILABEL or len(flags) > 2 or set(flags) == set(free)
    if len(flags) > 1 and sure:
        return tuple(flags), ()
    words = [index for index in free if not are_numbers(search.cells[index])]
    if len(words) == 1 and len(free) > _BOX and not search.table.has_header:
        return tuple(words), ()
    if len(free) > 1:
        raise _ambiguous(search, "label", free, path=path)
    return tuple(free), ()


def _numbers(search: _Search, path: int, free: Sequence[int]) -> tuple[int, ...]:
    """The one column of numbers, the better named ones first."""
    numbers = [index for index in free if are_numbers(search.cells[index])]
    some = [index for index in free if any(map(is_number, search.cells[index]))]
    for names, among in (
        (known.NUMBER_NAMES, some),
        (known.LABEL_NAMES, some),
        (set(search.keys), numbers),
    ):
        found = search.called(names, among)
        if len(found) > 1:
            raise _ambiguous(search, "label", found, path=path)
        if found:
            return tuple(found)
    return ()


def _numbers_of(search: _Search, labels: list[int], taken: set[int]) -> tuple[int, ...]:
    """The columns that seem to number the one column of labels that the user named."""
    if len(labels) > 1 or are_numbers(search.cells[labels[0]]):
        return ()
    free = [i for i in range(len(search.keys)) if i not in taken and i not in labels]
    return tuple(
        index
        for index in search.called(known.LABEL_NAMES, free)
        if are_numbers(search.cells[index])
        and pairs_up(search.cells[labels[0]], search.cells[index])
    )


def _never_label(search: _Search, index: int) -> bool:
    """Sizes, boxes, addresses and the like, and further columns of paths."""
    cells = search.cells[index]
    return (
        search.keys[index] in known.OTHER_NAMES
        or bool(cells and any(cells) and _are_images(cells))
        or any("://" in cell for cell in cells)
    )


def _is_lone_y(search: _Search, index: int) -> bool:
    """Whether a column is called y as targets are, and not as one of two coordinates."""
    return search.table.names[index].strip().lower() == "y" and "x" not in search.keys


def _counts_lines(search: _Search, index: int) -> bool:
    """Whether a column without a name counts: 1, 2, 3 …"""
    cells = search.cells[index]
    if search.table.has_header or not all(map(is_whole_number, cells)):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _named_label(
    search: _Search, path: int, named: list[int]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """One of the columns with a name for labels; of a number and its name, the name."""
    if len(named) == 1:
        return tuple(named), ()
    words = [index for index in named if not are_numbers(search.cells[index])]
    rest = [index for index in named if index not in words]
    if len(words) == 1 and all(
        pairs_up(search.cells[words[0]], search.cells[index]) for index in rest
    ):
        return tuple(words), tuple(rest)
    raise _ambiguous(search, "label", named, path=path)


def _ambiguous(search: _Search, role: str, candidates: Sequence[int], **others: int) -> InputError:
    """The error where several columns could be one role."""
    return doubtful(_which(search, role, candidates, **others))


def _which(search: _Search, role: str, candidates: Sequence[int], **others: int) -> Doubt:
    """The doubt where several columns could be one role, with a remedy for each."""
    listed = ", ".join(search.name(index) for index in candidates[:MAX_REMEDIES])
    more = ", …" if len(candidates) > MAX_REMEDIES else ""
    context = {name: [index] for name, index in others.items()}
    remedies = tuple(
        search.remedy(f"the {role} is in {search.name(index)}", **context | {role: [index]})
        for index in candidates[:MAX_REMEDIES]
    )
    evidence = f"{search.table.path}: several columns could be the {role}: {listed}{more}"
    return Doubt(f"which-{role}", evidence, remedies)


def _said(
    search: _Search, path: int, labels: Sequence[int], split: int | None, group: int | None
) -> str:
    """Which columns were taken, as a note."""
    roles = [f"the path from {search.name(path)}"]
    if labels:
        names = [search.name(index) for index in labels]
        several = f"{names[0]} … {names[-1]} ({len(names)} columns)"
        roles.append(f"the label from {names[0] if len(names) == 1 else several}")
    if split is not None:
        roles.append(f"the split from {search.name(split)}")
    if group is not None:
        roles.append(f"the group from {search.name(group)}")
    return f"took {', '.join(roles)}"
