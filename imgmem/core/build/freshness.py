"""Is a finished dataset still what its sources and options would give?"""

import hashlib
import os
from collections.abc import Iterator
from os.path import samefile

from imgmem.core.build.changes import Earlier, changes_text
from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.plan import Plan
from imgmem.core.build.planned import PlannedImage
from imgmem.core.errors import DatasetError, RejectedImage
from imgmem.core.messages import option
from imgmem.core.rows.origins import all_origins
from imgmem.core.storage import store
from imgmem.core.storage.csv_table import CsvTable
from imgmem.core.storage.record import Record
from imgmem.core.text import differences


def require_unchanged(record: Record, out: str, inputs: BuildInputs, plan: Plan) -> None:
    """DatasetError, with what differs, unless the dataset `out` is this very build.

    Times are not part of a dataset, so a source that is newer than it is read again and its
    digest compared.
    """
    build = record.build
    changed = differences(build.get("options", {}), inputs.options)
    if not changed and build.get("identity") != inputs.identity:
        changed = _changes(out, plan) or "labels, splits or sizes of the source's images"
    if not changed and _is_of_other_splits(record, out, plan):
        changed = f"the splits of {plan.spec.split_like}"
    if not changed and _is_newer(out, plan):
        changed = _changes(out, plan)
    if changed:
        raise DatasetError(
            f"{out} is there, built otherwise; since then these changed: {changed}",
            hint=f"Replace it with {option('overwrite', True)}, or give another name.",
            path=out,
        )


def _is_of_other_splits(record: Record, out: str, plan: Plan) -> bool:
    """Whether splits are taken from another dataset, and are not those that were taken."""
    like = plan.spec.split_like
    return like is not None and not samefile(like, out) and plan.split_table != record.split_table


def _is_newer(out: str, plan: Plan) -> bool:
    """Whether an image of the source is newer than the dataset."""
    built = _built_at(out)
    return any(image.mtime_ns > built for image in plan.images())


def _changes(out: str, plan: Plan) -> str:
    """How many images are new, gone, or newer than the dataset with other bytes; "" for none."""
    built = _built_at(out)

    def differs(now: PlannedImage, before: Earlier) -> bool:
        return now.mtime_ns > built and _digest(plan, now) != before.digest

    return changes_text(_earlier(out), plan.images(), differs)


def _built_at(out: str) -> int:
    return os.stat(os.path.join(out, store.RECORD)).st_mtime_ns


def _earlier(out: str) -> Iterator[Earlier]:
    """The images that were there: those of the rows, and the rejected ones."""
    for origin in all_origins(out):
        yield Earlier(origin.path, digest=origin.digest)
    rejected = os.path.join(out, store.REJECTED)
    if os.path.exists(rejected):
        yield from (Earlier(path) for path in CsvTable(rejected).column("path"))


def _digest(plan: Plan, image: PlannedImage) -> str | None:
    """Of the bytes of an image; None where it cannot be read."""
    try:
        return hashlib.sha256(plan.source.read(image.name, image.locator)).hexdigest()
    except RejectedImage:
        return None
