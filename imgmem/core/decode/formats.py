"""The table of formats: one row for each that is read."""

from functools import partial

from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imgmem.core.decode import gif, jpeg2000, png, tiff, webp
from imgmem.core.decode.avif import avif_bits, check_avif, is_avif
from imgmem.core.decode.foreign import refuse
from imgmem.core.decode.format import Format, Header, raw_mode
from imgmem.core.decode.jpeg import is_jpeg


def _begins(data: bytes, *, signatures: tuple[bytes, ...]) -> bool:
    return data.startswith(signatures)


def _is_ppm(data: bytes) -> bool:
    return data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace()


def _ppm_bits(image: ImageFile, _: bytes) -> int:
    arguments = image.tile[0].args if image.tile else ""
    deep = isinstance(arguments, tuple) and int(arguments[1]) > 255
    return 16 if deep or "16" in raw_mode(image) else 8


def _python_block(image: ImageFile, _: bytes) -> int:
    """All pixels, where Pillow's decoder is written in Python."""
    return 0 if image.tile[0].codec_name == "raw" else image.width * image.height


def _python_sample_bytes(header: Header) -> float:
    """Of Pillow's decoders in Python: a bytearray and a copy of it."""
    return 2.4 * (4 if header.mode == "I" else 1)


_ROWS = (
    Format(
        name="PNG",
        matches=partial(_begins, signatures=(png.SIGNATURE,)),
        open=PngImageFile,
        check=png.check_png,
    ),
    Format(
        name="GIF",
        matches=partial(_begins, signatures=(b"GIF87a", b"GIF89a")),
        open=GifImageFile,
        check=gif.check_gif,
    ),
    Format(
        name="BMP",
        matches=partial(_begins, signatures=(b"BM",)),
        open=BmpImageFile,
        block=_python_block,
        sample_bytes=_python_sample_bytes,
    ),
    Format(
        name="TIFF",
        matches=partial(_begins, signatures=tiff.SIGNATURES),
        open=TiffImageFile,
        check=tiff.check_tiff_start,
        check_image=tiff.check_tiff,
        block=tiff.tiff_block,
        several="pages",
        pixel_bytes=lambda _: 4,  # Pillow turns it itself, into a copy
    ),
    Format(
        name="JPEG2000",
        matches=partial(_begins, signatures=jpeg2000.SIGNATURES),
        open=Jpeg2KImageFile,
        check=jpeg2000.check_jpeg2000,
        bits=jpeg2000.jpeg2000_bits,
        block=jpeg2000.jpeg2000_tile,
        file_copies=2,
        sample_bytes=lambda header: header.bits / 8 + 4.5,  # works on 32-bit integers
    ),
    Format(
        name="WEBP",
        matches=webp.is_webp,
        open=WebPImageFile,
        check=webp.check_webp,
        pixel_bytes=lambda _: 16.5,  # canvas, the one before, the frame's, a copy; alpha
    ),
    Format(
        name="AVIF",
        matches=is_avif,
        open=AvifImageFile,
        check=check_avif,
        bits=avif_bits,
        pixel_bytes=lambda header: 4 + 5 * header.bits / 8,  # planes Y U V A; RGBA, a copy of it
    ),
    Format(
        name="PPM",
        matches=_is_ppm,
        open=PpmImageFile,
        check_image=lambda *_: None,  # 32 bits in memory are 16 in the file
        bits=_ppm_bits,
        block=_python_block,
        sample_bytes=_python_sample_bytes,
    ),
)
PILLOW_FORMATS: dict[str, Format] = {row.name: row for row in _ROWS}
"""By name: the formats whose pixels Pillow decodes."""
JPEG = "JPEG"
"""The one that simplejpeg decodes: see `jpeg`."""
FORMATS: tuple[str, ...] = (JPEG, *PILLOW_FORMATS)
"""The names of all formats that are read. No plugin that runs programs (EPS) or guesses (TGA)."""


def sniff(data: bytes) -> str:
    """The format of an image by its first bytes, whatever its name: one of FORMATS.

    Raises RejectedImage: "empty", "not-an-image", or "unsupported" with a remedy.
    """
    if is_jpeg(data):
        return JPEG
    for row in _ROWS:
        if row.matches(data):
            return row.name
    return refuse(data)
