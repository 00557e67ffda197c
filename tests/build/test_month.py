"""A month of nights: whatever happens to the source, rows stay in their splits.

Only what joins rows of several splits, identical bytes or a group, moves some: then all of them
are where most of them were, and each that moved is named.
"""

import re
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.datasets import rows
from support.nights import CHANGES, Photos

import imgmem
from imgmem.core.components import Components

SPLITS = ("train", "val", "test")
SHARES = {"train": 0.5, "val": 0.3, "test": 0.2}
SMALL = {"size": 4, "workers": 1, "fsync": False}


class Month:
    """Photographs, and their dataset: every night there is a new one with the splits of the one
    before, or the one that there is is updated."""

    def __init__(self, folder, *, by_group, update, start):
        self.folder, self.night, self.update = folder, 0, update
        table = folder / "table.csv" if by_group else None
        self.photos = Photos(folder / "src", images=start, table=table)
        self.options = {"labels": table, "group": "patient"} if by_group else {}
        split = ",".join(f"{name}={share}" for name, share in SHARES.items())
        self.out = folder / "0"
        self.result = self._build(split=split)

    def _build(self, **options):
        return imgmem.build(self.photos.root, self.out, **options, **self.options, **SMALL)

    def _build_again(self):
        if self.update:
            return self._build(update=True)
        before, self.night = self.out, self.night + 1
        self.out = self.folder / str(self.night)
        return self._build(split=f"like:{before}")

    def pass_night(self, changes):
        """Change the source, build, and check the splits of all rows."""
        before = {row["path"]: row for row in rows(self.out)}
        self.photos.begin_night()
        for kind, number in changes:
            self.photos.change(kind, number)
        self.result = self._build_again()
        after = {row["path"]: row for row in rows(self.out)}
        assert set(after) == set(self.photos.names)
        known = self._known(before, after)
        moved = self._check_units(after, known)
        self._check_named(moved)
        self._check_shares(after, known)

    def _known(self, before, after):
        """The earlier split of each row that has one: by its path, else by its bytes."""
        gone = {row["digest"]: row["split"] for path, row in before.items() if path not in after}
        found = {path: before[path]["split"] for path in after if path in before}
        new = {path: gone.get(row["digest"]) for path, row in after.items() if path not in before}
        return found | {path: split for path, split in new.items() if split}

    def _units(self, after):
        """What must stay together: the paths of each."""
        found = Components()
        groups = self.photos.groups if self.photos.table else {}
        for path, row in after.items():
            found.join(path, row["digest"])
            if path in groups:
                found.join(path, groups[path])
        units = defaultdict(list)
        for path in after:
            units[found.root(path)].append(path)
        return list(units.values())

    def _check_units(self, after, known):
        """No unit is parted, and each is where most of its known rows were; returns who moved."""
        moved = {}
        for unit in self._units(after):
            (split,) = {after[path]["split"] for path in unit}
            votes = Counter(known[path] for path in unit if path in known)
            if votes:
                assert split == min(votes, key=lambda name: (-votes[name], SPLITS.index(name)))
            moved |= {p: f"{known[p]} → {split}" for p in unit if known.get(p, split) != split}
        return moved

    def _check_named(self, moved):
        notes = [note for note in self.result.notes if "moved to the split of others" in note]
        named = dict(re.findall(r"(\S+) \((\w+ → \w+)\)", " ".join(notes)))
        assert named == moved

    def _check_shares(self, after, known):
        """What is new goes where images are lacking: past its share where it fits nowhere else."""
        units = self._units(after)
        new = [unit for unit in units if not any(path in known for path in unit)]
        largest = max(map(len, new), default=0)
        counts = Counter(row["split"] for row in after.values())
        lacking = {name: share * len(after) - counts[name] for name, share in SHARES.items()}
        for name in {after[unit[0]]["split"] for unit in new}:
            assert lacking[name] > -largest
            assert lacking[name] > -1e-6 or max(lacking.values()) < largest


_changes = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 10**6)), max_size=6)
_slow = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


@settings(max_examples=6, **_slow)
@given(st.lists(_changes, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_no_row_leaves_its_split_over_some_nights(tmp_path_factory, nights, by_group, update):
    month = Month(tmp_path_factory.mktemp("nights"), by_group=by_group, update=update, start=12)
    for changes in nights:
        month.pass_night(changes)


@pytest.mark.slow
@settings(max_examples=10, **_slow)
@given(st.lists(_changes, min_size=30, max_size=30), st.booleans(), st.booleans())
def test_no_row_leaves_its_split_over_a_month(tmp_path_factory, nights, by_group, update):
    month = Month(tmp_path_factory.mktemp("month"), by_group=by_group, update=update, start=30)
    for changes in nights:
        month.pass_night(changes)
