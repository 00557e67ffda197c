"""The index of a JPEG that holds several images (CIPA DC-007, Multi-Picture Format)."""

import struct

PREFIX = b"MPF\0"
"""What its APP2 segment begins with."""

_ENTRIES, _ENTRY_BYTES = 0xB002, 16
_TYPE, _SEVERAL_VIEWS = 0xFF0000, 0x020000
"""Of an entry's attributes: images of equal rank (panorama, stereo, angles), 5.2.3.3.1. All others
are the first image, its thumbnails, or of no stated type, as gain and depth maps are."""


def images_left(content: bytes) -> int:
    """How many images of equal rank a file has other than the first, by its index (with PREFIX).

    0 for an index that cannot be read: no pixel of the first image depends on it.
    """
    index = content[len(PREFIX) :]
    order = {b"II": "<", b"MM": ">"}.get(index[:2])
    if order is None:
        return 0
    try:
        attributes = _attributes(index, order)
    except struct.error:
        return 0
    return sum(each & _TYPE == _SEVERAL_VIEWS for each in attributes[1:])


def _attributes(index: bytes, order: str) -> list[int]:
    """The attributes of all images, in their order."""
    (at,) = struct.unpack_from(order + "I", index, 4)
    (tags,) = struct.unpack_from(order + "H", index, at)
    for entry in range(at + 2, at + 2 + 12 * tags, 12):
        tag, _, size, where = struct.unpack_from(order + "HHII", index, entry)
        if tag == _ENTRIES:
            stop = min(where + size, len(index) - _ENTRY_BYTES + 1)
            entries = range(where, stop, _ENTRY_BYTES)
            return [struct.unpack_from(order + "I", index, each)[0] for each in entries]
    return []
