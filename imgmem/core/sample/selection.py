"""Which rows a sample shows: arithmetic on row numbers and labels, nothing is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.read.orders import permutation
from imgmem.core.rows.duplicates import duplicate_groups, in_force, load_facts
from imgmem.core.specs import SAMPLE_COUNT, SampleSpec, Thresholds

Rows = NDArray[np.int64]


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
        "query": bool(spec.classes),
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

    dataset: the split that is asked for. Raises UsageError where classes are needed but
    there are none, and InputError for a row or a class that is not there.
    """
    needs_labels = spec.balanced or spec.per_class is not None or spec.classes
    if dataset.labels is None and (needs_labels or spec.group == "class"):
        raise UsageError(
            f"{dataset.path} has no labels to choose by",
            hint=f"Leave out {option('balanced')}, {option('per_class')}, "
            f"{option('group', 'class')} and class=….",
        )
    if spec.rows:
        return [Group("", _named_rows(dataset, spec.rows))]
    if spec.group == "duplicates":
        groups = _duplicates(dataset, spec)
    else:
        groups = _side_by_side(dataset, _drawn(dataset, spec), spec)
    filled = (group for group in groups if len(group.rows))
    rows = row_set(dataset)
    return [replace(group, rows=rows.file_rows(group.rows)) for group in filled]


def _named_rows(dataset: Dataset, rows: Sequence[int]) -> Rows:
    count = dataset.record.shape[0]
    missing = [row for row in rows if not 0 <= row < count]
    if missing:
        raise InputError(
            f"{dataset.path} has no row {missing[0]}", hint=f"Its rows are 0 to {count - 1}."
        )
    return np.array(rows, np.int64)


def _drawn(dataset: Dataset, spec: SampleSpec) -> Rows:
    """Row numbers, counted from the start of the split, in the order in which they were drawn."""
    shuffled = permutation(len(dataset), spec.seed)
    count = SAMPLE_COUNT if spec.count is None else spec.count
    if dataset.labels is None:
        return shuffled[:count]
    if spec.classes:
        wanted = np.isin(dataset.labels, _class_numbers(dataset, spec.classes))
        shuffled = shuffled[wanted[shuffled]]
    if spec.per_class is not None:
        return shuffled[_turns(dataset.labels[shuffled]) < spec.per_class]
    if spec.balanced or spec.group == "class":
        return shuffled[_fair(dataset.labels[shuffled], count)]
    if spec.group == "split":
        return shuffled[_fair(_split_numbers(dataset)[shuffled], count)]
    return shuffled[:count]


def _class_numbers(dataset: Dataset, names: Sequence[str]) -> list[int]:
    classes = dataset.classes or ()
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise InputError(
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


def _fair(kinds: Rows, count: int) -> Rows:
    """The places of `count` items, of every kind as many as of any other, as far as they go."""
    return np.sort(np.argsort(_turns(kinds), kind="stable")[:count])


def _split_numbers(dataset: Dataset) -> Rows:
    numbers = row_set(dataset).taken(dataset.record.split_of_rows())
    return np.where(numbers < 0, len(dataset.splits), numbers)


def _side_by_side(dataset: Dataset, drawn: Rows, spec: SampleSpec) -> list[Group]:
    """The rows drawn, in one group or in those asked for."""
    if spec.group == "split":
        return _by_kind(drawn, _split_numbers(dataset), [*dataset.splits, "no split"])
    if dataset.labels is None or not (spec.group or spec.balanced or spec.per_class is not None):
        return [Group("", drawn)]
    groups = _by_kind(drawn, dataset.labels, dataset.classes or ())
    if spec.group:
        return groups
    return [Group("", np.concatenate([np.empty(0, np.int64), *(g.rows for g in groups)]))]


def _by_kind(drawn: Rows, kinds: Rows, names: Sequence[str]) -> list[Group]:
    """The rows drawn, each kind for itself."""
    there = np.unique(kinds[drawn]).tolist()
    return [Group(names[kind], drawn[kinds[drawn] == kind]) for kind in there]


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
    if not classes or dataset.labels is None:
        return True
    return bool(np.isin(dataset.labels[rows], _class_numbers(dataset, classes)).any())
