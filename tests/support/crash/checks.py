"""The crash tests proper: what is tried at every call of a case, and what must come of it.

Each check yields one `Trial` for every state of the disk that it looks at: what was done, and
what went wrong ("" if nothing).
"""

import errno
import random
import re
import traceback
import warnings
from dataclasses import dataclass

from imgmem.core.build.files import PLAN, PROGRESS
from imgmem.core.errors import DatasetError, ImgmemError, InputError, ResourceError
from imgmem.core.storage import store
from support.crash.harness import (
    POLICIES,
    Disk,
    Killed,
    Plan,
    keep_at_random,
    keep_none,
    read_tree,
    recording,
)

LOST = "a build counts images as done, and lacks the plan that it would be resumed by"
TORN = "NumPy finds features that are half-done"
RESTART = "restart"
"""The case whose work is thrown away on purpose."""
_COUNTED = re.compile(rb'"rows":[1-9]')
SEED = 0
"""Of the samples; with --all it is that of the day."""

ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ESHUTDOWN,
    errno.EACCES, errno.EPIPE, "short",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    what: str
    problem: str


def run(scratch, tree, operation, disk=None, plan=None, watch=None):
    """Let `operation` work on a real copy of `tree`; gives (recorder, the exception or None)."""
    with (
        scratch.tree(tree) as root,
        recording(root, disk or Disk(tree), plan, watch) as recorder,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # of what the next run sweeps
        try:
            operation(root)
            failure = None
        except (Killed, Exception) as error:
            failure = error
        recorder.tree = read_tree(root)
        return recorder, failure


def problem_with(scratch, case, tree):
    """What is wrong with a tree after a crash: what NumPy may see, and what recovery makes."""
    if case.is_torn(tree):
        return TORN
    if case.name != RESTART and _has_lost_work(tree):
        return LOST
    recovered, failure = run(scratch, tree, case.recovery)
    return _wrong(case, recovered, failure)


def _has_lost_work(tree):
    """Whether a build counts images as done, and lacks the plan that it would be resumed by."""
    if not {PLAN, store.RECORD} & tree.keys() and _COUNTED.search(tree.get(PROGRESS, b"")):
        return True
    return any(_has_lost_work(inner) for inner in tree.values() if isinstance(inner, dict))


def _wrong(case, recovered, failure):
    if failure is not None:
        return "recovery fails: " + "".join(traceback.format_exception(failure))
    if recovered.tree != case.goal:
        return f"recovery gives something else: {_difference(recovered.tree, case.goal)}"
    if recovered.disk.after_power_cut(keep_none) != case.goal:
        return "what recovery gave is not durable when it ends"
    return ""


def _difference(found, wanted, path=""):
    """The names of what differs between two trees."""
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        return path
    names = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    return ", ".join(_difference(found.get(n), wanted.get(n), f"{path}/{n}") for n in names)


def states(scratch, case, watch, disk=None):
    """Run the operation of a case undisturbed, with `watch` called before every call and after
    the last; gives the recorder."""
    recorder, failure = run(scratch, case.start, case.operation, disk, watch=watch)
    assert failure is None, failure
    assert recorder.disk.live() == recorder.tree == case.end, "the model is out of step"
    watch(recorder.disk, len(recorder.calls))
    return recorder


def kills(scratch, case, *, limit=None, second=3):
    """(a) Killed before every call, and in the middle of every write; the recovery is killed at
    `second` random calls of its own, and recovered again.

    limit: look at so many kill points only, here as below (None: at all).
    """
    trees = {}
    recorder = states(scratch, case, lambda disk, number: trees.update({number: disk.live()}))
    for number, (name, _) in enumerate(recorder.calls):
        if name == "write":
            plan = Plan(kill=number, torn=True)
            trees[number, "torn"] = run(scratch, case.start, case.operation, plan=plan)[0].tree
    for number, tree in some(trees.items(), limit):
        chance = random.Random(str(number))
        yield Trial(f"{case.name}: killed at {number}", problem_with(scratch, case, tree))
        calls = len(run(scratch, tree, case.recovery)[0].calls)
        for other in some(range(calls), second, seed=str(number)):
            plan = Plan(kill=other, torn=chance.random() < 0.5)
            killed, _ = run(scratch, tree, case.recovery, plan=plan)
            what = f"{case.name}: killed at {number}, recovery at {other}"
            yield Trial(what, problem_with(scratch, case, killed.tree))


def some(items, limit, seed=0):
    """`limit` of the items (None: all) by SEED, in their order."""
    items = list(items)
    if limit is None or limit >= len(items):
        return items
    chosen = sorted(random.Random(f"{SEED}:{seed}").sample(range(len(items)), limit))
    return [items[index] for index in chosen]


def power_cuts(scratch, case, *, limit=None, seeds=8):
    """(b) The power fails before every call: nothing, all, part of what is not synced arrives."""
    trees = {}

    def watch(disk, number):
        keeps = [*POLICIES, *(keep_at_random(number * 1000 + seed) for seed in range(seeds))]
        for index, keep in enumerate(keeps):
            trees.setdefault(_frozen(disk.after_power_cut(keep)), f"{number}, {index}")

    states(scratch, case, watch)
    for tree, where in some(trees.items(), limit):
        what = f"{case.name}: power cut at {where}"
        yield Trial(what, problem_with(scratch, case, _thawed(tree)))


def power_cuts_after_kills(scratch, case, *, limit=None, kills=None, without=None, at=None):
    """(b) Killed, run again, and the power fails then: what the first run wrote and had not
    synced may be lost only now. Looked at with all the policies that are not random.

    kills: at so many of the calls that sync, where most is at stake; limit: so many states
    after each. without: a sync to leave out. at: the function whose syncs are looked at only.
    """
    disks = {}
    plan = Plan(without=without)
    first = run(
        scratch, case.start, case.operation, plan=plan,
        watch=lambda disk, number: disks.update({number: disk.copy()}),
    )[0]  # fmt: skip
    syncs = [
        number
        for number, (name, site) in enumerate(first.calls)
        if name == "sync" and at in (None, *(function for _, function, _ in site))
    ]
    for number in some(syncs, kills):
        trees = {}

        def watch(disk, later, trees=trees):
            for keep in POLICIES:
                trees.setdefault(_frozen(disk.after_power_cut(keep)), later)

        disk = disks[number]
        again, failure = run(scratch, disk.live(), case.recovery, disk, plan, watch)
        what = f"{case.name}: killed at {number}, run again, power cut at "
        yield Trial(what + "the end", _wrong(case, again, failure))
        for tree, later in some(trees.items(), limit):
            yield Trial(what + str(later), problem_with(scratch, case, _thawed(tree)))


def failures(scratch, case, *, limit=None):
    """(c) Every call fails once, or from there on; or writes only a part. The command must say
    so by exit code 4 or 5, or 3 for a path that it may not open, or cope; run again without
    failures, it must come to its end, and what a failed sync has lost must not be relied on."""
    calls = states(scratch, case, lambda *_: None).calls
    trials = [
        Plan(fail=number, error=error, sticky=sticky)
        for number in range(len(calls))
        for error in ERRORS
        for sticky in (False, True)
        if error != "short" or calls[number][0] == "write"
    ]
    for plan in some(trials, limit):
        name = plan.error if plan.error == "short" else errno.errorcode[plan.error]
        what = f"{case.name}: {name} at {plan.fail}{' and after' * plan.sticky}"
        yield Trial(what, _problem_with_failure(scratch, case, plan))


def _problem_with_failure(scratch, case, plan):
    failed, failure = run(scratch, case.start, case.operation, plan=plan)
    denied = (InputError,) if plan.error == errno.EACCES else ()
    if failure is not None and not isinstance(failure, (DatasetError, ResourceError, *denied)):
        return f"fails by {type(failure).__name__}: {failure}"
    if failure is None and failed.tree != case.end:
        return "says that all went well, and it did not"
    if case.is_torn(failed.tree):
        return TORN
    again, failure = run(scratch, failed.tree, case.recovery, failed.disk)
    return _wrong(case, again, failure)


def damages(scratch, case, *, limit=200):
    """(g) Files are damaged while the dataset is in transition: bits flipped, ends cut off or
    grown. Recovery refuses by exit code 4, or the result is right all the same."""
    trees = []
    states(scratch, case, lambda disk, _: trees.append(disk.live()))
    trees = [tree for tree in trees if _damageable(tree)]
    chance = random.Random(case.name)
    for number in range(limit if trees else 0):
        tree = chance.choice(trees)
        path, damaged = _damaged(tree, _damageable(tree), chance)
        recovered, failure = run(scratch, damaged, case.recovery)
        problem = ""
        if failure is None and recovered.tree != case.goal:
            problem = f"silently different: {_difference(recovered.tree, case.goal)}"
        elif failure is not None and not isinstance(failure, ImgmemError):
            problem = "".join(traceback.format_exception(failure))
        elif failure is not None and failure.exit_code != DatasetError.exit_code:
            problem = f"exit code {failure.exit_code}: {failure}"
        yield Trial(f"{case.name}: damage {number} of {path}", problem)


def _damageable(tree):
    """Data and journal of a dataset that is in transition, or of a build in progress."""
    build = ("X.npy", "y.npy", "progress", "blocks", "plan.json")
    busy = {
        ("d",): ("normalize.journal", ("normalize.journal", "X.in-transition", "X.npy")),
        (".out.partial",): ("plan.json", build),
        ("out", ".partial"): ("plan.json", build),
    }
    return [
        (place, name)
        for place, (mark, names) in busy.items()
        if mark in _inner(tree, place)
        for name in names
        if _inner(tree, place).get(name)
    ]


def _inner(tree, place):
    for name in place:
        tree = tree.get(name, {})
    return tree


def _replaced(tree, place, name, data):
    """The tree with another file `name` in the directory `place`."""
    if not place:
        return tree | {name: data}
    return tree | {place[0]: _replaced(tree[place[0]], place[1:], name, data)}


def _damaged(tree, paths, chance):
    """(path, the tree with that file damaged)."""
    directory, name = chance.choice(sorted(paths))
    data = bytearray(_inner(tree, directory)[name])
    kind = chance.choice(("flip", "flip", "flip", "cut", "grow", "zero"))
    at = chance.randrange(len(data))
    if kind == "flip":
        data[at] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[at:]
    elif kind == "grow":
        data += chance.randbytes(chance.choice((1, 64, 5000)))
    else:
        stop = at + chance.choice((16, 512, 4096))
        data[at:stop] = bytes(len(data[at:stop]))
    return f"{name} ({kind} at {at})", _replaced(tree, directory, name, bytes(data))


def sync_sites(scratch, case):
    """Every place in the code from which a case (or its recovery) syncs."""
    recorder = states(scratch, case, lambda *_: None)
    calls = list(recorder.calls)
    for number in range(0, len(recorder.calls), 5):
        killed, _ = run(scratch, case.start, case.operation, plan=Plan(kill=number))
        calls += run(scratch, killed.tree, case.recovery)[0].calls
    return {site for name, site in calls if name == "sync"}


def cases_by_sync(scratch, cases):
    """Every place in the code that syncs, with the cases that do so there, the smallest first."""
    by_site = {}
    for case in sorted(cases, key=lambda case: len(str(case.start))):
        for site in sync_sites(scratch, case):
            by_site.setdefault(site, []).append(case)
    return by_site


def is_missed(scratch, cases, site):
    """(e) Whether power cuts in any of the cases tell that the sync at `site` is left out."""
    return any(_is_missed_at_once(scratch, case, site) for case in cases) or any(
        trial.problem
        for case in cases
        for trial in power_cuts_after_kills(scratch, case, limit=20, without=site)
    )


def _is_missed_at_once(scratch, case, site):
    trees = {}

    def watch(disk, number):
        for keep in (*POLICIES, *(keep_at_random(seed) for seed in range(4))):
            trees.setdefault(_frozen(disk.after_power_cut(keep)), number)

    recorder, _ = run(scratch, case.start, case.operation, plan=Plan(without=site), watch=watch)
    if recorder.disk.after_power_cut(keep_none) != case.end:
        return True
    return any(problem_with(scratch, case, _thawed(tree)) for tree in trees)


def _frozen(tree):
    """A tree as something that can be a key."""
    return tuple(
        (name, _frozen(inner) if isinstance(inner, dict) else inner)
        for name, inner in sorted(tree.items())
    )


def _thawed(frozen):
    return {name: _thawed(inner) if isinstance(inner, tuple) else inner for name, inner in frozen}
