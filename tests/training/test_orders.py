"""Orders of rows: each row once, the same everywhere, balanced where asked."""

import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgmem.core.errors import UsageError
from imgmem.core.read.orders import check_order, epoch_length, epoch_order, permutation
from imgmem.core.read.specs import OrderSpec

orders = st.builds(
    OrderSpec,
    order=st.sampled_from(["sequential", "random", "blocks"]),
    seed=st.integers(-5, 2**70),
    block_rows=st.integers(1, 40) | st.none(),
    window_blocks=st.integers(1, 5),
)


def rows_of(spec, epoch, count, labels=None, step=7):
    """All rows of an epoch, asked for in pieces as batches do."""
    order = epoch_order(spec, epoch, count, labels=labels, pixels=10)
    assert order.length == epoch_length(spec, count, labels)
    pieces = [
        order.rows(a, min(a + step, order.length)).tolist() for a in range(0, order.length, step)
    ]
    return [row for piece in pieces for row in piece]


@given(spec=orders, epoch=st.integers(0, 99), count=st.integers(0, 300))
def test_an_epoch_visits_every_row_exactly_once(spec, epoch, count):
    assert sorted(rows_of(spec, epoch, count)) == list(range(count))


def test_the_random_order_is_the_same_for_ever():
    assert permutation(10, 0, 0).tolist() == [1, 5, 4, 6, 0, 9, 3, 8, 7, 2]
    spec = OrderSpec(order="blocks", block_rows=3, window_blocks=2)
    assert rows_of(spec, 1, 10) == [0, 7, 8, 2, 1, 6, 3, 5, 4, 9]
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert rows_of(OrderSpec(balanced=True), 1, 10, labels) == [3, 7, 4, 1, 9, 5, 6, 8, 2, 0, 7, 4]


def test_the_random_order_is_that_of_the_documented_hash():
    from hashlib import sha256

    def splitmix64(state):
        z = state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    start = int.from_bytes(sha256(b"3:8").digest()[:8], "little")
    hashes = [splitmix64((start + (i + 1) * 0x9E3779B97F4A7C15) % 2**64) for i in range(1000)]
    assert permutation(1000, 3, 8).tolist() == sorted(range(1000), key=hashes.__getitem__)


@pytest.mark.parametrize("order", ["random", "blocks"])
def test_seeds_and_epochs_give_different_orders(order):
    spec = OrderSpec(order=order, block_rows=5)
    different = [spec, replace(spec, seed=1)]
    assert len({tuple(rows_of(spec, epoch, 50)) for spec in different for epoch in (0, 1)}) == 4


def test_random_orders_are_uniform():
    """Every order of 4 rows comes equally often: chi-square below the 0.1 % point of 23 degrees."""
    counts = Counter(tuple(permutation(4, 0, epoch).tolist()) for epoch in range(4800))
    assert len(counts) == 24
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 49.7


def test_blocks_stay_together_within_a_window():
    spec = OrderSpec(order="blocks", block_rows=10, window_blocks=4)
    rows = rows_of(spec, 0, 400)
    for start in range(0, 400, 40):
        window = rows[start : start + 40]
        assert len({row // 10 for row in window}) == 4
        assert window != sorted(window)


def test_a_permutation_takes_eight_bytes_a_row():
    tracemalloc.start()
    permutation(4_000_000, 0, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000 * 8 + 12 * 2**20


uneven = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 4]), min_size=1, max_size=120).map(np.array)


@given(labels=uneven, seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_oversampling_visits_all_classes_equally_often_and_all_rows(labels, seed, epoch):
    rows = rows_of(OrderSpec(balanced=True, seed=seed), epoch, len(labels), labels)
    sizes = Counter(labels.tolist())
    assert Counter(labels[rows].tolist()) == dict.fromkeys(sizes, max(sizes.values()))
    assert set(rows) == set(range(len(labels)))
    for label, size in sizes.items():
        visits = Counter(row for row in rows if labels[row] == label)
        assert max(visits.values()) - min(visits.values()) <= 1, (label, size)


@given(labels=uneven, seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_undersampling_visits_all_classes_equally_often_and_no_row_twice(labels, seed, epoch):
    rows = rows_of(OrderSpec(balanced="undersample", seed=seed), epoch, len(labels), labels)
    sizes = Counter(labels.tolist())
    assert Counter(labels[rows].tolist()) == dict.fromkeys(sizes, min(sizes.values()))
    assert len(set(rows)) == len(rows)


@given(labels=uneven, start=st.integers(0, 50), length=st.integers(0, 50))
def test_any_stretch_of_a_balanced_epoch_is_balanced_to_within_one_at_each_end(
    labels, start, length
):
    rows = np.array(rows_of(OrderSpec(balanced=True), 0, len(labels), labels), int)
    counts = np.bincount(labels[rows[start : start + length]], minlength=5)[np.unique(labels)]
    assert counts.max(initial=0) - counts.min(initial=99) <= 2


def test_epochs_undersample_different_rows():
    labels = np.array([0] * 500 + [1] * 20)
    spec = OrderSpec(balanced="undersample")
    assert set(rows_of(spec, 0, 520, labels)) != set(rows_of(spec, 1, 520, labels))


def test_a_rare_class_next_to_a_huge_one_takes_no_memory_for_its_repetitions():
    labels = np.array([0] * 100_000 + list(range(1, 400)))
    tracemalloc.start()
    order = epoch_order(OrderSpec(balanced=True), 0, len(labels), labels=labels, pixels=1)
    order.rows(10**7, 10**7 + 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert order.length == 400 * 100_000
    assert peak < 8 * 2**20


def test_whole_windows_are_fetched_ahead_for_blocks():
    spec = OrderSpec(order="blocks", block_rows=10, window_blocks=2)
    order = epoch_order(spec, 0, 100, labels=None, pixels=1)
    fetched = [set(order.next_to_fetch(a, a + 10).tolist()) for a in range(0, 100, 10)]
    windows = [set(order.rows(a, a + 20).tolist()) for a in range(0, 100, 20)]
    assert fetched[0::2] == [*windows[1:], set()]
    assert fetched[1::2] == [set()] * 5


def test_as_many_rows_again_are_fetched_ahead_for_other_orders():
    order = epoch_order(OrderSpec(), 0, 25, labels=None, pixels=1)
    assert order.next_to_fetch(0, 10).tolist() == order.rows(10, 20).tolist()
    assert order.next_to_fetch(10, 20).tolist() == order.rows(20, 25).tolist()
    assert order.next_to_fetch(20, 25).tolist() == []
    assert order.next_to_fetch(0, 10, at_once=2).tolist() == order.rows(20, 25).tolist()


CLASSES = np.array([0])


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        ({"order": "shuffled"}, None),
        ({"balanced": "somehow"}, CLASSES),
        ({"balanced": True}, None),
        ({"balanced": True, "order": "sequential"}, CLASSES),
        ({"balanced": "undersample", "order": "blocks"}, CLASSES),
        ({"balanced": True}, np.array([0.5], np.float32)),
        ({"block_rows": 0}, None),
        ({"window_blocks": 0}, None),
    ],
)
def test_orders_that_contradict_themselves_are_refused(options, labels):
    with pytest.raises(UsageError):
        check_order(OrderSpec(**options), labels)


worlds = st.integers(1, 9)


@settings(deadline=None, max_examples=50)
@given(spec=orders, count=st.integers(0, 60), world=worlds, drop_last=st.booleans())
def test_the_shares_of_all_ranks_are_the_whole_order(spec, count, world, drop_last):
    parts = [
        rows_of(replace(spec, rank=rank, world_size=world, drop_last=drop_last), 2, count)
        for rank in range(world)
    ]
    joined, whole = [row for part in parts for row in part], rows_of(spec, 2, count)
    if spec.order == "sequential":
        assert joined == whole
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    else:
        assert {len(part) for part in parts} == {len(parts[0])}
        short = min(len(joined), count)
        assert joined[:short] == whole[:short]
        assert abs(len(joined) - count) < world
        assert joined[count:] == (whole * world)[: max(0, len(joined) - count)]


@settings(deadline=None, max_examples=50)
@given(labels=uneven, world=worlds, data=st.data())
def test_shares_of_a_balanced_order_are_balanced(labels, world, data):
    rank = data.draw(st.integers(0, world - 1))
    spec = OrderSpec(balanced=True, rank=rank, world_size=world)
    counts = np.bincount(labels[rows_of(spec, 0, len(labels), labels)], minlength=5)
    counts = counts[np.unique(labels)]
    assert counts.max() - counts.min() <= 3  # one at each end, and one where it starts over
