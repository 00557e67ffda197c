"""JPEG 2000: its codestream (ITU-T T.800), and pixels of other than 8 bits."""

import struct
from typing import NamedTuple

from PIL import Image
from PIL.ImageFile import ImageFile

from imgmem.core.decode.format import Header
from imgmem.core.decode.values import Stored, Values, in_rgb_order, parted
from imgmem.core.decode.zeros import refuse_zeros
from imgmem.core.errors import RejectedImage

CODESTREAM = b"\xff\x4f\xff\x51"
"""How the pixels begin, in a file or bare (A.4.1 and A.5.1)."""
SIGNATURES = (b"\0\0\0\x0cjP  \r\n\x87\n", CODESTREAM)
_MOST_BANDS = 4
_SYCC = 18
"""The number of the color space sYCC (I.5.3.3)."""


class _Sizes(NamedTuple):
    """The SIZ marker (A.5.1): the size of tiles, and (bits, across, down) of each component."""

    tile: tuple[int, int]
    components: tuple[tuple[int, int, int], ...]

    @property
    def bits(self) -> int:
        return self.components[0][0]


def _sizes(data: bytes) -> _Sizes:
    at = data.find(CODESTREAM)
    size = struct.unpack_from(">II", data, at + 8)
    across, down = map(min, struct.unpack_from(">II", data, at + 24), size)
    (count,) = struct.unpack_from(">H", data, at + 40)
    parts = (struct.unpack_from(">3B", data, at + 42 + 3 * number) for number in range(count))
    return _Sizes((down, across), tuple((1 + (bits & 0x7F), x, y) for bits, x, y in parts))


def jpeg2000_bits(_: ImageFile, data: bytes) -> int:
    """By the precision of the first component."""
    return 16 if _sizes(data).bits > 8 else 8


def jpeg2000_block(image: ImageFile, data: bytes) -> int:
    """Pixels of a tile; all of them where OpenCV decodes."""
    sizes = _sizes(data)
    if _by_opencv(image, sizes):
        return image.width * image.height
    return min(image.width, sizes.tile[1]) * min(image.height, sizes.tile[0])


def check_jpeg2000(data: bytes) -> set[str]:
    """Every tile part to the end mark (A.4); OpenJPEG does without the last."""
    if (bands := len(_sizes(data).components)) > _MOST_BANDS:
        detail = f"an image of {bands} bands; choose one or three of them and write these as PNG"
        raise RejectedImage("unsupported", detail)
    natural = _packets(data)
    at = data.find(CODESTREAM) + 2
    while (marker := data[at : at + 2]) != b"\xff\xd9":
        if not marker:
            raise IndexError
        if marker[0] != 0xFF:
            raise RejectedImage("corrupt", f"no JPEG 2000 marker at byte {at}")
        if marker == b"\xff\x90":  # start of a tile part, with the length of the whole part
            (length,) = struct.unpack_from(">I", data, at + 6)
            end = at + length if length >= 12 else data.rindex(b"\xff\xd9", at)
            refuse_zeros(data, at + 12, end, natural=natural)
            at = end
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return set()


def _packets(data: bytes) -> int:
    """The most packets that a tile has: in flat areas each is a zero (A.6.1, B.6)."""
    at = data.find(b"\xff\x52", data.find(CODESTREAM))
    if at < 0:
        raise IndexError
    sizes = _sizes(data)
    layers, levels = struct.unpack_from(">H", data, at + 6)[0], data[at + 9]
    precincts = data[at + 14 : at + 15 + levels] if data[at + 4] & 1 else b"\xff" * (levels + 1)
    count = 0
    for level, exponents in enumerate(precincts):
        down, across = (-(-side // 2 ** (levels - level)) for side in sizes.tile)
        rows = -(-down // 2 ** (exponents >> 4)) + 1
        count += rows * (-(-across // 2 ** (exponents & 15)) + 1)
    return int(count * layers * len(sizes.components))


def load_jpeg2000(image: ImageFile, header: Header, data: bytes) -> Image.Image:
    """The pixels, where Pillow would make white black (9 bits and more) or gray (7 and less).

    Raises RejectedImage: "unsupported" or "corrupt".
    """
    sizes = _sizes(data)
    if sizes.bits != 8:
        _check_depth(image, sizes, data)
    if _by_opencv(image, sizes):
        return _load_by_opencv(image, sizes.bits, data)
    image.load()
    if sizes.bits >= 8:
        return image
    table = [(level >> 8 - sizes.bits) * 255 // (2**sizes.bits - 1) for level in range(256)]
    return image.point(table * len(image.getbands()))


def _by_opencv(image: ImageFile, sizes: _Sizes) -> bool:
    """Of more than 8 bits, Pillow has none but gray of 10 bits and more right."""
    return sizes.bits > 8 and image.mode != "I;16"


def _check_depth(image: ImageFile, sizes: _Sizes, data: bytes) -> None:
    """Refuse other depths than 8 bits that neither Pillow nor OpenCV reads right."""
    start = data[: data.find(CODESTREAM)]
    sycc = b"colr\1" in start and struct.pack(">I", _SYCC) in start[start.find(b"colr\1") :][7:11]
    odd = len(set(sizes.components)) > 1 or sizes.components[0][1:] != (1, 1)
    if odd or sycc or b"pclr" in start or (sizes.bits > 8 and len(sizes.components) == 2):
        detail = f"a JPEG 2000 of {sizes.bits} bits in {len(sizes.components)} components"
        raise RejectedImage("unsupported", f"{detail} of this kind; convert it to 8 bits first")


def _load_by_opencv(image: ImageFile, bits: int, data: bytes) -> Image.Image:
    import numpy as np  # headers are read without it

    levels = (_samples(image, data) >> bits - 8).astype(np.uint8)
    return Image.fromarray(levels[:, :, 0] if levels.shape[2] == 1 else levels)


def read_jpeg2000_values(image: ImageFile, _: Header, data: bytes) -> Stored:
    """The samples of a JPEG 2000 of more than 8 bits, from 0 to the end of its bits."""
    sizes = _sizes(data)
    _check_depth(image, sizes, data)
    if data[data.find(CODESTREAM) + 42] & 0x80:
        detail = "a JPEG 2000 of signed samples; convert to TIFF or to unsigned ones"
        raise RejectedImage("unsupported", detail)
    return parted(_samples(image, data), 2**sizes.bits - 1)


def _samples(image: ImageFile, data: bytes) -> Values:
    """(H, W, 1, 3 or 4) as OpenCV decodes them."""
    import cv2  # headers are read without it
    import numpy as np

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.shape[:2] != (image.height, image.width):
        raise RejectedImage("corrupt", "the JPEG 2000 decoder failed")
    return in_rgb_order(pixels.astype(np.uint16))
