"""Decoding in processes that others started, perhaps on other machines: a task there first makes
sure that the decoders are those of this process, and that the source is the one that was listed.
"""

import hashlib
import os
import pickle
import platform
import sys
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from imgmem._version import __version__
from imgmem.core.build.decoding import Chunk
from imgmem.core.build.planned import PlannedImage
from imgmem.core.build.task import DecodeJob, decode_task
from imgmem.core.decode.images import decoder_versions
from imgmem.core.errors import InputError, RejectedImage, ResourceError, UsageError
from imgmem.core.sources import Locator, Source, open_address

_TRIES = 16
_HEAD_BYTES = 4096

Versions = tuple[tuple[str, str], ...]


class Probe(NamedTuple):
    """An image by which a worker sees whether its source is the one that was listed.

    digest: SHA-256 of its first bytes.
    """

    name: str
    locator: Locator
    digest: bytes


class RemoteJob(NamedTuple):
    """What `decode_remotely` needs besides lines; the versions are compared before the rest,
    which another version may not even be able to unpickle.

    packed: a DecodeJob and a Probe, pickled.
    """

    versions: Versions
    packed: bytes


def remote_job(job: DecodeJob, source: Source, lines: Iterable[bytes]) -> RemoteJob:
    """`job` for processes that may have other decoders, or another source at its address.

    lines: of the plan; one of the first is the probe.
    """
    return RemoteJob(versions_here(), pickle.dumps((job, _probe(source, lines))))


def versions_here() -> Versions:
    """All versions that decide the bytes of a row."""
    return (("imgmem", __version__), *decoder_versions().items())


def decode_remotely(versions: Versions, packed: bytes, lines: list[bytes]) -> Chunk:
    """`decode_task` in such a process.

    Raises ResourceError, which names the process, where its decoders are others, or where it
    does not reach the source.
    """
    return decode_task(_checked(versions, packed), lines)


@lru_cache(maxsize=1)
def _checked(versions: Versions, packed: bytes) -> DecodeJob:
    for (name, wanted), (_, found) in zip(versions, versions_here(), strict=True):
        if found != wanted:
            raise ResourceError(
                f"{_this_process()} has {name} {found}, but the build started with {wanted}: "
                "pixels may differ",
                hint="Install the same versions everywhere, then run the same command again to "
                "resume.",
            )
    job, probe = pickle.loads(packed)
    _require_source(job, probe)
    return job  # type: ignore[no-any-return]


def _probe(source: Source, lines: Iterable[bytes]) -> Probe | None:
    """The first image that can be read; None if none of the first can."""
    for line in islice(lines, _TRIES):
        image = PlannedImage.from_line(line)
        try:
            return Probe(image.name, image.locator, _digest(source, image.name, image.locator))
        except RejectedImage:
            continue
    return None


def _digest(source: Source, name: str, locator: Locator) -> bytes:
    return hashlib.sha256(source.read_head(name, locator, _HEAD_BYTES)).digest()


def _require_source(job: DecodeJob, probe: Probe | None) -> None:
    path, why = job.address.path, "its images differ"
    try:
        source = open_address(job.address)
        try:
            if probe is None or _digest(source, probe.name, probe.locator) == probe.digest:
                return
        finally:
            source.close()
    except (InputError, ResourceError, UsageError) as error:
        why = error.message
    except RejectedImage as reject:
        assert probe is not None
        why = f"{probe.name}: {reject.detail}"
    needed = "read the source at the same path"
    if job.address.remote:
        needed = "reach the store, with credentials of their own"
    raise ResourceError(
        f"{_this_process()} cannot read the source {path} ({why})",
        hint=f"Make sure that all workers can {needed}. Then run the same command again to resume.",
        path=path,
    )


def _this_process() -> str:
    if "distributed" in sys.modules:
        from distributed import get_worker

        try:
            return f"the Dask worker {get_worker().address}"
        except ValueError:  # this is none
            pass
    return f"the process {os.getpid()} on {platform.node()}"
