"""How far a build in progress is."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imgmem.core.storage.crc import crc32
from imgmem.core.storage.fields import MAX_INT, CheckedFields, object_of, optional, tuple_of, whole


class Written(NamedTuple):
    """What has been put into a file: how many bytes, and their CRC-32."""

    length: int = 0
    crc: int = 0

    def plus(self, data: bytes) -> "Written":
        """The same with `data` behind it."""
        return Written(self.length + len(data), crc32(data, self.crc))


_COUNT = whole(0, MAX_INT)


def _written(value: Any) -> Written:
    return Written(*tuple_of(_COUNT, 2)(value))


@dataclass(kw_only=True)
class BuildState:
    """How far a build is: sources and rows done, and what was counted.

    written: what has been put into each file, a fixed header aside.
    open_block: CRC-32 of the features' data behind its last full block. max_pixels: the limit
    of now, where it is another than the plan's.
    """

    sources: int = 0
    sources_bytes: int = 0
    rows: int = 0
    written: dict[str, Written] = field(default_factory=dict)
    open_block: int = 0
    splits: list[int] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    max_pixels: int | None = None

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> "BuildState":
        """The state that `asdict` made `fields` of, by way of JSON; ValueError for others."""
        found = CheckedFields(fields)
        state = cls(
            sources=found.take("sources", _COUNT),
            sources_bytes=found.take("sources_bytes", _COUNT),
            rows=found.take("rows", _COUNT),
            written=found.take("written", object_of(_written)),
            open_block=found.take("open_block", _COUNT),
            splits=list(found.take("splits", tuple_of(_COUNT))),
            reasons=found.take("reasons", object_of(_COUNT)),
            notes=found.take("notes", object_of(_COUNT)),
            left=found.take_or("left", {}, object_of(_COUNT)),
            max_pixels=found.take("max_pixels", optional(_COUNT)),
        )
        found.rest(allowed=False)
        return state

    @property
    def rejected(self) -> int:
        return sum(self.reasons.values())


class UnreachableRun:
    """Where to go back to if the source turns out to have gone.

    start: the state before the chunk in which the present run of images that could not be read
    began; None where the last image could be.
    """

    def __init__(self) -> None:
        self.start: BuildState | None = None

    def follow(self, before: BuildState, *, done: int, unreachable: int) -> None:
        """Note the next chunk: how many images, and how many at its end could not be read."""
        if not unreachable and done:
            self.start = None
        elif unreachable and (self.start is None or unreachable < done):
            self.start = before
