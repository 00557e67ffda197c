"""HEIC: an ISO base media file of HEVC images (ISO/IEC 23008-12), by the extra pillow-heif.

Its decoder, libde265, conceals damage and only warns of it. So the image, or all of its tiles, and
its transparency are decoded by libde265 itself first, as it comes with pillow-heif, to hear its
warnings. Thumbnails, depth and gain maps are not looked at.
"""

import ctypes
import io
import re
import struct
from collections.abc import Callable, Iterator
from functools import cache
from glob import glob
from importlib.util import find_spec
from os.path import dirname, join
from typing import TYPE_CHECKING

from imgmem.core.decode.bits import hevc_size
from imgmem.core.decode.isobmff import Meta, brands, meta_of, require_size
from imgmem.core.decode.zeros import refuse_zeros
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_HEVC = "hvc1"
_SEQUENCE_SET = 33
_LARGEST_BLOCK = 65
"""One more than the coding tree blocks of HEVC add to a side."""
_FORBIDDEN = re.compile(rb"\x00\x00(?:[\x00-\x02]|\x03[^\x00-\x03])")
"""What no NAL unit may hold (H.265, 7.4.2): coders put a 3 between such bytes."""
_LIBRARIES = ("../pillow_heif.libs/*de265*", ".dylibs/*de265*", "*de265*")
"""Where the wheels of pillow-heif have it, from its package's folder."""
_NO_THREADS = 1000
"""The one warning that is not of the file."""
_MOST_STEPS = 100_000


def is_heif(data: bytes) -> bool:
    """Whether one of the brands is of HEIF; AVIF files may have one too."""
    return bool(brands(data) & _BRANDS)


def is_heic(data: bytes) -> bool:
    """Whether it is such a file, and what reads it is installed."""
    return is_heif(data) and find_spec("pillow_heif") is not None


def open_heic(data: bytes) -> "ImageFile":
    """Open the primary image with pillow-heif, lazily and upright."""
    import pillow_heif

    reader: Callable[[io.BytesIO], ImageFile] = pillow_heif.HeifImageFile
    return reader(io.BytesIO(data))


def heic_bits(image: "ImageFile", _: bytes) -> int:
    return 16 if image.info.get("bit_depth", 8) > 8 else 8


@cache
def _library() -> ctypes.CDLL | None:
    """libde265 of pillow-heif; None where it is elsewhere or built in."""
    spec = find_spec("pillow_heif")
    folder = dirname(spec.origin) if spec and spec.origin else ""
    for pattern in _LIBRARIES:
        for name in sorted(glob(join(folder, pattern))):
            try:
                library = ctypes.CDLL(name)
                library.de265_new_decoder.restype = ctypes.c_void_p
                library.de265_get_next_picture.restype = ctypes.c_void_p
                library.de265_get_error_text.restype = ctypes.c_char_p
            except (OSError, AttributeError):
                continue
            return library
    return None


def check_heic(data: bytes) -> set[str]:
    """All that the boxes promise, and every coded part of the image decoded without a warning.

    Raises RejectedImage; IndexError, ValueError and struct.error for a file that is cut.
    """
    library = _library()
    if library is None:
        detail = "HEIC needs a pillow-heif that comes with libde265, to find damage"
        raise RejectedImage("unsupported", f"{detail}; convert it first, with heif-convert")
    meta = meta_of(data)
    parts = _parts(meta) if meta else []
    if not parts or not meta:
        detail = "a HEIF file without a still image; extract one first, with ffmpeg"
        raise RejectedImage("unsupported", detail)
    for item in parts:
        if said := _complaint(library, _image(meta, item)):
            raise RejectedImage("corrupt", said)
    return set()


def heic_block(_: "ImageFile", data: bytes) -> int:
    """Pixels of the largest tile: each is decoded by itself, whatever lies outside of the image."""
    meta = meta_of(data, complete=False)
    sizes = [meta.size_of(item) or (0, 0) for item in meta.tiles()] if meta else []
    return max((width * height for width, height in sizes), default=0)


def _parts(meta: Meta) -> list[int]:
    """The coded items of the image. Raises RejectedImage for others than HEVC."""
    meta.check_grids()
    parts = meta.parts()
    if not set(parts) <= set(meta.kinds):
        raise RejectedImage("corrupt", "it refers to an image that is not in it")
    others = {meta.kinds[item].decode("latin-1") for item in parts} - {_HEVC}
    if others:
        detail = f"a HEIF image coded as {', '.join(sorted(others))}; convert it first"
        raise RejectedImage("unsupported", detail)
    return parts


def _image(meta: Meta, item: int) -> list[bytes]:
    """The NAL units of a coded item, its parameter sets first."""
    sets: list[bytes] = []
    for kind, at, _ in meta.properties.get(item, ()):
        if kind == b"hvcC":
            sets += _sets_in(meta.data, at)
    for unit in sets:
        if unit and unit[0] >> 1 & 63 == _SEQUENCE_SET:
            require_size(meta.size_of(item), hevc_size(unit), _LARGEST_BLOCK)
    for start, end in meta.extents.get(item, ()):
        refuse_zeros(meta.data, start, end, byte=b"\xff")  # which the decoder takes for an end
    return [*sets, *_units(meta.stream(item))]


def _units(stream: bytes) -> Iterator[bytes]:
    """The NAL units of an image, each behind its length (14496-15, 8.3.3)."""
    at = 0
    while at < len(stream):
        (length,) = struct.unpack_from(">I", stream, at)
        if not length or at + 4 + length > len(stream):
            raise RejectedImage("corrupt", "a NAL unit of HEVC has an impossible length")
        unit = stream[at + 4 : at + 4 + length]
        if _FORBIDDEN.search(unit):
            detail = "a NAL unit of HEVC holds bytes that none may hold: data is missing or changed"
            raise RejectedImage("corrupt", detail)
        yield unit
        at += 4 + length


def _sets_in(data: bytes, at: int) -> Iterator[bytes]:
    """The parameter sets in an hvcC box (14496-15, 8.3.3.1)."""
    arrays, at = data[at + 22], at + 23
    for _ in range(arrays):
        (count,) = struct.unpack_from(">H", data, at + 1)
        at += 3
        for _ in range(count):
            (length,) = struct.unpack_from(">H", data, at)
            yield data[at + 2 : at + 2 + length]
            at += 2 + length


def _complaint(library: ctypes.CDLL, units: list[bytes]) -> str:
    """What libde265 says, if anything, while it decodes one image."""
    decoder = ctypes.c_void_p(library.de265_new_decoder())
    try:
        for unit in units:
            library.de265_push_NAL(decoder, unit, len(unit), ctypes.c_int64(0), None)
        library.de265_flush_data(decoder)
        error = _decode(library, decoder)
        while not error and (warning := library.de265_get_warning(decoder)):
            error = 0 if warning == _NO_THREADS else warning
        if error:
            text = library.de265_get_error_text(error)
            return f"HEVC: {text.decode('ascii', 'replace')}"
        whole = library.de265_get_next_picture(decoder)
        return "" if whole else "HEVC: there is no image in it"
    finally:
        library.de265_free_decoder(decoder)


def _decode(library: ctypes.CDLL, decoder: ctypes.c_void_p) -> int:
    more = ctypes.c_int(1)
    for _ in range(_MOST_STEPS):
        if not more.value:
            break
        more.value = 0
        error = int(library.de265_decode(decoder, ctypes.byref(more)))
        if error:
            return error
    return 0
