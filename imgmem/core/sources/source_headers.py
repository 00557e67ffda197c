"""Headers of a source's images, from as few of their bytes as will do."""

from imgmem.core.decode.format import HEAD_BYTES, Header
from imgmem.core.decode.headers import read_header
from imgmem.core.errors import RejectedImage
from imgmem.core.sources import Locator, Source

FIRST_BYTES = 4096
"""Enough for nine photographs in ten (no thumbnail, no color profile), at one page of I/O."""


def read_source_header(source: Source, name: str, size: int, locator: Locator) -> Header:
    """The header of an image of `size` bytes: of its first page, its first part, or all of it.

    Raises RejectedImage where not even all bytes give one.
    """
    for length in (FIRST_BYTES, HEAD_BYTES):
        if length < size:
            try:
                return read_header(source.read_head(name, locator, length), complete=False)
            except RejectedImage as reject:
                if reject.reason != "truncated":
                    raise
    return read_header(source.read(name, locator))
