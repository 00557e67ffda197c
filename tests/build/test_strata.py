"""Splits that divide sets of labels and ranges of numbers alike."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import photo, write

import imgmem
from imgmem.core.build.allocate import stratified
from imgmem.core.build.strata import BINS, find_strata
from imgmem.core.sources.scratch import scratch_database

FRACTIONS = st.sampled_from([(0.8, 0.2), (0.7, 0.1, 0.2), (0.2,) * 5, (0.5, 0.5), (1.0,)])
SETS = st.dictionaries(
    st.frozensets(st.integers(0, 6), max_size=4).map(lambda found: tuple(sorted(found))),
    st.integers(1, 40),
    min_size=1,
).map(lambda found: sorted(found.items()))


@given(SETS, FRACTIONS)
def test_every_unit_of_every_set_has_one_split(sets, fractions):
    shares = list(stratified(sets, fractions))
    assert [sum(share) for share in shares] == [units for _, units in sets]


@given(SETS, FRACTIONS)
def test_each_split_is_within_one_unit_of_its_share(sets, fractions):
    total = sum(units for _, units in sets)
    found = np.sum(list(stratified(sets, fractions)), axis=0)
    assert (np.abs(found - total * np.array(fractions)) < 1).all()


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), FRACTIONS)
def test_sets_of_one_class_are_divided_to_within_one_unit(counts, fractions):
    shares = list(stratified([((n,), units) for n, units in enumerate(counts)], fractions))
    rarest = min(range(len(counts)), key=lambda n: (counts[n], n))
    exact = counts[rarest] * np.array(fractions)
    assert (np.abs(shares[rarest] - exact) <= 1).all()


def drawn_sets(rows, classes, seed=0):
    """Sets of labels as chest X-rays have them: some frequent ones, some in 200 images."""
    rng = np.random.default_rng(seed)
    flags = rng.random((rows, classes)) < np.geomspace(0.18, 0.005, classes)
    return sorted(Counter(tuple(np.flatnonzero(row).tolist()) for row in flags).items())


def test_every_class_of_a_skewed_set_is_divided_alike():
    sets = drawn_sets(8000, 14)
    shares = np.array(list(stratified(sets, (0.7, 0.1, 0.2))))
    for each in range(14):
        found = shares[[each in classes for classes, _ in sets]].sum(axis=0)
        assert (np.abs(found - found.sum() * np.array((0.7, 0.1, 0.2))) < 2).all()


def ranges_of(rows):
    """Images by the range that their number is in."""
    database = scratch_database("CREATE TABLE files (label BLOB, stratum BLOB)")
    texts = ((json.dumps([number]).encode(),) for number in rows)
    database.executemany("INSERT INTO files VALUES (?, NULL)", texts)
    find_strata(database, "number", 1)
    return dict(database.execute("SELECT stratum, COUNT(*) FROM files GROUP BY stratum"))


def test_ranges_of_numbers_hold_equally_many_images():
    assert set(ranges_of(range(500)).values()) == {50}


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=80))
def test_equal_numbers_are_in_one_range_whatever_the_numbers(numbers):
    found = ranges_of(numbers)
    assert sum(found.values()) == len(numbers)
    assert len(found) <= min(BINS, len(set(numbers)))


@pytest.fixture
def built(tmp_path):
    """Builds from a table of tiny images; returns y of each split, and the result."""

    def build(lines, **options):
        for number in range(len(lines)):
            write(tmp_path / f"images/{number:03}.png", photo(4, 4, seed=number))
        rows = [f"{number:03}.png,{line}" for number, line in enumerate(lines)]
        (tmp_path / "l.csv").write_text("\n".join(["file,label,patient", *rows]) + "\n")
        out = tmp_path / "out"
        result = imgmem.build(
            tmp_path / "images", out, labels=tmp_path / "l.csv", size=4, workers=1, **options
        )
        y = np.load(out / "y.npy")
        splits = json.loads((out / "dataset.json").read_text())["splits"]
        return {name: y[start:stop] for name, (start, stop) in splits.items()}, result

    return build


def findings(rows, classes=5):
    """Lines of label sets and patients: four images a patient, each label rarer than the last."""
    rng = np.random.default_rng(1)
    flags = rng.random((rows, classes)) < np.geomspace(0.4, 0.04, classes)
    names = ["|".join(f"f{n}" for n in np.flatnonzero(row)) or "none" for row in flags]
    return [f"{name},p{number // 4}" for number, name in enumerate(names)]


SEVERAL = {"target": "multilabel", "no_label": "none"}


def test_a_split_has_its_share_of_every_label(built):
    splits, _ = built(findings(400), split="val=0.25", **SEVERAL)
    total = splits["train"].sum(axis=0) + splits["val"].sum(axis=0)
    assert (np.abs(splits["val"].sum(axis=0) - 0.25 * total) <= 1).all()
    assert len(splits["val"]) == 100


def test_folds_have_their_share_of_every_label(built):
    splits, _ = built(findings(400), split="folds=4", **SEVERAL)
    counts = np.array([flags.sum(axis=0) for flags in splits.values()])
    assert (counts.max(axis=0) - counts.min(axis=0) <= 2).all()


def test_groups_stay_whole_and_labels_are_divided_as_far_as_they_allow(built, tmp_path):
    splits, _ = built(findings(400), split="val=0.25", group="patient", **SEVERAL)
    rows = [line.split(",") for line in (tmp_path / "out/rows.csv").read_text().splitlines()[1:]]
    where = {}
    for row in rows:
        where.setdefault(row[-1], set()).add(row[1])
    assert all(len(found) == 1 for found in where.values())
    total = splits["train"].sum(axis=0) + splits["val"].sum(axis=0)
    assert len(splits["val"]) == 100
    assert (np.abs(splits["val"].sum(axis=0) - 0.25 * total) <= 4).all()


def test_a_label_that_a_split_lacks_is_named(built):
    lines = ["a,1"] * 40 + ["a|rare,2"]
    _, result = built(lines, split="val=0.2", **SEVERAL)
    assert "split val has no image of 1 class: rare" in result.notes


def test_a_split_has_its_share_of_every_range_of_a_number(built):
    ages = np.random.default_rng(2).permutation(300)
    splits, _ = built([f"{age},p" for age in ages], split="val=0.2", target="number")
    counts = np.histogram(splits["val"], bins=10, range=(0, 300))[0]
    assert (np.abs(counts - 6) <= 1).all()
    assert len(splits["val"]) == 60


def test_several_numbers_are_each_divided_alike(built):
    rng = np.random.default_rng(3)
    lines = [f"{x},{y}" for x, y in zip(rng.permutation(200), rng.permutation(200), strict=True)]
    splits, _ = built(lines, split="val=0.25", target="number", columns="label=label,label=patient")
    for column in splits["val"].T:
        assert (np.abs(np.histogram(column, bins=5, range=(0, 200))[0] - 10) <= 2).all()


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        ([f"{age},p" for age in range(100)], {"target": "number"}),
        ([f"{'a' if n % 10 else 'b'}|c,p" for n in range(100)], SEVERAL | {"no_label": None}),
    ],
)
def test_a_limit_is_spread_over_what_there_is(built, lines, options):
    splits, _ = built(lines, limit=20, split="val=0.5", **options)
    y = np.concatenate(list(splits.values()))
    assert len(y) == 20
    if y.ndim == 1:
        assert np.histogram(y, bins=10, range=(0, 100))[0].tolist() == [2] * 10
    else:
        assert y.sum(axis=0).tolist() == [10, 10, 20]
