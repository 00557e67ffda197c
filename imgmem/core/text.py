"""Text from outside, made harmless where people see it; and short descriptions of results."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_MAX_DIGITS = 1000
"""Python refuses more than 4300, against attacks."""


def printable(text: str) -> str:
    """`text` with control characters and undecodable bytes escaped, so no terminal obeys them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def composed(text: str) -> str:
    """Text in the Unicode form that most keyboards write (NFC); macOS lists names in another."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def is_whole_number(text: str) -> bool:
    """Whether `text` is digits, 0-9, that `int` takes: no others, and not thousands of them."""
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def counted(number: int, one: str, many: str = "") -> str:
    """`1 image`, `2 images`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def shortened(names: Sequence[str], most: int = 12) -> str:
    """The first of some names, in their order."""
    return ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "")


def array_text(shape: Iterable[int], dtype: str) -> str:
    """`8000 x 224 x 224 x 3 uint8`."""
    return f"{' x '.join(map(str, shape))} {dtype}"


def counts_text(counts: Mapping[str, int]) -> str:
    """`cat 12, dog 7`: at most ten, the rest as a number."""
    shown = [f"{printable(name)} {count}" for name, count in list(counts.items())[:10]]
    rest = len(counts) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """`fit: stretch → crop, seed: 0 → 1`, or "" where two sets of options agree."""
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    return ", ".join(f"{name}: {before.get(name)} → {now.get(name)}" for name in names)


def summary(what: Any, *parts: str) -> str:
    """`<Dataset 'flowers': 12 x 8 x 8 x 3 uint8, 2 classes>`: what `repr` of a result says."""
    path = printable(what.path)
    return f"<{type(what).__name__} {path!r}: {', '.join(filter(None, parts))}>"
