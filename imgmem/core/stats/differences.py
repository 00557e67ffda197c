"""Which rows of two datasets are the same, and what became of the others.

Rows are matched by the path of their source, then by its bytes. Memory: some 100 bytes a row.
"""

import json
import os
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, zip_longest
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgmem.core.arrays import Indices
from imgmem.core.read.dataset import Dataset, row_set
from imgmem.core.rows.duplicates import load_facts
from imgmem.core.rows.origins import RowOrigin, paths_of, sources_of
from imgmem.core.rows.similar import equal_groups
from imgmem.core.storage.labels import row_classes
from imgmem.core.storage.targets import CLASS
from imgmem.core.thresholds import LISTED

KINDS = {
    "added": "rows of B that A does not have",
    "dropped": "rows of A that B does not have",
    "changed": "rows with other source bytes in B",
    "relabeled": "rows with another label in B",
    "resplit": "rows in another split in B",
    "renamed": "rows under another path in B",
}
"""All kinds of differences, with what they are."""


@dataclass(frozen=True, slots=True)
class RowPair:
    """A row of A and the same row in B; None where there is none."""

    a: RowOrigin | None
    b: RowOrigin | None


@dataclass(frozen=True, slots=True)
class Difference:
    """All differences of a kind. count: of rows; the first LISTED of them are in `rows`."""

    kind: str
    count: int
    rows: tuple[RowPair, ...]


class _Matched(NamedTuple):
    """Rows that are the same: (m,) numbers in A and in B, and whether their paths are."""

    a: Indices
    b: Indices
    by_path: NDArray[np.bool_]


def differences(a: Dataset, b: Dataset) -> list[Difference]:
    """Find what became of the rows of A in B.

    Args:
        a: A dataset, or one split of it.
        b: Another.

    Returns:
        The kinds of which there are some, in the order of `KINDS`.

    Raises:
        DatasetError: `rows.csv` or `rows.npy` of one of them is damaged.
    """
    digests = equal_groups(np.concatenate([load_facts(each)["digest"] for each in (a, b)]))
    of_a, of_b = digests[: len(a)], digests[len(a) :]
    same = _matched(a, b, of_a, of_b)
    found = {
        "added": (None, np.setdiff1d(np.arange(len(b)), same.b)),
        "dropped": (np.setdiff1d(np.arange(len(a)), same.a), None),
        "changed": _where(same, of_a[same.a] != of_b[same.b]),
        "relabeled": _where(same, _differ(label_names(a), label_names(b), same)),
        "resplit": _where(same, _differ(_split_names(a), _split_names(b), same)),
        "renamed": _where(same, ~same.by_path),
    }
    listed = (_difference(kind, rows, a, b) for kind, rows in found.items())
    return [each for each in listed if each.count]


def _matched(a: Dataset, b: Dataset, of_a: Indices, of_b: Indices) -> _Matched:
    """of_a, of_b: rows with equal numbers have the same source bytes."""
    _, by_path_a, by_path_b = np.intersect1d(_path_keys(a), _path_keys(b), return_indices=True)
    left_a = np.setdiff1d(np.arange(len(a)), by_path_a)
    left_b = np.setdiff1d(np.arange(len(b)), by_path_b)
    _, first_a, first_b = np.intersect1d(of_a[left_a], of_b[left_b], return_indices=True)
    rows_a = np.concatenate([by_path_a, left_a[first_a]])
    rows_b = np.concatenate([by_path_b, left_b[first_b]])
    by_path = np.arange(len(rows_a)) < len(by_path_a)
    order = np.argsort(rows_a, kind="stable")
    return _Matched(rows_a[order], rows_b[order], by_path[order])


def _path_keys(dataset: Dataset) -> NDArray[np.uint64]:
    """(n,) 64 bits of a hash of each row's path."""
    ranges = row_set(dataset).ranges
    paths = chain.from_iterable(paths_of(dataset.path, *rows) for rows in ranges)
    hashes = (blake2b(os.fsencode(path), digest_size=8).digest() for path in paths)
    return np.frombuffer(b"".join(hashes), np.uint64)


def _where(same: _Matched, which: NDArray[np.bool_]) -> tuple[Indices, Indices]:
    return same.a[which], same.b[which]


Named = tuple[list[str], Indices]
"""Names, and the number of each row's name."""


def label_names(dataset: Dataset) -> Named | None:
    """The labels of rows as names: of a class, of a set of classes, or of numbers."""
    labels = dataset.labels
    if labels is None:
        return None
    if dataset.target == CLASS:
        return list(dataset.classes or ()), labels
    kinds, rows = np.unique(labels, axis=0, return_inverse=True)
    classes = dataset.classes
    found = row_classes(kinds) if classes is not None else kinds.reshape(len(kinds), -1).tolist()
    named = [[classes[each] for each in kind] if classes else kind for kind in found]
    return [f"{dataset.target} {json.dumps(names)}" for names in named], rows.reshape(-1)


def _split_names(dataset: Dataset) -> Named | None:
    if not dataset.splits:
        return None
    rows = row_set(dataset).taken(dataset.record.split_of_rows())
    return [*dataset.splits, ""], rows  # -1 is the last


def _differ(a: Named | None, b: Named | None, same: _Matched) -> NDArray[np.bool_]:
    """(m,) whether a row has another name in B; never where one of them has no names."""
    if a is None or b is None:
        return np.zeros(len(same.a), bool)
    numbers = {name: number for number, name in enumerate(dict.fromkeys((*a[0], *b[0])))}
    in_a, in_b = (
        np.array([numbers[name] for name in names], np.int64)[rows[chosen]]
        for (names, rows), chosen in ((a, same.a), (b, same.b))
    )
    return np.asarray(in_a != in_b)


def _difference(
    kind: str, rows: tuple[Indices | None, Indices | None], a: Dataset, b: Dataset
) -> Difference:
    count = max(len(each) for each in rows if each is not None)
    sides = [_origins(each, numbers) for each, numbers in zip((a, b), rows, strict=True)]
    pairs = zip_longest(*sides)  # one side is empty where a row has no partner
    return Difference(kind, count, tuple(RowPair(*pair) for pair in pairs))


def _origins(dataset: Dataset, rows: Indices | None) -> list[RowOrigin]:
    if rows is None:
        return []
    wanted = row_set(dataset).file_rows(rows[:LISTED]).tolist()
    found = sources_of(dataset.path, wanted)
    return [found[row] for row in wanted]
