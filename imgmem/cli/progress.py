"""Progress on stderr: a bar on a terminal, one plain line a minute elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
from tqdm import tqdm

from imgmem.core.progress import Progress, Report

LINE_SECONDS = 60.0


@contextmanager
def shown(quiet: bool) -> Iterator[Report]:
    """A callable for the core's progress events, shown in the way that suits stderr."""
    reporter = _Silent() if quiet else _Bar() if sys.stderr.isatty() else _Lines()
    try:
        yield reporter
    finally:
        reporter.close()


class _Silent:
    def __call__(self, progress: Progress) -> None:
        pass

    def close(self) -> None:
        pass


class _Bar(_Silent):
    """A tqdm bar, a new one for each phase."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None

    def __call__(self, progress: Progress) -> None:
        if self._bar is None or self._bar.desc != f"{progress.phase}: ":
            self.close()
            self._bar = tqdm(
                desc=progress.phase,
                total=progress.total,
                unit=f" {progress.unit}",
                initial=progress.done,
                file=sys.stderr,
                unit_scale=progress.unit == "B",
                unit_divisor=1024,
                dynamic_ncols=True,
                leave=False,
            )
        self._bar.update(progress.done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _Lines(_Silent):
    """A plain line a minute, so that CI does not think the job dead."""

    def __init__(self) -> None:
        self._next = time.monotonic() + LINE_SECONDS

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            click.echo(
                f"{progress.phase}: {progress.done} of {progress.total} {progress.unit}", err=True
            )
