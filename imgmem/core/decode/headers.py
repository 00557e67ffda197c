"""What an image says of itself before a pixel is decoded."""

import struct

from PIL.ImageFile import ImageFile

from imgmem.core.decode.exif import exif_orientation
from imgmem.core.decode.failures import reject
from imgmem.core.decode.format import Format, Header
from imgmem.core.decode.formats import JPEG, OTHER_FORMATS, sniff
from imgmem.core.decode.jpeg import read_jpeg_header
from imgmem.core.errors import RejectedImage


def read_header(data: bytes, *, complete: bool = True) -> Header:
    """Read format, size and orientation of an image; no pixel is decoded.

    Args:
        data: The file's bytes, or its first part (HEAD_BYTES usually do).
        complete: Whether `data` is the whole file.

    Raises:
        RejectedImage: With `complete=False` the reason "truncated" means that this file's
            header needs more (TIFF and WebP may need all) or that the file is cut.
    """
    name = sniff(data)
    if name == JPEG:
        return read_jpeg_header(data, complete=complete)
    kind = OTHER_FORMATS[name]
    if kind.read_header:
        return kind.read_header(data, complete=complete)
    return describe(open_image(data, kind, complete=complete), kind, data)


def open_image(data: bytes, kind: Format, *, complete: bool = True) -> ImageFile:
    """Open an image with Pillow, lazily. Raises RejectedImage."""
    assert kind.open is not None
    try:
        return kind.open(data)
    except Exception as error:
        if complete:
            check_container(data, kind)  # that it is cut says more than what Pillow stumbled over
        raise reject(error, complete=complete) from error


def check_container(data: bytes, kind: Format) -> set[str]:
    """Reject a file that is cut, or whose checksums are wrong; returns notes.

    Raises RejectedImage: "truncated" or "corrupt". Formats that have nothing to check,
    or whose decoder does it, pass.
    """
    try:
        return kind.check(data)
    except (IndexError, ValueError, struct.error):
        raise RejectedImage("truncated", f"the {kind.name} file ends before its end mark") from None


def describe(image: ImageFile, kind: Format, data: bytes) -> Header:
    """The header of an opened image. Raises RejectedImage."""
    try:
        return _describe(image, kind, data)
    except (IndexError, struct.error):
        raise RejectedImage("truncated", f"ends inside the {kind.name} header") from None
    except (TypeError, ValueError) as error:
        raise reject(error) from error


def _describe(image: ImageFile, kind: Format, data: bytes) -> Header:
    width, height = image.size
    exif = image.info.get("exif") or b""
    orientation = exif_orientation(bytes(exif))
    if orientation >= 5:
        height, width = width, height
    return Header(
        format=kind.name,
        height=height,
        width=width,
        mode=image.mode,
        orientation=orientation,
        bits=kind.bits(image, data),
        samples=len(image.getbands()),
        block=kind.block(image, data),
    )
