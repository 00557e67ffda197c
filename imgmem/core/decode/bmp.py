"""BMP, with what Pillow gets wrong put right."""

import struct
from typing import cast

from PIL import ImagePalette
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile

from imgmem.core.decode.format import Header, check_samples
from imgmem.core.errors import RejectedImage

_RAW_MODES = {1: "P;1", 4: "P;4", 8: "P"}
_BITFIELDS = 3
_CORE_HEADER, _ALPHA_HEADER = 12, 56
"""Lengths of the headers that have 16-bit fields, and that have a mask for alpha."""


class StrictBmpFile(BmpImageFile):
    """Pillow's reader, with the palette where it takes indices of 4 or 8 bits for pixels."""

    def _bitmap(self, header: int = 0, offset: int = 0) -> None:
        super()._bitmap(header, offset)
        bits = _bit_count(self.fp.getvalue())  # type: ignore[union-attr]
        if self.mode in ("1", "L") and (self.mode, bits) not in (("1", 1), ("L", 8)):
            levels = bytes((0, 255) if self.mode == "1" else range(2**bits))
            self.palette = ImagePalette.raw("RGB", bytes(v for v in levels for _ in range(3)))
            self._mode = "P"
            if self.tile[0].codec_name == "raw":
                arguments = cast("tuple[int, ...]", self.tile[0].args)[1:]
                self.tile = [self.tile[0]._replace(args=(_RAW_MODES[bits], *arguments))]


def _bit_count(data: bytes) -> int:
    (length,) = struct.unpack_from("<I", data, 14)
    (bits,) = struct.unpack_from("<H", data, 24 if length == _CORE_HEADER else 28)
    return int(bits)


def check_bmp_image(image: ImageFile, header: Header, data: bytes) -> None:
    """Refuse what Pillow would read without its alpha channel. Raises RejectedImage."""
    check_samples(image, header)
    (length,) = struct.unpack_from("<I", data, 14)
    if length >= _ALPHA_HEADER and _bit_count(data) == 16:
        (compression,) = struct.unpack_from("<I", data, 30)
        (alpha,) = struct.unpack_from("<I", data, 66)
        if compression == _BITFIELDS and alpha:
            detail = "a BMP of 16 bits with an alpha channel is not read; convert it to PNG first"
            raise RejectedImage("unsupported", detail)


def bmp_bits(*_: object) -> int:
    """Never more than 8: the 16 bits of some are those of all channels."""
    return 8
