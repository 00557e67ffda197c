"""Whatever call of the system fails, a command ends well or as documented, and can run again."""

import contextlib
import errno
import io
import os
import re
import shutil
import signal
import tempfile
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from support.crash import checks
from support.crash.harness import read_tree, shared_memory, write_tree
from support.faults import Faults, injected
from support.trees import class_folders

from imgmem.cli import main
from imgmem.core.errors import ImgmemError
from imgmem.core.sources import files
from imgmem.core.storage import holder, locks, store

CODES = (
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ESHUTDOWN,
    errno.EACCES, errno.EPIPE,
)  # fmt: skip
DOCUMENTED = {0, 2, 3, 4, 5}
LIMITS = ["--workers", "1", "--memory", "256MiB"]
BUILD = ["build", "src", "out", "--size", "6", *LIMITS]


@dataclass(frozen=True)
class Case:
    """A command, and the commands (and functions of the root) before it that make what it starts
    from."""

    command: list
    before: tuple = ()


NO_REJECTS = b"path,reason,detail\n"
NAMES = re.compile(
    r"\b(src|out|all|empty|new|other|more|labels\.csv|more\.csv|arrays\.npz|train\.txt|list\.txt|page\.html|sheet\.png|batch\.npz|images|root|\w+\.png|"
    r"dataset\.json|X\.[\w-]+)\b"
)
DENIED = re.compile(r"rejected +unreadable")
"""A file that may not be read is a reject by name: nobody knows that it was for a moment."""
SOURCES = {
    "src", "src.zip", "src.tar.gz", "labels.csv", "more", "more.csv", "arrays.npz", "train.txt",
}  # fmt: skip
SECONDS = 60
"""After which a trial is taken to hang."""
BUILT = (BUILD,)
SPLIT = ([*BUILD, "--split", "val=0.5"],)
OTHER = ["build", "more", "other", "--size", "6", *LIMITS]
NORMALIZE = ["normalize", "out", *LIMITS]


def change_sources(root):
    """One image is new, one is another, one is gone."""
    shutil.copy(root / "more" / "b" / "01.png", root / "src" / "b" / "new.png")
    shutil.copy(root / "more" / "b" / "00.png", root / "src" / "a" / "01.png")
    (root / "src" / "a" / "00.png").unlink()


CASES = {
    "build": Case(BUILD),
    "build --on-error skip": Case([*BUILD, "--on-error", "skip", "--split", "val=0.5"]),
    "build --overwrite": Case([*BUILD, "--seed", "1", "--shuffle", "--overwrite"], BUILT),
    "build, up to date": Case(BUILD, BUILT),
    "build --update": Case([*BUILD, "--update"], (BUILD, change_sources)),
    "build --update of a normalized one": Case(
        [*BUILD, "--update"], (BUILD, NORMALIZE, change_sources)
    ),
    "build --dry-run": Case([*BUILD, "--dry-run"]),
    "build from a table": Case([*BUILD, "--labels", "labels.csv"]),
    "build from a dataset": Case(["build", "out", "other", "--size", "4", *LIMITS], BUILT),
    "build from a zip": Case(["build", "src.zip", "out", "--size", "6", *LIMITS]),
    "build from a tar.gz": Case(["build", "src.tar.gz", "out", "--size", "6", *LIMITS]),
    "build from an .npz": Case(["build", "arrays.npz", "out", *LIMITS]),
    "build from two folders": Case(["build", "src", "more", "out", "--size", "6", *LIMITS]),
    "build from two datasets": Case(["build", "out", "other", "all", *LIMITS], (BUILD, OTHER)),
    "build from two tables": Case(
        [
            "build",
            "src",
            "out",
            "--size",
            "6",
            *LIMITS,
            "--labels",
            "labels.csv",
            "--labels",
            "more.csv",
            "--target",
            "multilabel",
        ]
    ),
    "build by lists": Case([*BUILD, "--split", "train=@train.txt", "--on-error", "skip"]),
    "build --split like": Case([*OTHER[:2], "new", *OTHER[3:], "--split", "like:out"], SPLIT),
    "build --drop": Case(["build", "out", "other", "--drop", "duplicates", *LIMITS], BUILT),
    "build into an empty folder": Case(["build", "src", "empty/", "--size", "6", *LIMITS]),
    "normalize": Case(NORMALIZE, BUILT),
    "normalize --to": Case([*NORMALIZE, "--to", "new"], BUILT),
    "normalize --on-read": Case([*NORMALIZE, "--on-read"], BUILT),
    "normalize --undo": Case([*NORMALIZE, "--undo"], (BUILD, NORMALIZE)),
    "stats": Case(["stats", "out", "--verify", "--report", "page.html", *LIMITS], BUILT),
    "stats of two": Case(["stats", "out", "new"], (BUILD, [*NORMALIZE, "--to", "new"])),
    "stats --list": Case(["stats", "out", "--list", "list.txt", *LIMITS], BUILT),
    "sample": Case(["sample", "out"], BUILT),
    "sample to a sheet": Case(["sample", "out", "--out", "sheet.png"], BUILT),
    "sample to a batch": Case(["sample", "out", "--out", "batch.npz"], BUILT),
    "sample to a folder": Case(["sample", "out", "--out", "images/"], BUILT),
    "sample to folders of classes": Case(
        ["sample", "out", "--out", "images/", "--group", "class"], BUILT
    ),
    "sample into an empty folder": Case(["sample", "out", "--out", "empty/"], BUILT),
    "estimate": Case(["estimate", "src", *LIMITS]),
    "estimate of a dataset": Case(["estimate", "out", *LIMITS], BUILT),
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A directory with sources of all kinds, in memory where the machine has that: with real
    disks, nearly all of the time of `--full` is spent waiting for fsync."""
    monkeypatch.setattr(files, "_PAUSES", (0.0, 0.0))
    monkeypatch.setattr(holder, "STILL_SECONDS", 0.1)
    monkeypatch.setattr("imgmem.cli.program._ignore_signals", lambda: None)
    with tempfile.TemporaryDirectory(dir=shared_memory() or tmp_path) as base:
        root = Path(base).resolve() / "root"
        make_sources(root)
        monkeypatch.chdir(root)
        yield root
        monkeypatch.chdir(tmp_path)


def make_sources(root):
    source = class_folders(root / "src", {"a": 3, "b": 3}, size=(6, 6))
    class_folders(root / "more", {"a": 1, "b": 2}, size=(8, 6))
    (root / "empty").mkdir()
    paths = sorted(path.relative_to(source) for path in source.rglob("*.png"))
    for table, column in (("labels.csv", "label"), ("more.csv", "color")):
        lines = [f"{path},{path.parent.name}" for path in paths]
        (root / table).write_text("\n".join([f"path,{column}", *lines]))
    (root / "train.txt").write_text("\n".join(map(str, paths[:4])))
    for kind in ("zip", "gztar"):
        shutil.make_archive(str(root / "src"), kind, source)
    images = np.arange(4 * 6 * 6 * 3, dtype=np.uint8).reshape(4, 6, 6, 3)
    np.savez(root / "arrays.npz", images=images, labels=np.array([0, 1, 0, 1]))


def run(command):
    """(exit code, what it says) of a command line that runs in this process."""
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(said), contextlib.redirect_stderr(said),
        warnings.catch_warnings(),
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        locks._warned.clear()
        ended = main._run([*command])
    if isinstance(ended, ImgmemError):
        return ended.exit_code, f"{said.getvalue()}{ended.message}\n{ended.hint}"
    return ended, said.getvalue()


def datasets(tree):
    """What anybody would open: path → the files of a dataset that is not in transition."""
    return {
        name: {
            key: data for key, data in node.items()
            if key in store.FILES and data != NO_REJECTS
        }
        for name, node in tree.items()
        if isinstance(node, dict) and {"dataset.json", "X.npy"} <= set(node) and name[0] != "."
        and "normalize.journal" not in node
    }  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_whatever_call_fails(root, by_tier, name):
    case = CASES[name]
    for step in case.before:
        assert step(root) is None if callable(step) else run(step)[0] == 0
    start = read_tree(root)
    with injected(Faults(str(root))) as watched:
        assert run(case.command) == (0, mock.ANY)
    end = read_tree(root)
    failures, counts = [], Counter()
    for call, code, sticky in checks.some(trials_of(watched), by_tier(6, 60, None), seed=name):
        reset(root, start)
        ended, problem = outcome(case, root, Faults(str(root), call, code, sticky), start, end)
        counts[call[0], errno.errorcode[code], ended] += 1
        if problem:
            failures.append((errno.errorcode[code], *call, sticky, ended, problem))
    print(*(f"{name}: {' '.join(map(str, key))} × {n}" for key, n in counts.items()), sep="\n")
    assert not failures, f"{len(failures)} of {sum(counts.values())}:\n" + "\n".join(
        map(str, failures)
    )


def trials_of(watched):
    """(call, code, sticky): the first call from each place in imgmem fails with every code, once
    and for good; later ones from there, which differ in their file only, with two in turn."""
    trials, seen = [], Counter()
    for call, site in watched.calls.items():
        if seen[site]:
            chosen = [CODES[(2 * seen[site] + more) % len(CODES)] for more in (0, 1)]
        else:
            chosen = CODES
        seen[site] += 1
        trials += [(call, code, sticky) for code in chosen for sticky in (False, True)]
    return trials


def outcome(case, root, faults, start, end):
    """(exit code, what is wrong or "") of a command of which calls fail, and of the same command
    after it."""
    with at_most(SECONDS):
        with injected(faults):
            ended, said = run(case.command)
        problem = problem_of(faults.code, ended, said, read_tree(root), start, end)
        if ended and not problem:
            problem = problem_again(case, end, root)
    return ended, problem


@contextlib.contextmanager
def at_most(seconds):
    """Fails what hangs."""

    def fail(*_):
        pytest.fail(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def reset(root, tree):
    """Make the directory what `tree` is; the sources, whose dates count, are as they were."""
    for name in set(os.listdir(root)) - SOURCES:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name in set(tree) - SOURCES:
        if isinstance(tree[name], dict):
            write_tree(root / name, tree[name])
        else:
            (root / name).write_bytes(tree[name])


def problem_of(code, ended, said, tree, start, end):
    """What is wrong with how a command ended where a call failed with `code`, and with what it
    left behind; "" for nothing."""
    if ended not in DOCUMENTED:
        return said[-600:]
    if ended == 0 and _without_locks(tree) != end:
        if code == errno.EACCES and DENIED.search(said):
            return "" if run(["stats", "out", "--verify"])[0] == 0 else f"damaged: {said}"
        return f"ends well, and it did not: {checks._difference(tree, end)}"
    if ended and not NAMES.search(said):
        return f"names nothing: {said}"
    known = [datasets(each) for each in (start, end)]
    for name, node in datasets(tree).items():
        if node not in [each.get(name) for each in known]:
            return f"half done: {name}"
    return ""


def _without_locks(tree):
    """The tree without working directories of which only the lock is left: the next run removes
    them."""
    left = {name for name, node in tree.items() if name[0] == "." and set(node) <= locks.LOCKS}
    return {name: node for name, node in tree.items() if name not in left}


def problem_again(case, end, root):
    """What the same command then makes of it, without failures."""
    ended, said = run(case.command)
    if ended:
        return f"again: {ended} {said[-600:]}"
    if read_tree(root) != end:
        return f"again something else: {checks._difference(read_tree(root), end)}"
    return ""
