"""What the exceptions of decoders mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from imgmem.core.errors import RejectedImage, RejectReason

_NO_MEMORY = ("insufficient memory", "out of memory", "memory allocation", "allocate memory")

_OWN_LIMIT = "security limit"
"""Of libheif: it refuses the file, whatever memory there is."""

_SUBSAMPLING = "a chroma subsampling that is not read; re-save it"


class _Meaning(NamedTuple):
    """What is meant where a message contains `said`; words: instead of it, if any."""

    said: str
    reason: RejectReason
    words: str = ""


_MEANINGS = (
    _Meaning("truncat", "truncated"),
    _Meaning("premature end of jpeg file", "truncated"),
    _Meaning("not enough image data", "truncated", "the file does not hold all of its pixels"),
    _Meaning("could not determine subsampling", "unsupported", _SUBSAMPLING),
    _Meaning("codec configuration error", "unsupported", "a kind of pixels that is not read"),
    _Meaning("unknown pixel mode", "unsupported", "a kind of pixels that is not read"),
    _Meaning("unrecognized image mode", "unsupported", "a kind of pixels that is not read"),
    _Meaning("samples per pixel", "unsupported", "an image of more bands than RGB and alpha"),
    _Meaning("unknown data organization", "corrupt", "the tags do not say where the pixels are"),
    _Meaning("missing dimensions", "corrupt", "the tags do not say how large the image is"),
    _Meaning("invalid exif payload", "unsupported", "libavif refuses its EXIF block; re-save it"),
    _Meaning("not installed", "unsupported"),
    _Meaning("not available", "unsupported"),
    _Meaning("not supported", "unsupported"),
    _Meaning("not yet supported", "unsupported"),
    _Meaning("unsupported bmp", "unsupported", "a kind of BMP that is not read; convert it to PNG"),
    _Meaning("unsupported", "unsupported"),
    _Meaning(_OWN_LIMIT, "corrupt"),
    _Meaning("corrupt jpeg data", "corrupt"),
)


def reject(error: Exception, *, complete: bool = True) -> RejectedImage:
    """What a decoder's exception means; raises MemoryError if there was too little memory.

    complete: whether the decoder had the whole file; else all that it says means "truncated".
    """
    said = str(error)
    lower = said.lower()
    no_memory = any(words in lower for words in _NO_MEMORY) and _OWN_LIMIT not in lower
    if isinstance(error, MemoryError) or no_memory:
        raise MemoryError(said) from error
    if not complete:
        return RejectedImage("truncated", said or "ends inside the header")
    for meaning in _MEANINGS:
        if meaning.said in lower:
            return RejectedImage(meaning.reason, meaning.words or said)
    return RejectedImage("corrupt", _in_words(error))


@contextmanager
def rejecting() -> Iterator[None]:
    """Within, what a decoder raises becomes a reject."""
    try:
        yield
    except RejectedImage:
        raise
    except Exception as error:
        raise reject(error) from error


def _in_words(error: Exception) -> str:
    """The message, if it says anything to who has not written the decoder."""
    said = str(error)
    if isinstance(error, AssertionError | KeyError | IndexError | ValueError | TypeError):
        return f"its header contradicts itself ({said or type(error).__name__})"
    return said or f"the decoder gave up ({type(error).__name__})"
