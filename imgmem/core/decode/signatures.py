"""Which image format some bytes are, whatever the name of their file."""

from typing import NoReturn

from imgmem.core.errors import RejectedImage

CODESTREAM = b"\xff\x4f\xff\x51"
"""How JPEG 2000 pixels begin, in a file or bare (ITU-T T.800, A.4.1 and A.5.1)."""

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG2000"),
    (CODESTREAM, "JPEG2000"),
)
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


def sniff(data: bytes) -> str:
    """The format of an image by its first bytes, whatever its name: one of `headers.FORMATS`.

    Raises RejectedImage: "empty", "not-an-image", or "unsupported" with a remedy.
    """
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _sniff_brands(data)
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "PPM"
    return _refuse(data)


def _sniff_brands(data: bytes) -> str:
    """AVIF, or a reject, by the brands of an ISO base media file (ISO/IEC 14496-12, 4.3)."""
    length = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[at : at + 4] for at in (8, *range(16, length - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}:
        detail = "HEIC is not read; convert it first, with heif-convert or sips -s format jpeg"
        raise RejectedImage("unsupported", detail)
    raise RejectedImage("unsupported", "a video or another ISO media file, not a picture")


def _refuse(data: bytes) -> NoReturn:
    """Say what data that is of no format that is read looks like."""
    if not data:
        raise RejectedImage("empty", "0 bytes")
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
    raise RejectedImage("not-an-image", "text" if text else "no image format that is known")
