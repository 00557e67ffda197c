"""What the cells of a column look like: numbers, flags, one label or several."""

import re
from collections.abc import Collection, Sequence

_FLAGS = {"0": False, "1": True, "-1": False, "0.0": False, "1.0": True, "-1.0": False,
          "false": False, "true": True, "no": False, "yes": True, "": False}  # fmt: skip
_LIST = re.compile(r"""^\[\s*(['"].*|[^\]]*,[^\]]*|-?[\d.]*\s*)\]$|^\{.*:.*\}$""")


def flag(cell: str) -> bool | None:
    """Whether a flag is set; None for what is not a flag."""
    return _FLAGS.get(cell.strip().lower())


def flag_columns(columns: Sequence[Sequence[str]]) -> list[int]:
    """Indices of the columns that hold flags, each set at least somewhere or written out."""
    return [
        index
        for index, cells in enumerate(columns)
        if any(cell.strip() for cell in cells) and None not in map(flag, cells)
    ]


def are_numbers(cells: Sequence[str]) -> bool:
    """Whether all cells are numbers; an empty one says nothing."""
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and all(is_number(cell) for cell in filled)


def is_number(cell: str) -> bool:
    """Whether a cell is a finite number."""
    return bool(re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", cell))


def is_whole(cell: str) -> bool:
    """Whether a number has no fraction, as `3` and `3.0` have none."""
    return is_number(cell) and float(cell).is_integer()


def has_comma(cell: str) -> bool:
    """Whether a cell is a number, perhaps with a decimal comma."""
    return bool(re.fullmatch(r"[+-]?\d+(,\d+)?", cell))


def pairs_up(these: Sequence[str], those: Sequence[str]) -> bool:
    """Whether two columns name the same things: each value of one stands for one of the other."""
    pairs = set(zip(these, those, strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def several_in(cell: str, *, plural: bool) -> bool:
    """Whether a cell is surely a list of labels: `a|b`, `a;b`, `['a', 'b']`, `{"a": 1}`, and
    `a,b` in a column whose name is a plural."""
    marks = "|;," if plural else "|;"
    return any(mark in cell for mark in marks) or bool(_LIST.match(cell))


def lists_in(labels: Collection[str], *, plural: bool) -> str | None:
    """An example of labels that are lists separated by blanks or commas, or None.

    Lists use few words in many combinations; names of classes (`golden retriever`) do not.
    Words count only in a column whose name is a plural, whole numbers in any.
    """
    for mark in (",", None):
        parts = {label: label.replace(",", " ").split() if mark is None else label.split(mark)
                 for label in labels}  # fmt: skip
        lists = [label for label, found in parts.items() if len(found) > 1]
        words = {word.strip() for label in labels for word in parts[label]}
        if not lists or len(words) >= len(labels):
            continue
        if plural or all(word.isdigit() for word in words):
            return lists[0]
    return None
