"""What a format is to imgmem, and what a header says: the types that all formats share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy.typing as npt

from imgmem.core.decode.several import frames_left
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.Image import Image as Loaded
    from PIL.ImageFile import ImageFile

    from imgmem.core.decode.values import Stored

Pixels = npt.NDArray[Any]
"""(H, W, 3) RGB or (H, W) gray: pixel values 0-255 in uint8, or those of a file in uint16 or
float32."""
HEAD_BYTES = 65_536
"""How much of a file `read_header` usually needs: an EXIF segment fits."""


class Header(NamedTuple):
    """Facts from the first bytes of an image; no pixel is decoded.

    format: a name in `formats.FORMATS`. height, width: upright, in pixels. mode: Pillow's name
    of the pixel type. orientation: EXIF's, 1–8. bits: of a channel: 8, or 16 to 64 for all
    else. multiscan: a JPEG whose decoder holds the whole image, whatever the scale. samples: of
    all channels for one pixel, as stored (JPEG: 1.5 with 4:2:0 subsampling). block: pixels that
    are decoded at once (a strip, a tile), where that is more than a few rows. left: further
    images of a JPEG that holds several.
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
    left: int = 0

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


def _no_check(_: bytes) -> set[str]:
    """Check nothing: the decoder finds all damage that the format can reveal."""
    return set()


def check_samples(image: "ImageFile", _header: Header, _: bytes = b"") -> None:
    """Refuse pixel types whose range is not defined, or that Pillow reads wrong.

    Raises RejectedImage("unsupported").
    """
    why = ""
    if image.mode in ("F", "I"):
        why = f"32-bit {'float' if image.mode == 'F' else 'integer'} pixels have no defined range"
    if why:
        raise RejectedImage("unsupported", f"{why}; convert to 8 bits first")


def _deep_mode(image: "ImageFile", _: bytes) -> int:
    """16 where Pillow's pixel type, or what it is decoded from, has 16 bits; else 8."""
    return 16 if image.mode.startswith("I") or ";16" in raw_mode(image) else 8


def _load(image: "ImageFile", *_: object) -> "Loaded":
    image.load()
    return image


def raw_mode(image: "ImageFile") -> str:
    """Pillow's name of the pixels as they are stored, such as "BGR;16"; "" if it has none."""
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _by_rows(*_: object) -> int:
    return 0


@dataclass(frozen=True, kw_only=True)
class Format:
    """All that imgmem knows of one image format that Pillow reads. To add one, add a row.

    Attributes:
        name: As in `rows.npy` and in messages.
        matches: Whether these first bytes of a file are of this format.
        open: Pillow's reader, called directly: `Image.open` tries others. None with `decode`.
        read_header: The header from the file's bytes or its first part; None if Pillow
            must open the file for it.
        check: Raises RejectedImage for a file that is cut or whose checksums are wrong,
            before it is opened; IndexError, ValueError and struct.error mean "cut". Returns
            notes.
        check_image: The same once it is open; also refuses pixel types that are not read.
        load: The opened image, or another with its pixels, loaded.
        check_palette: Whether indices beyond the end of the palette are damage.
        decode: Pixels from the file's bytes, where that is not left to Pillow:
            (H, W, 3) RGB or (H, W) gray, uint8.
        decode_plain: The same for small files of the plainest kind, in a fraction of the time; None
            for any other file. It must give what the rest gives.
        read_values: The pixels of a file of more than 8 bits as they are stored; None where no
            decoder returns them. The first argument is the opened image, or None.
        bits: Bits of a channel as the file has them: 8, or 16 and more for all that is not 8.
        block: Pixels that are decoded at once: a strip, a tile, all; 0 for a few rows.
        several: The note where Pillow sees more than one image; "" to ask `check` alone.
        left_out: How many pages or frames there are other than the first, where there is that note.
        file_copies: How often the file's bytes are in memory while it is decoded.
        pixel_bytes: What the decoder itself takes for a pixel of the image, in bytes.
        sample_bytes: What it takes for a sample of `Header.block`, in bytes.
    """

    name: str
    matches: Callable[[bytes], bool]
    open: "Callable[[bytes], ImageFile] | None"
    read_header: "Callable[..., Header] | None" = None
    check: Callable[[bytes], set[str]] = _no_check
    check_image: "Callable[[ImageFile, Header, bytes], None]" = check_samples
    check_palette: bool = False
    decode: "Callable[[bytes, Header], Pixels] | None" = None
    decode_plain: "Callable[[bytes, Header], Pixels | None] | None" = None
    load: "Callable[[ImageFile, Header, bytes], Loaded]" = _load
    read_values: "Callable[[Any, Header, bytes], Stored] | None" = None
    bits: "Callable[[ImageFile, bytes], int]" = _deep_mode
    block: "Callable[[ImageFile, bytes], int]" = _by_rows
    several: str = "animation"
    left_out: "Callable[[Any, bytes], int]" = frames_left
    file_copies: int = 1
    pixel_bytes: Callable[[Header], float] = lambda header: 0
    sample_bytes: Callable[[Header], float] = lambda header: header.bits / 8
