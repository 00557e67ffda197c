"""Progress on stderr: a bar on a terminal, one plain line a minute elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from imgmem.cli.render import print_error
from imgmem.core.progress import Progress, ProgressCallback, no_progress

LINE_SECONDS = 60.0
_LINE = "{desc}: {n_fmt} of {total_fmt}{unit} ({percentage:.0f} %), {rate_fmt}, {remaining} left"
_LINE_WITHOUT_TOTAL = "{desc}: {n_fmt}{unit}, {rate_fmt}"


@contextmanager
def progress_display(quiet: bool) -> Iterator[ProgressCallback]:
    """A callable for the core's progress events, shown in the way that suits stderr."""
    if quiet or sys.stderr is None:
        yield no_progress
        return
    shower = _Bar() if sys.stderr.isatty() else _Lines(LINE_SECONDS)
    try:
        yield shower.report
    finally:
        shower.close()


def _shape(progress: Progress) -> dict[str, Any]:
    """A phase as tqdm's options; a total of 0 is one that is not known yet."""
    return {
        "total": progress.total or None,
        "unit": "B" if progress.unit == "B" else f" {progress.unit}",
        "unit_scale": progress.unit == "B",
        "unit_divisor": 1024,
        "initial": progress.done,
    }


def _width() -> dict[str, Any]:
    """As wide as the terminal; some, in containers say, claim 0 columns, and tqdm would obey."""
    columns = os.get_terminal_size(sys.stderr.fileno()).columns
    return {"dynamic_ncols": True} if columns else {"ncols": 80}


class _Bar:
    """A tqdm bar, a new one for each phase."""

    def __init__(self) -> None:
        self._phase = ""
        self._bar: Any = None

    def report(self, progress: Progress) -> None:
        if self._phase != progress.phase:
            self.close()
            self._phase = progress.phase
            self._bar = tqdm(desc=progress.phase, leave=False, **_width(), **_shape(progress))
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _Lines:
    """A plain line now and then, so that CI does not think the job dead.

    A thread of its own prints them: a core that is busy with one large chunk sends no events.
    """

    def __init__(self, seconds: float) -> None:
        self._start = self._now = Progress("", 0, 0, "")
        self._started = 0.0
        self._closed = threading.Event()
        threading.Thread(target=self._print, args=(seconds,), daemon=True).start()

    def report(self, progress: Progress) -> None:
        if self._start.phase != progress.phase:
            self._start, self._started = progress, time.monotonic()
        self._now = progress

    def _print(self, seconds: float) -> None:
        while not self._closed.wait(seconds):
            if self._now.phase:
                print_error(self._line())

    def _line(self) -> str:
        start, now = self._start, self._now
        return tqdm.format_meter(
            now.done,
            elapsed=time.monotonic() - self._started,
            prefix=now.phase,
            bar_format=_LINE if start.total else _LINE_WITHOUT_TOTAL,
            **_shape(start),
        )

    def close(self) -> None:
        self._closed.set()
