"""Files of HEIF and AVIF from their parts, as phones write them and as they may be damaged.

The coded images come from real encoders; the boxes around them are written here.
"""

import io
import struct
from typing import NamedTuple

import numpy as np
from PIL import Image

from imgmem.core.decode.isobmff import meta_of

GAIN_MAP = b"urn:com:apple:photo:2020:aux:hdrgainmap\0"
DEPTH = b"urn:mpeg:hevc:2015:auxid:2\0"
ALPHA = b"urn:mpeg:hevc:2015:auxid:1\0"
CONFIGURATIONS = {b"hvc1": b"hvcC", b"av01": b"av1C"}


class Item(NamedTuple):
    """One item: its type, its bytes, its properties (name, contents), what it refers to."""

    kind: bytes
    data: bytes
    properties: tuple = ()
    references: tuple = ()  # (kind, items counted from 1)
    hidden: bool = False


def box(name, *parts):
    data = b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), name) + data


def full(name, *parts, version=0, flags=0):
    return box(name, struct.pack(">I", version << 24 | flags), *parts)


def size(width, height):
    return b"ispe", bytes(4) + struct.pack(">II", width, height)


def turned(quarters):
    """To be turned that often against the clock."""
    return b"irot", bytes([quarters])


def auxiliary(kind):
    return b"auxC", bytes(4) + kind


def heic_bytes(picture, **options):
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(picture)).save(file, **{"quality": 90} | options)
    return file.getvalue()


def avif_bytes(picture, **options):
    file = io.BytesIO()
    Image.fromarray(picture).save(
        file, "AVIF", **{"speed": 10, "quality": 90, "subsampling": "4:4:4"} | options
    )
    return file.getvalue()


def coded(data, *more, **fields):
    """The primary image of a file as an item, with its size and configuration."""
    meta = meta_of(data)
    item = meta.primary
    kind = meta.kinds[item]
    own = [
        (name, data[start:end])
        for name, start, end in meta.properties[item]
        if name == CONFIGURATIONS[kind]
    ]
    properties = (size(*meta.size_of(item)), *own, *more)
    return Item(kind, meta.stream(item), properties, **fields)


def grid(encode, picture, rows, columns, *more, first=2):
    """A picture as a grid of tiles, the grid first; first: the number of the first tile."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    tiles = [
        coded(encode(np.ascontiguousarray(picture[y : y + height, x : x + width])), hidden=True)
        for y in range(0, rows * height, height)
        for x in range(0, columns * width, width)
    ]
    whole = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, columns * width, rows * height)
    inputs = ((b"dimg", tuple(range(first, first + len(tiles)))),)
    properties = (size(columns * width, rows * height), *more)
    return [Item(b"grid", whole, properties, inputs), *tiles]


def write(items, *, brand=b"heic", compatible=(b"mif1", b"heic"), primary=1):
    """A file of these items, which are numbered from 1."""
    head = box(b"ftyp", brand, bytes(4), *compatible)
    pieces = _meta(items, primary, [0] * len(items))
    start = len(head) + len(pieces) + 8
    places = []
    for item in items:
        places.append(start)
        start += len(item.data)
    return head + _meta(items, primary, places) + box(b"mdat", *(item.data for item in items))


def _meta(items, primary, places):
    infos = [
        full(b"infe", struct.pack(">HH4s", number, 0, item.kind), b"\0", version=2,
             flags=int(item.hidden))
        for number, item in enumerate(items, 1)
    ]  # fmt: skip
    references = [
        box(kind, struct.pack(f">HH{len(targets)}H", number, len(targets), *targets))
        for number, item in enumerate(items, 1)
        for kind, targets in item.references
    ]
    properties = [(n, each) for n, item in enumerate(items, 1) for each in item.properties]
    used = [_used(n, properties) for n in range(1, len(items) + 1)]
    places = [
        struct.pack(">HHHII", n, 0, 1, place, len(item.data))
        for n, (item, place) in enumerate(zip(items, places, strict=True), 1)
    ]
    return full(
        b"meta",
        full(b"hdlr", bytes(4), b"pict", bytes(13)),
        full(b"pitm", struct.pack(">H", primary)),
        full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), *places),
        full(b"iinf", struct.pack(">H", len(items)), *infos),
        *([full(b"iref", *references)] if references else []),
        box(
            b"iprp",
            box(b"ipco", *(box(*each) for _, each in properties)),
            full(b"ipma", struct.pack(">I", len(items)), *used),
        ),
    )


def _used(item, properties):
    """Which properties are those of an item; to turn it is essential: the highest bit."""
    own = [
        at | 128 * (name in (b"irot", b"imir"))
        for at, (owner, (name, _)) in enumerate(properties, 1)
        if owner == item
    ]
    return struct.pack(">HB", item, len(own)) + bytes(own)
