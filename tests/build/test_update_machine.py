"""`update` makes, byte for byte, what a build with the same split table makes from nothing."""

import shutil
from contextlib import suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support.nights import MORE, Photos
from support.trees import snapshot

import imgmem
from imgmem.core.errors import InputError, Interrupted
from imgmem.core.storage import store

SMALL = {"size": 4, "workers": 1, "fsync": False, "on_error": "skip"}
RULE = {"split": {"train": 0.6, "val": 0.4}}
NORMALIZE = ({}, {"on_read": True}, {"on_read": True, "method": "minmax", "stats_split": "all"},
             {"on_read": True, "mean": (0.5,), "std": (0.2,)})  # fmt: skip

_changes = st.lists(st.tuples(st.sampled_from(MORE), st.integers(0, 10**6)), max_size=4)


class Updates(RuleBasedStateMachine):
    """A source that changes, its dataset OUT, and what happens to that between the updates."""

    folder = None  # of all runs

    @initialize(by_table=st.booleans(), shuffle=st.booleans(), seed=st.integers(0, 2))
    def begin(self, by_table, shuffle, seed):
        Updates.count = getattr(Updates, "count", 0) + 1
        self.here = self.folder / str(Updates.count)
        self.here.mkdir()
        self.out = self.here / "out"
        table = self.here / "table.csv" if by_table else None
        self.photos = Photos(self.here / "src", table=table)
        self.options = {"shuffle": shuffle, "seed": seed, **SMALL}
        if by_table:
            self.options |= {"labels": table, "group": "patient"}
        self._build(self.out, **RULE)
        self.built = self.photos.facts()

    def teardown(self):
        shutil.rmtree(self.here)

    @rule(changes=_changes)
    def change(self, changes):
        for kind, number in changes:
            self.photos.change(kind, number)

    @rule(how=st.sampled_from(NORMALIZE))
    def normalize(self, how):
        imgmem.undo_normalize(self.out)
        imgmem.normalize(self.out, **how)

    @rule(resplit=st.booleans(), keep=st.booleans(), repeat=st.booleans(), stop=st.integers(0, 4))
    def update(self, resplit, keep, repeat, stop):
        """keep: the class indices, where they would change; else all is built again.
        repeat: the rule of the splits. stop: the report of progress at which to interrupt."""
        shutil.copytree(self.out, self.here / "old")
        old = self._record(self.out)
        options = {"update": True, "resplit": resplit} | (RULE if repeat else {})
        try:
            self._interrupted(stop, **options)
            result = self._build(self.out, **options)
        except InputError as error:
            assert self._changes_indices(old), str(error)
            options = options | {"classes": self.out} if keep else RULE | {"overwrite": True}
            result = self._build(self.out, **options)
        if result.already_done:
            self._check_unchanged(old)
        else:
            kept = "overwrite" not in options
            self._check(old, from_scratch=resplit or not kept)
            if kept:
                assert self._record(self.out).classes[: len(old.classes)] == old.classes
                self._check_counts(result)
        shutil.rmtree(self.here / "old")
        self.built = self.photos.facts()

    def _build(self, out, **options):
        return imgmem.build(self.photos.root, out, **self.options, **options)

    def _interrupted(self, stop, **options):
        """Build until progress is reported for the `stop`th time, if it is so often."""
        reports = []

        def progress(report):
            reports.append(report)
            if len(reports) == stop:
                raise KeyboardInterrupt

        if stop:
            with suppress(Interrupted, KeyboardInterrupt):
                self._build(self.out, progress=progress, **options)

    def _record(self, path):
        return store.read_record(str(path))

    def _changes_indices(self, old):
        """Whether a known class would have another index, in the order of the names."""
        if old.build["options"]["classes"] is not None:
            return False
        names = tuple(sorted(set(self.photos.labels.values())))
        return names[: len(old.classes)] != old.classes

    def _check_unchanged(self, old):
        assert self.photos.facts() == self.built
        assert self._record(self.out) == old
        assert snapshot(self.out) == snapshot(self.here / "old")

    def _check(self, old, *, from_scratch):
        """OUT is what a build from nothing makes."""
        new, done = self.here / "new", self._record(self.out)
        pinned = done.build["options"]["classes"]
        classes = {} if pinned is None else {"classes": pinned}
        split = RULE if from_scratch else {"split": f"like:{self.here / 'old'}"}
        seed = {} if from_scratch else {"seed": 0}
        imgmem.build(self.photos.root, new, **self.options | split | seed | classes)
        before = old.normalization
        if before is not None and before.on_read and done.normalization is not None:
            imgmem.normalize(new, on_read=True, **_as_options(before))
        assert snapshot(self.out) == snapshot(new)
        shutil.rmtree(new)

    def _check_counts(self, result):
        before, now = set(self.built), set(self.photos.names)
        assert result.added == len(now - before) - result.renamed
        assert result.removed == len(before - now) - result.renamed
        assert result.kept + result.added + result.changed <= len(now)


def _as_options(done):
    if done.method == "given":
        return {"mean": (0.5,), "std": (0.2,)}
    return {"method": done.method, "stats_split": done.split or "all"}


def test_an_update_has_the_bytes_of_a_build_from_nothing(tmp_path, by_tier, monkeypatch):
    Updates.folder = tmp_path
    few_rows = 3 * 4 * 4 * 3
    monkeypatch.setattr("imgmem.core.forecast.CHUNK_BYTES", few_rows)
    monkeypatch.setattr("imgmem.core.build.filling.COPY_BYTES", few_rows)
    monkeypatch.setattr("imgmem.core.build.filling.CHUNKS_PER_COMMIT", 1)
    examples, steps = by_tier((6, 12), (40, 20), (200, 40))
    Updates.TestCase.settings = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    Updates.TestCase().runTest()
