"""One call of `normalize`: where it works, under which lock, and what it reports."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from imgmem.core.errors import Interrupted, UsageError
from imgmem.core.machine import memory
from imgmem.core.messages import command, option
from imgmem.core.normalize import write_new
from imgmem.core.paths import local_path, require_folder_of
from imgmem.core.progress import ProgressCallback
from imgmem.core.specs import RunSpec
from imgmem.core.storage import durable, store
from imgmem.core.storage.destination import Destination
from imgmem.core.storage.locks import Lock

Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Job:
    """Where and how to work, in either direction. to: a new dataset, None for in place."""

    path: str
    to: Destination | None
    run: RunSpec
    progress: ProgressCallback

    @classmethod
    def of(cls, path: Path, to: Path | None, run: RunSpec, progress: ProgressCallback) -> "Job":
        if to is not None:
            require_folder_of(os.fspath(to))
        new = None if to is None else Destination.of(os.fspath(to), write_new.SUFFIX)
        return cls(local_path(path, "DATASET"), new, run, progress)

    @property
    def features(self) -> str:
        return os.path.join(self.path, store.FEATURES)


@contextmanager
def at_work(job: Job) -> Iterator[memory.PeakMemory]:
    """Within, the dataset is locked (exclusively, in place); yields the memory in use.

    Ctrl-C becomes an Interrupted that says how to resume.
    """
    if job.to is None and not job.run.fsync:
        raise UsageError(
            f"{option('fsync', False)} is not allowed in place: a power loss would destroy the "
            "dataset",
            hint=f"Leave it out, or write a new dataset with {option('to', 'NEW')}.",
        )
    store.require_directory(job.path)
    with ExitStack() as stack:
        if not job.run.fsync:
            stack.enter_context(durable.relaxed())
        stack.enter_context(Lock(job.path, exclusive=job.to is None))
        if job.to is None:
            store.clean_up(job.path)
        else:
            write_new.finish(job.to)
        peak = stack.enter_context(memory.PeakMemory())
        try:
            yield peak
        except KeyboardInterrupt:
            raise _interrupted(job) from None


def _interrupted(job: Job) -> Interrupted:
    if job.to is not None or not store.in_transition(job.path):
        return Interrupted("interrupted; nothing was changed", hint="Run it again.")
    return Interrupted(
        f"interrupted; {job.path} is partially normalized, and no data is lost",
        hint="Run the same command again to resume, or "
        f"`{command('normalize', job.path, undo=True)}` "
        "to roll back.",
        path=job.path,
    )
