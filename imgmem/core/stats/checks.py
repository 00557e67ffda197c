"""`stats --fail-on`: whether what was found is more than is allowed."""

from collections.abc import Iterator, Sequence

from imgmem.core.errors import CheckFailed, UsageError
from imgmem.core.specs import MAX_IMBALANCE
from imgmem.core.stats.describe import DatasetStats
from imgmem.core.stats.kinds import IMBALANCE
from imgmem.core.storage import store

Limit = tuple[str, float | None]


def require_possible(path: str, limits: Sequence[Limit]) -> None:
    """Look, before any work, whether the dataset at `path` can be checked like that.

    Raises UsageError for an imbalance where there are no labels, and as `store.read_record`.
    """
    kinds = [kind for kind, _ in limits]
    if IMBALANCE in kinds and store.read_record(path).classes is None:
        raise UsageError(
            f"{path} has no labels that could be balanced", hint=f"Leave out {IMBALANCE}."
        )


def failed_check(stats: DatasetStats, limits: Sequence[Limit]) -> CheckFailed | None:
    """The failure to raise where a dataset has more of something than is allowed, else None.

    limits: (kind of FINDINGS or IMBALANCE, most allowed; None for the default: no finding at
    all, and an imbalance of MAX_IMBALANCE).
    """
    failures = dict(_failures(stats, limits))
    if not failures:
        return None
    what = ", ".join(f"{kind} {_short(value)}" for kind, value in failures.items())
    return CheckFailed(
        f"{stats.path} failed the check: {what}",
        hint="Look at the findings, mend the source and build again, or allow more.",
        path=stats.path,
        failed=failures,
    )


def _failures(stats: DatasetStats, limits: Sequence[Limit]) -> Iterator[tuple[str, float | None]]:
    """(kind, count or imbalance) of what is over its limit."""
    counts = {finding.kind: finding.count for finding in stats.findings}
    for kind, most in limits:
        if kind == IMBALANCE:
            allowed = MAX_IMBALANCE if most is None else most
            if stats.balance is None or stats.balance > allowed:
                yield kind, stats.balance
        elif counts.get(kind, 0) > (most or 0):
            yield kind, counts[kind]


def _short(value: float | None) -> str:
    """A count or a ratio; None is the ratio to an empty class."""
    return "(a class is empty)" if value is None else f"{value:.4g}"
