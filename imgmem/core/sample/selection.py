"""Which rows a sample shows: arithmetic on row numbers and labels, nothing is read."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.read.orders import permutation
from imgmem.core.rows.duplicates import duplicate_groups, in_force, load_facts
from imgmem.core.specs import SAMPLE_COUNT, SampleSpec
from imgmem.core.thresholds import Thresholds

Rows = NDArray[np.int64]

NO_CLASS = "no class"
"""What rows without any of several labels are called."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows to show side by side; title: what they have in common, or nothing."""

    title: str
    rows: Rows


def check_spec(spec: SampleSpec) -> None:
    """UsageError for options that contradict each other."""
    narrowing = {
        "count": spec.count is not None,
        "balanced": spec.balanced,
        "per_class": spec.per_class is not None,
        "split": spec.split is not None,
        "query": bool(spec.classes or spec.numbers),
        "group": spec.group is not None,
    }
    given = [name for name, is_given in narrowing.items() if is_given]
    if spec.rows and given:
        raise _contradiction("rows", given[0])
    if spec.per_class is not None and (spec.balanced or spec.count is not None):
        raise _contradiction("per_class", "balanced" if spec.balanced else "count")
    if spec.group == "duplicates" and (spec.balanced or spec.per_class is not None):
        raise _contradiction("group", given[0])


def _contradiction(one: str, other: str) -> UsageError:
    return UsageError(
        f"{option(one)} and {option(other)} contradict each other", hint="Leave one of them out."
    )


def choose(dataset: Dataset, spec: SampleSpec) -> list[Group]:
    """The rows of the whole dataset to show, group by group, none of them empty.

    dataset: the split that is asked for. Raises UsageError where classes are needed but there are
    none, and for a row, a class or a number that is not there.
    """
    by_class = spec.balanced or spec.per_class is not None or spec.classes or spec.group == "class"
    if dataset.classes is None and by_class:
        what = "no labels" if dataset.labels is None else "numbers for labels, and no classes"
        raise UsageError(
            f"{dataset.path} has {what} to choose by",
            hint=f"Leave out {option('balanced')}, {option('per_class')}, "
            f"{option('group', 'class')} and class=….",
        )
    if spec.rows:
        return [Group("", _named_rows(dataset, spec.rows))]
    groups = _duplicates(dataset, spec) if spec.group == "duplicates" else _groups(dataset, spec)
    filled = (group for group in groups if len(group.rows))
    rows = row_set(dataset)
    return [replace(group, rows=rows.file_rows(group.rows)) for group in filled]


def _named_rows(dataset: Dataset, rows: Sequence[int]) -> Rows:
    count = dataset.record.shape[0]
    missing = [row for row in rows if not 0 <= row < count]
    if missing:
        raise UsageError(
            f"{dataset.path} has no row {missing[0]}", hint=f"Its rows are 0 to {count - 1}."
        )
    return np.array(rows, np.int64)


def _groups(dataset: Dataset, spec: SampleSpec) -> list[Group]:
    """The rows drawn, in one group or in those asked for; counted from the start of the split."""
    rows = _wanted(dataset, spec)
    count = SAMPLE_COUNT if spec.count is None else spec.count
    if spec.group == "split":
        kinds = _split_numbers(dataset)[rows]
        drawn = _fair(Members(np.arange(len(rows)), kinds), count)
        return _by_kind(rows, drawn, [*dataset.splits, "no split"])
    if not (spec.balanced or spec.per_class is not None or spec.group == "class"):
        return [Group("", rows[:count])]
    members = members_of(dataset, rows)
    if spec.per_class is None:
        drawn = _fair(members, count)
    else:
        drawn = members.where(_turns(members.kinds) < spec.per_class)
    groups = _by_kind(rows, drawn, [*(dataset.classes or ()), NO_CLASS])
    if spec.group:
        return groups
    together = np.concatenate([np.empty(0, np.int64), *(group.rows for group in groups)])
    first = np.sort(np.unique(together, return_index=True)[1])  # one may be in several classes
    return [Group("", together[first])]


def _wanted(dataset: Dataset, spec: SampleSpec) -> Rows:
    """The rows of these classes and within these limits, in the order in which they are drawn."""
    rows = permutation(len(dataset), spec.seed)
    if spec.classes:
        rows = rows[_have_class(dataset, rows, spec.classes)]
    for name, sign, value in spec.numbers:
        rows = rows[_SIGNS[sign](_number(dataset, name)[rows], value)]
    return rows


_SIGNS: dict[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq,
}  # fmt: skip


def _number(dataset: Dataset, name: str) -> NDArray[np.float64]:
    """(n,) the number of that name of each row. Raises UsageError where there is none."""
    if name not in dataset.target_names or dataset.labels is None:
        has = ", ".join(dataset.target_names) or "none"
        raise UsageError(f"{dataset.path} has no number {name!r}", hint=f"Its numbers are: {has}.")
    columns = dataset.labels.reshape(len(dataset), -1)
    return np.asarray(columns[:, dataset.target_names.index(name)], np.float64)


class Members(NamedTuple):
    """Which of some rows are in which class: (n,) their places, and (n,) the class of each; a row
    with several labels is in each of its classes."""

    places: Rows
    kinds: Rows

    def where(self, which: Any) -> "Members":
        """Some of them."""
        return Members(self.places[which], self.kinds[which])


def members_of(dataset: Dataset, rows: Rows) -> Members:
    """The classes of rows; those without any of several are in one more class."""
    labels = dataset.labels
    assert labels is not None
    if labels.ndim == 1:
        return Members(np.arange(len(rows)), labels[rows])
    flags = np.column_stack([labels[rows], ~labels[rows].any(axis=1)])
    return Members(*np.nonzero(flags))


def _class_numbers(dataset: Dataset, names: Sequence[str]) -> list[int]:
    classes = dataset.classes or ()
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise UsageError(
            f"there is no class {unknown[0]!r}", hint=f"The classes are: {', '.join(classes)}."
        )
    return [classes.index(name) for name in names]


def _turns(kinds: Rows) -> Rows:
    """(n,) how many items of the same kind come before each."""
    order = np.argsort(kinds, kind="stable")
    ordered = kinds[order]
    starts = np.searchsorted(ordered, ordered)
    turns = np.empty(len(kinds), np.int64)
    turns[order] = np.arange(len(kinds)) - starts
    return turns


def _fair(members: Members, count: int) -> Members:
    """Members of `count` rows, of every kind as many as of any other, as far as they go."""
    order = np.argsort(_turns(members.kinds), kind="stable")
    places = members.places[order]
    news = np.sort(np.unique(places, return_index=True)[1])[:count]
    return members.where(np.sort(order[news]))


def _split_numbers(dataset: Dataset) -> Rows:
    numbers = row_set(dataset).taken(dataset.record.split_of_rows())
    return np.where(numbers < 0, len(dataset.splits), numbers)


def _by_kind(rows: Rows, drawn: Members, names: Sequence[str]) -> list[Group]:
    """The rows drawn, each kind for itself."""
    there = np.unique(drawn.kinds).tolist()
    return [Group(names[kind], rows[drawn.places[drawn.kinds == kind]]) for kind in there]


def _duplicates(dataset: Dataset, spec: SampleSpec) -> list[Group]:
    """Whole groups of rows that look the same, as many as `count` has room for."""
    count = SAMPLE_COUNT if spec.count is None else spec.count
    groups, shown = [], set[int]()
    facts = load_facts(dataset)
    for group in reversed(duplicate_groups(facts, in_force(facts, Thresholds()))):
        rows = group.rows
        if shown.isdisjoint(rows.tolist()) and _has_class(dataset, rows, spec.classes):
            groups.append(Group("same bytes" if group.exact else "look the same", rows))
            shown.update(rows.tolist())
    groups.sort(key=lambda group: int(group.rows[0]))
    ends = np.cumsum([len(group.rows) for group in groups])
    return groups[: max(1, int(np.searchsorted(ends, count, "right")))]


def _has_class(dataset: Dataset, rows: Rows, classes: Sequence[str]) -> bool:
    return not classes or bool(_have_class(dataset, rows, classes).any())


def _have_class(dataset: Dataset, rows: Rows, classes: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) whether each row is in one of these classes."""
    numbers = _class_numbers(dataset, classes)
    assert dataset.labels is not None
    if dataset.labels.ndim == 1:
        return np.isin(dataset.labels[rows], numbers)
    return np.asarray(dataset.labels[rows][:, numbers].any(axis=1))
