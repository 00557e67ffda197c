"""Some rows copied, others decoded: the execution of an update."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import NamedTuple

from imgmem.core.build.copying import Copying
from imgmem.core.build.decoding import Chunk
from imgmem.core.build.execution import Execution, Lines
from imgmem.core.build.planned import is_copied, planned_images

LOOK_AHEAD = 8192
"""Lines of copied rows that are kept waiting while images behind them are decoded."""


class _Run(NamedTuple):
    """Lines that follow one another and are all copied, or all decoded."""

    copied: bool
    lines: Lines


class Mixed:
    """An `Execution` that copies rows, and has another decode the rest."""

    def __init__(self, decoding: Execution, copying: Copying) -> None:
        self.rows_per_chunk = decoding.rows_per_chunk
        self._decoding = decoding
        self._copying = copying

    def pids(self) -> Iterable[int]:
        return self._decoding.pids()

    def chunks(self, tasks: Iterable[Lines]) -> Iterator[Chunk]:
        runs = (run for lines in tasks for run in _runs(lines))
        for run in runs:
            if run.copied:
                yield from self._copies(run.lines)
            else:
                yield from self._decoded(chain([run], runs))

    def _decoded(self, runs: Iterable[_Run]) -> Iterator[Chunk]:
        """The chunks of the next runs, of which the first is decoded, while those behind it are."""
        waiting: deque[Lines | None] = deque()  # None for what is decoded
        for chunk in self._decoding.chunks(_noted(runs, waiting)):
            yield from self._copied(waiting)
            yield chunk
        yield from self._copied(waiting)

    def _copied(self, waiting: "deque[Lines | None]") -> Iterator[Chunk]:
        """The chunks of the copied rows that stand before the next decoded ones."""
        while waiting and (lines := waiting.popleft()) is not None:
            yield from self._copies(lines)

    def _copies(self, lines: Lines) -> Iterator[Chunk]:
        at_once = self._copying.rows_per_chunk
        parts = (lines[at : at + at_once] for at in range(0, len(lines), at_once))
        return self._copying.chunks(parts)

    def close(self, *, wait: bool = False) -> None:
        self._decoding.close(wait=wait)


def _noted(runs: Iterable[_Run], waiting: "deque[Lines | None]") -> Iterator[Lines]:
    """What has to be decoded in the next runs; their order goes into `waiting`."""
    copied = 0
    for run in runs:
        waiting.append(run.lines if run.copied else None)
        if not run.copied:
            yield run.lines
        elif (copied := copied + len(run.lines)) >= LOOK_AHEAD:
            return


def _runs(lines: Lines) -> Iterator[_Run]:
    at = 0
    for copied, images in groupby(planned_images(lines), is_copied):
        count = len(list(images))
        yield _Run(copied, lines[at : at + count])
        at += count
