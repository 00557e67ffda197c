"""Which column of a label table holds the paths: by its name, its cells, or as the only one."""

import re
from collections.abc import Sequence

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.sources.tables import names as known
from imgmem.core.sources.tables.column_search import ColumnSearch, ambiguous
from imgmem.core.sources.tables.dialect import looks_like_image
from imgmem.core.sources.tables.values import are_numbers
from imgmem.core.text import shortened


def path_column(search: ColumnSearch) -> int:
    """Raises InputError where no column, or more than one, could be it."""
    if "path" in search.given:
        return search.given["path"][0]
    free = [i for i in range(len(search.keys)) if i not in _given_others(search)]
    named, ids, wider = (search.called(names, free) for names in known.PATH_NAMES)
    images = [i for i in search.where(are_images) if i in free]
    better = _better_ids(search, ids)
    wider = [i for i in wider if _unique(search.cells[i])]
    any_ids = [i for i in free if search.keys[i].endswith("id") and _unique(search.cells[i])]
    for candidates in (named, images, better, wider, any_ids, _only_unique(search), ids):
        same = _same_files(search, candidates)
        if len(same) == 1:
            return same[0]
        if same:
            raise ambiguous(search, "path", same)
    has = shortened(search.table.names) or "none"
    raise InputError(
        f"{search.table.path}: no column of paths was found; its columns: {has}",
        hint=f"Name the column of paths: {option('columns', 'path=NAME')}.",
        path=search.table.path,
    )


def _given_others(search: ColumnSearch) -> set[int]:
    return {index for indices in search.given.values() for index in indices}


def _same_files(search: ColumnSearch, candidates: list[int]) -> list[int]:
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


def _better_ids(search: ColumnSearch, ids: list[int]) -> list[int]:
    """Ids of images before other ids, and those that differ line by line before those not."""
    of_images = [i for i in ids if re.search(r"im|photo|picture|file", search.keys[i])]
    unique = [i for i in of_images or ids if _unique(search.cells[i])]
    return unique or of_images


def _unique(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells)


def _only_unique(search: ColumnSearch) -> list[int]:
    """Where no name helps: the only column, the one next to the label, or the one whose cells
    all differ."""
    if len(search.keys) == 1 and not search.table.has_header:
        return [0]
    splits = set(search.called(known.SPLIT_NAMES | {"usage"}))
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


def are_images(cells: Sequence[str]) -> bool:
    return all(looks_like_image(cell) and "://" not in cell for cell in cells if cell.strip())
