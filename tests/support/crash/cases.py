"""Small cases of everything that imgmem writes, for the crash tests."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from unittest import mock

import numpy as np

from imgmem.core.build.operation import build
from imgmem.core.normalize.operation import normalize, undo_normalize
from imgmem.core.specs import BuildSpec, ImageSpec, NormalizeSpec, RejectPolicy, RunSpec
from support.crash.harness import Disk, Killed, Plan, read_tree, recording, write_tree
from support.datasets import write_dataset
from support.images import write

SMALL = {"image": ImageSpec(size=(5, 7))}
BLOCK = 64
"""Bytes in a checksum block, so 16 float32 values in a chunk."""
RUN = RunSpec(workers=1, memory=256 * 2**20)

FAMILIES = (
    "build", "update", "widening", "same size", "undo", "turned midway", "new dataset", "on read"
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """`operation` leads from `start` to `end`; interrupted, `recovery` leads to `goal`.

    All work in a directory: the trees are its contents, the functions get its path.
    """

    family: str
    name: str
    start: dict
    end: dict
    goal: dict
    operation: Callable
    recovery: Callable

    def is_torn(self, tree):
        """Whether NumPy could open features in `tree` that are neither of start, end or goal."""
        whole = set().union(*(_features(tree) for tree in (self.start, self.end, self.goal)))
        return not _features(tree) <= whole


def _features(tree):
    """The contents of every X.npy in a tree, those in hidden (working) directories aside."""
    found = {tree["X.npy"]} if "X.npy" in tree else set()
    inner = (node for name, node in tree.items() if isinstance(node, dict) and name[0] != ".")
    return found.union(*map(_features, inner))


def all_cases(base, sizes):
    """Every case, made in the directory `base`. sizes: of the datasets that are normalized."""
    yield from normalize_cases(base, sizes)
    for cases in (other_cases, build_cases, update_cases):
        yield from cases(base)


def normalize_cases(base, sizes):
    """Widening to float32 and float16, same size; each there, back, and turned midway.

    sizes: lengths of the datasets, in chunks (about).
    """
    for chunks in sizes:
        for source, target in (("uint8", "float32"), ("uint8", "float16"), ("float32", "float32")):
            name = f"{source} to {target}, {chunks} chunks"
            before, after = _there_and_back(base / name, source, target, chunks)
            family = "same size" if source == target else "widening"
            there, back = _normalizes(NormalizeSpec(dtype=target)), _undoes()
            turned = "turned midway"
            yield Case(family, name, before, after, after, there, there)
            yield Case("undo", f"undo {name}", after, before, before, back, back)
            yield Case(turned, f"{name}, then back", before, after, before, there, back)
            yield Case(turned, f"undo {name}, then on", after, before, after, back, there)


def other_cases(base):
    """--on-read and its undo, and --to."""
    write_to = _normalizes(NormalizeSpec(), to="new")
    before = {"d": read_tree(_dataset(base / "to", "uint8", "float32", 5))}
    after = _result(base / "to", write_to)
    yield Case("new dataset", "--to", before, after, after, write_to, write_to)
    into = before | {"new": {}}
    yield Case("new dataset", "--to a folder", into, after, after, write_to, write_to)
    on_read, back = _normalizes(NormalizeSpec(on_read=True)), _undoes()
    before = {"d": read_tree(_dataset(base / "on-read", "uint8", "uint8", 5))}
    after = _result(base / "on-read", on_read)
    yield Case("on read", "--on-read", before, after, after, on_read, on_read)
    yield Case("on read", "undo --on-read", after, before, before, back, back)


def build_cases(base):
    """A build, one with rejects and without labels, and one that replaces a dataset."""
    source = base / "pictures"
    for number in range(11):
        _draw(source / "ab"[number % 2] / f"{number}.png", number)
    labeled = BuildSpec(**SMALL, splits=(("train", 0.7), ("val", 0.3)))
    build_it = _builds(source, labeled)
    end = _built(base / "plain", {}, build_it)
    yield Case("build", "labeled", {}, end, end, build_it, build_it)
    again = _builds(source, BuildSpec(image=ImageSpec(size=(4, 4))), overwrite=True)
    new = _built(base / "over", end, again)
    yield Case("build", "overwrite", end, new, new, again, again)
    yield Case("build", "in a folder", {"out": {}}, end, end, build_it, build_it)
    kept = {".gitkeep": b""}
    old = end["out"] | kept | {"rejected.csv": b"path,reason,detail\n"}  # of the old one only
    guest, replaced = {"out": old}, {"out": new["out"] | kept}
    yield Case("build", "overwrite in a folder", guest, replaced, replaced, again, again)
    complete = _killed_before_publishing(base / "complete", build_it)
    anew = _builds(source, labeled, restart=True)
    yield Case("build", "restart", complete, end, end, anew, build_it)
    damaged = base / "damaged"
    damaged.mkdir()
    for number, path in enumerate(sorted(source.rglob("*.png"))):
        data = path.read_bytes()
        (damaged / f"{number}.png").write_bytes(data if number % 3 else data[:-20])
    skipping = _builds(damaged, BuildSpec(**SMALL))
    end = _built(base / "rejects", {}, skipping)
    yield Case("build", "with rejects", {}, end, end, skipping, skipping)


def update_cases(base):
    """Updates of a dataset whose source has changed: as it was built, normalized, in a folder."""
    source, labeled = base / "living", BuildSpec(splits=(("train", 0.7), ("val", 0.3)), **SMALL)
    for number in range(11):
        _draw(source / "ab"[number % 2] / f"{number:02}.png", number)
    built = _built(base / "first", {}, _builds(source, labeled))
    time.sleep(0.02)
    since = time.time_ns()
    _change(source)
    update = _builds(source, labeled, since=since, update=True)
    end = _built(base / "updated", built, update)
    yield Case("update", "plain", built, end, end, update, update)
    drawn = _builds(source, labeled, since=since, update=True, resplit=True)
    new = _built(base / "resplit", built, drawn)
    yield Case("update", "resplit", built, new, new, drawn, drawn)
    kept = {".gitkeep": b""}
    guest, replaced = {"out": built["out"] | kept}, {"out": end["out"] | kept}
    yield Case("update", "in a folder", guest, replaced, replaced, update, update)
    for name, spec in (("normalized", NormalizeSpec()), ("on read", NormalizeSpec(on_read=True))):
        start = _built(base / name, built, _normalizes(spec, "out"))
        end = _built(base / f"{name}, updated", start, update)
        yield Case("update", name, start, end, end, update, update)


def _draw(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8), "PNG")


def _change(source):
    """Add two images, replace one, remove one, rename one."""
    time.sleep(0.02)
    for number in (3, 20, 21):
        _draw(source / "b" / f"{number:02}.png", 100 + number)
    (source / "a/04.png").unlink()
    (source / "a/06.png").rename(source / "a/30.png")


def _killed_before_publishing(place, operation):
    """What a build leaves behind that is killed before it drops its plan and takes its name."""
    place.mkdir()
    with recording(place, Disk({})) as recorder:
        operation(place)
    kill = [name for name, _ in recorder.calls].index("unlink")
    again = place / "again"
    again.mkdir()
    with recording(again, Disk({}), Plan(kill=kill)), suppress(Killed):
        operation(again)
    return read_tree(again)


def _builds(source, spec, *, since=None, **options):
    """since: when the dataset that is there, of which this is a copy, was built."""

    def operation(root):
        if since is not None and os.path.exists(f"{root}/out/rows.npy"):
            os.utime(f"{root}/out/rows.npy", ns=(since, since))
        small = mock.patch("imgmem.core.forecast.CHUNK_BYTES", 2 * 5 * 7 * 3)
        often = mock.patch("imgmem.core.build.filling.CHUNKS_PER_COMMIT", 2)
        blocks = mock.patch("imgmem.core.build.blocks.BLOCK_BYTES", BLOCK)
        with small, often, blocks:
            skip = RejectPolicy(on_error="skip")
            build(source, f"{root}/out", spec=spec, policy=skip, run=RUN, **options)

    return operation


def _built(place, start, operation):
    place.mkdir()
    if start:
        write_tree(place / "out", start["out"])
    return _result(place, operation)


def _normalizes(spec, name="d", to=None):
    def operation(root):
        normalize(f"{root}/{name}", spec=spec, run=RUN, to=to and f"{root}/{to}")

    return operation


def _undoes():
    return lambda root: undo_normalize(f"{root}/d", run=RUN)


def _there_and_back(place, source, target, chunks):
    before = {"d": read_tree(_dataset(place, source, target, chunks))}
    return before, _result(place, _normalizes(NormalizeSpec(dtype=target)))


def _result(place, operation):
    operation(place)
    return read_tree(place)


def _dataset(place, source, target, chunks):
    """A dataset "d" in `place` whose chunks end amid pixels, the last of them short."""
    values = chunks * BLOCK // max(np.dtype(source).itemsize, np.dtype(target).itemsize)
    rows = max(1, values // 9)
    images = np.random.default_rng(values).integers(0, 256, (rows, 3, 1, 3)).astype(source)
    place.mkdir()
    return write_dataset(
        place / "d", images, [0] * rows, splits={"train": (0, rows)}, checksum_block=BLOCK
    )
