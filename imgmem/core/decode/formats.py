"""The table of formats: one row for each that is read."""

from collections.abc import Callable
from functools import partial
from io import BytesIO

from PIL.AvifImagePlugin import AvifImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.WebPImagePlugin import WebPImageFile

from imgmem.core.decode import bmp, gif, jpeg2000, png, ppm, tiff, webp
from imgmem.core.decode.avif import avif_bits, avif_left, check_avif, is_avif
from imgmem.core.decode.foreign import refuse
from imgmem.core.decode.format import Format
from imgmem.core.decode.heic import check_heic, heic_bits, heic_block, is_heic, open_heic
from imgmem.core.decode.jpeg import is_jpeg
from imgmem.core.decode.plain_png import read_plain_png
from imgmem.core.decode.several import pages_left
from imgmem.core.decode.tiff_values import load_tiff, read_tiff_values


def _begins(data: bytes, *, signatures: tuple[bytes, ...]) -> bool:
    return data.startswith(signatures)


def _opener(reader: type[ImageFile]) -> Callable[[bytes], ImageFile]:
    return lambda data: reader(BytesIO(data))


def _python_block(image: ImageFile, _: bytes) -> int:
    """All pixels, where Pillow's decoder is written in Python."""
    return 0 if image.tile[0].codec_name == "raw" else image.width * image.height


_ROWS = (
    Format(
        name="PNG",
        matches=partial(_begins, signatures=(png.SIGNATURE,)),
        open=png.open_png,
        read_header=png.read_png_header,
        check=png.check_png,
        check_image=png.check_png_image,
        load=png.load_png,
        pixel_bytes=lambda header: 6 if header.block else 0,  # OpenCV's, where a color is clear
        read_values=png.read_png_values,
        check_palette=True,
        decode_plain=read_plain_png,
        several="",
        left_out=png.png_frames_left,
    ),
    Format(
        name="GIF",
        matches=partial(_begins, signatures=(b"GIF87a", b"GIF89a")),
        open=_opener(GifImageFile),
        read_header=gif.read_gif_header,
        check=gif.check_gif,
        load=gif.load_gif,
        several="",
        left_out=gif.gif_frames_left,
        pixel_bytes=lambda _: 2,  # what the first frame is disposed with; indices under a canvas
    ),
    Format(
        name="BMP",
        matches=partial(_begins, signatures=(b"BM",)),
        open=_opener(bmp.StrictBmpFile),
        check_image=bmp.check_bmp_image,
        check_palette=True,
        bits=bmp.bmp_bits,
        block=_python_block,
        sample_bytes=lambda _: 2.4,  # a bytearray and a copy of it
    ),
    Format(
        name="TIFF",
        matches=tiff.is_tiff,
        open=_opener(tiff.StrictTiffFile),
        check=tiff.check_tiff_start,
        check_image=tiff.check_tiff,
        load=load_tiff,
        read_values=read_tiff_values,
        bits=tiff.tiff_bits,
        block=tiff.tiff_block,
        several="pages",
        left_out=pages_left,
        pixel_bytes=lambda _: 4,  # Pillow turns it itself, into a copy
    ),
    Format(
        name="JPEG2000",
        matches=partial(_begins, signatures=jpeg2000.SIGNATURES),
        open=_opener(Jpeg2KImageFile),
        check=jpeg2000.check_jpeg2000,
        bits=jpeg2000.jpeg2000_bits,
        block=jpeg2000.jpeg2000_block,
        load=jpeg2000.load_jpeg2000,
        read_values=jpeg2000.read_jpeg2000_values,
        file_copies=2,
        sample_bytes=lambda header: header.bits / 8 + 4.5,  # works on 32-bit integers
    ),
    Format(
        name="WEBP",
        matches=webp.is_webp,
        open=_opener(WebPImageFile),
        check=webp.check_webp,
        pixel_bytes=lambda _: 16.5,  # canvas, the one before, the frame's, a copy; alpha
    ),
    Format(
        name="AVIF",
        matches=is_avif,
        open=_opener(AvifImageFile),
        check=check_avif,
        bits=avif_bits,
        left_out=avif_left,
        pixel_bytes=lambda header: 4 + 5 * header.bits / 8,  # planes Y U V A; RGBA, a copy of it
    ),
    Format(
        name="HEIC",
        matches=is_heic,
        open=open_heic,
        check=check_heic,
        bits=heic_bits,
        block=heic_block,
        several="pages",
        file_copies=3,
        pixel_bytes=lambda _: 12,  # planes, of two decoders in turn; RGB, and a copy of it
    ),
    Format(
        name="PPM",
        matches=ppm.is_ppm,
        open=None,
        read_header=ppm.read_ppm_header,
        decode=ppm.decode_ppm,
        read_values=ppm.read_ppm_values,
    ),
)
OTHER_FORMATS: dict[str, Format] = {row.name: row for row in _ROWS}
"""By name: the formats whose pixels Pillow decodes."""
JPEG = "JPEG"
"""The one that simplejpeg decodes: see `jpeg`."""
FORMATS: tuple[str, ...] = (JPEG, *OTHER_FORMATS)
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
