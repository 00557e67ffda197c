"""Tables in JSON Lines: an object a line, its keys are the columns."""

import json
import os
from collections.abc import Generator, Sequence
from itertools import islice
from typing import Any

from imgmem.core.errors import InputError
from imgmem.core.sources.tables.text import open_text

_SAMPLE = 1000


def names_of(path: str) -> tuple[str, ...]:
    """The keys of the first objects, in the order in which they come."""
    names: dict[str, None] = {}
    for _, value in islice(_objects(path), _SAMPLE):
        names.update(dict.fromkeys(value))
    return tuple(names)


def records(path: str, names: Sequence[str]) -> Generator[tuple[int, Sequence[str]], None, None]:
    """(line number, cells): the value of each name as text, empty where it is absent."""
    for number, value in _objects(path):
        yield number, [as_text(value.get(name)) for name in names]


def as_text(value: Any) -> str:
    """A value as the cell of a CSV file would have it; lists and objects as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _objects(path: str) -> Generator[tuple[int, dict[str, Any]], None, None]:
    with open_text(path) as text:
        for number, line in enumerate(text, 1):
            if line.strip():
                yield number, _object(path, number, line)


def _object(path: str, number: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise _wrong(path, number, f"it is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise _wrong(path, number, "it is not a JSON object")
    try:
        os.fsencode("".join(map(as_text, value.values())))
    except UnicodeEncodeError:
        raise _wrong(path, number, "it holds half of a surrogate pair") from None
    return value


def _wrong(path: str, number: int, what: str) -> InputError:
    return InputError(
        f"{path}, line {number}: {what}",
        hint='Write one object per line, e.g. {"path": "a/1.jpg", "label": "cat"}.',
        path=path,
        line=number,
    )
