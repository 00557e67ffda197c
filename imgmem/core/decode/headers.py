"""What an image says of itself before a pixel is decoded."""

import contextlib
import ctypes
import logging
import struct
import warnings
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from typing import NamedTuple

from PIL import AvifImagePlugin, Image, ImageFile, _imaging
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imgmem.core.decode.exif import exif_orientation
from imgmem.core.decode.integrity import check_container, png_chunks
from imgmem.core.decode.signatures import CODESTREAM, sniff
from imgmem.core.errors import RejectedImage

warnings.filterwarnings("ignore", module=r"PIL\.")  # odd metadata; pixels are judged here
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else it prints errors
AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # the workers are ours
with contextlib.suppress(OSError, AttributeError):  # libtiff prints its errors; they are raised too
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

HEAD_BYTES = 65_536
"""How much of a file `read_header` usually needs: an EXIF segment fits."""

_READERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "AVIF": AvifImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "JPEG2000": Jpeg2KImageFile,
    "PNG": PngImageFile,
    "PPM": PpmImageFile,
    "TIFF": TiffImageFile,
    "WEBP": WebPImageFile,
}
FORMATS: tuple[str, ...] = ("JPEG", *_READERS)
"""The formats that are read. No plugin that runs programs (EPS) or guesses (TGA)."""


class Header(NamedTuple):
    """Facts from the first bytes of an image; no pixel is decoded.

    format: one of FORMATS. height, width: upright, in pixels. mode: Pillow's name of the
    pixel type. orientation: EXIF's, 1–8. bits: of a channel, 8 or 16. multiscan: a JPEG
    whose decoder holds the whole image, whatever the scale. samples: of all channels for
    one pixel, as stored (JPEG: 1.5 with 4:2:0 subsampling). block: pixels that are decoded
    at once (a strip, a tile), where that is more than a few rows.
    """  # a tuple: a frozen dataclass takes 1.3 µs more, a tenth of the decoding of a tiny JPEG

    format: str
    height: int
    width: int
    mode: str
    orientation: int = 1
    bits: int = 8
    multiscan: bool = False
    samples: float = 3.0
    block: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Upright (height, width)."""
        return self.height, self.width

    @property
    def gray(self) -> bool:
        """Whether there is one channel only."""
        return self.mode in ("1", "L") or self.mode.startswith("I")

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) as decoded, before the orientation is applied."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


def read_header(data: bytes, *, complete: bool = True) -> Header:
    """Read format, size and orientation of an image; no pixel is decoded.

    data: the file's bytes, or its first part (`complete=False`, HEAD_BYTES usually do).
    Raises RejectedImage; with `complete=False` the reason "truncated" means that this
    file's header needs more (TIFF and WebP may need all) or that the file is cut.
    """
    kind = sniff(data)
    if kind == "JPEG":
        return read_jpeg_header(data, complete=complete)
    return describe(open_image(data, kind, complete=complete), kind, data)


# JPEG ------------------------------------------------------------------------------------

_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_JPEG_MODES = {1: "L", 3: "RGB", 4: "CMYK"}


def read_jpeg_header(data: bytes, *, complete: bool = True) -> Header:
    """The facts of a JPEG's segments up to its frame header (ITU-T T.81, B.2.2).

    Raises RejectedImage: "truncated", "corrupt", "unsupported".
    """
    orientation, at = 1, 2
    try:
        while True:
            if data[at] != 0xFF:
                raise RejectedImage("corrupt", f"no JPEG segment at byte {at}")
            marker = data[at + 1]
            if marker == 0xFF:  # fill byte
                at += 1
                continue
            if marker in _FRAMES:
                return _jpeg_frame(data, at, orientation, complete)
            if marker in (0xD9, 0xDA):
                raise RejectedImage("corrupt", "a JPEG without a frame header")
            length = data[at + 2] << 8 | data[at + 3]
            if marker == 0xE1 and orientation == 1:
                orientation = exif_orientation(data[at + 4 : at + 2 + length])
            at += 2 + length
    except IndexError:
        raise RejectedImage("truncated", "ends inside the JPEG's header") from None


def _jpeg_frame(data: bytes, at: int, orientation: int, complete: bool) -> Header:
    """The frame header at `at` (ITU-T T.81, B.2.2)."""
    marker, count = data[at + 1], data[at + 9]
    bits, height, width = struct.unpack_from(">BHH", data, at + 4)
    if bits != 8 or marker in _LOSSLESS or count not in _JPEG_MODES:
        detail = f"a JPEG of {bits} bits and {count} components"
        raise RejectedImage("unsupported", detail + (", lossless" * (marker in _LOSSLESS)))
    if not height or not width:
        raise RejectedImage("corrupt", f"a JPEG of {height}×{width} pixels")
    factors = data[at + 11 : at + 11 + 3 * count : 3]
    if len(factors) < count:
        raise IndexError
    scan = data.find(b"\xff\xda", at)  # a first scan of some components only: others follow
    if scan < 0 and complete:
        raise IndexError
    partial = 0 < scan < len(data) - 4 and data[scan + 4] < count
    if orientation >= 5:
        height, width = width, height
    return Header(
        format="JPEG",
        height=height,
        width=width,
        mode=_JPEG_MODES[count],
        orientation=orientation,
        multiscan=partial or marker in _PROGRESSIVE,
        samples=_jpeg_samples(factors),
    )


@lru_cache(maxsize=64)
def _jpeg_samples(factors: bytes) -> float:
    """Samples of all components for one pixel, of their sampling factors, 4 bits each."""
    pairs = [(factor >> 4, factor & 15) for factor in factors]
    whole = max(h for h, _ in pairs) * max(v for _, v in pairs)
    return sum(h * v for h, v in pairs) / (whole or 1)


# All other formats -----------------------------------------------------------------------


def open_image(data: bytes, kind: str, *, complete: bool = True) -> ImageFile.ImageFile:
    """Open an image of the format `kind` with Pillow, lazily. Raises RejectedImage.

    The reader's class is called directly: `Image.open` tries other formats and has a
    limit of its own on the number of pixels.
    """
    try:
        return _READERS[kind](BytesIO(data))
    except Image.DecompressionBombError:
        Image.MAX_IMAGE_PIXELS = None  # as below, for readers that ask at once
        return open_image(data, kind, complete=complete)
    except Exception as error:
        if complete:
            check_container(data, kind)  # that it is cut says more than what Pillow stumbled over
        raise reject(error, complete=complete) from error


def lift_pillow_limit(pixels: int) -> None:
    """Let Pillow read so many: `ImageSpec.max_pixels` has decided that already.

    Its own limit is one for the whole process, so it stands until an image needs more.
    """
    if Image.MAX_IMAGE_PIXELS is not None and pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = None


_UNABLE = (
    "not installed",
    "not available",
    "not supported",
    "unsupported",
    "unknown pixel mode",
    "Could not determine subsampling",
)


def reject(error: Exception, *, complete: bool = True) -> RejectedImage:
    """What a decoder's exception means; raises MemoryError if it is about memory."""
    said = str(error) or type(error).__name__
    if isinstance(error, MemoryError) or "memory" in said.lower():
        raise MemoryError(said) from error
    if not complete or "truncat" in said.lower() or "Premature end of JPEG file" in said:
        return RejectedImage("truncated", said)
    return RejectedImage("unsupported" if any(w in said for w in _UNABLE) else "corrupt", said)


def describe(image: ImageFile.ImageFile, kind: str, data: bytes) -> Header:
    """The header of an opened image. Raises RejectedImage."""
    try:
        return _describe(image, kind, data)
    except (IndexError, struct.error):
        raise RejectedImage("truncated", f"ends inside the {kind} header") from None
    except (TypeError, ValueError) as error:
        raise reject(error) from error


def _describe(image: ImageFile.ImageFile, kind: str, data: bytes) -> Header:
    width, height = image.size
    orientation = _orientation(image, kind, data)
    if orientation >= 5:
        height, width = width, height
    return Header(
        format=kind,
        height=height,
        width=width,
        mode=image.mode,
        orientation=orientation,
        bits=_bits(image, kind, data),
        samples=len(image.getbands()),
        block=_block(image, kind, data),
    )


def _orientation(image: ImageFile.ImageFile, kind: str, data: bytes) -> int:
    """EXIF's orientation; 1 for TIFF, whose tag is no EXIF block: Pillow turns it itself."""
    exif = image.info.get("exif")
    if exif is None and kind == "PNG":  # it may stand behind the pixels, which Pillow reads later
        exif = next((body for name, body in png_chunks(data) if name == b"eXIf"), None)
    return exif_orientation(bytes(exif)) if exif else 1


def _bits(image: ImageFile.ImageFile, kind: str, data: bytes) -> int:
    """Bits of a channel as the file has them: 8, or 16 for all that is more."""
    arguments = image.tile[0].args if image.tile else ""
    raw = arguments[0] if isinstance(arguments, tuple) else arguments
    deep = image.mode.startswith("I") or "16" in str(raw)
    if kind == "PPM":
        deep = deep or (isinstance(arguments, tuple) and int(arguments[1]) > 255)
    elif kind == "AVIF":  # the configuration's third byte (AV1 in ISOBMFF, 2.3.3)
        at = data.find(b"av1C")
        deep = at >= 0 and bool(data[at + 6] & 0x40)
    elif kind == "JPEG2000":  # the first component's precision (ITU-T T.800, A.5.1)
        deep = data[data.find(CODESTREAM) + 42] & 0x7F > 7
    return 16 if deep else 8


def _block(image: ImageFile.ImageFile, kind: str, data: bytes) -> int:
    """Pixels that are decoded at once: a strip, a tile, all; 0 where decoding goes by rows."""
    width, height = image.size
    if isinstance(image, TiffImageFile) and image.use_load_libtiff:
        tags = image.tag_v2
        return int(tags.get(322, width)) * int(tags.get(323, tags.get(278, height)))
    if kind == "JPEG2000":  # the tile's size (ITU-T T.800, A.5.1)
        across, down = struct.unpack_from(">II", data, data.find(CODESTREAM) + 24)
        return min(width, int(across)) * min(height, int(down))
    if kind in ("BMP", "PPM") and image.tile[0].codec_name != "raw":
        return width * height
    return 0
