"""What must hold before `normalize` changes anything."""

import os
import stat

import numpy as np

from imgmem.core.errors import DatasetError, UsageError
from imgmem.core.levels.methods import METHODS, Constants
from imgmem.core.messages import command, option
from imgmem.core.normalize import constants
from imgmem.core.normalize.job import Job
from imgmem.core.normalize.write_new import require_free
from imgmem.core.specs import NormalizeSpec
from imgmem.core.storage.record import Normalization, Record


def item_bytes(dtype: str) -> int:
    """Bytes of one value."""
    return np.dtype(dtype).itemsize


def require_possible(job: Job, record: Record, spec: NormalizeSpec) -> None:
    """UsageError or DatasetError unless `spec` can be applied to the features of `record`."""
    constants.require_whole_values(job.path, record)
    if spec.on_read and record.dtype not in ("uint8", "uint16"):
        raise UsageError(
            f"{option('on_read')} requires uint8 or uint16 features; these are {record.dtype}",
            hint="Leave it out, and normalize them in place.",
        )
    if not spec.on_read and item_bytes(spec.dtype) < item_bytes(record.dtype):
        raise UsageError(
            f"{record.dtype} features would lose precision as {spec.dtype}",
            hint=f"Leave out {option('dtype', spec.dtype)}, or build the dataset as uint8.",
        )
    if (record.dtype, spec.dtype) == ("uint16", "float16") and not (job.to or spec.on_read):
        raise UsageError(
            "float16 cannot hold 65,536 distinct values, so uint16 features could not be restored",
            hint=f"Use {option('dtype', 'float32')}, {option('on_read', True)}, or "
            f"{option('to', 'NEW')}, which leaves the original as it is.",
        )
    if job.to is not None and record.normalization is not None:
        raise DatasetError(
            f"{job.path} is already normalized",
            hint="Write an original with "
            f"`{command('normalize', job.path, undo=True, to='NEW')}`, and "
            "normalize that.",
            path=job.path,
        )
    require_target(job, on_read=spec.on_read)


def require_restorable(path: str, done: Normalization) -> None:
    """UsageError for values from which the original cannot be computed."""
    if done.is_final:
        raise UsageError(
            f"{path} holds uint16 values as float16, which cannot represent all of them",
            hint="Use the dataset that it was made from.",
        )


def require_target(job: Job, *, on_read: bool) -> None:
    """Raise unless the job may write where it would: to a free name, or to features that are a
    file of this dataset alone."""
    if on_read and job.to is not None:
        raise UsageError(
            f"{option('on_read')} leaves the features as they are, so there is nothing to write "
            "to a new "
            "dataset",
            hint=f"Leave out {option('to')}.",
        )
    if job.to is not None:
        require_free(job.to)
    elif not on_read:
        _require_writable(job.features)


def _require_writable(name: str) -> None:
    facts = os.lstat(name)
    if stat.S_ISLNK(facts.st_mode):
        problem = "a symbolic link"
    elif facts.st_nlink > 1:
        problem = "hard-linked from elsewhere"
    elif not facts.st_mode & 0o222 or not os.access(name, os.W_OK):
        problem = "read-only"
    else:
        return
    raise DatasetError(
        f"{name} is {problem}, so it is not changed in place",
        hint=f"Use {option('to', 'NEW')}, which writes a new dataset and leaves this one as it is.",
        path=name,
    )


def require_same(job: Job, spec: NormalizeSpec, record: Record) -> None:
    """DatasetError unless `spec` asks for what was done, or started, as `record` has it."""
    done = record.normalization
    assert done is not None
    if not _is_same(job, spec, record, done):
        raise DatasetError(
            f"{job.path} is already normalized differently: {_description(done)}",
            hint=f"Run `{command('normalize', job.path, undo=True)}` first.",
            path=job.path,
        )


def _is_same(job: Job, spec: NormalizeSpec, record: Record, done: Normalization) -> bool:
    if (spec.dtype, spec.on_read) != (done.dtype, done.on_read):
        return False
    wanted = foreign_constants(job, spec, record)
    if wanted is not None:
        numbers = (done.method, done.offset, done.scale)
        return (wanted.method, wanted.offset, wanted.scale) == numbers
    if spec.method != done.method or not METHODS[done.method].needs_statistics:
        return spec.method == done.method
    split, _ = constants.own_rows(spec, job.path, record)
    return done.from_own_rows and split == done.split


def _description(done: Normalization) -> str:
    """What was done, in the words of the options."""
    words = [done.method, done.dtype, *(["on read"] if done.on_read else [])]
    if METHODS[done.method].needs_statistics:
        words.append(f"with statistics from {_origin(done)}")
    return ", ".join(words)


def _origin(done: Normalization) -> str:
    if not done.from_own_rows:
        return "another dataset"
    return "all rows" if done.split is None else done.split


def foreign_constants(job: Job, spec: NormalizeSpec, record: Record) -> Constants | None:
    """Constants that do not come from the dataset itself; None where they do."""
    if spec.stats_from is not None:
        return constants.foreign(spec, job.path, record, run=job.run, progress=job.progress)
    return constants.given(spec, record) if spec.method == "given" else None
