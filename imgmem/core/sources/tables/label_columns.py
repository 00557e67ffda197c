"""Which columns of a label table hold the labels, and which name the same label in another way."""

from collections.abc import Sequence

from imgmem.core.sources.tables import names as known
from imgmem.core.sources.tables.column_search import ColumnSearch, ambiguous
from imgmem.core.sources.tables.path_column import are_images
from imgmem.core.sources.tables.values import are_numbers, flag_columns, is_number, pairs_up
from imgmem.core.storage.targets import MULTILABEL, NUMBER
from imgmem.core.text import is_whole_number

_BOX = 4
"""Numbers of a box, which stand next to the name of the class in tables without a header."""


def label_columns(
    search: ColumnSearch, path: int, taken: set[int], target: str | None
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
        rivals = [] if target == MULTILABEL else _rivals(search, {*free} - {*flags, *splits})
        if rivals:
            raise ambiguous(search, "label", rivals, flags, path=path)
        return tuple(flags), ()
    words = [index for index in free if not are_numbers(search.cells[index])]
    if len(words) == 1 and len(free) > _BOX and not search.table.has_header:
        return tuple(words), ()
    if len(free) > 1:
        raise ambiguous(search, "label", free, path=path)
    return tuple(free), ()


def _rivals(search: ColumnSearch, rest: set[int]) -> list[int]:
    """The columns next to flags that look like labels too: few words that repeat, or what is
    called a quantity."""
    context = {*search.called(known.CONTEXT_NAMES), *search.called(known.ANY_PATH_NAME)}
    return [
        index
        for index in sorted(rest - context)
        if search.keys[index] in known.NUMBER_NAMES or _few_words(search, index)
    ]


def _few_words(search: ColumnSearch, index: int) -> bool:
    """Whether a column holds several words, each of them about twice or more; ids do not count."""
    cells = [cell for cell in search.cells[index] if cell.strip()]
    words = not are_numbers(cells) and not search.keys[index].endswith("id")
    return words and 2 <= len(set(cells)) <= len(cells) / 2


def _numbers(search: ColumnSearch, path: int, free: Sequence[int]) -> tuple[int, ...]:
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
            together = found if set(found) <= set(numbers) else ()
            raise ambiguous(search, "label", found, together, path=path)
        if found:
            return tuple(found)
    return ()


def _numbers_of(search: ColumnSearch, labels: list[int], taken: set[int]) -> tuple[int, ...]:
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


def _never_label(search: ColumnSearch, index: int) -> bool:
    """Sizes, boxes, addresses and the like, and further columns of paths."""
    cells = search.cells[index]
    return (
        search.keys[index] in known.OTHER_NAMES
        or bool(cells and any(cells) and are_images(cells))
        or any("://" in cell for cell in cells)
    )


def _is_lone_y(search: ColumnSearch, index: int) -> bool:
    """Whether a column is called y as targets are, and not as one of two coordinates."""
    return search.table.names[index].strip().lower() == "y" and "x" not in search.keys


def _counts_lines(search: ColumnSearch, index: int) -> bool:
    """Whether a column without a name counts: 1, 2, 3 …"""
    cells = search.cells[index]
    if search.table.has_header or not all(map(is_whole_number, cells)):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _named_label(
    search: ColumnSearch, path: int, named: list[int]
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
    raise ambiguous(search, "label", named, path=path)
