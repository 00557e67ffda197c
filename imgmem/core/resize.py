"""Pixels into a row: turn upright, cut, convert, resize. All arithmetic is OpenCV's.

Only linear interpolation and area means: their bytes do not depend on the CPU.
"""

import cv2
import numpy as np
import numpy.typing as npt

from imgmem.core.fits import Size, source_box, target_box
from imgmem.core.specs import ImageSpec

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) RGB or (H, W) grey."""

cv2.setNumThreads(1)  # the workers are ours

_AREA_FROM = 4
"""Shrinking by more than this, a bilinear first step leaves out pixels; the area mean does not."""


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """`pixels` as its EXIF orientation (1–8) says that it is to be seen.

    The table is that of EXIF 2.32, 4.6.4 "Orientation".
    """
    if orientation in (5, 7):
        pixels = cv2.transpose(pixels)  # type: ignore[assignment]
    if orientation in (6, 8):
        turn = cv2.ROTATE_90_CLOCKWISE if orientation == 6 else cv2.ROTATE_90_COUNTERCLOCKWISE
        return cv2.rotate(pixels, turn)  # type: ignore[return-value]
    flips = {2: 1, 3: -1, 4: 0, 7: -1}  # cv2.flip: 1 left–right, 0 top–bottom, -1 both
    if orientation in flips:
        return cv2.flip(pixels, flips[orientation])  # type: ignore[return-value]
    return pixels


def place(pixels: Pixels, spec: ImageSpec, row: Pixels, size: Size) -> None:
    """Fit upright `pixels` into `row` (H, W, 3 or 1) as `spec` says.

    size: of the image itself, of which `pixels` may be a smaller version.
    """
    target = row.shape[0], row.shape[1]
    part = source_box((pixels.shape[0], pixels.shape[1]), spec, target)
    box = target_box(size, spec, target)
    if box.size != target:
        row[...] = background(spec)
    pixels = pixels[part.top : part.top + part.height, part.left : part.left + part.width]
    region = row[box.top : box.top + box.height, box.left : box.left + box.width]
    _fill(pixels, region, exact=spec.resize == "area")


def background(spec: ImageSpec) -> npt.NDArray[np.uint8]:
    """The background in the row's channels."""
    colour = np.array([[spec.background]], np.uint8)
    return colour[0, 0] if spec.channels == "rgb" else cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)[0]  # type: ignore[return-value]


def convert_into(pixels: Pixels, out: Pixels) -> None:
    """Copy RGB or grey `pixels` into `out` of the same size, RGB (H, W, 3) or grey (H, W)."""
    if pixels.ndim == out.ndim:
        out[...] = pixels
    elif out.ndim == 2:
        cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY, dst=out)
    else:
        cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB, dst=out)


def plane(row: Pixels) -> Pixels:
    """`row` without its last axis if that is one grey channel: OpenCV's shape."""
    return row[:, :, 0] if row.shape[2] == 1 else row


def _fill(pixels: Pixels, region: Pixels, *, exact: bool) -> None:
    """Resize `pixels` into `region`, with one channel as long as there is only one."""
    region = plane(region)
    if pixels.ndim > region.ndim:
        grey = np.empty(pixels.shape[:2], np.uint8)
        convert_into(pixels, grey)
        pixels = grey
    if pixels.ndim == region.ndim:
        _resize_into(pixels, region, exact=exact)
    else:
        grey = np.empty(region.shape[:2], np.uint8)
        _resize_into(pixels, grey, exact=exact)
        convert_into(grey, region)


def _resize_into(pixels: Pixels, out: Pixels, *, exact: bool) -> None:
    """Resize `pixels` to the size of `out`, side by side by its ratio.

    Enlarged sides are interpolated. Shrunk sides are interpolated to twice the size and
    averaged in pairs, as close to an antialiased filter as the area mean and twice as
    fast; where a side shrinks by more than 4, or if `exact`, it is the area mean.
    """
    (height, width), (to_height, to_width) = pixels.shape[:2], out.shape[:2]
    if (height, width) == (to_height, to_width):
        out[...] = pixels
        return
    shrinks_far = height > _AREA_FROM * to_height or width > _AREA_FROM * to_width
    if shrinks_far or exact:
        first, second = cv2.INTER_AREA, cv2.INTER_LINEAR
        middle = min(height, to_height), min(width, to_width)
    else:
        first, second = cv2.INTER_LINEAR, cv2.INTER_AREA
        middle = _doubled(height, to_height), _doubled(width, to_width)
    if middle == (to_height, to_width):
        second = first
    elif middle != (height, width):
        pixels = _resized(pixels, middle, first)
    cv2.resize(pixels, (to_width, to_height), dst=out, interpolation=second)


def _doubled(length: int, target: int) -> int:
    return 2 * target if length > target else target


def _resized(pixels: Pixels, size: Size, interpolation: int) -> Pixels:
    return cv2.resize(pixels, (size[1], size[0]), interpolation=interpolation)  # type: ignore[return-value]
