"""Is a finished dataset that of archives at an address, without downloading them again?"""

import hashlib
import json
from dataclasses import replace
from itertools import chain
from os.path import samefile
from typing import Any

from imgmem import __version__
from imgmem.core.build.manifest import BuildInputs
from imgmem.core.build.prepare import recorded_options
from imgmem.core.build.rejects import require_allowed_in
from imgmem.core.build.result import BuildResult, recorded_result
from imgmem.core.paths import is_address
from imgmem.core.sources import Source
from imgmem.core.sources.grammar import label_rule
from imgmem.core.sources.remote.archive import StoredArchive
from imgmem.core.sources.remote.choose import stored_archives
from imgmem.core.sources.remote.store import StoredObject
from imgmem.core.specs import BuildSpec, RejectPolicy
from imgmem.core.storage.record import Record


def download_digest(source: Source, spec: BuildSpec, inputs: BuildInputs) -> str | None:
    """What `dataset.json` knows the archives by that were downloaded for a build; None for other
    sources, and where they can change without notice."""
    if not isinstance(source, StoredArchive):
        return None
    return _digest(source.path, source.stored, spec, inputs.options, inputs.split_table)


def same_download(
    record: Record, out: str, sources: tuple[str, ...], spec: BuildSpec, policy: RejectPolicy
) -> BuildResult | None:
    """The result where the dataset `out` was built by the same options from archives that are
    still the same; None where that is not known.

    Raises InputError where it has rejects that `policy` does not allow.
    """
    recorded = record.build.get("source", {}).get("download")
    if recorded is None or len(sources) != 1 or not is_address(sources[0]):
        return None
    if spec.split_like is not None and not samefile(spec.split_like, out):
        return None
    address, options = sources[0].rstrip("/"), recorded_options(spec)
    if recorded != _digest(address, stored_archives(address), spec, options, record.split_table):
        return None
    result = recorded_result(out, notes=[f"{address} is the same, and was not downloaded again"])
    require_allowed_in(record, policy, total=result.images, out=out)
    return replace(result, already_done=True)


def _digest(
    address: str,
    stored: tuple[StoredObject, ...],
    spec: BuildSpec,
    options: dict[str, Any],
    split_table: str | None,
) -> str | None:
    """sha256 of what decides the result of a build; None where that is also other files."""
    by_files = label_rule(spec.labels).kind == "file" or spec.tables or spec.split_lists
    known = stored and all(each.etag for each in stored)
    if not known or by_files or spec.copies:
        return None
    decisive = [address, *chain(*stored), options, __version__]
    text = json.dumps([*decisive, split_table] if split_table else decisive, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
