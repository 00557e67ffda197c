"""One file decoded: its row and the notes, or the reason against it."""

import numpy as np
import pytest

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import decode_into
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec


def read(data, **options):
    """The row of native size, and the notes."""
    row = np.zeros((*read_header(data).size, 3), np.uint8)
    return row, decode_into(data, ImageSpec(size=None, **options), row).notes


def reject(data):
    """The reason and the detail."""
    with pytest.raises(RejectedImage) as caught:
        read(data)
    return str(caught.value)
