"""The directory of an unfinished build, and how it becomes OUT.

`.OUT.partial` next to OUT, or `.partial` inside it (see `storage.destination`), holds
    no plan.json                files being created; worth nothing
    plan.json                   a build in progress
    dataset.json only           a complete dataset, about to take OUT's place
    clearing, moving            the same, its files moving up (see `storage.publish`)
OUT with plan.json was swapped in by `overwrite`: `.OUT.partial` is the old one.
"""

import os
from collections.abc import Callable, Iterable

from imgmem.core.build import files
from imgmem.core.build.changes import Earlier, as_in_rows, changes_text
from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.plan import Plan
from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.unfinished import UnfinishedBuild, all_lines, peek
from imgmem.core.errors import DatasetError, ResourceError, UsageError
from imgmem.core.messages import option
from imgmem.core.paths import is_address, is_inside
from imgmem.core.sources.files import COPIED
from imgmem.core.storage import durable, publish, store
from imgmem.core.storage.destination import Destination, has_guests, is_free, require_only
from imgmem.core.storage.locks import LOCK, Lock
from imgmem.core.storage.record import Record
from imgmem.core.storage.verify import require_whole
from imgmem.core.text import differences

SUFFIX = store.WORK[0]
_OWN = (
    store.FILES | files.BUILD_FILES | publish.MARKERS | store.LEFTOVERS | {files.PLAN + durable.NEW}
)
"""What a build makes in its working directory, besides the lock."""


def require_not_nested(sources: Iterable[str], out: str) -> None:
    """UsageError where the result would lie in a source, or a source in the result."""
    for source in sources:
        _require_apart(source, out)


def _require_apart(source: str, out: str) -> None:
    if is_address(source):
        return
    if os.path.realpath(source) == os.path.realpath(out):
        raise UsageError(
            f"SOURCE and OUT are the same: {out}",
            hint="Give another path for the result; sources are never written to.",
        )
    require_outside(out, source)
    if is_inside(source, out):
        raise UsageError(
            f"the source is inside the output {out}", hint="Give another directory for the result."
        )


def require_outside(out: str, source: str) -> None:
    """UsageError where the result would lie in the source."""
    if is_inside(out, source):
        raise UsageError(
            f"output {out} is inside the source",
            hint="Give a directory outside of it; sources are never written to.",
        )


def finished_record(destination: Destination) -> Record | None:
    """The record of the dataset at the destination; None if it is free.

    Raises DatasetError where something else is there: that is never replaced.
    """
    if is_free(destination):
        return None
    path = destination.path
    if not durable.is_file(os.path.join(path, store.RECORD)):
        raise DatasetError(
            f"{destination.out} exists and is not an imgmem dataset",
            hint="Give another name for the result; imgmem replaces only its own datasets.",
            path=destination.out,
        )
    return store.read_record(path)


def require_replaceable(destination: Destination) -> None:
    """DatasetError, with names, where something lies in the dataset that is not part of it;
    UsageError where it is read-only."""
    if durable.is_directory(destination.path):
        _require_writable(destination)
        work = {os.path.basename(destination.work)} if destination.inside else set()
        require_only(destination.path, store.FILES | store.LEFTOVERS | work)


def _require_writable(destination: Destination) -> None:
    for each in (destination.path, os.path.join(destination.path, LOCK)):
        if durable.exists(each) and not os.access(each, os.W_OK):
            raise UsageError(
                f"{destination.out} cannot be replaced: {each} is read-only",
                hint="Make it writable, or give another name for the result.",
                path=destination.out,
            )


class WorkDir:
    """The locked working directory of a build."""

    def __init__(self, destination: Destination, *, restart: bool = False) -> None:
        """Make and lock it; `restart` empties it.

        Raises DatasetError if another build works on it, or if it holds what no build made.
        """
        self._destination = destination
        self.path = destination.work
        durable.make_parents(destination.path)
        if not destination.inside:
            durable.repair_exchange(self.path, destination.path)
        self._opened: UnfinishedBuild | None = None
        self._lock = _make_and_lock(self.path)
        try:
            require_only(self.path, _OWN)
            if restart:
                _empty(self.path)
        except BaseException:
            self._lock.release()
            raise

    def open(
        self, inputs: BuildInputs, plan: Plan, create_files: Callable[[str], None]
    ) -> UnfinishedBuild | None:
        """The build in progress, new or resumed; None if all that is left is to publish it.

        Raises DatasetError where what is there was started with other inputs.
        """
        if self._has(store.RECORD):
            _require_identity(self.path, inputs)
            require_whole(self.path)
            durable.sync_directory(self.path)  # an ended process may only have renamed it
            return None
        if self._has(files.PLAN):
            durable.sync_directory(self.path)  # likewise its plan
            self._opened = UnfinishedBuild(self.path)
            _require_same(self._opened, inputs, plan)
        else:
            self._lay_out(create_files)
            self._opened = UnfinishedBuild(self.path)
        return self._opened

    def publish(self) -> None:
        """Put the complete dataset in the place of OUT; a dataset that is there is replaced."""
        path = self._destination.path
        require_replaceable(self._destination)
        if self._destination.inside or has_guests(path):
            self._move_up()
        elif durable.is_directory(path):
            self._swap()
        else:
            files.remove_build_files(self.path)
            publish.take_name(self.path, path, self._lock)
            durable.sync_directory(self._destination.parent)

    def _swap(self) -> None:
        """Exchange names with the directory that is there, and remove that."""
        path = self._destination.path
        with Lock(path, exclusive=True) as old:
            try:
                durable.exchange(self.path, path)
            except durable.CannotRename:
                old.release()
                self._move_up()
                return
            old.moved(self.path)
            self._lock.moved(path)
            _finish_swap(self._destination)

    def _move_up(self) -> None:
        files.remove_build_files(self.path)
        publish.move_up(self.path, self._destination.path)
        durable.sync_directory(self._destination.above_work)

    def discard(self) -> None:
        """Remove all of it."""
        _empty(self.path)
        publish.remove_work(self.path)

    def release(self) -> None:
        """Close and unlock; what is there stays for the next run."""
        try:
            if self._opened:
                self._opened.close()
        finally:
            self._lock.release()
            publish.sweep(self.path)

    def _has(self, name: str) -> bool:
        return _has(self.path, name)

    def _lay_out(self, create_files: Callable[[str], None]) -> None:
        """Begin; where the disk has no room, leave nothing behind."""
        _empty(self.path)
        try:
            create_files(self.path)
        except ResourceError:
            self.discard()
            raise


def what_becomes(
    destination: Destination, inputs: BuildInputs, plan: Plan, *, restart: bool
) -> str:
    """What a build makes of an unfinished one, in words; nothing is written.

    Raises DatasetError where it cannot resume it.
    """
    path = destination.work
    complete = _has(path, store.RECORD)
    if not complete and not _has(path, files.PLAN):
        return "new"
    if restart:
        return "new; discards an unfinished build"
    if complete:
        _require_identity(path, inputs)
        return "publishes a build that is complete"
    state, manifest = peek(path)
    limit: int = inputs.options["max_pixels"]
    _require_same_inputs(path, manifest.with_max_pixels(limit).inputs, inputs, plan)
    done = f"{state.sources} of {manifest.sources} images are done"
    if manifest.inputs.options["max_pixels"] == limit:
        return f"resumes an unfinished build: {done}"
    return f"resumes an unfinished build if its images allow the other max_pixels: {done}"


def clean_up(destination: Destination) -> None:
    """Finish a publication that was cut short; only one process at a time does.

    Names that an ended process had only changed are made durable, whatever is there.
    """
    path, work = destination.path, destination.work
    if not durable.is_directory(path):
        return
    if not destination.inside:
        durable.sync_directory(destination.parent)
    if publish.is_moving(work) or publish.has_moved(work) or _was_swapped_in(path):
        lock = _make_and_lock(work)
        try:
            if publish.is_moving(work):
                publish.move_up(work, path)
            elif _was_swapped_in(path):  # still: another process may have finished it
                _finish_swap(destination)
            elif publish.has_moved(work):
                publish.remove_work(work)
        finally:
            lock.release()
            publish.sweep(work)
    durable.sync_directory(path)


def _was_swapped_in(path: str) -> bool:
    return durable.is_file(os.path.join(path, files.PLAN))


def _finish_swap(destination: Destination) -> None:
    """Drop the old dataset, then the new one's plan: as long as it is there, this is not over.

    What is not a dataset's stays, in the old one's directory.
    """
    old, parent = destination.work, destination.parent
    durable.sync_directory(parent)
    publish.remove_files(old, _OWN)
    if publish.has_moved(old):
        publish.remove_work(old)
    durable.sync_directory(parent)
    files.remove_build_files(destination.path)
    durable.sync_directory(destination.path)


def _has(path: str, name: str) -> bool:
    return durable.is_file(os.path.join(path, name))


def _require_identity(path: str, inputs: BuildInputs) -> None:
    record = store.read_record(path)
    if record.build.get("identity") != inputs.identity:
        raise _other_build(path, "the options or the source")
    if record.split_table != inputs.split_table:
        raise _other_build(path, "the splits that known images keep")


def _make_and_lock(path: str) -> Lock:
    """Lock the directory at `path`, made where it is missing, and not one just renamed away."""
    while True:
        try:
            durable.mkdir(path)
        except ResourceError:
            if not durable.is_directory(path):
                raise
        try:
            lock = Lock(path, exclusive=True)
        except ResourceError:
            if durable.is_directory(path):
                raise
            continue  # another process has just removed it
        try:
            holds = lock.holds(path)
        except BaseException:
            lock.release()
            raise
        if holds:
            return lock
        lock.release()


def _empty(path: str) -> None:
    """Remove all that a build made, first and for good what vouches for the rest."""
    for name in (store.RECORD, files.PLAN):
        durable.unlink(os.path.join(path, name))
    durable.sync_directory(path)
    publish.remove_files(path, _OWN)


def _require_same(opened: UnfinishedBuild, now: BuildInputs, plan: Plan) -> None:
    """DatasetError, with what differs, unless a build goes on as it was begun."""
    limit: int = now.options["max_pixels"]
    if limit != opened.manifest.inputs.options["max_pixels"]:
        others = opened.manifest.with_max_pixels(limit).inputs.options
        if others == now.options:
            opened.change_max_pixels(limit)
    _require_same_inputs(opened.path, opened.manifest.inputs, now, plan)


def _require_same_inputs(path: str, before: BuildInputs, now: BuildInputs, plan: Plan) -> None:
    options = differences(before.options, now.options)
    decoders = differences(before.decoders, now.decoders)
    if options or decoders:
        raise _other_build(path, options or decoders)
    if before.listing_now != now.listing_now:
        raise _other_build(path, _changes(path, plan))
    if before.split_table != now.split_table:
        raise _other_build(path, "the splits that known images keep")


def _changes(path: str, plan: Plan) -> str:
    """What has become of the source since an unfinished build was planned."""
    planned = map(PlannedImage.from_line, all_lines(path))
    before = (
        Earlier(as_in_rows(each.name), each.size, each.mtime_ns, locator=each.locator)
        for each in planned
    )
    text = changes_text(before, plan.images(), _was_modified)
    return text or "the classes or splits of the source"


def _was_modified(now: PlannedImage, before: Earlier) -> bool:
    if (now.size, now.mtime_ns) != (before.size, before.mtime_ns):
        return True
    is_copy = before.locator[:1] == (COPIED,)  # then that of the image is not known
    return not is_copy and now.locator != before.locator


def _other_build(path: str, what: str) -> DatasetError:
    return DatasetError(
        f"found an unfinished build in {path}, but its inputs changed: {what}",
        hint=f"Restore them to resume, or pass {option('restart', True)} to start over.",
        path=path,
    )
