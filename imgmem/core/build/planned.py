"""A line of the plan: one image that a build will decode."""

import json
from collections.abc import Iterable, Iterator
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from imgmem.core.sources import Locator
from imgmem.core.sources.files import COPIED, DROPPED


class PlannedImage(NamedTuple):
    """One image of the plan, in row order; in files it is a line of JSON, a list of its fields.

    name, size (bytes), mtime_ns, locator, extra: as the source's `Entry` has them.
    label: class index, or -1 for none; or the list of class indices, or of numbers.
    split: index of the split, 0 where there are none.
    """  # a tuple: there is one for each image

    name: str
    size: int
    mtime_ns: int
    label: Any
    split: int
    locator: Locator = ()
    extra: tuple[str, ...] = ()

    def to_line(self) -> bytes:
        """The line, with its newline; `from_line` is its inverse."""
        name, size, mtime_ns, label, split, locator, extra = self
        where = json.dumps(locator) if locator else "[]"
        more = json.dumps(extra) if extra else "[]"
        path = encode_basestring_ascii(name)  # half the time of json.dumps for the whole list
        return f"[{path},{size},{mtime_ns},{label},{split},{where},{more}]\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> "PlannedImage":
        """Raises ValueError or TypeError for what is not such a line."""
        return planned_images([line])[0]


def planned_images(lines: Iterable[bytes]) -> list[PlannedImage]:
    """The images of several lines, decoded at once."""
    return [
        PlannedImage(name, size, mtime_ns, label, split, tuple(locator), tuple(extra))
        for name, size, mtime_ns, label, split, locator, extra in json.loads(
            b"[%s]" % b",".join(lines)
        )
    ]


def is_copied(image: PlannedImage) -> bool:
    """Whether a row is copied from a dataset, or left out of it, and nothing is decoded."""
    return image.locator[:1] in ((COPIED,), (DROPPED,))


def to_decode(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Those of some lines whose images are to be decoded."""
    return (line for line in lines if not is_copied(PlannedImage.from_line(line)))
