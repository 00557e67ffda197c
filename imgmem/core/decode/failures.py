"""What the exceptions of decoders mean."""

from imgmem.core.errors import RejectedImage

_UNABLE = (
    "not installed",
    "not available",
    "not supported",
    "unsupported",
    "unknown pixel mode",
    "Could not determine subsampling",
)


def reject(error: Exception, *, complete: bool = True) -> RejectedImage:
    """What a decoder's exception means; raises MemoryError if it is about memory."""
    said = str(error) or type(error).__name__
    if isinstance(error, MemoryError) or "memory" in said.lower():
        raise MemoryError(said) from error
    if not complete or "truncat" in said.lower() or "Premature end of JPEG file" in said:
        return RejectedImage("truncated", said)
    return RejectedImage("unsupported" if any(w in said for w in _UNABLE) else "corrupt", said)
