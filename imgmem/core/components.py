"""Items that are joined pair by pair, and what they form."""

from typing import Generic, TypeVar

Item = TypeVar("Item", int, str)


class Components(Generic[Item]):
    """Sets of items that are joined pair by pair; items that were never joined are alone."""

    def __init__(self) -> None:
        self._above: dict[Item, Item] = {}

    def root(self, item: Item) -> Item:
        """The least item of a set."""
        while (above := self._above.get(item, item)) != item:
            self._above[item] = self._above.get(above, above)
            item = above
        return item

    def join(self, one: Item, other: Item) -> None:
        """Make the sets of two items one."""
        least, greatest = sorted((self.root(one), self.root(other)))
        if least != greatest:
            self._above[greatest] = least
