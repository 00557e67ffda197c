"""How a text table is written: what separates its cells, which lines come before them."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from imgmem.core.sources.names import IMAGE_EXTENSIONS
from imgmem.core.sources.tables.names import ANY_PATH_NAME, folded

BLANKS = " "
FIRST_BLANK = "first blank"
LAST_BLANK = "last blank"
NONE = ""

SEPARATED = {
    ",": "comma-separated",
    ";": "semicolon-separated",
    "\t": "tab-separated",
    "|": "separated by |",
    BLANKS: "separated by blanks",
    FIRST_BLANK: "separated at the first blank",
    LAST_BLANK: "separated at the last blank",
    NONE: "a list of one cell per line",
}
"""The ways to separate cells that are known, as a note calls them."""

_MARKS = "\t,;|"
_MOSTLY = 0.8
"""Of the lines, this share must have as many cells as the first for a separator to be it."""


class Dialect(NamedTuple):
    """How the lines of a table become cells. skipped: lines before the first of them."""

    delimiter: str
    skipped: int = 0


def looks_like_image(cell: str) -> bool:
    """Whether a cell ends as the name of an image does."""
    head, dot, ending = cell.strip().rpartition(".")
    return bool(dot and head) and ending.lower() in IMAGE_EXTENSIONS


def cells_of(
    lines: Iterable[str], delimiter: str, *, strict: bool = True
) -> Iterator[tuple[int, list[str]]]:
    """(line number from 1, cells) of every line that is not empty. Raises csv.Error."""
    if cut := _CUTS.get(delimiter):
        for number, line in enumerate(lines, 1):
            if text := line.strip():
                yield number, cut(text)
        return
    if delimiter == BLANKS:
        lines = (line.strip().replace("\t", " ") for line in lines)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=strict)
    for cells in reader:
        if any(cells):
            yield reader.line_num, cells


_CUTS: dict[str, Callable[[str], list[str]]] = {
    NONE: lambda text: [text],
    FIRST_BLANK: lambda text: text.split(None, 1),
    LAST_BLANK: lambda text: text.rsplit(None, 1),
}


def find_dialect(lines: Sequence[str]) -> Dialect:
    """How a table is written, from its first lines."""
    skipped = _leading(lines)
    body = [line for line in lines[skipped:] if line.strip()]
    return Dialect(_delimiter(body), skipped)


def _leading(lines: Sequence[str]) -> int:
    """How many lines come before the cells: comments, Excel's `sep=;`, a count of the lines."""
    skipped = 0
    while skipped < len(lines) - 1 and _is_remark(lines[skipped].strip()):
        skipped += 1
    if skipped < len(lines) - 1 and lines[skipped].strip().isdigit():
        return skipped + (len(lines[skipped + 1].split()) > 1)
    return skipped


def _is_remark(line: str) -> bool:
    return not line or line.startswith("#") or line.strip('"').lower()[:4] == "sep="


def _delimiter(lines: Sequence[str]) -> str:
    if not lines:
        return ","
    (share, _), _, mark = max((_fit(lines, mark), -n, mark) for n, mark in enumerate(_MARKS))
    if share >= _MOSTLY:
        return mark
    if mark := next((mark for mark in _MARKS if _names_paths(lines[0], mark)), ""):
        return mark
    return _blanks(lines) or next((mark for mark in _MARKS if mark in lines[0]), NONE)


def _blanks(lines: Sequence[str]) -> str:
    """How blanks separate, NONE if they do not."""
    share, _ = _fit(lines, BLANKS)
    if not (share == 1 and _names_paths(lines[0], None)) and all(
        map(_one_path, lines[1:] or lines)
    ):
        return NONE
    body = lines[1:] if len(lines) > 1 and _plausible_header(lines[0].split()) else lines
    if share < 1 and (found := _one_blank(body)):
        return found
    return BLANKS if share >= _MOSTLY else NONE


def _names_paths(line: str, mark: str | None) -> bool:
    """Whether a line is a header with a column of paths, if `mark` separates."""
    cells = [folded(cell) for cell in line.split(mark)]
    return len(cells) > 1 and any(cell in ANY_PATH_NAME for cell in cells)


def _one_path(line: str) -> bool:
    """Whether a whole line is one path, which may have blanks in it."""
    first, *others = line.split()
    if any(mark in line for mark in '\t,;|"') or not looks_like_image(line):
        return False
    return not others or not (first.isdigit() or looks_like_image(first))


def _fit(lines: Sequence[str], delimiter: str) -> tuple[float, bool]:
    """(share of the lines with as many cells as most have, whether a column holds paths)."""
    try:
        rows = [cells for _, cells in cells_of(lines, delimiter, strict=False)]
    except csv.Error:
        return 0, False
    if not rows:
        return 0, False
    width, _ = Counter(map(len, rows[1:] or rows)).most_common(1)[0]
    if 1 < len(rows[0]) == width - 1 and _plausible_header(rows[0]):
        rows = rows[1:]
    if width < 2:
        return 0, False
    whole = [cells for cells in rows if len(cells) == width]
    paths = any(all(looks_like_image(cells[i]) for cells in whole[1:]) for i in range(width))
    return len(whole) / len(rows), paths


def _plausible_header(cells: Sequence[str]) -> bool:
    return not any(looks_like_image(cell) or cell.strip().isdigit() for cell in cells)


def _one_blank(lines: Sequence[str]) -> str | None:
    """Which one blank separates, where paths or labels have blanks themselves."""
    if any(len(line.split()) < 2 for line in lines):
        return None
    if all(looks_like_image(line.rsplit(None, 1)[0]) for line in lines):
        return LAST_BLANK
    firsts = [line.split(None, 1)[0] for line in lines]
    return FIRST_BLANK if all(map(looks_like_image, firsts)) or _are_ids(firsts) else None


def _are_ids(cells: Sequence[str]) -> bool:
    return len(set(cells)) == len(cells) and all(any(map(str.isdigit, cell)) for cell in cells)
