"""What files are that are not read, by their first bytes."""

from typing import NoReturn

from imgmem.core.decode.avif import brands
from imgmem.core.errors import RejectedImage

_UNSUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"8BPS", "Photoshop"),
    (b"\0\0\1\0", "Windows icon"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"II\xbc", "JPEG XR"),
    (b"qoif", "QOI"),
    (b"%!PS", "PostScript"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
    (b"Pf", "PFM"),
    (b"PF", "PFM"),
    (b"P7", "PAM"),
)
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}


def refuse(data: bytes) -> NoReturn:
    """Say what data that is of no format that is read looks like."""
    if not data:
        raise RejectedImage("empty", "0 bytes")
    if data[4:8] == b"ftyp":
        _refuse_media(data)
    for signature, name in _UNSUPPORTED:
        if data.startswith(signature):
            raise RejectedImage("unsupported", f"{name} is not read; convert it to PNG first")
    start = data[:512].lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        raise RejectedImage("not-an-image", "a Git LFS pointer; fetch the file with git lfs pull")
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        raise RejectedImage("not-an-image", "an HTML or XML page")
    if not data[:512].strip(b"\0"):
        raise RejectedImage("corrupt", "begins with zeros")
    text = not set(data[:512]) & set(range(9))
    raise RejectedImage("not-an-image", "text" if text else "unrecognized image format")


def _refuse_media(data: bytes) -> NoReturn:
    """Name an ISO base media file that is not AVIF (ISO/IEC 14496-12, 4.3)."""
    if brands(data) & _HEIF_BRANDS:
        detail = "HEIC is not read; convert it first, with heif-convert or sips -s format jpeg"
        raise RejectedImage("unsupported", detail)
    raise RejectedImage("unsupported", "a video or another ISO media file, not an image")
