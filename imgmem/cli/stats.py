"""`imgmem stats`."""

from typing import Any

from imgmem.cli import options
from imgmem.cli.output import Output
from imgmem.core import specs
from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.options.option import declared
from imgmem.core.stats.options import CompareOptions, StatsOptions


@options.command(
    "stats",
    StatsOptions,
    (specs.StatsSpec(), specs.RunSpec()),
    examples=(
        "imgmem stats flowers",
        "imgmem stats flowers --split val --by-class",
        "imgmem stats flowers --split '!fold3'             all folds but the third",
        "imgmem stats flowers --fail-on 'leaks,conflicts,imbalance>20'    in CI",
        "imgmem stats flowers --report flowers.html        a page to share",
        "imgmem stats flowers other-flowers                 side by side",
    ),
)
@options.path_argument("dataset")
@options.path_argument("other", required=False)
def command(dataset: str, output: Output, other: str | None = None, **given: Any) -> None:
    """Describe DATASET and flag likely problems.

    Findings are leaks (an image in several splits), conflicts (an image in several classes),
    duplicates, near duplicates, blank, dark, bright, blurred, small and elongated images,
    and invalid values. If OTHER is given, the two datasets are compared.
    """
    from imgmem.cli.tables import show_comparison, show_stats
    from imgmem.core.stats.compare import compare
    from imgmem.core.stats.operation import stats

    if other is None:
        output.run(lambda progress: stats(dataset, progress=progress, **given), show_stats)
        return
    _require_comparable(given)
    output.run(
        lambda progress: compare(dataset, other, progress=progress, **given), show_comparison
    )


def _require_comparable(given: dict[str, Any]) -> None:
    """UsageError for an option that only the description of one dataset has."""
    for name in given:
        if name not in declared(CompareOptions):
            raise UsageError(f"{option(name)} is for one dataset", hint="Leave OTHER out.")
