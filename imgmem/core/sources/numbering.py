"""Which number a class gets."""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from imgmem.core.messages import Message, option
from imgmem.core.text import is_whole_number


def numbered(found: Collection[str], class_map: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the classes by number, after `class_map`.

    Names that are all whole numbers are in the order of their values, so 0 … n-1 are their own
    numbers; others are in the order of their bytes. A one-to-one map does not move a number.
    """
    kept = {name: to for name in found if (to := class_map.get(name, name))}
    if len(set(kept.values())) == len(kept):
        return tuple(kept[name] for name in in_order(kept))
    return tuple(in_order(set(kept.values())))


@dataclass(frozen=True)
class ClassNumbers:
    """The author's numbers of classes. column: that they are from. of: class → number."""

    column: str
    of: Mapping[str, int]

    def numbered(self, found: Collection[str], class_map: Mapping[str, str]) -> tuple[str, ...]:
        """The names of the classes that were found in the order of these numbers, mapped."""
        return in_new_names(sorted(found, key=lambda name: self.of[name]), class_map)

    def notes(self, found: Collection[str], class_map: Mapping[str, str]) -> list[str]:
        """That they are used, and the first class that has another number nevertheless."""
        numbers = {name: number for number, name in enumerate(self.numbered(found, class_map))}
        said = f"classes are numbered in the order of {self.column}"
        for name in sorted(found, key=lambda name: self.of[name]):
            number = numbers.get(class_map.get(name, name))
            if number is not None and number != self.of[name]:
                return [f"{said}; class {name}, {self.of[name]} there, has number {number}"]
        return [said]


def in_new_names(classes: Iterable[str], class_map: Mapping[str, str]) -> tuple[str, ...]:
    """Classes in this order under their new names, each once, less those that are dropped."""
    return tuple(dict.fromkeys(to for name in classes if (to := class_map.get(name, name))))


def in_order(names: Collection[str]) -> list[str]:
    """Names in the order of their numbers."""
    if are_whole(names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names, key=os.fsencode)


def are_whole(names: Collection[str]) -> bool:
    """Whether all names are whole numbers."""
    return bool(names) and all(map(is_whole_number, names))


def number_notes(found: Collection[str], class_map: Mapping[str, str]) -> list[str]:
    """What is not as expected in the numbers of classes whose names are whole numbers."""
    kept = [name for name in found if class_map.get(name, name)]
    if negative := _negative_note(kept):
        return [negative]
    if not are_whole(kept) or len({class_map.get(name, name) for name in kept}) < len(kept):
        return []
    by_value, said = in_order(kept), []
    moved = [(name, number) for number, name in enumerate(by_value) if int(name) != number]
    if moved:
        name, number = moved[0]
        said.append(
            f"class {name} has number {number}: the classes are whole numbers, but not 0 to "
            f"{len(kept) - 1}, and are numbered by value"
        )
    by_bytes = sorted(kept, key=os.fsencode)
    if by_bytes != by_value:
        at = next(i for i, (a, b) in enumerate(zip(by_bytes, by_value, strict=True)) if a != b)
        said.append(
            f"classes are numbered by value ({by_value[at]} before {by_bytes[at]}), unlike "
            "torchvision's ImageFolder, which sorts names as text"
        )
    return said


def _negative_note(kept: Collection[str]) -> str:
    """That a class below 0, which may mean that there is none, moves the others; "" without one."""
    below = sorted(name for name in kept if name.startswith("-") and is_whole_number(name[1:]))
    rest = set(kept) - set(below)
    if not below or not are_whole(rest):
        return ""
    return Message(
        f"class {in_order(rest)[0]} has number {len(below)}, because {below[0]} is a class too; "
        f"if it means no label, leave it out by {option('class_map', f'{below[0]}=')}"
    )
