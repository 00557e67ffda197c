"""Whether the first line of a table names its columns, or is data already."""

from collections.abc import Sequence

from imgmem.core.sources.tables.dialect import looks_like_image
from imgmem.core.sources.tables.names import (
    ANY_PATH_NAME,
    LABEL_NAMES,
    LIKELY_SPLIT_NAMES,
    PATH_NAMES,
    SPLIT_NAMES,
    folded,
)
from imgmem.core.sources.tables.values import is_number

_OTHERS = LABEL_NAMES | SPLIT_NAMES | LIKELY_SPLIT_NAMES
_SHOWN_CELLS = 6


def header_of(
    rows: Sequence[Sequence[str]], columns: Sequence[str] = ()
) -> tuple[tuple[str, ...], str]:
    """(names of the columns, () where the first of `rows` is data; a phrase that says so).

    A header may be one cell short: the column of row names has none then.
    """
    first, others = [cell.strip() for cell in rows[0]], rows[1:]
    if not _is_header(first, others, columns):
        return (), f"without a header: its first line ({_shown(first)}) is data"
    if _lacks_first(first, others):
        first.insert(0, "")
    return tuple(first), "with a header"


def _lacks_first(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether a header leaves out the first column, which all other lines have."""
    if not others or any(len(cells) != len(first) + 1 for cells in others):
        return False
    named = [at for at, cell in enumerate(first) if folded(cell) in ANY_PATH_NAME]
    return all(looks_like_image(cells[at + 1]) for cells in others for at in named)


def _is_header(
    first: Sequence[str], others: Sequence[Sequence[str]], columns: Sequence[str]
) -> bool:
    given = {folded(name) for name in columns if not name.isdigit()}
    if given and given <= set(map(folded, first)):
        return True
    if any(map(looks_like_image, first)) or "/" in first[0].strip("/"):
        return False
    if any(_named(first, others, names) for names in PATH_NAMES):
        return True
    if any(map(is_number, first)):
        return False
    return _named(first, others, _OTHERS) or _unlike(first, others)


def _named(first: Sequence[str], others: Sequence[Sequence[str]], names: frozenset[str]) -> bool:
    """Whether a cell is one of `names`, and not just a value of its column."""
    return any(
        folded(cell) in names and not any(row[at : at + 1] == [cell] for row in others)
        for at, cell in enumerate(first)
    )


def _unlike(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether a line of words that are not known differs from the lines after it."""
    columns = list(zip(*(cells for cells in others if len(cells) == len(first)), strict=True))
    for name, cells in zip(first, columns, strict=False):
        if name in cells:
            return False
        if all(map(is_number, cells)) or all(map(looks_like_image, cells)):
            return True
    digits = [all(any(map(str.isdigit, cell)) for cell in cells) for cells in columns]
    return not any(
        has and any(map(str.isdigit, name)) for has, name in zip(digits, first, strict=False)
    )


def _shown(cells: Sequence[str]) -> str:
    more = ", …" if len(cells) > _SHOWN_CELLS else ""
    return ", ".join(cell[:40] for cell in cells[:_SHOWN_CELLS]) + more
