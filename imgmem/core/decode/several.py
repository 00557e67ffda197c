"""Pages and frames: how many an image file has other than the first, which is read."""

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

SEVERAL = {"animation", "pages"}
"""The notes of files that have more than one."""
_REDUCED, _WIDTH, _HEIGHT = 254, 256, 257
_LARGER = 2
"""A later page that is this many times as large on both sides, and has the shape of the first, is
what the first one is a thumbnail of."""
_SAME_SHAPE = 0.02


def frames_left(image: "ImageFile", _: bytes) -> int:
    """Frames other than the first, as Pillow counts them."""
    return int(getattr(image, "n_frames", 1)) - 1


class _Page(NamedTuple):
    width: int
    height: int
    reduced: bool


def pages_left(_: "ImageFile", data: bytes) -> int:
    """Pages of a TIFF other than the first, without those that are smaller versions of others.

    Raises RejectedImage where the first itself is a smaller version of a later one.
    """
    first, *others = _pages(data)
    for page in others:
        larger = min(page.width / first.width, page.height / first.height) >= _LARGER
        if (
            larger
            and abs(page.width * first.height / (page.height * first.width) - 1) < _SAME_SHAPE
        ):
            detail = (
                f"the first page is {first.height}×{first.width}, a smaller version of a later one "
                f"of {page.height}×{page.width}; extract that page"
            )
            raise RejectedImage("unsupported", detail)
    return sum(not page.reduced and page[:2] != (0, 0) for page in others)


def _pages(data: bytes) -> Iterator[_Page]:
    """The directories of a TIFF or BigTIFF (section 2), in their order; none twice."""
    order = "<" if data[:1] == b"I" else ">"
    big = struct.unpack_from(order + "H", data, 2) == (43,)
    pointer, count, entry, at = ("Q", "Q", 20, 8) if big else ("I", "H", 12, 4)
    seen = set()
    while True:
        (at,) = struct.unpack_from(order + pointer, data, at)
        if not at or at in seen or at + 8 > len(data):
            return
        seen.add(at)
        (entries,) = struct.unpack_from(order + count, data, at)
        start = at + struct.calcsize(count)
        at = start + entries * entry
        if at + struct.calcsize(pointer) > len(data):
            return
        tags = dict(_short_tags(data, order, start, entries, entry))
        yield _Page(tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0), bool(tags.get(_REDUCED, 0) & 1))


def _short_tags(
    data: bytes, order: str, start: int, entries: int, size: int
) -> Iterator[tuple[int, int]]:
    """(tag, value) of the tags that hold one short or long number."""
    for at in range(start, start + entries * size, size):
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if kind in (3, 4):
            yield (
                tag,
                struct.unpack_from(order + "HI"[kind - 3], data, at + (8 if size == 12 else 12))[0],
            )
