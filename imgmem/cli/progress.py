"""Progress on stderr: a bar on a terminal, one plain line a minute elsewhere."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tqdm import tqdm

from imgmem.cli.render import print_error, printable
from imgmem.core.progress import Progress, ProgressCallback, no_progress
from imgmem.progress_bar import ProgressBar, shape

LINE_SECONDS = 60.0
_LINE = "{desc}: {n_fmt} of {total_fmt}{unit} ({percentage:.0f} %), {rate_fmt}, {remaining} left"
_LINE_WITHOUT_TOTAL = "{desc}: {n_fmt}{unit}, {rate_fmt}"


@contextmanager
def progress_display(quiet: bool) -> Iterator[ProgressCallback]:
    """A callable for the core's progress events, shown in the way that suits stderr."""
    if quiet or sys.stderr is None:
        yield no_progress
        return
    bar = sys.stderr.isatty()
    display = ProgressBar(tqdm, leave=False, **_width()) if bar else _Lines(LINE_SECONDS)
    try:
        yield partial(_show, display)
    finally:
        display.close()


def _show(display: ProgressCallback, progress: Progress) -> None:
    """What to say before a phase, then its progress."""
    if progress.note:
        with tqdm.external_write_mode(file=sys.stderr):
            print_error(printable(progress.note))
    display(progress)


def _width() -> dict[str, Any]:
    """As wide as the terminal; some, in containers say, claim 0 columns, and tqdm would obey."""
    columns = os.get_terminal_size(sys.stderr.fileno()).columns
    return {"dynamic_ncols": True} if columns else {"ncols": 80}


class _Lines:
    """A plain line now and then, so that CI does not think the job dead.

    A thread of its own prints them: a core that is busy with one large chunk sends no events.
    """

    def __init__(self, seconds: float) -> None:
        self._start = self._now = Progress("", 0, 0, "")
        self._started = 0.0
        self._closed = threading.Event()
        threading.Thread(target=self._print, args=(seconds,), daemon=True).start()

    def __call__(self, progress: Progress) -> None:
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
            **shape(start),
        )

    def close(self) -> None:
        self._closed.set()
