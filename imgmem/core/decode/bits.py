"""The sizes that coded images hold themselves: HEVC (ITU-T H.265) and AV1.

The boxes around them say a size too, and nothing but these keeps the two alike.
"""


class Bits:
    """Reads a stream bit by bit, the highest of each byte first. Raises IndexError at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> int:
        """The next bits, as a number."""
        number = 0
        for at in range(self._at, self._at + count):
            number = number << 1 | self._data[at >> 3] >> (7 - (at & 7)) & 1
        self._at += count
        return number

    def exponential(self) -> int:
        """An Exp-Golomb number (H.265, 9.2)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)


def hevc_size(unit: bytes) -> tuple[int, int]:
    """(width, height) in a sequence parameter set (H.265, 7.3.2.2), before it is cropped.

    Raises IndexError for one that is cut.
    """
    bits = Bits(unit.replace(b"\0\0\3", b"\0\0"))
    bits.take(16 + 4)
    layers = bits.take(3)
    bits.take(1 + 88 + 8)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.exponential()
    if bits.exponential() == 3:
        bits.take(1)
    return bits.exponential(), bits.exponential()


_SEQUENCE_HEADER = 1


def av1_size(stream: bytes) -> tuple[int, int] | None:
    """(width, height) of the largest frame in AV1 data; None where no sequence header is in it.

    Raises IndexError for one that is cut.
    """
    at = 0
    while at < len(stream):
        kind, extended, sized = stream[at] >> 3 & 15, stream[at] >> 2 & 1, stream[at] >> 1 & 1
        at += 1 + extended
        length, at = _leb128(stream, at) if sized else (len(stream) - at, at)
        if kind == _SEQUENCE_HEADER:
            return _sequence_size(Bits(stream[at : at + length]))
        at += length
    return None


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    number = 0
    for place in range(8):
        number |= (data[at + place] & 127) << 7 * place
        if data[at + place] < 128:
            return number, at + place + 1
    raise IndexError


def _sequence_size(bits: Bits) -> tuple[int, int]:
    """(width, height) in a sequence header (AV1, 5.5.1)."""
    bits.take(3 + 1)
    if bits.take(1):  # reduced_still_picture_header
        bits.take(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    return bits.take(width_bits) + 1, bits.take(height_bits) + 1


def _skip_operating_points(bits: Bits) -> None:
    delay = None
    if bits.take(1):  # timing_info
        bits.take(64)
        if bits.take(1):
            bits.exponential()
        if bits.take(1):  # decoder_model_info
            delay = bits.take(5) + 1
            bits.take(42)
    displayed = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if delay and bits.take(1):
            bits.take(2 * delay + 1)
        if displayed and bits.take(1):
            bits.take(4)
