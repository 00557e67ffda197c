"""Groups of equal and nearly equal hashes are what comparing all pairs would give."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgmem.core.rows import similar
from imgmem.core.rows.similar import (
    equal_groups,
    furthest,
    near_groups,
    telling_distance,
    unchained,
)

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


def flipped(hashes, bits, seed):
    """Copies of hashes with so many bits changed."""
    chance = np.random.default_rng(seed)
    changed = [chance.choice(64, bits, replace=False) for _ in hashes]
    masks = [np.bitwise_or.reduce(np.uint64(1) << c.astype(np.uint64)) for c in changed]
    return hashes ^ np.array(masks, np.uint64)


def random_hashes(count, seed=0, *, free_bits=64):
    """Hashes that differ in some bits only, as those of images that look alike do."""
    chance = np.random.default_rng(seed)
    return chance.integers(0, 1 << free_bits, count, np.uint64, endpoint=False)


@settings(max_examples=100, deadline=None)
@given(hashes=families(), distance=st.integers(0, 11))
def test_no_group_is_a_chain_of_different_hashes(hashes, distance):
    groups = near_groups(hashes, distance)
    for first in np.unique(groups):
        members = np.flatnonzero(groups == first)
        for group in unchained(hashes[members], distance):
            assert furthest(hashes[members[group]]) <= 2 * distance


def test_a_long_chain_is_cut_and_a_short_one_is_not():
    steps = np.array([(1 << count) - 1 for count in range(0, 60, 2)], np.uint64)
    assert set(near_groups(steps, 2)) == {0}
    assert [len(group) for group in unchained(steps, 2)] == [2] * 15
    assert [len(group) for group in unchained(steps[:3], 2)] == [3]


def test_distances_say_something_where_copies_stand_out():
    originals = random_hashes(3000)
    copies = [flipped(originals[:300], bits, bits) for bits in (1, 2, 3, 5, 6)]
    assert telling_distance(np.concatenate([originals, *copies]), 6) == 6


def test_distances_say_nothing_where_all_images_look_alike():
    assert telling_distance(random_hashes(3000, free_bits=20), 6) is None


def test_small_distances_may_say_something_where_large_ones_do_not():
    originals = random_hashes(2000, free_bits=28)
    copies = flipped(originals[:500], 1, 0)
    assert telling_distance(np.concatenate([originals, copies]), 6) in (1, 2)


def test_what_distances_say_does_not_depend_on_the_order_of_rows():
    hashes = random_hashes(6000, free_bits=24)
    expected = telling_distance(hashes, 6)
    assert telling_distance(np.random.default_rng(1).permutation(hashes), 6) == expected
