"""Groups of equal and of nearly equal 64-bit hashes, far faster than pair by pair."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Indices = NDArray[np.int64]

_BANDS = 4
_BAND_BITS = 16
_PAIRS_AT_ONCE = 2**16
"""Candidate pairs compared at a time: they stay in the second-level cache."""
_COMPARED_FIRST, _COMPARED = 1024, 4096
"""Hashes that are compared pair by pair to learn what a distance says."""
_RARE = 0.05
"""Near pairs for each row up to which it does not matter that some are chance."""
_CHANCE_FACTOR, _CHANCE_PAIRS = 3, 30
"""Beyond this many times the near pairs, and some more, it is chance. Measured: 10 to 40 for
digits, X-rays and pages of text; below 2 for photographs with copies and for bursts of them."""


def equal_groups(words: NDArray[np.unsignedinteger]) -> Indices:
    """(n,) the group of each item: the index of the first item whose words are the same.

    words: (n,) or (n, k).
    """
    lines = words if words.ndim == 2 else words[:, None]
    order = np.lexsort(lines.T[::-1])  # stable: the first of equals stays first
    ordered = lines[order]
    starts = np.ones(len(words), bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(1)
    groups = np.empty(len(words), np.int64)
    groups[order] = order[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
    return groups


def near_groups(hashes: Words, distance: int) -> Indices:
    """(n,) the group of each item: the lowest index that it is connected to.

    Two items are connected where at most `distance` bits of their hashes differ, or where a
    chain of such items leads from one to the other.
    """
    same = equal_groups(hashes)
    firsts = np.flatnonzero(same == np.arange(len(hashes)))
    labels = np.arange(len(firsts))
    for a, b in _near_pairs(hashes[firsts], distance):
        labels = _joined(labels, a, b)
    groups = np.empty(len(hashes), np.int64)
    groups[firsts] = firsts[labels]
    return groups[same]


def furthest(hashes: Words) -> int:
    """How many bits of (n,) hashes differ, at most, from those of the first."""
    return int(_bits(hashes ^ hashes[0]).max())


def unchained(hashes: Words, distance: int) -> list[Indices]:
    """Split a group of connected hashes where it is a chain of different ones.

    Args:
        hashes: (n,) hashes of one group of `near_groups`.
        distance: The one that they were grouped by.

    Returns:
        All items, if none is further than twice the distance from the first; else groups of
        items (at least two) that are within the distance of the group's first item.
    """
    items = np.arange(len(hashes))
    if furthest(hashes) <= 2 * distance:
        return [items]
    groups = []
    while len(items):
        close = _bits(hashes[items] ^ hashes[items[0]]) <= distance
        if close.sum() > 1:
            groups.append(items[close])
        items = items[~close]
    return groups


def telling_distance(hashes: Words, most: int) -> int | None:
    """How far apart hashes of these images may be and still mean that they look the same.

    Hashes of different images are close by chance only, and more often the larger the distance:
    ten or more times as many pairs are up to twice as far apart. Copies of one image are close,
    with few pairs between them and the chance pairs. So a distance means nothing where the pairs
    within it are few compared with those up to twice as far apart.

    Args:
        hashes: (n,) hashes.
        most: The largest distance to consider.

    Returns:
        The largest that says something, or None if none does.
    """
    distinct = np.unique(hashes)
    if _is_rare(distinct, most):
        return most  # of most datasets, at a sixteenth of the cost
    drawn = _drawn(distinct, _COMPARED)
    counts = _distances(drawn, 2 * most + 1)
    near, beyond = _around(counts, most)
    is_rare = near * len(distinct) <= _RARE * len(drawn) ** 2
    if is_rare or beyond <= _CHANCE_FACTOR * near + _CHANCE_PAIRS:
        return most
    for distance in range(most - 1, -1, -1):
        near, beyond = _around(counts, distance)
        if beyond <= near:  # where chance is known to be at work, only copies explain this
            return distance
    return None


def _is_rare(distinct: Words, most: int) -> bool:
    """Whether a small sample shows that near pairs are too few a row to matter."""
    drawn = _drawn(distinct, _COMPARED_FIRST)
    pairs = int(_distances(drawn, most).sum()) + 3  # it may hold none of up to three by chance
    return pairs * len(distinct) <= _RARE * len(drawn) ** 2


def _around(counts: Indices, distance: int) -> tuple[int, int]:
    """How many pairs differ in at most this many bits, and how many in up to twice as many."""
    near, beyond = counts[: distance + 1], counts[distance + 1 : 2 * distance + 2]
    return int(near.sum()), int(beyond.sum())


def _drawn(hashes: Words, count: int) -> Words:
    """At most `count` of distinct hashes, always the same ones, near ones as likely as others."""
    if len(hashes) <= count:
        return hashes
    mixed = hashes * np.uint64(0x9E3779B97F4A7C15)  # the finalizer of splitmix64, shortened
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return hashes[np.argsort(mixed ^ (mixed >> np.uint64(29)), kind="stable")[:count]]


def _distances(hashes: Words, most: int) -> Indices:
    """(most + 1,) how many pairs of hashes differ in 0, 1, … `most` bits."""
    counts = np.zeros(65, np.int64)
    for place in range(1, len(hashes)):
        counts += np.bincount(_bits(hashes[:place] ^ hashes[place]).astype(np.int64), minlength=65)
    return counts[: most + 1]


def _near_pairs(hashes: Words, distance: int) -> Iterator[tuple[Indices, Indices]]:
    """Index pairs a < b of distinct hashes at most `distance` bits apart, in batches.

    Multi-index hashing (Norouzi, Punjani and Fleet 2012): of four 16-bit bands at least one
    differs in at most distance // 4 bits, so it is found by looking up every such change.
    """
    for band in range(_BANDS):
        keys = (hashes >> np.uint64(band * _BAND_BITS)).astype(np.uint16).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        keys, ordered = keys[order], hashes[order]  # neighbors in memory, too
        ends = np.cumsum(np.bincount(keys, minlength=1 << _BAND_BITS))
        for change in _changes(distance // _BANDS):
            for a, b in _expanded(*_candidates(keys, ends, change)):
                near = np.flatnonzero(_bits(ordered[a] ^ ordered[b]) <= distance)
                one, other = order[a[near]], order[b[near]]
                yield np.minimum(one, other), np.maximum(one, other)


def _candidates(keys: Indices, ends: Indices, change: int) -> tuple[Indices, Indices, Indices]:
    """(i, start, stop): with which later items each i is to be compared, every pair once.

    keys: sorted. ends: of each key's items among them. change: by which two keys differ.
    """
    if not change:
        items = np.arange(len(keys))
        return items, items + 1, ends[keys]
    items = np.flatnonzero(keys < keys ^ change)
    wanted = keys[items] ^ change
    return items, ends[wanted - 1], ends[wanted]


def _changes(bits: int) -> Iterator[int]:
    """All 16-bit words with at most this many bits set."""
    for count in range(bits + 1):
        for chosen in combinations(range(_BAND_BITS), count):
            yield sum(1 << bit for bit in chosen)


def _expanded(items: Indices, starts: Indices, ends: Indices) -> Iterator[tuple[Indices, Indices]]:
    """(items[i], each of starts[i] … ends[i] - 1) for all i, in batches of bounded size."""
    counts = ends - starts
    totals = np.cumsum(counts)
    first = 0
    while first < len(counts):
        done = totals[first] - counts[first]
        last = max(first + 1, int(np.searchsorted(totals, done + _PAIRS_AT_ONCE, "right")))
        some = counts[first:last]
        shifts = starts[first:last] - (np.cumsum(some) - some)
        yield np.repeat(items[first:last], some), np.arange(some.sum()) + np.repeat(shifts, some)
        first = last


def _bits(words: Words) -> NDArray[np.uint64]:
    """How many bits are set, by adding neighbors (Warren, Hacker's Delight, 5-1)."""
    m1, m2, m4, ones = (
        np.uint64(mask)
        for mask in (
            0x5555555555555555,
            0x3333333333333333,
            0x0F0F0F0F0F0F0F0F,
            0x0101010101010101,
        )
    )
    pairs = words - ((words >> np.uint64(1)) & m1)
    fours = (pairs & m2) + ((pairs >> np.uint64(2)) & m2)
    eights = (fours + (fours >> np.uint64(4))) & m4
    counts: Words = (eights * ones) >> np.uint64(56)
    return counts


def _joined(labels: Indices, a: Indices, b: Indices) -> Indices:
    """Labels after connecting each a with its b: always the lowest of all connected."""
    while True:
        low, high = np.minimum(labels[a], labels[b]), np.maximum(labels[a], labels[b])
        apart = low != high
        if not apart.any():
            return labels
        np.minimum.at(labels, high[apart], low[apart])
        while not np.array_equal(labels, labels[labels]):
            labels = labels[labels]
