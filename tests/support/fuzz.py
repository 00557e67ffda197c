"""Trials with mutated files.

Whoever reads them ends well or refuses by a documented error; never by anything else, never in
more memory than the budget and some, and never for long.
"""

import random
import resource
import shutil
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

import imgmem
from imgmem.core.errors import ImgmemError
from support.mutants import mutated

LIMITS = {"workers": 1, "memory": "128MiB"}
SPACE = 2**30
"""Bytes of address space that a trial may take in addition: the budget, stacks, maps."""
SECONDS = 60
"""A trial that takes longer hangs."""

needs_limits = pytest.mark.skipif(
    not hasattr(signal, "alarm"), reason="needs alarms and limits on address space"
)


@dataclass(frozen=True)
class Kind:
    """A file that is read: its name, what it holds, and the options that lead to it.

    packed: (unpack, pack) of a compressed file, so that what is in it is mutated too. source: what
    is built where that is not the file itself.
    """

    name: str
    data: bytes
    options: dict = field(default_factory=dict)
    packed: tuple = ()
    source: str = ""


@contextmanager
def bounded():
    """Within, memory and time are bounded: beyond them there is a MemoryError or TimeoutError."""
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    old = signal.signal(signal.SIGALRM, _hangs)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        resource.setrlimit(resource.RLIMIT_AS, before)


def _hangs(*_):
    raise TimeoutError("hangs")


def trial(work):
    """What went wrong with `work`, or ""; it may refuse by any documented error."""
    try:
        with bounded():
            work()
    except ImgmemError as error:
        return repr(error) if error.exit_code == 70 else ""
    except BaseException as error:
        return repr(error)[:300]
    return ""


def mutant(kind, chance):
    if not kind.packed or chance.random() < 0.3:
        return mutated(kind.data, chance)
    unpack, pack = kind.packed
    return pack(mutated(unpack(kind.data), chance))


_OF_BUILDS = {"classes", "split"}
READERS = {
    "build": lambda source, out, options: imgmem.build(
        source, out, size=4, on_error="skip", **LIMITS, **options
    ),
    "preview": lambda source, out, options: imgmem.preview_build(
        source, out, size=4, **LIMITS, **options
    ),
    "estimate": lambda source, out, options: imgmem.estimate(
        source,
        size=4,
        **LIMITS,
        **{k: v for k, v in options.items() if k not in ("classes", "split")},
    ),
}


def trials(root, make, names, kinds, count):
    """(kind, seed, reader, problem) of the trials that went wrong."""
    for seed in range(count):
        name = names[seed % len(names)]
        chance = random.Random(f"{name} {seed}")
        out = root / "out"
        source, options = make(kinds[name], mutant(kinds[name], chance))
        reader = chance.choice(list(READERS))
        if problem := trial(lambda: READERS[reader](source, out, options)):  # noqa: B023
            yield name, seed, reader, problem
        for left in (out, root / ".out.partial"):
            shutil.rmtree(left, ignore_errors=True)
