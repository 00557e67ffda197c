"""`stats --fail-on`: whether what was found is more than is allowed."""

from collections.abc import Iterator, Sequence

from imgmem.core.errors import CheckFailed, UsageError
from imgmem.core.messages import option
from imgmem.core.read.row_set import joined
from imgmem.core.read.selection import ranges_of
from imgmem.core.specs import DROP_REASON, StatsSpec
from imgmem.core.stats.describe import DatasetStats
from imgmem.core.stats.kinds import FINDINGS, IMBALANCE, REJECTED
from imgmem.core.storage import store
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import NUMBER
from imgmem.core.thresholds import MAX_IMBALANCE, Check

_NEEDS = {kind.name: kind.needs for kind in FINDINGS} | {IMBALANCE: "classes", REJECTED: "build"}


def require_possible(path: str, spec: StatsSpec) -> None:
    """Require, before any work, that a dataset can be checked as asked: no check passes unmade.

    Raises:
        UsageError: The dataset lacks what a check needs, or the options leave it out.
        DatasetError: The dataset cannot be read.
    """
    if not spec.fail_on and not spec.by_class:
        return
    record = store.read_record(path)
    if spec.by_class and record.target == NUMBER:
        raise UsageError(
            f"{option('by_class')}: the labels of {path} are numbers, not classes",
            hint=f"Leave out {option('by_class')}.",
        )
    for check in spec.fail_on:
        if missing := _missing(check, record, spec):
            raise UsageError(
                f"{check.kind} cannot be checked: {missing}",
                hint=f"Remove {check.kind} from {option('fail_on')}.",
                path=path,
            )


def _missing(check: Check, record: Record, spec: StatsSpec) -> str | None:
    """What a check would need and does not have."""
    needs = _NEEDS[check.kind]
    if needs == "groups" and record.group_column is None:
        return "the dataset has no column of groups"
    if needs in ("groups", "splits"):
        return _missing_split(record, spec)
    for what, has, missing in (
        (("labels", "classes"), record.labeled, "the dataset has no labels"),
        (("classes",), record.classes is not None, "its labels are numbers, not classes"),
        (("build",), "rejected" in record.build, "the dataset does not say what was rejected"),
    ):
        if needs in what and not has:
            return missing
    if check.kind == "near-duplicates" and spec.thresholds.near is None:
        return "the threshold near is off"
    return None


def _missing_split(record: Record, spec: StatsSpec) -> str | None:
    if sum(stop > start for start, stop in record.splits.values()) < 2:
        return "the dataset has no two splits with rows"
    chosen = joined(ranges_of(record, spec.split))
    inside = (
        first <= start < stop <= last
        for first, last in chosen
        for start, stop in record.splits.values()
    )
    return None if sum(inside) > 1 else "it is about more than one split"


def failed_check(stats: DatasetStats, checks: Sequence[Check]) -> CheckFailed | None:
    """The error to raise where a dataset has more of something than is allowed, else None."""
    failures = dict(_failures(stats, checks))
    if not failures:
        return None
    what = ", ".join(f"{kind} {_short(value)}" for kind, value in failures.items())
    return CheckFailed(
        f"{stats.path} failed the check: {what}",
        hint="Review the findings, fix the source and rebuild, or raise the limit.",
        path=stats.path,
        failed=failures,
    )


def _failures(stats: DatasetStats, checks: Sequence[Check]) -> Iterator[tuple[str, float | None]]:
    """(kind, count or imbalance) of what is over its limit."""
    reasons = stats.build.get("rejected", {})
    rejected = sum(n for each, n in reasons.items() if not each.startswith(DROP_REASON))
    counts = {finding.kind: finding.count for finding in stats.findings} | {REJECTED: rejected}
    for kind, most, percent in checks:
        if kind == IMBALANCE:
            allowed = MAX_IMBALANCE if most is None else most
            if stats.balance is None or stats.balance > allowed:
                yield kind, stats.balance
            continue
        total = stats.shape[0] + (rejected if kind == REJECTED else 0)
        allowed = (most or 0) * total / 100 if percent else most or 0
        if counts.get(kind, 0) > allowed:
            yield kind, counts[kind]


def _short(value: float | None) -> str:
    """A count or a ratio; None is the ratio to an empty class."""
    return "(a class is empty)" if value is None else f"{value:.4g}"
