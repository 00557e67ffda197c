"""HEIC: an ISO base media file of HEVC images (ISO/IEC 23008-12), by the extra pillow-heif.

Its decoder, libde265, conceals damage and only warns of it. So all its images are decoded by
libde265 itself first, as it comes with pillow-heif, to hear its warnings.
"""

import ctypes
import io
import struct
from collections.abc import Callable, Iterator
from functools import cache
from glob import glob
from importlib.util import find_spec
from os.path import dirname, join
from typing import TYPE_CHECKING

from imgmem.core.decode.avif import boxes_in, brands, extents, items_of
from imgmem.core.decode.zeros import refuse_zeros
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_HEVC = b"hvc1"
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
    """All that the boxes promise, and every HEVC image decoded without a warning.

    Raises RejectedImage; IndexError, ValueError and struct.error for a file that is cut.
    """
    library = _library()
    if library is None:
        detail = "HEIC needs a pillow-heif that comes with libde265, to find damage"
        raise RejectedImage("unsupported", f"{detail}; convert it first, with heif-convert")
    for units in _images(data):
        if said := _complaint(library, units):
            raise RejectedImage("corrupt", said)
    return set()


def _images(data: bytes) -> Iterator[list[bytes]]:
    """The NAL units of each HEVC image, its parameter sets first."""
    for name, start, end in boxes_in(data, 0, len(data)):
        if end > len(data):
            raise IndexError
        if name != b"meta":
            continue
        boxes = {kind: (at, stop) for kind, at, stop in boxes_in(data, start + 4, end)}
        if not {b"iinf", b"iloc", b"iprp"} <= set(boxes):
            continue
        parts: dict[int, list[tuple[int, int]]] = {}
        for item, at, stop in extents(data, boxes[b"iloc"][0]):
            parts.setdefault(item, []).append((at, stop))
        configured = dict(_parameter_sets(data, *boxes[b"iprp"]))
        for item in items_of(data, *boxes[b"iinf"], kind=_HEVC):
            for at, stop in parts.get(item, ()):
                refuse_zeros(data, at, stop, byte=b"\xff")  # which the decoder takes for an end
            stream = b"".join(_part(data, at, stop) for at, stop in parts.get(item, ()))
            yield [*configured.get(item, []), *_units(stream)]


def _part(data: bytes, start: int, end: int) -> bytes:
    if end > len(data):
        raise IndexError
    return data[start:end]


def _units(stream: bytes) -> Iterator[bytes]:
    """The NAL units of an image, each behind its length (14496-15, 8.3.3)."""
    at = 0
    while at < len(stream):
        (length,) = struct.unpack_from(">I", stream, at)
        if not length or at + 4 + length > len(stream):
            raise RejectedImage("corrupt", "a NAL unit of HEVC has an impossible length")
        yield stream[at + 4 : at + 4 + length]
        at += 4 + length


def _parameter_sets(data: bytes, start: int, end: int) -> Iterator[tuple[int, list[bytes]]]:
    """(item, its parameter sets) of all items with an hvcC property (23008-12, 9.3)."""
    properties: list[list[bytes] | None] = []
    for name, at, stop in boxes_in(data, start, end):
        if name == b"ipco":
            for kind, begin, _ in boxes_in(data, at, stop):
                properties.append(list(_sets_in(data, begin)) if kind == b"hvcC" else None)
        if name == b"ipma":
            for item, index in _associations(data, at):
                found = properties[index - 1] if 0 < index <= len(properties) else None
                if found is not None:
                    yield item, found


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


def _associations(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """(item, number of a property) in an ipma box (14496-12, 8.11.14)."""
    version, wide = data[at], data[at + 3] & 1
    (entries,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    for _ in range(entries):
        (item,) = struct.unpack_from(">I" if version else ">H", data, at)
        at += 4 if version else 2
        count, at = data[at], at + 1
        for _ in range(count):
            (index,) = struct.unpack_from(">H" if wide else ">B", data, at)
            yield item, index & (0x7FFF if wide else 0x7F)
            at += 2 if wide else 1


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
