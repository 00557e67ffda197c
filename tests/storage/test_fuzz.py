"""Datasets, journals and unfinished builds that come from anybody, or from a bad disk.

Files are mutated by a seed: every command that reads them ends well or refuses by one of the
documented errors; never by anything else.
"""

import random
import shutil
import zlib
from contextlib import suppress
from unittest import mock

import numpy as np
import pytest
from support.crash.harness import read_tree, write_tree
from support.datasets import write_dataset
from support.images import photo, write
from support.mutants import mutated
from support.trees import class_folders

import imgmem
from imgmem.core.errors import ImgmemError, Interrupted
from imgmem.core.normalize import rewrite
from imgmem.core.storage import durable
from imgmem.core.storage.verify import verify

LIMITS = {"workers": 1, "memory": "256MiB"}
BUILD = {"size": (6, 6), "split": {"train": 0.5, "val": 0.5}} | LIMITS


class Stop(Exception):
    """What interrupts the makers."""


def finished(path, _):
    images = np.random.default_rng(0).integers(0, 256, (12, 4, 5, 3), np.uint8)
    fields = {"splits": {"train": (0, 6)}, "checksum_block": 64, "notes_column": "notes"}
    write_dataset(path / "d", images, [0, 1, 2] * 4, **fields)


def normalized(path, source):
    finished(path, source)
    imgmem.normalize(path / "d", **LIMITS)


def in_transition(path, source):
    finished(path, source)
    done = []

    def write(self, piece, real=rewrite._Rewriting._write):
        done.append(piece.chunk)
        if len(done) == 5:
            self._commit()
            raise Stop
        real(self, piece)

    with mock.patch.object(rewrite._Rewriting, "_write", write), suppress(Stop):
        imgmem.normalize(path / "d", **LIMITS)


def unfinished(path, source):
    def stop(progress):
        if progress.phase == "build" and progress.done:
            raise KeyboardInterrupt

    with suppress(ImgmemError), mock.patch("imgmem.core.forecast.CHUNK_BYTES", 4 * 108):
        imgmem.build(source, path / "out", progress=stop, **BUILD)


def complete(path, source):
    imgmem.build(source, path / "out", **BUILD)


def columns(path, source):
    """A dataset with all that one may have: folds, groups, columns, notes and rejects."""
    lines = [
        f"{file.relative_to(source)},{file.parent.name};x,p{number},{number / 7}"
        for number, file in enumerate(sorted(source.rglob("*.png")))
    ]
    (path / "t.csv").write_text("\n".join(["path,label,patient,age", *lines, "none.png,a,p1,1"]))
    half = np.full((6, 6, 1), 128, np.uint8)
    write(source / "a" / "00.png", np.concatenate([photo(6, 6, seed=9), half], axis=2))
    imgmem.build(
        source, path / "d", labels=path / "t.csv", target="multilabel", group="patient",
        split="folds=2", on_error="skip", size=6, **LIMITS,
    )  # fmt: skip
    shutil.copytree(path / "d", path / "d2")


def updating(path, source):
    """An update that was interrupted: the old dataset, and lines that say what is copied."""
    complete(path, source)
    for number in range(3):
        write(source / "a" / f"new{number}.png", photo(6, 6, seed=50 + number))
    (source / "b" / "00.png").unlink()

    def stop(progress):
        if progress.phase == "build" and progress.done:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted), mock.patch("imgmem.core.forecast.CHUNK_BYTES", 4 * 108):
        imgmem.build(source, path / "out", update=True, progress=stop, **BUILD)


def sampling(path, source):
    """A folder that an interrupted sample has begun to fill."""
    finished(path, source)
    (path / "images").mkdir()
    rename, moved = durable.rename, []

    def fail(made, place):
        moved.append(place)
        if len(moved) > 3:
            raise Stop
        rename(made, place)

    with mock.patch.object(durable, "rename", fail), suppress(Stop):
        imgmem.sample(path / "d", count=4, out=f"{path}/images/")


READERS = {
    "finished": [
        lambda path, _: imgmem.open(path / "d").close(),
        lambda path, _: verify(str(path / "d")),
        lambda path, _: imgmem.stats(path / "d", **LIMITS),
        lambda path, _: imgmem.sample(path / "d", count=3),
        lambda path, _: imgmem.normalize(path / "d", **LIMITS),
        lambda path, _: imgmem.build(path / "d", path / "again", size=4, **LIMITS),
        lambda path, _: imgmem.build(path / "d", path / "less", drop="blank", **LIMITS),
        lambda path, _: imgmem.estimate(path / "d", **LIMITS),
    ],
    "normalized": [
        lambda path, _: imgmem.stats(path / "d", **LIMITS),
        lambda path, _: imgmem.undo_normalize(path / "d", **LIMITS),
    ],
    "in transition": [
        lambda path, _: imgmem.normalize(path / "d", **LIMITS),
        lambda path, _: imgmem.undo_normalize(path / "d", **LIMITS),
    ],
    "unfinished": [lambda path, source: imgmem.build(source, path / "out", **BUILD)],
    "complete": [
        lambda path, source: imgmem.build(source, path / "out", **BUILD),
        lambda path, source: imgmem.build(source, path / "out", update=True, **BUILD),
        lambda path, source: imgmem.build(
            source, path / "out", update=True, resplit=True, **BUILD | {"split": {"val": 0.3}}
        ),
        lambda path, source: imgmem.build(
            source, path / "new", size=6, split=f"like:{path}/out", **LIMITS
        ),
        lambda path, source: imgmem.build(source, path / "new", like=path / "out", **LIMITS),
        lambda path, source: imgmem.build(
            source, path / "new", size=6, classes=path / "out", **LIMITS
        ),
        lambda path, source: imgmem.preview_build(source, path / "out", update=True, **BUILD),
        lambda path, source: imgmem.prepare(source / "a" / "01.png", like=path / "out"),
    ],
    "columns": [
        lambda path, _: imgmem.stats(path / "d", list=path / "list.txt", **LIMITS),
        lambda path, _: imgmem.stats(path / "d", report=path / "page.html", **LIMITS),
        lambda path, _: imgmem.compare(path / "d", path / "d", **LIMITS),
        lambda path, _: imgmem.sample(path / "d", out=f"{path}/images/"),
        lambda path, _: imgmem.normalize(path / "d", to=path / "new", stats_split="all", **LIMITS),
        lambda path, _: imgmem.build(path / "d", path / "new", size=4, **LIMITS),
        lambda path, _: imgmem.build(path / "d", path / "new", drop="duplicates,blank", **LIMITS),
        lambda path, _: imgmem.build(
            path / "d", path / "new", group="near-duplicates", split="val=0.5", **LIMITS
        ),
        lambda path, _: imgmem.build([path / "d", path / "d2"], path / "new", **LIMITS),
        lambda path, source: imgmem.build(
            source,
            path / "d",
            labels=path / "t.csv",
            target="multilabel",
            group="patient",
            split="folds=2",
            on_error="skip",
            size=6,
            update=True,
            **LIMITS,
        ),
        lambda path, _: list(imgmem.open(path / "d", "fold1").batches(2)),
        lambda path, _: imgmem.open(path / "d").column("patient"),
    ],
    "updating": [lambda path, source: imgmem.build(source, path / "out", update=True, **BUILD)],
    "sampling": [lambda path, _: imgmem.sample(path / "d", count=4, out=f"{path}/images/")],
}
MAKERS = {
    "finished": finished,
    "normalized": normalized,
    "in transition": in_transition,
    "unfinished": unfinished,
    "complete": complete,
    "columns": columns,
    "updating": updating,
    "sampling": sampling,
}


def _with_right_checksums(name, data):
    """A slot's checksum made right again, so that its contents are looked at."""
    if name != "progress" or len(data) < 4096 + 16:
        return data
    out = bytearray(data)
    for at in (0, 4096):
        sequence, length = out[at : at + 8], int.from_bytes(out[at + 8 : at + 12], "little")
        crc = zlib.crc32(out[at + 16 : at + 16 + length], zlib.crc32(sequence))
        out[at + 12 : at + 16] = crc.to_bytes(4, "little")
    return bytes(out)


def _files(tree, above=()):
    for name, node in tree.items():
        if isinstance(node, dict):
            yield from _files(node, (*above, name))
        elif node:
            yield (*above, name)


def _replace(tree, path, data):
    name, *rest = path
    return tree | {name: _replace(tree[name], rest, data) if rest else data}


def _get(tree, path):
    for name in path:
        tree = tree[name]
    return tree


@pytest.mark.parametrize("kind", MAKERS)
def test_whatever_the_files_hold_no_reader_fails_but_by_a_documented_error(tmp_path, by_tier, kind):
    source = class_folders(tmp_path / "src", {"a": 4, "b": 4}, size=(6, 6))
    (tmp_path / "made").mkdir()
    MAKERS[kind](tmp_path / "made", source)
    tree = read_tree(tmp_path / "made")
    paths = sorted(_files(tree))
    failures = []
    for seed in range(by_tier(40, 400, 20_000)):
        chance = random.Random(f"{kind} {seed}")
        path = chance.choice(paths)
        data = mutated(_get(tree, path), chance)
        data = _with_right_checksums(path[-1], data) if chance.random() < 0.7 else data
        read = chance.choice(READERS[kind])
        root = tmp_path / "trial"
        shutil.rmtree(root, ignore_errors=True)
        write_tree(root, _replace(tree, path, data))
        try:
            read(root, source)
        except ImgmemError as error:
            if error.exit_code == 70:
                failures.append((seed, path, repr(error)))
        except Exception as error:
            failures.append((seed, path, repr(error)[:200]))
    assert failures == []
