"""Reading ahead from a store: many requests under way at once, apart from decoding."""

import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import NamedTuple

from imgmem.core.build.planned import PlannedImage
from imgmem.core.forecast import READ_BYTES
from imgmem.core.sources import Source
from imgmem.core.sources.concurrently import COPIES, REQUESTS


class _Wanted(NamedTuple):
    image: PlannedImage
    cost: int
    data: "Future[bytes]"


class ReadAhead:
    """Reads images of a source, in the order in which they are expected, before they are asked for.

    At most `requests` are under way, and what has been read or is being read takes at most `size`
    bytes. A larger image is read when it is asked for.
    """

    def __init__(self, source: Source, *, requests: int, size: int) -> None:
        self._source = source
        self._free = size
        self._largest = size // COPIES
        self._lock = threading.Lock()
        self._waiting: deque[_Wanted] = deque()
        self._expected: dict[str, _Wanted] = {}
        self._begun: SimpleQueue[_Wanted | None] = SimpleQueue()
        self._requests = requests
        for _ in range(requests):  # an end of the program does not wait for a store
            threading.Thread(target=self._work, daemon=True).start()

    @property
    def largest(self) -> int:
        """Bytes of the largest image that is read before it is asked for."""
        return self._largest

    def expect(self, images: Iterable[PlannedImage]) -> None:
        """Read these next."""
        with self._lock:
            for image in images:
                cost = COPIES * image.size
                if image.size <= self._largest and image.name not in self._expected:
                    wanted = self._expected[image.name] = _Wanted(image, cost, Future())
                    self._waiting.append(wanted)
        self._begin()

    def read(self, image: PlannedImage) -> bytes:
        """The bytes of an image; raises what the source raises."""
        with self._lock:
            wanted = self._expected.pop(image.name, None)
        if wanted is None:
            return self._source.read(image.name, image.locator)
        try:
            return wanted.data.result()
        finally:
            self._give_back(wanted.cost)

    def forget(self, images: Iterable[PlannedImage]) -> None:
        """Do not keep what has not been asked for of these."""
        for image in images:
            with self._lock:
                wanted = self._expected.pop(image.name, None)
            if wanted and wanted.data.cancel():
                self._drop(wanted)
            elif wanted:
                wanted.data.add_done_callback(partial(self._release, wanted.cost))

    def close(self) -> None:
        """Begin nothing more. Who waits for an image that was not begun gets CancelledError."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._largest = 0
        for wanted in waiting:
            wanted.data.cancel()
            wanted.data.set_running_or_notify_cancel()
        for _ in range(self._requests):
            self._begun.put(None)

    def _drop(self, wanted: _Wanted) -> None:
        """Forget an image that is not being read: one that waits holds no bytes yet."""
        with self._lock:
            held = wanted not in self._waiting
            if not held:
                self._waiting.remove(wanted)
        if held:
            self._give_back(wanted.cost)

    def _release(self, cost: int, _: "Future[bytes]") -> None:
        self._give_back(cost)

    def _give_back(self, cost: int) -> None:
        with self._lock:
            self._free += cost
        self._begin()

    def _begin(self) -> None:
        """Hand out what there is room for, in order."""
        with self._lock:
            while self._waiting and self._waiting[0].cost <= self._free:
                wanted = self._waiting.popleft()
                self._free -= wanted.cost
                self._begun.put(wanted)

    def _work(self) -> None:
        while (wanted := self._begun.get()) is not None:
            self._fetch(wanted)
            del wanted  # a thread that waits must not keep the bytes

    def _fetch(self, wanted: _Wanted) -> None:
        if not wanted.data.set_running_or_notify_cancel():
            return
        image = wanted.image
        try:
            wanted.data.set_result(self._source.read(image.name, image.locator))
        except BaseException as error:
            wanted.data.set_exception(error)


def read_ahead(source: Source, *, processes: int = 1) -> ReadAhead | None:
    """What reads ahead of one of several processes; None where each read is of a local file."""
    if not source.remote:
        return None
    requests = max(1, REQUESTS // processes)
    return ReadAhead(source, requests=requests, size=READ_BYTES // processes)
