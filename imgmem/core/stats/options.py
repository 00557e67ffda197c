"""The options of `stats` and `compare`: beside the kinds of findings, which they name."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from imgmem.core import specs
from imgmem.core.options import values
from imgmem.core.options.option import Option
from imgmem.core.options.tables import CHECKS, OUTPUT, ROWS, Path, ResourceOptions
from imgmem.core.stats.kinds import FINDINGS, IMBALANCE

_KINDS = (*(kind.name for kind in FINDINGS), IMBALANCE)


def _checks(value: Any) -> tuple[tuple[str, float | None], ...]:
    """ "leaks,blank>5" or {"leaks": None, "blank": 5} as (kind, most allowed or None) pairs."""
    if isinstance(value, str):
        parts = [part.partition(">") for part in value.split(",") if part.strip()]
        limits = [(kind.strip(), float(most) if sign else None) for kind, sign, most in parts]
    else:
        pairs = value.items() if isinstance(value, Mapping) else value
        limits = [(each, None) if isinstance(each, str) else tuple(each) for each in pairs]
    for kind, _ in limits:
        if kind not in _KINDS:
            raise ValueError(f"invalid check {kind!r}; choose from {', '.join(_KINDS)}")
    return tuple(limits)


class CompareOptions(ResourceOptions, total=False):
    """The options of `compare`."""

    split: Annotated[str | None, Option("Describe this split only.", ROWS)]


class StatsOptions(CompareOptions, total=False):
    """The options of `stats`."""

    by_class: Annotated[bool, Option("Show the pixel values of each class.", ROWS)]
    verify: Annotated[bool, Option("Compare all data with its checksums first.", CHECKS)]
    fail_on: Annotated[
        str | Iterable[str] | Mapping[str, float | None],
        Option(
            f"Exit 1 if there are more than N (default 0, imbalance {specs.MAX_IMBALANCE:g}): "
            f"{', '.join(_KINDS)}.", CHECKS, parse=_checks, metavar="KIND[>N],…",
        ),
    ]  # fmt: skip
    threshold: Annotated[
        str | Mapping[str, float] | specs.Thresholds,
        Option(
            "Override finding thresholds.", CHECKS, parse=values.thresholds,
            show=values.thresholds_text, metavar="NAME=VALUE,…", field="thresholds",
        ),
    ]  # fmt: skip
    report: Annotated[
        Path | None,
        Option(
            "Write a self-contained HTML report.", OUTPUT, parse=values.path, metavar="FILE.html"
        ),
    ]
