"""WebP: its RIFF container."""

import struct


def is_webp(data: bytes) -> bool:
    """Whether `data` begins as a WebP file does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def check_webp(data: bytes) -> set[str]:
    """All bytes that the RIFF header promises."""
    (length,) = struct.unpack_from("<I", data, 4)
    if len(data) < 8 + length:
        raise IndexError
    return set()
