"""Runs of zeros inside compressed pixels: what a broken download leaves where data is missing.

Decoders of formats without checksums read on through them and make pixels of them.
"""

from imgmem.core.errors import RejectedImage

LEAST_RUN = 64
"""Zeros in a row that no coder writes by itself, flat areas of some formats aside."""


def refuse_zeros(
    data: bytes, start: int, end: int, *, natural: int = 0, byte: bytes = b"\0"
) -> None:
    """Reject a run of zeros in data[start:end] that is longer than the format's coder writes.

    natural: the longest run that flat areas make, in bytes. byte: to look for, instead of zero.
    Raises RejectedImage("corrupt").
    """
    length = LEAST_RUN + natural
    at = data.find(byte * length, start, end)
    if at >= 0:
        what = "zeros" if byte == b"\0" else f"bytes {byte.hex().upper()}"
        detail = f"{length} {what} or more from byte {at} on, inside the pixels: data is missing"
        raise RejectedImage("corrupt", detail)
