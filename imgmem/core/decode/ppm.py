"""PBM, PGM and PPM, plain and binary, by NumPy (netpbm's pbm, pgm and ppm pages)."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from imgmem.core.decode.format import Header
from imgmem.core.decode.values import Stored
from imgmem.core.errors import RejectedImage

_NUMBERS = {b"1": 2, b"2": 3, b"3": 3, b"4": 2, b"5": 3, b"6": 3}
"""How many numbers the header of each kind has: width, height, and the highest value."""
_PLAIN, _BITMAPS, _COLORS = (b"1", b"2", b"3"), (b"1", b"4"), (b"3", b"6")
_SPACE = re.compile(rb"(?:[ \t\n\v\f\r]|#[^\r\n]*[\r\n])+")
_DIGITS = re.compile(rb"\d{1,10}")
_COMMENT = re.compile(rb"#[^\r\n]*[\r\n]?")
_BLOCK_BYTES = 2**16


class _Start(NamedTuple):
    """The header of a PNM file; at: where the pixels begin."""

    kind: bytes
    width: int
    height: int
    highest: int
    at: int

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.height, self.width, 3) if self.kind in _COLORS else (self.height, self.width)


def is_ppm(data: bytes) -> bool:
    """Whether `data` begins as PBM, PGM or PPM do."""
    return data[:1] == b"P" and data[1:2] in _NUMBERS and data[2:3].isspace()


def read_ppm_header(data: bytes, *, complete: bool = True) -> Header:
    """Size and type. Raises RejectedImage: "truncated" or "corrupt"."""
    start = _start(data)
    return Header(
        format="PPM",
        height=start.height,
        width=start.width,
        mode="RGB" if start.kind in _COLORS else "L",
        bits=16 if start.highest > 255 else 8,
        samples=3 if start.kind in _COLORS else 1,
    )


def _start(data: bytes) -> _Start:
    kind, at, numbers = data[1:2], 2, []
    for _ in range(_NUMBERS[kind]):
        space = _SPACE.match(data, at)
        digits = _DIGITS.match(data, space.end()) if space else None
        if digits is None or digits.end() == len(data):
            cut = space is None or space.end() == len(data) or digits is not None
            raise RejectedImage(
                "truncated" if cut else "corrupt",
                "ends inside the PPM header" if cut else "no number in the PPM header",
            )
        numbers.append(int(digits[0]))
        at = digits.end()
    width, height, highest = (*numbers, 1)[:3]
    if not width or not height or not 1 <= highest <= 65535:
        raise RejectedImage("corrupt", f"a PPM of {height}×{width} pixels up to {highest}")
    return _Start(kind, width, height, highest, at + 1)


def decode_ppm(data: bytes, _: Header) -> NDArray[np.uint8]:
    """All pixels, (H, W, 3) RGB or (H, W) gray, scaled to 0–255.

    Raises RejectedImage: "truncated" or "corrupt".
    """
    start = _start(data)
    if start.kind == b"4":
        return _unpack_bits(data, start)
    if start.kind in _PLAIN:
        return _scale(_plain_values(data, start), start)
    values = _binary_values(data, start)
    if start.highest == 255:
        return values.reshape(start.shape)
    blocks = (values[at : at + _BLOCK_BYTES] for at in range(0, len(values), _BLOCK_BYTES))
    return _scale(blocks, start)


def read_ppm_values(_image: object, _header: Header, data: bytes) -> Stored:
    """All pixels of a PGM or PPM of more than 8 bits as they are stored.

    Raises RejectedImage: "truncated" or "corrupt".
    """
    start = _start(data)
    if start.kind in _PLAIN:
        values = np.concatenate([block.astype(np.uint16) for block in _plain_values(data, start)])
    else:
        values = np.minimum(_binary_values(data, start), start.highest).astype(np.uint16)
    return Stored(values.reshape(start.shape), True, start.highest)


def _binary_values(data: bytes, start: _Start) -> NDArray[Any]:
    wide = start.highest > 255
    count = int(np.prod(start.shape))
    if len(data) - start.at < count * (2 if wide else 1):
        raise _cut()
    return np.frombuffer(data, ">u2" if wide else "u1", count, start.at)


def _cut() -> RejectedImage:
    return RejectedImage("truncated", "ends before the last pixel")


def _unpack_bits(data: bytes, start: _Start) -> NDArray[np.uint8]:
    row_bytes = -(-start.width // 8)
    if len(data) - start.at < row_bytes * start.height:
        raise _cut()
    packed = np.frombuffer(data, np.uint8, row_bytes * start.height, start.at)
    out = np.unpackbits(packed.reshape(start.height, row_bytes), axis=1, count=start.width)
    out -= 1  # 1 is black: 0 and 255
    return out


def _scale(blocks: Iterator[NDArray[Any]], start: _Start) -> NDArray[np.uint8]:
    """Values 0–highest as 0–255: rounded; of more than 8 bits the upper 8 of 16 are kept."""
    table = _levels(start)
    out, at = np.empty(int(np.prod(start.shape)), np.uint8), 0
    for block in blocks:
        end = at + len(block)
        np.take(table, np.minimum(block, start.highest), out=out[at:end], mode="clip")
        at = end
    return out.reshape(start.shape)


def _levels(start: _Start) -> NDArray[np.uint8]:
    values = np.arange(start.highest + 1)
    if start.kind in _BITMAPS:
        return np.array([255, 0], np.uint8)
    if start.highest == 65535 or (start.highest > 255 and start.kind not in _COLORS):
        return (np.rint(values / start.highest * 65535).astype(np.uint16) >> 8).astype(np.uint8)
    return np.rint(values / start.highest * 255).astype(np.uint8)


def _plain_values(data: bytes, start: _Start) -> Iterator[NDArray[np.int64]]:
    """The numbers of the text, some thousands at a time, as many as there are pixels."""
    left = int(np.prod(start.shape))
    for text in _blocks(data, start.at):
        words = [text[i : i + 1] for i in range(len(text))] if start.kind == b"1" else text.split()
        if start.kind == b"1":
            words = [word for word in words if not word.isspace()]
        values = _whole_numbers(words[:left], start.highest)
        left -= len(values)
        yield values
        if not left:
            return
    raise _cut()


def _blocks(data: bytes, at: int) -> Iterator[bytes]:
    """The text from `at` on without its comments, cut between words."""
    rest = b""
    for begin in range(at, len(data), _BLOCK_BYTES):
        text = rest + data[begin : begin + _BLOCK_BYTES]
        last = begin + _BLOCK_BYTES >= len(data)
        cut = len(text) if last else _last_space(text)
        rest = text[cut:]
        yield _COMMENT.sub(b" ", text[:cut])


def _last_space(text: bytes) -> int:
    """Where `text` can be cut: not inside a word, nor inside a comment."""
    line = max(text.rfind(b"\n"), text.rfind(b"\r"))
    comment = text.find(b"#", line + 1)
    end = comment if comment >= 0 else len(text)
    return max(text.rfind(space, 0, end) for space in (b" ", b"\n", b"\t", b"\r")) + 1


def _whole_numbers(words: list[bytes], highest: int) -> NDArray[np.int64]:
    try:
        values = np.array([int(word) for word in words], np.int64)
    except ValueError:
        raise RejectedImage("corrupt", "a letter where a number belongs") from None
    if len(values) and not 0 <= values.min() <= values.max() <= highest:
        raise RejectedImage("corrupt", f"a value that is not from 0 to {highest}")
    return values
