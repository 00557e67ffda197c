"""Splits that keep groups together, and reach their shares."""

import json
import shutil
from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.datasets import rows
from support.images import photo, write

import imgmem
from imgmem.core.build.allocate import Apportionment, Unit, place
from imgmem.core.components import Components
from imgmem.core.errors import CheckFailed, InputError, UsageError
from imgmem.core.specs import BuildSpec

SMALL = {"size": 4, "workers": 1}

_fractions = st.lists(st.integers(1, 20), min_size=2, max_size=4).map(
    lambda weights: tuple(weight / sum(weights) for weight in weights)
)
_units = st.lists(
    st.dictionaries(st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 9), min_size=1),
    min_size=1, max_size=40,
).map(lambda found: _largest_first([Unit(b"%d" % n, u) for n, u in enumerate(found)]))  # fmt: skip


def _largest_first(units):
    return sorted(units, key=lambda unit: -unit.size)


def totals_of(units):
    totals = Counter()
    for unit in units:
        totals.update(unit.classes)
    return totals


@given(_units, _fractions)
def test_each_split_is_within_one_largest_group_of_its_share(units, fractions):
    sizes = dict.fromkeys(range(len(fractions)), 0)
    by_id = {unit.id: unit for unit in units}
    placed = list(place(units, totals_of(units), fractions))
    assert sorted(unit for unit, _ in placed) == sorted(by_id)
    for unit, index in placed:
        sizes[index] += by_id[unit].size
    total = sum(sizes.values())
    for index, fraction in enumerate(fractions):
        assert abs(sizes[index] - fraction * total) <= units[0].size + 1e-6


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), _fractions)
def test_rounding_is_spread_over_classes(counts, fractions):
    whole = Apportionment(fractions)
    shares = [whole.shares(count) for count in counts]
    for count, share in zip(counts, shares, strict=True):
        assert sum(share) == count
        assert all(abs(s - count * f) < 1 for s, f in zip(share, fractions, strict=True))
    for index, fraction in enumerate(fractions):
        assert abs(sum(s[index] for s in shares) - fraction * sum(counts)) <= len(fractions) - 1


def test_small_classes_reach_the_share_of_the_whole():
    whole = Apportionment((0.8, 0.2))
    val = sum(whole.shares(count)[1] for count in [1] * 400 + [2] * 60 + [3] * 40)
    assert abs(val - 0.2 * 640) < 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))))
def test_joined_names_have_one_root_whatever_the_order(pairs):
    forwards, back = Components(), Components()
    for one, other in pairs:
        forwards.join(one, other)
    for one, other in reversed(pairs):
        back.join(other, one)
    assert [forwards.root(n) for n in "abcdef"] == [back.root(n) for n in "abcdef"]
    assert all(forwards.root(a) == forwards.root(b) for a, b in pairs)


def patients(folder, counts):
    """folder/CLASS/PATIENT_NN.png: `counts` images of each patient, over two classes."""
    seed = 0
    for patient, count in counts.items():
        for number in range(count):
            seed += 1
            label = "sick" if (seed + number) % 2 else "well"
            write(folder / label / f"{patient}_{number:02}.png", photo(4, 4, seed=seed))
    return folder


def splits_by_group(out, group=lambda row: row["group"]):
    found = defaultdict(set)
    for row in rows(out):
        found[group(row)].add(row["split"])
    return found


@settings(max_examples=6, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=9), st.integers(0, 3))
def test_no_group_is_in_two_splits(tmp_path_factory, sizes, seed):
    folder = tmp_path_factory.mktemp("groups")
    patients(folder / "src", {f"p{n}": size for n, size in enumerate(sizes)})
    imgmem.build(
        folder / "src",
        folder / "out",
        split="val=0.3",
        group="name:^(p[0-9]+)_",
        seed=seed,
        **SMALL,
    )
    assert all(len(found) == 1 for found in splits_by_group(folder / "out").values())


def test_identical_bytes_connect_their_groups(tmp_path):
    source = patients(tmp_path / "src", {"p1": 4, "p2": 4, "p3": 4, "p4": 4})
    for a, b in (("p1", "p2"), ("p2", "p3")):
        first = next(source.rglob(f"{a}_*.png"))
        shutil.copy(first, first.with_name(f"{b}_copy.png"))
    imgmem.build(source, tmp_path / "out", split="val=0.5", group="name:^(p.)_", **SMALL)
    found = splits_by_group(tmp_path / "out")
    assert found["p1"] == found["p2"] == found["p3"] != found["p4"]


def test_a_column_of_the_table_is_the_group(tmp_path):
    patients(tmp_path / "src", {f"p{n}": 3 for n in range(8)})
    names = sorted((tmp_path / "src").rglob("*.png"))
    lines = [f"{p.relative_to(tmp_path / 'src')},{p.parent.name},{p.name[:2]}" for p in names]
    (tmp_path / "l.csv").write_text("\n".join(["path,label,patient", *lines]))
    options = {**SMALL, "labels": tmp_path / "l.csv", "split": "val=0.25"}
    for out, how in (("a", {"columns": "group=patient"}), ("b", {"group": "patient"})):
        imgmem.build(tmp_path / "src", tmp_path / out, **options, **how)
        found = splits_by_group(tmp_path / out, lambda row: row["patient"])
        assert len(found) == 8
        assert all(len(splits) == 1 for splits in found.values())
    assert rows(tmp_path / "a") == rows(tmp_path / "b")
    with pytest.raises(UsageError, match="different groups"):
        imgmem.build(
            tmp_path / "src", tmp_path / "c", columns="group=patient", group="folder:1", **options
        )


def test_the_group_is_a_column_of_the_rows_without_a_split_too(tmp_path):
    source = patients(tmp_path / "src", {"p1": 2, "p2": 2})
    imgmem.build(source, tmp_path / "out", group="name:^(p.)_", **SMALL)
    assert {row["group"] for row in rows(tmp_path / "out")} == {"p1", "p2"}
    assert imgmem.open(tmp_path / "out").record.group_column == "group"


def test_without_a_group_an_image_is_its_own(tmp_path):
    source = patients(tmp_path / "src", {f"{'x' if n else 'p'}{n}": 1 for n in range(10)})
    result = imgmem.build(source, tmp_path / "out", split="val=0.5", group="name:^(p.)_", **SMALL)
    assert result.splits == {"train": 5, "val": 5}


def test_the_split_does_not_depend_on_names_of_groups_or_the_order_of_the_table(tmp_path):
    patients(tmp_path / "src", {f"p{n}": n % 4 + 1 for n in range(9)})
    names = sorted((tmp_path / "src").rglob("*.png"))
    for out, order in (("a", names), ("b", names[::-1])):
        lines = [f"{p.relative_to(tmp_path / 'src')},{p.parent.name},{p.name[:2]}" for p in order]
        (tmp_path / "l.csv").write_text("\n".join(["path,label,nest", *lines]))
        imgmem.build(
            tmp_path / "src", tmp_path / out, labels=tmp_path / "l.csv", split="val=0.3",
            group="nest", **SMALL,
        )  # fmt: skip
    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_the_report_says_by_how_much_the_shares_are_missed(tmp_path):
    source = patients(tmp_path / "src", {"p1": 6, "p2": 2, "p3": 2})
    result = imgmem.build(source, tmp_path / "out", split="val=0.3", group="name:^(p.)_", **SMALL)
    (note,) = [note for note in result.notes if "no group" in note]
    assert "(group) is split up" in note
    assert "(asked: 30 %)" in note


def split_by_author(folder, **numbers):
    """An image of each patient in these splits, by the patients' numbers: SPLIT/CLASS/pN_SPLIT."""
    for split, of_split in numbers.items():
        for number in of_split:
            name = f"p{number}_{split}.png"
            write(folder / split / "ab"[number % 2] / name, photo(4, 4, seed=number + 50))
    return folder


def test_a_group_in_two_splits_of_the_author_is_a_doubt_that_its_remedy_settles(tmp_path):
    source = split_by_author(tmp_path / "src", train=range(6), val=range(4, 8))
    options = {**SMALL, "group": "name:^(p.)_"}
    with pytest.raises(
        InputError, match=r"2 groups \(group\) are in more than one split"
    ) as caught:
        imgmem.build(source, tmp_path / "out", **options)
    (doubt,) = caught.value.facts["doubts"]
    (remedy,) = doubt["remedies"]
    imgmem.build(source, tmp_path / "out", **options, **remedy["options"])
    assert all(len(found) == 1 for found in splits_by_group(tmp_path / "out").values())


def test_folds_in_a_doubt_about_groups_are_drawn_again(tmp_path):
    source = split_by_author(tmp_path / "src", train=range(8), val=range(4, 10))
    options = {**SMALL, "group": "name:^(p.)_"}
    with pytest.raises(InputError) as caught:
        imgmem.build(source, tmp_path / "out", split="folds=2", **options)
    (doubt,) = caught.value.facts["doubts"]
    (remedy,) = doubt["remedies"]
    result = imgmem.build(source, tmp_path / "out", **options, **remedy["options"])
    assert list(result.splits) == ["fold1", "fold2", "val"]


@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        (None, "test=0.25"),
        ("test=0.5", "test=0.5"),
        ("val=0.2", "test=0.25,val=0.15"),
        ("val=0.2,folds=2", "test=0.25,val=0.15,folds=2"),
    ],
)
def test_splits_that_are_drawn_again_have_the_shares_that_were_asked_for(tmp_path, asked, drawn):
    for split, numbers in (("train", range(12)), ("test", range(4))):
        for number in numbers:
            write(tmp_path / "src" / split / "a" / f"p{number}_{split}.png", photo(4, 4))
    with pytest.raises(InputError, match="in more than one split") as caught:
        imgmem.build(tmp_path / "src", tmp_path / "out", group="name:^(p[0-9]+)_", split=asked)
    (remedy,) = caught.value.facts["doubts"][0]["remedies"]
    assert remedy["options"] == {"auto_split": False, "split": drawn}


def test_a_pattern_without_parentheses_is_refused_in_words_that_fit_groups(tmp_path):
    write(tmp_path / "src/a/x.png", photo(4, 4))
    with pytest.raises(UsageError, match="'x' has no parentheses\nPut them around the part"):
        imgmem.build(tmp_path / "src", tmp_path / "out", group="name:x", **SMALL)


def test_many_splits_that_lack_classes_are_a_few_notes(tmp_path):
    for number in range(12):
        write(tmp_path / f"src/k{number:02}/x.png", photo(4, 4, seed=number))
    result = imgmem.build(tmp_path / "src", tmp_path / "out", split="folds=12", **SMALL)
    *named, rest = [note for note in result.notes if "split" in note]
    assert len(named) == 5 and rest == "7 more splits lack classes too"


def test_many_splits_without_rows_are_one_note(tmp_path):
    for number in range(3):
        write(tmp_path / f"src/k/{number}.png", photo(4, 4, seed=number))
    splits = {"train": 0.55} | {f"part{number}": 0.005 for number in range(90)}
    result = imgmem.build(tmp_path / "src", tmp_path / "out", split=splits, **SMALL)
    assert [note for note in result.notes if "no rows" in note] == [
        "89 splits have no rows: part1, part10, part11, part12, part13, …"
    ]


def test_classes_that_a_drawn_split_lacks_are_named(tmp_path):
    for number in range(12):
        write(tmp_path / f"src/k{number:02}/x.png", photo(4, 4, seed=number))
    result = imgmem.build(
        tmp_path / "src", tmp_path / "out", spec=BuildSpec(), split="val=0.25", **SMALL
    )
    assert result.splits == {"train": 9, "val": 3}
    assert any(note.startswith("split val has no image of 9 classes: k0") for note in result.notes)


@pytest.fixture
def parted(tmp_path):
    """A dataset whose group p1 is in train and in val, p2 only in train, one without a group."""
    lines = ["path,label,split,patient"]
    for number, (split, patient) in enumerate(
        [
            ("train", "p1"),
            ("train", "p2"),
            ("train", "p2"),
            ("train", ""),
            ("val", "p1"),
            ("val", ""),
        ]
    ):
        write(tmp_path / f"src/{number}.png", photo(16, 16, seed=number))
        lines.append(f"{number}.png,c{number % 2},{split},{patient}")
    (tmp_path / "src/l.csv").write_text("\n".join(lines))
    imgmem.build(tmp_path / "src/l.csv", tmp_path / "d", size=16, workers=1)
    file = tmp_path / "d/dataset.json"
    record = json.loads(file.read_text())
    file.write_text(json.dumps(record | {"group_column": "patient"}))
    return tmp_path / "d"


def test_a_group_in_two_splits_is_a_finding(parted):
    (finding,) = [f for f in imgmem.stats(parted).findings if f.kind == "group-leaks"]
    assert (finding.count, [row.row for row in finding.items[0].rows]) == (1, [0, 4])


def test_stats_can_fail_on_group_leaks(parted):
    with pytest.raises(CheckFailed, match="group-leaks"):
        imgmem.stats(parted, fail_on="group-leaks")


def test_there_is_no_check_for_group_leaks_without_groups(tmp_path):
    source = patients(tmp_path / "src", {"p1": 4, "p2": 4})
    imgmem.build(source, tmp_path / "out", split="val=0.5", **SMALL)
    with pytest.raises(UsageError, match="no column of groups"):
        imgmem.stats(tmp_path / "out", fail_on="group-leaks")


def test_a_split_by_group_has_no_group_leaks(tmp_path):
    source = patients(tmp_path / "src", {"p1": 4, "p2": 4, "p3": 3})
    imgmem.build(source, tmp_path / "out", split="val=0.5", group="name:^(p.)_", **SMALL)
    imgmem.stats(tmp_path / "out", fail_on="group-leaks")


def test_a_dry_run_reports_the_shares_that_groups_leave(tmp_path):
    source = patients(tmp_path / "src", {"p1": 6, "p2": 2, "p3": 2})
    spec = BuildSpec(group="name:^(p.)_", splits=(("val", 0.3),))
    shown = imgmem.preview_build(source, tmp_path / "out", spec=spec)
    assert any("(group) is split up" in note for note in shown.notes)
    assert not (tmp_path / "out").exists()


def test_an_image_with_two_groups_is_refused_with_its_line(tmp_path):
    for name in "xyz":
        write(tmp_path / "src" / f"{name}.png", photo(4, 4, ord(name)))
    table = tmp_path / "t.csv"
    table.write_text("path,label,who\nx.png,a,g1\ny.png,a,g1\nz.png,b,g2\nx.png,b,g2\n")
    with pytest.raises(InputError, match=r"line 5: the group of x\.png is 'g2' here, and 'g1'"):
        imgmem.build(
            tmp_path / "src", tmp_path / "out", labels=table, target="multilabel",
            columns={"group": "who"}, **SMALL,
        )  # fmt: skip
