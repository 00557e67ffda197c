"""Checks of JSON values that come from a file: each returns the value typed, or ValueError."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")
Check = Callable[[Any], T]
MAX_INT = 2**63 - 1
MAX_CRC32 = 2**32 - 1


class CheckedFields:
    """The fields of a JSON object, each taken once through its check."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._left = dict(document)

    def take(self, name: str, check: Check[T]) -> T:
        """A field that must be there."""
        require(name in self._left, f"{name} is missing")
        try:
            return check(self._left.pop(name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def take_or(self, name: str, default: T, check: Check[T]) -> T:
        """A field that may be missing."""
        return self.take(name, check) if name in self._left else default

    def rest(self, *, allowed: bool) -> dict[str, Any]:
        """The fields that nobody took; ValueError where there must be none."""
        require(allowed or not self._left, f"{', '.join(self._left):.200}: unknown")
        return self._left


def require(condition: bool, complaint: str) -> None:
    if not condition:
        raise ValueError(complaint)


def whole(low: int, high: int) -> Check[int]:
    def check(value: Any) -> int:
        require(type(value) is int and low <= value <= high, f"{value!r:.40} is out of range")
        return int(value)

    return check


def finite(value: Any) -> float:
    require(type(value) in (int, float), f"{value!r:.40} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    require(math.isfinite(number), f"{value!r:.40} is not finite")
    return number


def text(value: Any) -> str:
    """Text, in which bytes that are not UTF-8 may stand as the escapes that Python uses."""
    require(isinstance(value, str), f"{value!r:.40} is not text")
    value.encode("utf-8", "surrogateescape")  # UnicodeEncodeError is a ValueError
    return str(value)


def flag(value: Any) -> bool:
    require(isinstance(value, bool), f"{value!r:.40} is not true or false")
    return bool(value)


def an_object(value: Any) -> dict[str, Any]:
    require(isinstance(value, dict), f"{value!r:.40} is not an object")
    return dict(value)


def object_of(check: Check[T]) -> Check[dict[str, T]]:
    return lambda value: {name: check(item) for name, item in an_object(value).items()}


def one_of(choices: Sequence[T]) -> Check[T]:
    """One of some strings or whole numbers."""

    def check(value: Any) -> T:
        known = type(value) in (str, int) and value in choices
        require(known, f"{value!r:.40} is unknown")
        found: T = value
        return found

    return check


def optional(check: Check[T]) -> Check[T | None]:
    return lambda value: None if value is None else check(value)


def tuple_of(check: Check[T], length: int | None = None) -> Check[tuple[T, ...]]:
    def check_all(value: Any) -> tuple[T, ...]:
        require(isinstance(value, list), f"{value!r:.40} is not a list")
        require(length in (None, len(value)), f"{len(value)} values instead of {length}")
        return tuple(check(item) for item in value)

    return check_all


def distinct_names(value: Any) -> tuple[str, ...]:
    names = tuple_of(text)(value)
    require(len(set(names)) == len(names), "a name occurs twice")
    return names


def row_range(value: Any, rows: int) -> tuple[int, int]:
    start, stop = tuple_of(whole(0, rows), 2)(value)
    require(start <= stop, f"{start} to {stop} is not a range")
    return start, stop


def split_ranges(value: Any, rows: int) -> dict[str, tuple[int, int]]:
    splits = {name: row_range(found, rows) for name, found in an_object(value).items()}
    ends = sorted(splits.values())
    require(all(a[1] <= b[0] for a, b in pairwise(ends)), "splits overlap")
    return splits


def block_bytes(value: Any) -> int:
    """Whole values of every dtype fill a block."""
    block = whole(8, MAX_INT)(value)
    require(block % 8 == 0, f"{block} is not a multiple of 8")
    return block


def checksum_lists(value: Any) -> dict[str, list[int]]:
    blocks = tuple_of(whole(0, MAX_CRC32))
    return {name: list(blocks(found)) for name, found in an_object(value).items()}
