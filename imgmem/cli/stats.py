"""`imgmem stats`."""

from dataclasses import fields
from typing import Any

import click

from imgmem.cli import options
from imgmem.cli.types import Text
from imgmem.core import specs
from imgmem.core.errors import UsageError
from imgmem.core.stats.kinds import FINDINGS, IMBALANCE

_DEFAULTS = specs.Thresholds()
_CHECKS = (*(kind.name for kind in FINDINGS), IMBALANCE)


def _limits(text: str) -> tuple[tuple[str, float | None], ...]:
    """leaks,blank>5 as (kind, most allowed or None) pairs."""
    pairs = [part.partition(">") for part in text.split(",") if part.strip()]
    limits = tuple((kind.strip(), float(most) if sign else None) for kind, sign, most in pairs)
    for kind, _ in limits:
        if kind not in _CHECKS:
            raise ValueError(f"{kind!r} is no check: choose from {', '.join(_CHECKS)}")
    return limits


def _thresholds(text: str) -> specs.Thresholds:
    """near=4,dark=15 as a spec."""
    kinds = {field.name: type(getattr(_DEFAULTS, field.name)) for field in fields(_DEFAULTS)}
    values = {}
    for name, _, value in (part.partition("=") for part in text.split(",") if part.strip()):
        if name.strip() not in kinds:
            raise ValueError(f"{name!r} is no threshold: choose from {', '.join(kinds)}")
        values[name.strip()] = kinds[name.strip()](value)
    if not 0 <= values.get("near", 0) <= specs.MAX_NEAR:
        raise ValueError(f"near is a number of bits from 0 to {specs.MAX_NEAR}")
    return specs.Thresholds(**values)


@click.command(
    "stats",
    epilog=options.examples(
        "imgmem stats flowers",
        "imgmem stats flowers --split val --by-class",
        "imgmem stats flowers --fail-on 'leaks,conflicts,imbalance>20'    in CI",
        "imgmem stats flowers --report flowers.html        a page to share",
        "imgmem stats flowers other-flowers                 side by side",
    ),
)
@options.path_argument("dataset")
@click.argument("other", type=click.Path(path_type=str), required=False)
@click.option("--split", help="Describe this split only.")
@click.option("--by-class", is_flag=True, help="Show the gray levels of each class.")
@click.option("--verify", is_flag=True, help="Compare all data with its checksums first.")
@click.option(
    "--fail-on",
    type=Text("KIND[>N],…", _limits),
    default="",
    help=f"Exit with 1 if there are more than N (default 0, imbalance "
    f"{specs.MAX_IMBALANCE:g}): {', '.join(_CHECKS)}.",
)
@click.option(
    "--threshold",
    type=Text("NAME=VALUE,…", _thresholds),
    default="",
    help="What is a finding.  [default: "
    + ", ".join(f"{field.name}={getattr(_DEFAULTS, field.name):g}" for field in fields(_DEFAULTS))
    + "]",
)
@click.option("--report", type=click.Path(path_type=str), help="Write a page to share (.html).")
@options.run_options
@options.output_options
def command(dataset: str, other: str | None, run: specs.RunSpec, **given: Any) -> None:
    """Tell what is in DATASET, and what in it needs a look.

    Findings are leaks (a picture in several splits), conflicts (in several classes),
    duplicates, near duplicates, blank, dark, bright, blurred, small and elongated pictures,
    and values that cannot be. With OTHER, another dataset, both are compared.
    """
    if other is None:
        _describe(dataset, run, given)
    else:
        _compare(dataset, other, run, given)


def _describe(dataset: str, run: specs.RunSpec, given: dict[str, Any]) -> None:
    from imgmem.cli.progress import shown
    from imgmem.cli.render import emit
    from imgmem.cli.tables import show_stats
    from imgmem.core.stats.checks import failed_check, require_possible
    from imgmem.core.stats.operation import compute_stats
    from imgmem.core.stats.report import check_report, write_report

    require_possible(dataset, given["fail_on"])
    if given["report"]:
        check_report(given["report"], dataset)
    with shown(quiet=given["quiet"]) as progress:
        result = compute_stats(
            dataset,
            split=given["split"],
            by_class=given["by_class"],
            verify=given["verify"],
            thresholds=given["threshold"],
            run=run,
            progress=progress,
        )
        if given["report"]:
            write_report(result, given["report"], run=run, progress=progress)
    emit(
        "stats",
        result,
        lambda console: show_stats(console, result),
        as_json=given["as_json"],
        quiet=given["quiet"],
        check=failed_check(result, given["fail_on"]),
    )


def _compare(dataset: str, other: str, run: specs.RunSpec, given: dict[str, Any]) -> None:
    from imgmem.cli.progress import shown
    from imgmem.cli.render import emit
    from imgmem.cli.tables import show_comparison
    from imgmem.core.stats.compare import compare

    for name in ("by_class", "verify", "fail_on", "report"):
        if given[name]:
            raise UsageError(
                f"--{name.replace('_', '-')} is for one dataset", hint="Leave OTHER out."
            )
    with shown(quiet=given["quiet"]) as progress:
        result = compare(dataset, other, split=given["split"], run=run, progress=progress)
    emit(
        "stats",
        result,
        lambda console: show_comparison(console, result),
        as_json=given["as_json"],
        quiet=given["quiet"],
    )
