"""Files that a command writes next to datasets: sheets, batches, pages, lists.

What is at such a place already stays, unless the user wants it replaced; files of a dataset and
images that one was built from always do.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress

import numpy as np

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.paths import is_inside, local_path, require_folder_of, require_writable
from imgmem.core.rows.facts import digest_words, read_facts
from imgmem.core.storage import durable, store
from imgmem.core.storage.system import naming

_NAME_BYTES = 200
"""Of a name, in that of the file that takes its place; most file systems have room for 255."""


def check_out_files(outs: Iterable[str | None], *datasets: str, overwrite: bool) -> None:
    """UsageError unless files about these datasets can be written there; None for none."""
    given = [out for out in outs if out is not None]
    if overwrite and not given:
        raise UsageError(
            f"{option('overwrite')} is for files that are written, and there are none",
            hint=f"Leave out {option('overwrite')}.",
        )
    if len({os.path.realpath(out) for out in given}) < len(given):
        raise UsageError(f"{given[0]} cannot hold both", hint="Name two files.", path=given[0])
    for out in given:
        _check_out_file(out, datasets, overwrite=overwrite)


def _check_out_file(out: str, datasets: tuple[str, ...], *, overwrite: bool) -> None:
    check_outside(out, *datasets)
    if os.path.isdir(out) or out.endswith("/"):
        raise UsageError(f"{out} is a folder", hint="Name a file.", path=out)
    require_writable(out, os.path.dirname(os.path.realpath(out)))
    _require_replaceable(out, overwrite=overwrite)
    for dataset in datasets if os.path.exists(out) else ():
        _require_no_source(out, dataset)


def check_outside(out: str, *datasets: str) -> None:
    """UsageError for an address, for a folder that is missing, for a link to itself, and inside a
    dataset: these, or the one in whose folder `out` is."""
    local_path(out)
    require_folder_of(out)
    path = os.path.realpath(out)
    if os.path.islink(path):
        raise UsageError(f"{out} is a link to itself", hint="Name another file.", path=out)
    require_folder_of(path)
    folder = os.path.dirname(path)
    is_dataset = all(
        durable.is_file(os.path.join(folder, name)) for name in (store.RECORD, store.ROWS)
    )
    if is_dataset or any(is_inside(out, dataset) for dataset in datasets):
        raise UsageError(f"{out} is inside the dataset", hint="Write it somewhere else.", path=out)


def write_out_files(contents: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write files that `check_out_files` allows, by their paths: all complete, or none is new.

    A link stays one. Raises UsageError where there is a file by now.
    """
    with ExitStack() as undo:
        for out, data in contents.items():
            _require_replaceable(out, overwrite=overwrite)
            path = os.path.realpath(out)
            if not durable.exists(path):
                undo.callback(_remove, path)
            undo.callback(_remove, _temporary(path))
            durable.write_file(path, data, temporary=_temporary(path))
        undo.pop_all()


def _temporary(path: str) -> str:
    folder, name = os.path.split(path)
    short = os.fsdecode(os.fsencode(name)[:_NAME_BYTES])
    return os.path.join(folder, f".{short}.imgmem-new")


def _remove(path: str) -> None:
    with suppress(OSError):
        durable.unlink(path)


def _require_replaceable(out: str, *, overwrite: bool) -> None:
    if not os.path.exists(out):
        return
    if not os.path.isfile(out):
        raise UsageError(f"{out} is not a regular file", hint="Name a file.", path=out)
    if not overwrite:
        raise UsageError(
            f"{out} already exists",
            hint=f"Choose another name, or replace it with {option('overwrite', True)}.",
            path=out,
        )


def _require_no_source(out: str, dataset: str) -> None:
    """UsageError for a file with the bytes of an image of the dataset."""
    with naming(out), open(out, "rb") as file:
        digest = digest_words(hashlib.file_digest(file, "sha256").hexdigest())
    facts = read_facts(dataset, store.read_record(dataset).shape[0])
    rows = np.flatnonzero((facts["digest"] == digest).all(axis=1))
    if len(rows):
        raise UsageError(
            f"{out} is an image that {dataset} was built from: row {rows[0]}",
            hint="Choose another name; sources are never written to.",
            path=out,
        )
