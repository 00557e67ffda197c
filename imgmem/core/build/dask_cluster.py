"""Decoding by the workers of a Dask cluster; needs the extra `dask`.

Finished chunks wait on their workers, as many as WINDOW_BYTES hold, and come straight from there
when it is their turn to be written. What a lost worker had is decoded again by another one.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import suppress
from typing import Any, cast

from imgmem.core.build.decoding import Chunk, hung
from imgmem.core.build.execution import InForeign, Lines, names
from imgmem.core.build.remote import RemoteJob
from imgmem.core.build.task import DecodeJob
from imgmem.core.errors import ImgmemError, ResourceError, UsageError
from imgmem.core.messages import option

Client = Any
"""A `distributed.Client`; Dask has no types of its own."""

SCHEME = "dask:"
WINDOW_BYTES = 2**30
"""Chunks that may be under way on all workers together."""
CHUNKS_PER_THREAD = 2
"""One that a worker's thread decodes, and one that waits to be written."""
CONNECT_SECONDS = 30
_LOOK_SECONDS = 1.0
_GATHER_SECONDS = 30.0
"""After so long without an answer a worker is asked again: it may be another one by then."""
_LOGGERS = ("distributed", "distributed.client", "tornado.application")


def connected(address: str) -> Client:
    """A client of the scheduler at "tcp://host:8786", or of the one that a file names.

    Raises UsageError without Dask, ResourceError where there is no scheduler.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            f"{option('executor', SCHEME + address)} needs the package distributed",
            hint="Install imgmem with its extra `dask`.",
        ) from None
    where: dict[str, Any] = {"address": address}
    if os.path.isfile(address) or address.endswith(".json"):
        where = {"scheduler_file": address}
    try:
        return cast(Any, Client)(**where, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ResourceError(
            f"the Dask scheduler {address} cannot be reached: {error}",
            hint="Check its address, and that it is running.",
        ) from None


def client_of(executor: Any) -> Client | None:
    """The client behind `client.get_executor()`, or the client itself; None for others."""
    if "distributed" not in sys.modules:
        return None
    from distributed import Client as DaskClient
    from distributed.cfexecutor import ClientExecutor

    if isinstance(executor, ClientExecutor):
        return executor._client
    return executor if isinstance(executor, DaskClient) else None


class _Task:
    """A future of Dask's that can be dropped at any time."""

    def __init__(self, future: Any) -> None:
        self.future = future
        self._done = threading.Event()
        future.add_done_callback(lambda _: self._done.set())

    def wait(self, seconds: float) -> bool:
        """Whether it is done, or failed, by then."""
        return self._done.wait(seconds)

    def cancel(self) -> None:
        with suppress(Exception):  # of a scheduler that has gone
            self.future.cancel()


class _Cluster:
    """A client as an executor: earlier tasks come first."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._submitted = 0
        self._threads, self._looked_at = 0, 0.0

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> _Task:
        self._submitted += 1
        future = self.client.submit(work, *arguments, pure=False, priority=-self._submitted)
        return _Task(future)

    def threads(self) -> int:
        """Of all workers, as of a second ago: they come and go."""
        if time.monotonic() - self._looked_at > _LOOK_SECONDS:
            with suppress(OSError, RuntimeError):  # whoever waits for a result finds out why
                self._threads = sum(self.client.nthreads().values())
            self._looked_at = time.monotonic()
        return self._threads


class InDask(InForeign):
    """Decodes on the workers of a cluster."""

    def __init__(
        self,
        client: Client,
        job: DecodeJob,
        remote: RemoteJob,
        *,
        rows_per_chunk: int,
        chunk_bytes: int,
        owned: bool,
    ) -> None:
        """owned: whether to close the client, which nobody else uses."""
        self._cluster = _Cluster(client)
        self._most = max(2, WINDOW_BYTES // chunk_bytes)
        self._owned = owned
        self._restore_log = _quieted() if owned else _nothing
        super().__init__(
            self._cluster, job, remote, rows_per_chunk=rows_per_chunk, window=self._window
        )

    def chunks(self, tasks: Iterable[Lines]) -> Iterator[Chunk]:
        self._require_worker()
        yield from super().chunks(tasks)

    def _window(self) -> int:
        return min(max(2, CHUNKS_PER_THREAD * self._cluster.threads()), self._most)

    def _require_worker(self) -> None:
        try:
            self._cluster.client.wait_for_workers(1, timeout=self._job.patience)
        except TimeoutError:
            raise ResourceError(
                "the Dask cluster has no workers",
                hint="Start some, then run the same command again to resume.",
            ) from None
        except (OSError, RuntimeError, CancelledError) as error:
            raise _gone(error) from None

    def _finished(self, lines: Lines, task: _Task) -> Chunk:
        from distributed import KilledWorker

        deadline = time.monotonic() + 2 * self._job.patience * len(lines)
        while time.monotonic() < deadline:
            try:
                return self._gathered(task)
            except TimeoutError:
                continue
            except ImgmemError:
                raise
            except KilledWorker as error:  # several workers have died of it, or by chance
                raise BrokenExecutor(str(error)) from None
            except CancelledError as error:
                raise _gone(error) from None
            except OSError as error:
                if self._cluster.client.status != "running":
                    raise _gone(error) from None
                time.sleep(_LOOK_SECONDS)  # the scheduler will find out, and see to it
            except (ImportError, AttributeError, RuntimeError) as error:
                raise _unequipped(error) from error
        raise hung(f"{names(lines)} are")

    def _gathered(self, task: _Task) -> Chunk:
        """The chunk, straight from its worker. Raises TimeoutError where it is not done yet."""
        client = self._cluster.client
        if not task.wait(_LOOK_SECONDS):
            raise TimeoutError
        chunk: Chunk = client.sync(
            lambda: client.gather(task.future, direct=True, asynchronous=True),
            callback_timeout=_GATHER_SECONDS,
        )
        return chunk

    def close(self, *, wait: bool = False) -> None:
        super().close(wait=wait)
        if self._owned:
            with suppress(Exception):  # of a scheduler that has gone
                self._cluster.client.close(timeout=_LOOK_SECONDS)
        self._restore_log()


def _quieted() -> Callable[[], None]:
    """Let Dask log nothing: what matters is raised. Returns how to restore that."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def restore() -> None:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)

    return restore


def _nothing() -> None:
    """What needs no restoring."""


def _gone(error: BaseException) -> ResourceError:
    why = f": {error}" if str(error) else ""
    return ResourceError(
        f"the Dask scheduler was lost{why}",
        hint="Finished work is kept. Start it again, then run the same command again to resume.",
    )


def _unequipped(error: Exception) -> ResourceError:
    return ResourceError(
        f"the Dask cluster cannot run imgmem's tasks ({type(error).__name__}: {error})",
        hint="Install the same imgmem for the scheduler and all workers, then run the same "
        "command again to resume.",
    )
