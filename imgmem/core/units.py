"""Sizes in bytes as people write and read them."""

import re

from imgmem.core.errors import UsageError

_FACTORS = {"": 1, "B": 1} | {
    prefix + suffix: base**power
    for suffix, base in (("IB", 1024), ("B", 1000), ("", 1024))
    for power, prefix in enumerate("KMGTP", start=1)
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)\s*")


def parse_bytes(text: str) -> int:
    """`"512MiB"`, `"2GB"`, `"1.5G"` or `"4096"` as a number of bytes.

    KiB, MiB … and a bare K, M … are powers of 1024; KB, MB … are powers of 1000.
    Raises UsageError for anything else.
    """
    match = _SIZE.fullmatch(text)
    factor = _FACTORS.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise UsageError(f"{text!r} is not a size", hint="Write it like 512MiB, 2GB or 4096.")
    return int(float(match[1]) * factor)


def format_bytes(count: float) -> str:
    """A number of bytes in binary units with one decimal: `format_bytes(1536) == "1.5 KiB"`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"


def in_mib(needed: int) -> str:
    """`needed` bytes as an option takes them, rounded up so that it is enough: "97MiB"."""
    return f"{-(-needed // 2**20)}MiB"
