"""JPEGs that are whole but untidy, put into order without touching what pixels depend on.

A copy is made of the segments and scans that pixels depend on, with a plain JFIF segment and an
end mark. If that copy decodes without any warning, every block of pixels was decoded from the
bytes that are there, and what was left out is none of them: metadata that is damaged, bytes
between segments, fill behind the last block, a missing end mark.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""The end of a scan's entropy-coded data: a marker that is not a restart (ITU-T T.81, B.1.1)."""
_SOI, _EOI, _SOS, _APP0, _ADOBE = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = {0xC4, 0xCC, 0xDB, 0xDD}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
_LEAST_FILL = 2
"""Equal bytes at the end of the last scan that can be fill; a single one is data."""


class _Part(NamedTuple):
    """A segment, or a scan with its header: data[start:end]; pixels: where a scan's data begin."""

    marker: int
    start: int
    end: int
    pixels: int = 0


def repaired(data: bytes) -> bytes | None:
    """The same JPEG in order, without the fill behind its last scan.

    libjpeg does not warn of up to three bytes too many, which zeros at the end would use.
    None if it is not whole: no scan, or a progressive one of which scans are missing.
    """
    parts = list(_parts(data))
    scans = [part for part in parts if part.marker == _SOS]
    try:
        if not scans or parts[-1] != scans[-1] or not _all_scans(data, _frame(parts), scans):
            return None
    except (IndexError, ValueError):  # a segment that is shorter than its fields
        return None
    head = b"\xff\xd8" + b"".join(_kept(data, parts))
    last = data[parts[-1].pixels : parts[-1].end]
    bare = last.rstrip(last[-1:])
    if len(last) - len(bare) < _LEAST_FILL:
        return head + last + b"\xff\xd9"
    stuffed = b"\0" if bare.endswith(b"\xff") else b""  # a zero that belongs to the FF (F.1.2.3)
    return head + bare + stuffed + b"\xff\xd9"


def _parts(data: bytes) -> Iterator[_Part]:
    """Segments and scans to the end mark, or to the end of the file; bytes between are left out."""
    at = 2
    while (found := _MARKER.search(data, at)) and data[found.end() - 1] != _EOI:
        marker, start = data[found.end() - 1], found.end() - 2
        at = found.end()
        if marker in (0x01, _SOI):
            continue
        pixels = at + int.from_bytes(data[at : at + 2], "big")
        if marker == _SOS:
            following = _MARKER.search(data, pixels)
            at = following.start() if following else len(data)
            yield _Part(marker, start, at, pixels)
        else:
            at = pixels
            yield _Part(marker, start, at)


def _kept(data: bytes, parts: list[_Part]) -> Iterator[bytes]:
    """All that pixels depend on, to where the data of the last scan begin."""
    kept = {*_FRAMES, *_TABLES, _SOS, _ADOBE}
    three = _colors(data, parts) == 3
    jfif = any(part.marker == _APP0 and _is_jfif(data, part) for part in parts)
    if jfif or (three and any(_is_unknown_transform(data, part) for part in parts)):
        yield _JFIF
        if three:  # then JFIF alone decides what they mean; all decoders take the unknown for it
            kept.discard(_ADOBE)
    for part in parts[:-1]:
        if part.marker in kept:
            yield data[part.start : part.end]
    yield data[parts[-1].start : parts[-1].pixels]


def _colors(data: bytes, parts: list[_Part]) -> int:
    frame = _frame(parts)
    return data[frame.start + 9] if frame else 0


def _is_unknown_transform(data: bytes, part: _Part) -> bool:
    """Whether it is Adobe's segment, and says of three colors what Adobe does not define."""
    adobe = part.marker == _ADOBE and data.startswith(b"Adobe", part.start + 4)
    return adobe and part.end - part.start >= 16 and data[part.start + 15] > 1


def _is_jfif(data: bytes, part: _Part) -> bool:
    return data.startswith(b"JFIF\0", part.start + 4)


def lacks_scans(data: bytes) -> bool:
    """Whether a JPEG of several scans is without some of them, of which no decoder says a word."""
    frame = _frame(_parts(data))
    try:
        return frame is not None and not _all_scans(data, frame, _scans(data, frame.end))
    except (IndexError, ValueError):  # cut inside a scan's header: its decoder says so
        return False


def _scans(data: bytes, at: int) -> Iterator[_Part]:
    """The scan headers behind `at`; twenty times as fast as `_parts`, and without their ends."""
    while (at := data.find(b"\xff\xda", at)) >= 0:
        pixels = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield _Part(_SOS, at, pixels, pixels)
        at = pixels


def _frame(parts: Iterable[_Part]) -> _Part | None:
    return next((part for part in parts if part.marker in _FRAMES), None)


def _all_scans(data: bytes, frame: _Part | None, scans: Iterable[_Part]) -> bool:
    """Whether every coefficient of every component is there, to its last bit (G.1.1.1)."""
    if frame is None:
        return False
    missing = {
        (data[at], k)
        for at in range(frame.start + 10, frame.start + 10 + 3 * data[frame.start + 9], 3)
        for k in range(64 if frame.marker in _PROGRESSIVE else 1)
    }
    for scan in scans:
        missing -= set(_finished(data, scan))
    return not missing


def _finished(data: bytes, scan: _Part) -> Iterator[tuple[int, int]]:
    """(component, coefficient) whose last bit is in this scan (B.2.3)."""
    count = data[scan.start + 4]
    first, last, bits = data[scan.pixels - 3 : scan.pixels]
    if bits & 15 == 0:
        for number in range(count):
            component = data[scan.start + 5 + 2 * number]
            yield from ((component, k) for k in range(first, last + 1))
