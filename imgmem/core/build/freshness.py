"""Is a finished dataset still what its sources and options would give?"""

import hashlib
import os
from collections.abc import Iterator

from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.plan import Plan
from imgmem.core.build.planned import PlannedImage
from imgmem.core.errors import DatasetError, RejectedImage
from imgmem.core.messages import option
from imgmem.core.rows.origins import all_origins
from imgmem.core.storage import store
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
        changed = "the source's files"
    changed = changed or _changed_file(out, plan)
    if changed:
        raise DatasetError(
            f"{out} is there, built otherwise; since then these changed: {changed}",
            hint=f"Replace it with {option('overwrite', True)}, or give another name.",
            path=out,
        )


def _changed_file(out: str, plan: Plan) -> str:
    """The first source that is newer than the dataset and has other bytes now, or ""."""
    built = os.stat(os.path.join(out, store.RECORD)).st_mtime_ns
    rows = _digests(out)
    path, digest = next(rows, ("", ""))
    for image in plan.images():
        is_row = path == image.name.encode("utf-8", "backslashreplace").decode()
        if image.mtime_ns > built and not (is_row and digest == _digest(plan, image)):
            return image.name
        if is_row:
            path, digest = next(rows, ("", ""))
    return ""


def _digests(out: str) -> Iterator[tuple[str, str]]:
    """(path, digest) of each row, in order."""
    return ((origin.path, origin.digest) for origin in all_origins(out))


def _digest(plan: Plan, image: PlannedImage) -> str:
    try:
        return hashlib.sha256(plan.source.read(image.name, image.locator)).hexdigest()
    except RejectedImage:
        return ""
