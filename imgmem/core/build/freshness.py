"""Is a finished dataset still what its sources and options would give?"""

import hashlib
import os
from collections.abc import Iterator
from functools import partial
from os.path import samefile
from typing import TYPE_CHECKING

from imgmem.core.build.changes import Each, Earlier, changes_text
from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.seen import file_time, note_seen, seen_at
from imgmem.core.build.split_like import DRAWN_BY
from imgmem.core.errors import DatasetError, RejectedImage
from imgmem.core.messages import option
from imgmem.core.rows.facts import read_facts
from imgmem.core.rows.origins import all_origins
from imgmem.core.sources.base import CLOCK_SKEW_NS, OBJECT
from imgmem.core.sources.changed import forget
from imgmem.core.sources.concurrently import concurrently
from imgmem.core.sources.files import COPIED, DROPPED
from imgmem.core.storage import durable, store
from imgmem.core.storage.csv_table import CsvTable
from imgmem.core.storage.record import Record
from imgmem.core.text import differences

if TYPE_CHECKING:
    from imgmem.core.build.plan import Plan


def require_files(record: Record, out: str) -> None:
    """DatasetError where a file of the dataset `out` is missing or has another size.

    Takes no time: it reads headers only.
    """
    store.check_arrays(out, record)
    read_facts(out, record.shape[0])
    tables = [store.ROWS, *([store.REJECTED] if record.build.get("rejected") else [])]
    for name in (os.path.join(out, table) for table in tables):
        if not durable.is_file(name):
            raise store.damaged(name, "it is missing")


def require_unchanged(record: Record, out: str, inputs: BuildInputs, plan: "Plan") -> bool:
    """DatasetError, with what differs, unless the dataset `out` is this very build.

    Times are not part of a dataset, so an image that may have changed since is read again and its
    digest compared. Returns whether there was such an image.
    """
    require_files(record, out)
    if other := differences(record.build.get("options", {}), inputs.options):
        raise _another(
            out, f"{out} was built with other options: {other}", _settled(record, inputs)
        )
    changed = ""
    if record.build.get("identity") != inputs.identity:
        changed = _changes(out, plan, folders=False) or "labels, splits or sizes of its images"
    looked = not changed and may_be_newer(out, plan)
    if looked:
        changed = _changes(out, plan, folders=True)
    if changed:
        what = f"the source of {out} has changed since it was built: {changed}"
        raise _another(out, what, f"Update it with {option('update', True)}")
    if _is_of_other_splits(record, out, plan):
        what = f"{out} has other splits than {plan.spec.split_like} has now"
        raise _another(out, what, f"Take those with {option('update', True)} and {_RESPLIT}")
    return looked


_RESPLIT = option("resplit", True)


def _another(out: str, what: str, remedy: str) -> DatasetError:
    """remedy: how an update settles it, "" where none does."""
    replace = f"replace it with {option('overwrite', True)}, or give another name."
    hint = f"{remedy}, {replace}" if remedy else replace[0].upper() + replace[1:]
    return DatasetError(what, hint=hint, path=out)


def _settled(record: Record, inputs: BuildInputs) -> str:
    """How an update makes what these options ask for of a dataset; "" where none does."""
    before, now = record.build.get("options", {}), inputs.options
    differ = {name for name in before | now if before.get(name) != now.get(name)}
    given = {name for name in differ if now.get(name)}
    known = list(record.classes or ())
    if differ - {"classes", *DRAWN_BY} or (
        "classes" in given and now["classes"][: len(known)] != known
    ):
        return ""
    if given & set(DRAWN_BY):
        return f"Draw its splits again with {option('update', True)} and {_RESPLIT}"
    return f"Update it with {option('update', True)}, which keeps its classes and splits"


def _is_of_other_splits(record: Record, out: str, plan: "Plan") -> bool:
    """Whether splits are taken from another dataset, and images are in others than by that."""
    like = plan.spec.split_like
    if like is None or samefile(like, out) or plan.split_table == record.split_table:
        return False
    return plan.moved_since(out)[0] > 0


def may_be_newer(out: str, plan: "Plan") -> bool:
    """Whether an image of the source has changed, or may have, since the dataset was built."""
    since = seen_at(out, plan.listing.origin)
    forget()
    return any(may_differ(plan, image, since, folders=True) for image in plan.images())


def may_differ(plan: "Plan", image: PlannedImage, since: int, *, folders: bool) -> bool:
    """Whether an image may have other bytes than at that time: it was modified, or replaced by a
    file with an older date, or renamed, or a folder that it is in was."""
    if image.mtime_ns > since:
        return True
    return plan.source.changed_ns(image.name, image.locator, folders=folders) > since


def reject_may_differ(plan: "Plan", image: PlannedImage, since: int, *, folders: bool) -> bool:
    """As `may_differ`, of an image that was rejected, whose bytes are not known.

    In a store it is taken for the same where only the clocks leave that open: reading it could
    not settle it, and one of another size is another listing.
    """
    slack = CLOCK_SKEW_NS if image.locator[:1] == (OBJECT,) else 0
    return may_differ(plan, image, since + slack, folders=folders)


def _changes(out: str, plan: "Plan", *, folders: bool) -> str:
    """How many images are new, gone, or have other bytes than then; "" for none.

    folders: whether those are read again whose folder was renamed.
    """
    rejected, seen = file_time(out), seen_at(out, plan.listing.origin)
    forget()

    def differs(now: PlannedImage, before: Earlier) -> bool:
        if before.digest:
            may = may_differ(plan, now, seen, folders=folders)
        else:
            may = reject_may_differ(plan, now, rejected, folders=False)
        return may and digest_of(plan, now) != before.digest

    each: Each = partial(concurrently, plan.source, size=lambda pair: pair[0].size)
    return changes_text(_earlier(out), plan.images(), differs, each)


def note_unchanged(record: Record, out: str, plan: "Plan", since: int) -> None:
    """Note that the images had not changed at that time (in ns), so that those that only look
    as if they had are not read again."""
    origin = plan.listing.origin
    if since > seen_at(out, origin):
        note_seen(os.path.join(out, store.FACTS), record, origin, since)


def _earlier(out: str) -> Iterator[Earlier]:
    """The images that were there: those of the rows, and the rejected ones."""
    for origin in all_origins(out):
        yield Earlier(origin.path, digest=origin.digest)
    yield from map(Earlier, rejected_before(out))


def rejected_before(out: str) -> Iterator[str]:
    """The paths of the images that were rejected."""
    name = os.path.join(out, store.REJECTED)
    if durable.exists(name):
        yield from CsvTable(name).column("path")


def digest_of(plan: "Plan", image: PlannedImage) -> str | None:
    """sha256 of the bytes of an image, in hex; None where it cannot be read."""
    if image.locator[:1] == (COPIED,):  # of the image that the row was made of
        return str(image.locator[2])
    if image.locator[:1] == (DROPPED,):
        return ""
    try:
        return hashlib.sha256(plan.source.read(image.name, image.locator)).hexdigest()
    except RejectedImage:
        return None
