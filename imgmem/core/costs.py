"""The memory that decoding one image takes, from its header alone."""

from imgmem.core.fits import jpeg_eighths, jpeg_scaled
from imgmem.core.headers import Header
from imgmem.core.specs import ImageSpec


def decode_cost(header: Header, spec: ImageSpec, file_bytes: int) -> int:
    """An upper bound on the anonymous memory, in bytes, that `decode_into` takes.

    The file's own bytes are counted, the row is not.
    """
    target = spec.size or header.size
    pixels = header.height * header.width
    row = 16 * target[0] * target[1] * 3
    if header.format != "JPEG":
        return file_bytes + 16 * pixels + row
    eighths = jpeg_eighths(header.size, spec, target)
    height, width = jpeg_scaled(header.size, eighths)
    coefficients = int(2 * header.samples * pixels) if header.progressive else 0
    return file_bytes + coefficients + 7 * height * width + row
