"""How many, and which, go to which split: arithmetic without images.

Everything here is deterministic, and does not depend on the order in which a source was listed.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

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


def stratified(
    sets: Iterable[tuple[Sequence[int], int]], fractions: Sequence[float]
) -> Iterator[list[int]]:
    """Iterative stratification: units of each set of classes for each split.

    The class that has the fewest units left is divided first (Sechidis, Tsoumakas and Vlahavas
    2011), so rare classes are divided well. Each of its units goes where the largest part of that
    class's share is lacking: so sets that follow one another, which are alike, go to different
    splits. A split that has its share takes no more, and each ends within one unit of it.

    sets: (classes, units) of each distinct set of classes. fractions: sum 1.
    """
    flat, ends, counts = array("q"), array("q", [0]), array("q")
    for classes, count in sets:
        flat.extend(classes)
        ends.append(len(flat))
        counts.append(count)
    sharing = _Sharing([flat[a:b] for a, b in pairwise(ends)], counts, fractions)
    sharing.divide()
    yield from sharing.shares


class _Sharing:
    """Sets of classes whose units are being given to splits."""

    def __init__(
        self, sets: Sequence[Sequence[int]], counts: Sequence[int], fractions: Sequence[float]
    ) -> None:
        self._sets, self._counts, self._fractions = sets, counts, fractions
        self.shares = [[0] * len(fractions) for _ in sets]
        self._with: dict[int, list[int]] = {}
        for number, classes in enumerate(sets):
            for each in classes:
                self._with.setdefault(each, []).append(number)
        self._left = {each: sum(counts[n] for n in found) for each, found in self._with.items()}
        self._lacking = {each: [f * n for f in fractions] for each, n in self._left.items()}
        self._room = [fraction * sum(counts) for fraction in fractions]

    def divide(self) -> None:
        """Give every unit to a split: the rarest class first, sets of no class last."""
        done = [False] * len(self._sets)
        while self._left:
            rarest = min(self._left, key=lambda each: (self._left[each], each))
            for number in self._with[rarest]:
                if not done[number]:
                    self._give(number, self._lacking[rarest])
                    done[number] = True
            del self._left[rarest]
        for number, is_done in enumerate(done):
            if not is_done:
                self._give(number, self._room)

    def _give(self, number: int, wanted: Sequence[float]) -> None:
        """Give all units of a set to the splits that lack most of what is `wanted`."""
        classes = self._sets[number]
        for _ in range(self._counts[number]):
            split = self._neediest(wanted)
            self.shares[number][split] += 1
            self._room[split] -= 1
            for each in classes:
                self._lacking[each][split] -= 1
        for each in classes:
            self._left[each] -= self._counts[number]

    def _neediest(self, wanted: Sequence[float]) -> int:
        rooms = list(enumerate(self._room))
        fitting = [split for split, room in rooms if room > 1 - _EPSILON]
        return max(
            fitting or [split for split, room in rooms if room > _EPSILON],
            key=lambda split: (
                round((wanted[split] - 0.5) / self._fractions[split], 9),  # Webster's method
                round((self._room[split] - 0.5) / self._fractions[split], 9),
                -split,
            ),
        )


class Unit(NamedTuple):
    """Images that must stay together. classes: how many of them are of each class; an image may
    have several or none, and then `images` says how many there are."""

    id: bytes
    classes: Mapping[Any, int]
    images: int = 0

    @property
    def size(self) -> int:
        return self.images or sum(self.classes.values())


def place(
    units: Iterable[Unit],
    totals: Mapping[Any, int],
    fractions: Sequence[float],
    *,
    images: int = 0,
    known: Iterable[tuple[int, Unit]] = (),
) -> Iterator[tuple[bytes, int]]:
    """(id, index of the split) of every unit, which come the largest first.

    totals: images of each class in all units. images: in all units, where they have several
    classes or none. known: units that are in a split already, with its index; they are part of
    the totals.

    A unit goes where it fits and brings a split nearest to its shares, or, where it fits nowhere,
    to the split that lacks most images. So each split ends within one largest unit of its share.
    """
    whole = images or sum(totals.values())
    splits = [_Split(fraction, totals, whole) for fraction in fractions]
    for index, unit in known:
        splits[index].take(unit)
    for unit in units:
        fitting = [split for split in splits if split.lacking >= unit.size - _EPSILON]
        if fitting:
            best = max(fitting, key=lambda split: (round(split.gain(unit), 9), split.lacking))
        else:
            best = max(splits, key=lambda split: round(split.lacking, 9))
        best.take(unit)
        yield unit.id, splits.index(best)


class _Split:
    """One split as it fills. lacking: images that it lacks of its share."""

    def __init__(self, fraction: float, totals: Mapping[Any, int], images: int) -> None:
        self.lacking = self._share = fraction * images
        self._targets = {label: fraction * total for label, total in totals.items()}
        self._lacking = dict(self._targets)

    def gain(self, unit: Unit) -> float:
        """How much less the split lacks with the unit: of all images, and of each class.

        Lacks are squared, so that what is lacking most counts most, and divided by the share, so
        that a rare class counts as much as a frequent one.
        """
        gains = (
            count * (2 * self._lacking[label] - count) / self._targets[label]
            for label, count in unit.classes.items()
        )
        return float(sum(gains)) + unit.size * (2 * self.lacking - unit.size) / self._share

    def take(self, unit: Unit) -> None:
        self.lacking -= unit.size
        for label, count in unit.classes.items():
            self._lacking[label] -= count
