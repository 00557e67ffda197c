"""An image as the bytes of a file."""

from typing import Any

import cv2
from numpy.typing import NDArray

JPEG_QUALITY = 92


def encode(image: NDArray[Any], extension: str) -> bytes:
    """An RGB or gray image as the bytes of a PNG (uint8 or uint16) or JPEG file (uint8)."""
    order = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.shape[-1] == 3 else image
    options = [] if extension == ".png" else [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(extension, order, options)[1].tobytes()
