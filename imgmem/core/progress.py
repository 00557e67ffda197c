"""Progress as events: the core reports, whoever called it may show them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units ("images", "rows", "B") of a phase ("build", "normalize", …).

    A total of 0 is not known yet.
    """

    phase: str
    done: int
    total: int
    unit: str


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The report of whoever does not want to know."""
