"""The one EXIF tag that changes pixels."""

import struct

PREFIX = b"Exif\0\0"
"""What an EXIF block in a JPEG begins with; without it, it is something else."""
_INTEGERS = {3: "H", 4: "I"}


def exif_orientation(exif: bytes) -> int:
    """The orientation (1–8) in an EXIF block, with or without its prefix; 1 if there is none.

    Own code, because it is twenty times as fast as reading the whole block and does not
    stumble over damage elsewhere in it. Layout: TIFF 6.0, section 2.
    """
    block = exif.removeprefix(PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None:
        return 1
    try:
        (offset,) = struct.unpack_from(order + "I", block, 4)
        (count,) = struct.unpack_from(order + "H", block, offset)
        for entry in range(offset + 2, offset + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(order + "HH", block, entry)
            if tag == 0x0112 and kind in _INTEGERS:
                (value,) = struct.unpack_from(order + _INTEGERS[kind], block, entry + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
