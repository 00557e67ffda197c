"""libtiff by itself: every strip or tile decoded once, to hear what it complains about.

Pillow drops libtiff's warnings, and these are all that shows damage inside JPEG and fax data.
Its handlers for one file alone (libtiff 4.5) keep files in other threads apart.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import _imaging

_Handler = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_void_p,
)
_Transfer = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ssize_t)
_Seek = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_int)
_Close = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_Size = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
_Map = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(ctypes.c_uint64),
)
_Unmap = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64)
_JPEG_COLORS, _AS_RGB = 65538, 1
"""The pseudo-tag that has JPEG's own colors converted, as Pillow sets it, and its value."""
_MESSAGE_BYTES = 256
_MESSAGES = 8


@cache
def _library() -> ctypes.CDLL | None:
    """libtiff as Pillow loaded it; None where it is older than 4.5 or built into Pillow."""
    try:
        library = ctypes.CDLL(_imaging.__file__)
        library.TIFFClientOpenExt.restype = ctypes.c_void_p
        library.TIFFOpenOptionsAlloc.restype = ctypes.c_void_p
        library.TIFFOpenOptionsSetErrorHandlerExtR.restype = None
        library.TIFFOpenOptionsSetWarningHandlerExtR.restype = None
        library.TIFFOpenOptionsFree.restype = None
        library.TIFFClose.restype = None
        library.TIFFSetField.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        for name in ("Strip", "Tile"):
            getattr(library, f"TIFFReadEncoded{name}").restype = ctypes.c_ssize_t
            getattr(library, f"TIFF{name}Size64").restype = ctypes.c_uint64
            getattr(library, f"TIFFNumberOf{name}s").restype = ctypes.c_uint32
        ctypes.CDLL(None).vsnprintf  # noqa: B018
    except (OSError, AttributeError, TypeError):
        return None
    return library


def can_listen() -> bool:
    """Whether `complaints` works with this libtiff."""
    return _library() is not None


def complaints(data: bytes, *, to_rgb: bool = False) -> list[str]:
    """What libtiff says, errors and warnings, while it decodes the first image of a TIFF.

    What it says of the tags is left out: no pixel depends on tags that it passes over.
    Takes memory for one strip or tile.

    to_rgb: for JPEG of YCbCr, whose subsampled tiles libtiff does not return as they are.
    """
    if not can_listen():
        return []
    with _opened(data, to_rgb=to_rgb) as (parts, said):
        for _ in parts:
            pass
    return said


def decoded_parts(data: bytes) -> Iterator[NDArray[np.uint8]]:
    """The bytes of each strip or tile of the first image, samples in the machine's own order.

    Each is valid until the next one is asked for. Raises ValueError, with what libtiff says,
    where one cannot be decoded in full, and where libtiff is too old to be asked.
    """
    if not can_listen():
        raise ValueError("samples of this kind need libtiff 4.5, which is not available")
    with _opened(data) as (parts, said):
        for part, complete in parts:
            if not complete:
                raise ValueError(said[0] if said else "a strip cannot be decoded")
            yield part


@contextmanager
def _opened(
    data: bytes, *, to_rgb: bool = False
) -> Iterator[tuple[Iterator[tuple[NDArray[np.uint8], bool]], list[str]]]:
    """(each strip or tile with whether it is whole, what libtiff says meanwhile)."""
    library = _library()
    assert library is not None
    said: list[str] = []
    format_into = ctypes.CDLL(None).vsnprintf

    def note(_file: int, _user: int, _module: bytes, text: bytes, arguments: int) -> int:
        buffer = ctypes.create_string_buffer(_MESSAGE_BYTES)
        format_into(buffer, _MESSAGE_BYTES, text, ctypes.c_void_p(arguments))
        if len(said) < _MESSAGES:
            said.append(buffer.value.decode("ascii", "replace"))
        return 1

    handler = _Handler(note)
    callbacks = _memory_file(data)
    options = ctypes.c_void_p(library.TIFFOpenOptionsAlloc())
    library.TIFFOpenOptionsSetErrorHandlerExtR(options, handler, None)
    library.TIFFOpenOptionsSetWarningHandlerExtR(options, handler, None)
    tiff = ctypes.c_void_p(library.TIFFClientOpenExt(b"", b"rc", None, *callbacks, options))
    library.TIFFOpenOptionsFree(options)
    if not tiff.value:
        yield iter(()), said or ["it cannot be opened"]
        return
    if to_rgb:
        library.TIFFSetField(tiff, _JPEG_COLORS, ctypes.c_int(_AS_RGB))
    said.clear()
    try:
        yield _decoded(library, tiff), said
    finally:
        library.TIFFClose(tiff)


def _decoded(
    library: ctypes.CDLL, tiff: ctypes.c_void_p
) -> Iterator[tuple[NDArray[np.uint8], bool]]:
    kind = "Tile" if library.TIFFIsTiled(tiff) else "Strip"
    read = getattr(library, f"TIFFReadEncoded{kind}")
    size = getattr(library, f"TIFF{kind}Size64")(tiff)
    buffer = np.zeros(max(1, size), np.uint8)
    for number in range(getattr(library, f"TIFFNumberOf{kind}s")(tiff)):
        pointer = ctypes.c_void_p(buffer.ctypes.data)
        done = read(tiff, ctypes.c_uint32(number), pointer, ctypes.c_ssize_t(size))
        yield buffer[: max(0, done)], done >= 0


def _memory_file(data: bytes) -> tuple[Any, ...]:
    """The callbacks through which libtiff reads `data`, in their order; it maps it."""
    address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
    place = 0

    def read(_: int, target: int, length: int) -> int:
        nonlocal place
        length = max(0, min(length, len(data) - place))
        ctypes.memmove(target, address + place, length)
        place += length
        return length

    def seek(_: int, offset: int, whence: int) -> int:
        nonlocal place
        place = offset + (0, place, len(data))[whence]
        return place

    def map_(_: int, base: Any, size: Any) -> int:
        base[0], size[0] = address, len(data)
        return 1

    nothing: Callable[..., int] = lambda *_: 0  # noqa: E731
    return (
        _Transfer(read),
        _Transfer(nothing),
        _Seek(seek),
        _Close(nothing),
        _Size(lambda _: len(data)),
        _Map(map_),
        _Unmap(lambda *_: None),
    )
