"""Groups of equal and nearly equal hashes are what comparing all pairs would give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgmem.core.rows import similar
from imgmem.core.rows.similar import equal_groups, near_groups

word = st.integers(0, 2**64 - 1)


def pair_by_pair(hashes, distance):
    """The lowest connected index of each item, the slow way."""
    groups = list(range(len(hashes)))
    for a in range(len(hashes)):
        for b in range(a):
            if (int(hashes[a]) ^ int(hashes[b])).bit_count() <= distance:
                low, high = sorted((groups[a], groups[b]))
                groups = [low if group == high else group for group in groups]
    return groups


@st.composite
def families(draw):
    """Hashes of which many are a few bits from another."""
    hashes = draw(st.lists(word, min_size=1, max_size=6))
    for _ in range(draw(st.integers(0, 12))):
        flipped = draw(st.sampled_from(hashes))
        for bit in draw(st.lists(st.integers(0, 63), max_size=12)):
            flipped ^= 1 << bit
        hashes.append(flipped)
    return np.array(hashes, np.uint64)


@settings(max_examples=150, deadline=None)
@given(hashes=families(), distance=st.integers(0, 11))
def test_near_groups_are_those_of_all_pairs(hashes, distance):
    assert near_groups(hashes, distance).tolist() == pair_by_pair(hashes, distance)


@settings(max_examples=50, deadline=None)
@given(words=st.lists(st.tuples(st.integers(0, 2), word.map(lambda w: w % 3)), max_size=20))
def test_equal_groups_begin_at_the_first_of_equals(words):
    array = np.array(words, np.uint64).reshape(-1, 2)
    assert equal_groups(array).tolist() == [words.index(word) for word in words]


@pytest.mark.parametrize("limit", [1, 7])
def test_batches_do_not_change_groups(monkeypatch, limit):
    hashes = np.arange(60, dtype=np.uint64) << np.uint64(20)
    whole = near_groups(hashes, 2)
    monkeypatch.setattr(similar, "_PAIRS_AT_ONCE", limit)
    assert np.array_equal(near_groups(hashes, 2), whole)


def test_no_hashes_have_no_groups():
    assert near_groups(np.empty(0, np.uint64), 6).tolist() == []
