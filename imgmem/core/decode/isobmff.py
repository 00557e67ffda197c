"""ISO base media files (ISO/IEC 14496-12): boxes, and the items of an image (23008-12).

AVIF and HEIC are such files. An image is one coded item, or derived from others, as a grid is of
its tiles; transparency, thumbnails and gain maps are items of their own.
"""

import struct
from collections import deque
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from imgmem.core.errors import RejectedImage

_MOST_EXTENTS = 65_536
"""Pieces of all items; other readers give up at a thousand items."""
_DERIVED = {b"grid", b"iden", b"iovl", b"tmap"}
_ALPHA = (b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha")


def brands(data: bytes) -> set[bytes]:
    """The major and compatible brands of an ISO base media file; none of any other file."""
    if data[4:8] != b"ftyp":
        return set()
    length = min(int.from_bytes(data[:4], "big"), 256)
    return {data[at : at + 4] for at in (8, *range(16, length - 3, 4))}


class Span(NamedTuple):
    """Bytes of the file: the contents of a box, or a piece of an item."""

    start: int
    end: int


def boxes_in(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the contents of the boxes in data[at:end] (14496-12, 4.2)."""
    while at < end:
        length, name = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, start)
            start += 8
        if length < 8:  # 0: to the end of the file
            yield name, start, end
            return
        yield name, start, at + length
        at += length


def meta_of(data: bytes, *, complete: bool = True) -> "Meta | None":
    """The items of a file; None where there are none. What follows items and data is ignored.

    complete: whether all their data must be there too. Raises IndexError, ValueError or
    struct.error for a file that is cut.
    """
    found: dict[bytes, Span] = {}
    for name, start, end in boxes_in(data, 0, len(data)):
        if end > len(data) and (complete or name == b"meta"):
            raise IndexError
        found[name] = Span(start, end)
        if {b"meta", b"mdat"} <= set(found):
            break
    meta = found.get(b"meta")
    return Meta(data, meta.start + 4, meta.end) if meta else None


def require_size(said: tuple[int, int] | None, coded: tuple[int, int], rounding: int = 1) -> None:
    """Reject an image whose box says another (width, height) than its coded pixels have.

    Memory is reserved by what the box says. rounding: the most that coding adds to a side, plus 1.
    """
    if said is None or any(not 0 <= c - s < rounding for s, c in zip(said, coded, strict=True)):
        width, height = said or (0, 0)
        detail = f"its header says {height}×{width}, its coded pixels are {coded[1]}×{coded[0]}"
        raise RejectedImage("corrupt", detail)


def tracks(data: bytes) -> Iterator[tuple[tuple[int, int], int]]:
    """The tracks of an image sequence (14496-12, 8.3): (width, height), where its data begins."""
    for name, start, end in boxes_in(data, *_first(data, Span(0, len(data)), b"moov")):
        if name != b"trak":
            continue
        trak = Span(start, end)
        header = _first(data, trak, b"tkhd")
        width, height = struct.unpack_from(">II", data, max(start, header.end - 8))
        table = _first(data, trak, b"mdia", b"minf", b"stbl")
        for kind, number in ((b"stco", ">I"), (b"co64", ">Q")):
            chunks = _first(data, table, kind)
            if chunks.end > chunks.start:
                (place,) = struct.unpack_from(number, data, chunks.start + 8)
                yield (width >> 16, height >> 16), place


def _first(data: bytes, within: Span, *path: bytes) -> Span:
    """The first box of each name inside the one before; an empty one where there is none."""
    for wanted in path:
        found = (Span(*span) for name, *span in boxes_in(data, *within) if name == wanted)
        within = next(found, Span(0, 0))
    return within


class Meta:
    """A `meta` box: what the items are, where they are, and how they belong together.

    Every property raises IndexError, ValueError or struct.error for what is cut.
    """

    def __init__(self, data: bytes, start: int, end: int) -> None:
        self.data = data
        self.boxes = {name: Span(*span) for name, *span in boxes_in(data, start, end)}

    def _box(self, name: bytes) -> Span:
        return self.boxes.get(name, Span(0, 0))

    @cached_property
    def kinds(self) -> dict[int, bytes]:
        """Item → its type, such as `hvc1`, `av01` or `grid` (14496-12, 8.11.6)."""
        return {item: kind for item, kind, _ in self._infos}

    @cached_property
    def hidden(self) -> set[int]:
        """The items that are not to be shown by themselves."""
        return {item for item, _, hidden in self._infos if hidden}

    @cached_property
    def _infos(self) -> list[tuple[int, bytes, bool]]:
        data, (start, end) = self.data, self._box(b"iinf")
        if start == end:
            return []
        found = []
        for name, at, _ in boxes_in(data, start + (6 if data[start] == 0 else 8), end):
            if name == b"infe" and data[at] >= 2:
                wide = 2 * (data[at] == 3)
                item = int.from_bytes(data[at + 4 : at + 6 + wide], "big")
                kind = data[at + 8 + wide : at + 12 + wide]
                found.append((item, kind, bool(data[at + 3] & 1)))
        return found

    @cached_property
    def primary(self) -> int | None:
        """The item that is the image (14496-12, 8.11.4)."""
        start, end = self._box(b"pitm")
        if start == end:
            return None
        wide = self.data[start] > 0
        return int.from_bytes(self.data[start + 4 : start + (8 if wide else 6)], "big")

    @cached_property
    def references(self) -> dict[bytes, list[tuple[int, list[int]]]]:
        """Kind of reference → (item, the items that it refers to) (14496-12, 8.11.12)."""
        data, (start, end) = self.data, self._box(b"iref")
        found: dict[bytes, list[tuple[int, list[int]]]] = {}
        if start == end:
            return found
        number = ">I" if data[start] else ">H"
        size = struct.calcsize(number)
        for kind, at, _ in boxes_in(data, start + 4, end):
            (item,) = struct.unpack_from(number, data, at)
            (count,) = struct.unpack_from(">H", data, at + size)
            targets = struct.unpack_from(f">{count}{number[1]}", data, at + size + 2)
            found.setdefault(kind, []).append((item, list(targets)))
        return found

    @cached_property
    def _inputs(self) -> dict[int, list[int]]:
        return dict(self.references.get(b"dimg", ()))

    @cached_property
    def _alphas(self) -> dict[int, list[int]]:
        """Item → the items that hold its transparency."""
        found: dict[int, list[int]] = {}
        for item, masters in self.references.get(b"auxl", ()):
            if self._is_alpha(item):
                for master in masters:
                    found.setdefault(master, []).append(item)
        return found

    def _is_alpha(self, item: int) -> bool:
        return any(
            kind == b"auxC" and self.data[at + 4 : end].startswith(_ALPHA)
            for kind, at, end in self.properties.get(item, ())
        )

    @cached_property
    def properties(self) -> dict[int, list[tuple[bytes, int, int]]]:
        """Item → (name, start, end) of each of its properties (23008-12, 9.3)."""
        every: list[tuple[bytes, int, int]] = []
        found: dict[int, list[tuple[bytes, int, int]]] = {}
        for name, at, end in boxes_in(self.data, *self._box(b"iprp")):
            if name == b"ipco":
                every = list(boxes_in(self.data, at, end))
            if name == b"ipma":
                for item, index in _associations(self.data, at):
                    if 0 < index <= len(every):
                        found.setdefault(item, []).append(every[index - 1])
        return found

    def size_of(self, item: int) -> tuple[int, int] | None:
        """(width, height) of an item as its `ispe` property says it, before it is turned."""
        for kind, at, _ in self.properties.get(item, ()):
            if kind == b"ispe":
                width, height = struct.unpack_from(">II", self.data, at + 4)
                return width, height
        return None

    def parts(self) -> list[int]:
        """The coded items that the primary image and its transparency are made of, in order."""
        return [item for item in self._needed if self.kinds.get(item) not in _DERIVED]

    def tiles(self) -> list[int]:
        """The items that the primary image is derived from; none where it is coded itself."""
        return [] if self.primary is None else self._inputs.get(self.primary, [])

    @cached_property
    def _needed(self) -> list[int]:
        """The primary item and all that it is derived from, each once."""
        found: dict[int, None] = {}
        waiting = deque([self.primary] if self.primary is not None else [])
        while waiting:
            item = waiting.popleft()
            if item not in found:
                found[item] = None
                waiting += [*self._inputs.get(item, ()), *self._alphas.get(item, ())]
        return list(found)

    def check_grids(self) -> None:
        """Reject an image with a grid that its tiles do not make up."""
        for item in self._needed:
            if self.kinds.get(item) == b"grid":
                self._check_grid(item)

    def _check_grid(self, item: int) -> None:
        """Whether a grid has its tiles, all alike, and all of them reach into it (6.6.2.3.2)."""
        data = self.stream(item)
        wide = data[1] & 1
        rows, columns = data[2] + 1, data[3] + 1
        size = struct.unpack_from(">II" if wide else ">HH", data, 4)
        tiles = self._inputs.get(item, [])
        sizes = {self.size_of(tile) for tile in tiles}
        tile = sizes.pop() if len(sizes) == 1 else None
        if tile is None or len(tiles) != rows * columns or size != self.size_of(item):
            raise RejectedImage("corrupt", "the grid of tiles contradicts its header")
        for side, step, count in zip(size, tile, (columns, rows), strict=True):
            if not step * (count - 1) < side <= step * count:
                raise RejectedImage("corrupt", "the tiles do not make up the image")

    def images(self, coded: bytes) -> int:
        """How many images there are to be shown, coded in that way or derived of such."""
        whole = {coded, *_DERIVED} - {b"tmap"}
        parts = {item for _, inputs in self.references.get(b"dimg", ()) for item in inputs}
        others = {item for kind in (b"thmb", b"auxl") for item, _ in self.references.get(kind, ())}
        shown = {item for item, kind in self.kinds.items() if kind in whole}
        return len(shown - parts - others - self.hidden)

    @cached_property
    def extents(self) -> dict[int, list[Span]]:
        """Item → the pieces of the file that it is made of (14496-12, 8.11.3)."""
        found: dict[int, list[Span]] = {}
        base = self._box(b"idat").start
        for item, method, start, end in _extents(self.data, *self._box(b"iloc")):
            if method < 2:  # in the file, or in the `idat` box; else in other items
                shift = base if method == 1 else 0
                found.setdefault(item, []).append(Span(shift + start, shift + end))
        return found

    def stream(self, item: int) -> bytes:
        """The bytes of an item. Raises IndexError where the file ends before them."""
        pieces = self.extents.get(item, [])
        if any(end > len(self.data) for _, end in pieces):
            raise IndexError
        return b"".join(self.data[start:end] for start, end in pieces)


def _associations(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """(item, number of a property) in an ipma box (14496-12, 8.11.14)."""
    version, wide = data[at], data[at + 3] & 1
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(entries):
        (item,) = struct.unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        count, at = data[at], at + 1
        for _ in range(count):
            (index,) = struct.unpack_from(">H" if wide else ">B", data, at)
            yield item, index & (0x7FFF if wide else 0x7F)
            at += 2 if wide else 1


def _extents(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(item, method, start, end) of all pieces that an iloc box lists."""
    if at == end:
        return
    version, sizes = data[at], data[at + 4 : at + 6]
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_size = sizes[1] & 15 if version else 0
    number_size = 4 if version == 2 else 2
    place, most = at + 6, _MOST_EXTENTS

    def number(size: int) -> int:
        nonlocal place
        place += size
        if place > end:
            raise IndexError
        return int.from_bytes(data[place - size : place], "big")

    for _ in range(number(number_size)):
        item, method = number(number_size), number(2) & 15 if version else 0
        _, base = number(2), number(base_size)
        for _ in range(number(2)):
            number(index_size)
            offset, length = base + number(offset_size), number(length_size)
            yield item, method, offset, offset + length
            if not (most := most - 1):
                raise IndexError
