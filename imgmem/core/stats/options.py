"""The options of `stats` and `compare`, next to the kinds of findings, which they name."""

from collections.abc import Iterable, Mapping, Sequence
from math import inf, nan
from typing import Annotated, Any

from imgmem.core.messages import option
from imgmem.core.options import values
from imgmem.core.options.option import Option
from imgmem.core.options.tables import CHECKS, OUTPUT, ROWS, Path, ResourceOptions
from imgmem.core.stats import kinds
from imgmem.core.thresholds import MAX_IMBALANCE, Check, Thresholds


def _checks(value: Any) -> tuple[Check, ...]:
    """ "leaks,blank>5,rejected>1%" or {"leaks": None, "blank": 5, "rejected": "1%"} as checks."""
    if isinstance(value, Mapping):
        return tuple(_check(kind, most) for kind, most in value.items())
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(_check_of(part) for part in parts if part)


def _check_of(part: Any) -> Check:
    if not isinstance(part, str):
        return Check(*part)
    kind, sign, most = part.partition(">")
    return _check(kind.strip(), most.strip() if sign else None)


def _check(kind: str, most: str | float | None) -> Check:
    if kind not in kinds.CHECKS:
        raise ValueError(f"invalid check {kind!r}; choose from {', '.join(kinds.CHECKS)}")
    if most is None:
        return Check(kind)
    text = str(most)
    percent = text.endswith("%") and kind != kinds.IMBALANCE
    try:
        limit = float(text.removesuffix("%") if percent else text)
    except ValueError:
        limit = nan
    if not 0 <= limit < inf:
        raise ValueError(f"invalid limit {text!r} of {kind}; use e.g. {kind}>10")
    return Check(kind, limit, percent)


class CompareOptions(ResourceOptions, total=False):
    """The options of `compare`."""

    split: Annotated[
        str | Sequence[str] | None,
        Option(
            "Describe this split only, several, or all but one.", ROWS, parse=values.split_choice,
            metavar="NAME,…|'!NAME'",
        ),
    ]  # fmt: skip
    report: Annotated[
        Path | None,
        Option(
            "Write a self-contained HTML report.", OUTPUT, parse=values.local, metavar="FILE.html"
        ),
    ]
    overwrite: Annotated[bool, Option("Replace files that exist.", OUTPUT, variable=False)]


class StatsOptions(CompareOptions, total=False):
    """The options of `stats`."""

    by_class: Annotated[bool, Option("Show the pixel values of each class.", ROWS)]
    verify: Annotated[bool, Option("Compare all data with its checksums first.", CHECKS)]
    fail_on: Annotated[
        str | Iterable[str] | Mapping[str, float | str | None],
        Option(
            f"Exit 1 if there are more than N (default 0, imbalance {MAX_IMBALANCE:g}): "
            f"{', '.join(kinds.CHECKS)}.", CHECKS, parse=_checks, metavar="KIND[>N|>N%],…",
        ),
    ]  # fmt: skip
    threshold: Annotated[
        str | Mapping[str, float | None] | Thresholds,
        Option(
            "Override finding thresholds.", CHECKS, parse=values.thresholds,
            show=values.thresholds_text, metavar="NAME=VALUE,…", field="thresholds",
        ),
    ]  # fmt: skip
    list: Annotated[
        Path | None,
        Option(
            "Write the paths of duplicates (all but the first), conflicts and blank images, for "
            f"{option('exclude', '@FILE')} of build.", OUTPUT, parse=values.local, metavar="FILE",
            field="listed",
        ),
    ]  # fmt: skip
