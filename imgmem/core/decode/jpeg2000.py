"""JPEG 2000: its codestream (ITU-T T.800)."""

import struct
from typing import TYPE_CHECKING

from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

CODESTREAM = b"\xff\x4f\xff\x51"
"""How the pixels begin, in a file or bare (A.4.1 and A.5.1)."""
SIGNATURES = (b"\0\0\0\x0cjP  \r\n\x87\n", CODESTREAM)


def jpeg2000_bits(_: "ImageFile", data: bytes) -> int:
    """By the first component's precision (A.5.1)."""
    return 16 if data[data.find(CODESTREAM) + 42] & 0x7F > 7 else 8


def jpeg2000_tile(image: "ImageFile", data: bytes) -> int:
    """Pixels of a tile (A.5.1)."""
    across, down = struct.unpack_from(">II", data, data.find(CODESTREAM) + 24)
    return min(image.width, int(across)) * min(image.height, int(down))


def check_jpeg2000(data: bytes) -> set[str]:
    """Every tile part to the end mark (A.4); OpenJPEG does without the last."""
    at = data.find(CODESTREAM) + 2
    while (marker := data[at : at + 2]) != b"\xff\xd9":
        if not marker:
            raise IndexError
        if marker[0] != 0xFF:
            raise RejectedImage("corrupt", f"no JPEG 2000 marker at byte {at}")
        if marker == b"\xff\x90":  # start of a tile part, with the length of the whole part
            (length,) = struct.unpack_from(">I", data, at + 6)
            at = at + length if length >= 12 else data.rindex(b"\xff\xd9", at)
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return set()
