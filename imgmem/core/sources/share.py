"""Has the source gone, or is it one file that cannot be read?

A share or disk that goes away in the middle of a build is the machine's fault: the build stops,
to be resumed. A bad sector or a file without permission is that one file's fault: a reject.
"""

import threading

from imgmem.core.errors import RejectedImage, ResourceError
from imgmem.core.sources.base import Locator, Source
from imgmem.core.sources.files import MAX_IN_A_ROW, Unreachable


class ShareWatch:
    """Watches the reads of one source; for several threads."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._last_good: tuple[str, Locator] | None = None
        self._in_a_row = 0

    def good(self, name: str, locator: Locator) -> None:
        """Note an image that could be read."""
        self._last_good, self._in_a_row = (name, locator), 0

    def require_there(self, name: str, failure: Unreachable) -> None:
        """ResourceError where the source has gone, judging by an image that cannot be read."""
        with self._lock:
            self._in_a_row += 1
            gone = self._in_a_row >= MAX_IN_A_ROW or not self._still_reads()
        if gone:
            raise ResourceError(
                f"the source cannot be read any more, from {name} on: {failure.detail}",
                hint="Check the disk or the share (mount it again, renew the login), then run "
                "the same command again to resume.",
                path=name,
                source_gone=True,
            )

    def _still_reads(self) -> bool:
        """Whether an image that was read before can be opened again."""
        if self._last_good is None:
            return True
        try:
            self._source.read_head(*self._last_good, 1)
        except (RejectedImage, ResourceError):
            return False
        return True
