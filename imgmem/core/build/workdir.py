"""Where a build goes: OUT, and `.OUT.partial` beside it, which becomes OUT when complete.

.OUT.partial without plan.json      being laid out; worth nothing
.OUT.partial with plan.json         a build in progress
.OUT.partial with dataset.json only complete, about to take OUT's name
OUT with plan.json                  swapped in by --overwrite; .OUT.partial is the old one
"""

import os
from collections.abc import Callable
from typing import Any

from imgmem.core.build import files
from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.plan import Plan
from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.unfinished import UnfinishedBuild
from imgmem.core.errors import DatasetError, ResourceError, UsageError
from imgmem.core.messages import option
from imgmem.core.storage import durable, store
from imgmem.core.storage.locks import LOCKS, Lock
from imgmem.core.storage.record import Record
from imgmem.core.storage.verify import require_whole


def require_not_nested(source: str, out: str) -> None:
    """UsageError where the result would lie in the source, or the source in the result."""
    real_source, real_out = os.path.realpath(source), os.path.realpath(out)
    if real_out == real_source or _is_below(real_out, real_source):
        raise UsageError(
            f"{out} lies in the source, which is never written to",
            hint="Give a directory outside of it.",
        )
    if _is_below(real_source, real_out):
        raise UsageError(f"the source lies in {out}", hint="Give another directory for the result.")


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip(os.sep) + os.sep)


def finished_record(out: str) -> Record | None:
    """The record of the dataset at `out`; None if nothing is there, or an empty directory.

    Raises DatasetError where `out` is anything else: that is never replaced.
    """
    if not os.path.lexists(out) or (os.path.isdir(out) and not os.listdir(out)):
        return None
    if not os.path.isfile(os.path.join(out, store.RECORD)):
        raise DatasetError(
            f"{out} exists and is not an imgmem dataset",
            hint="Give another name for the result; imgmem replaces datasets only.",
            path=out,
        )
    return store.read_record(out)


class WorkDir:
    """The locked working directory of a build of `out`."""

    def __init__(self, out: str, *, restart: bool = False) -> None:
        """Make and lock `.OUT.partial`; `restart` empties it.

        Raises DatasetError if another build works on it.
        """
        self.out = out
        self.path = partial_path(out)
        durable.make_parents(out)
        durable.repair_exchange(self.path, out)
        self._opened: UnfinishedBuild | None = None
        self._lock = _make_and_lock(self.path)
        if restart:
            _empty(self.path)

    def open(
        self, inputs: BuildInputs, plan: Plan, create_files: Callable[[str], None]
    ) -> UnfinishedBuild | None:
        """The build in progress, new or resumed; None if all that is left is to publish it.

        Raises DatasetError where what is there was ordered otherwise.
        """
        if self._has(store.RECORD):
            self._require_identity(inputs)
            require_whole(self.path)
            return None
        if self._has(files.PLAN):
            self._opened = UnfinishedBuild(self.path)
            _require_same(self._opened, inputs, plan)
        else:
            self._lay_out(create_files)
            self._opened = UnfinishedBuild(self.path)
        return self._opened

    def publish(self) -> None:
        """Give the complete dataset the name OUT; a dataset that is there is swapped out."""
        if os.path.isfile(os.path.join(self.out, store.RECORD)):
            with Lock(self.out, exclusive=True):
                durable.exchange(self.path, self.out)
                self._lock.moved(self.out)
                clean_up(self.out)
            return
        files.remove_build_files(self.path)
        durable.rename(self.path, self.out)
        self._lock.moved(self.out)
        durable.sync_directory(os.path.dirname(self.out) or ".")

    def discard(self) -> None:
        """Remove all of it."""
        _empty(self.path)
        durable.remove_tree(self.path)

    def release(self) -> None:
        """Close and unlock; what is there stays for the next run."""
        try:
            if self._opened:
                self._opened.close()
        finally:
            self._lock.release()

    def _has(self, name: str) -> bool:
        return os.path.isfile(os.path.join(self.path, name))

    def _lay_out(self, create_files: Callable[[str], None]) -> None:
        """Begin; where the disk has no room, leave nothing behind."""
        _empty(self.path)
        try:
            create_files(self.path)
        except ResourceError:
            self.discard()
            raise

    def _require_identity(self, inputs: BuildInputs) -> None:
        if store.read_record(self.path).build["identity"] != inputs.identity:
            raise _other_build(self.path, "the options or the source")


def clean_up(out: str) -> None:
    """Finish a swap that was cut short: drop the old dataset, then the new one's plan.

    Names that an ended process had only changed are made durable, whatever is there.
    """
    if not os.path.isdir(out):
        return
    durable.sync_directory(os.path.dirname(out) or ".")
    if os.path.isfile(os.path.join(out, files.PLAN)):
        old = partial_path(out)
        if os.path.isdir(old):
            durable.remove_tree(old)
            durable.sync_directory(os.path.dirname(out) or ".")
        files.remove_build_files(out)
    durable.sync_directory(out)


def partial_path(out: str) -> str:
    directory, name = os.path.split(out)
    return os.path.join(directory, f".{name}.partial")


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """`fit: stretch → crop, seed: 0 → 1`, or "" where two sets of options agree."""
    names = [name for name in now | before if before.get(name) != now.get(name)]
    return ", ".join(f"{name}: {before.get(name)} → {now.get(name)}" for name in names)


def _make_and_lock(path: str) -> Lock:
    """Lock the directory at `path`, made where it is missing, and not one just renamed away."""
    while True:
        try:
            durable.mkdir(path)
        except ResourceError:
            if not os.path.isdir(path):
                raise
        lock = Lock(path, exclusive=True)
        if lock.holds(path):
            return lock
        lock.release()


def _empty(path: str) -> None:
    """Remove all files but the lock, first and for good those that vouch for the others."""
    for name in (store.RECORD, files.PLAN):
        durable.unlink(os.path.join(path, name))
    durable.sync_directory(path)
    for name in sorted(set(os.listdir(path)) - LOCKS):
        durable.unlink(os.path.join(path, name))


def _require_same(opened: UnfinishedBuild, now: BuildInputs, plan: Plan) -> None:
    """DatasetError, with what differs, unless a build goes on as it was begun."""
    before = opened.manifest.inputs
    options = differences(before.options, now.options)
    decoders = differences(before.decoders, now.decoders)
    if options or decoders:
        raise _other_build(opened.path, options or decoders)
    if before.listing_now != now.listing_now:
        planned = map(PlannedImage.from_line, opened.all_lines())
        raise _other_build(opened.path, plan.first_change(planned))


def _other_build(path: str, what: str) -> DatasetError:
    return DatasetError(
        f"{path} holds an unfinished build, and since then these changed: {what}",
        hint=f"Restore them to resume, or start over with {option('restart', True)}.",
        path=path,
    )
