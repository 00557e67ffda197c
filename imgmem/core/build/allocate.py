"""How many, and which, go to which split: arithmetic without images.

Everything here is deterministic, and does not depend on the order in which a source was listed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

_EPSILON = 1e-9


class Apportionment:
    """Divides one class after the other by `fractions` (sum 1).

    Each share is within one unit of its exact value, and what rounding gives to one split in one
    class it gives to others in the next: so the whole reaches its shares too, however small the
    classes are.
    """

    def __init__(self, fractions: Sequence[float]) -> None:
        self._fractions = tuple(fractions)
        self._owed = [0.0] * len(self._fractions)

    def shares(self, count: int) -> list[int]:
        """Units of the next class for each split; of equal claims the earlier one is met."""
        exact = [count * fraction for fraction in self._fractions]
        shares = [int(share + _EPSILON) for share in exact]
        claims = [owed + e - s for owed, e, s in zip(self._owed, exact, shares, strict=True)]
        rest = [index for index, share in enumerate(exact) if share - shares[index] > _EPSILON]
        rest.sort(key=lambda index: (-round(claims[index], 9), index))
        for index in rest[: count - sum(shares)]:
            shares[index] += 1
        for index, share in enumerate(shares):
            self._owed[index] += exact[index] - share
        return shares


class Unit(NamedTuple):
    """Images that must stay together. classes: how many of them are of each class."""

    id: bytes
    classes: Mapping[bytes | None, int]

    @property
    def size(self) -> int:
        return sum(self.classes.values())


def place(
    units: Iterable[Unit], totals: Mapping[bytes | None, int], fractions: Sequence[float]
) -> Iterator[tuple[bytes, int]]:
    """(id, index of the split) of every unit, which come the largest first.

    totals: images of each class in all units.

    A unit goes where it fits and its classes are lacking most, or, where it fits nowhere, to the
    split that lacks most images. So each split ends within one largest unit of its share.
    """
    splits = [_Split(fraction, totals) for fraction in fractions]
    for unit in units:
        fitting = [split for split in splits if split.lacking >= unit.size - _EPSILON]
        if fitting:
            best = max(fitting, key=lambda split: (round(split.need(unit), 9), split.lacking))
        else:
            best = max(splits, key=lambda split: round(split.lacking, 9))
        best.take(unit)
        yield unit.id, splits.index(best)


class _Split:
    """One split as it fills. lacking: images that it lacks of its share."""

    def __init__(self, fraction: float, totals: Mapping[bytes | None, int]) -> None:
        self.lacking = fraction * sum(totals.values())
        self._targets = {label: fraction * total for label, total in totals.items()}
        self._lacking = dict(self._targets)

    def need(self, unit: Unit) -> float:
        """Which part of its share of the unit's classes it lacks, on average over its images."""
        needs = (
            count * self._lacking[label] / self._targets[label]
            for label, count in unit.classes.items()
        )
        return sum(needs) / unit.size

    def take(self, unit: Unit) -> None:
        self.lacking -= unit.size
        for label, count in unit.classes.items():
            self._lacking[label] -= count


class Components:
    """Sets of names that are joined pair by pair; names that were never joined are alone."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def root(self, name: str) -> str:
        """The least name of a set."""
        while (above := self._above.get(name, name)) != name:
            self._above[name] = self._above.get(above, above)
            name = above
        return name

    def join(self, one: str, other: str) -> None:
        """Make the sets of two names one."""
        least, greatest = sorted((self.root(one), self.root(other)))
        if least != greatest:
            self._above[greatest] = least
