"""Progress as events: the core reports, whoever called it may show them."""

from collections.abc import Callable
from dataclasses import dataclass

from imgmem.core.errors import UsageError


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units ("images", "rows", "B") of a phase ("build", "normalize", …).

    A total of 0 is not known yet. note: what whoever waits should know before it begins.
    """

    phase: str
    done: int
    total: int
    unit: str
    note: str = ""


STATISTICS = "statistics"
"""The phase of one pass over the features for their figures."""

ProgressCallback = Callable[[Progress], None]


def require_callback(progress: object) -> None:
    """UsageError for what cannot be called."""
    if not callable(progress):
        raise UsageError(
            f"progress is not a function: {progress!r}",
            hint="Give a function that takes a Progress, or leave it out.",
        )


def no_progress(_: Progress) -> None:
    """The callback of a caller that does not want progress events."""
