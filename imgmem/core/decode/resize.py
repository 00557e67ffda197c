"""Pixels into a row: turn upright, cut, convert, resize. All arithmetic is OpenCV's or Pillow's.

Only linear interpolation and area means: their bytes do not depend on the CPU. Of OpenCV's
interpolation this holds for uint8 alone, so that Pillow interpolates values of other types.
"""

import cv2
import numpy as np
from PIL import Image

from imgmem.core.decode.format import Pixels
from imgmem.core.decode.geometry import Size, area_first, fitting, halfway
from imgmem.core.specs import ImageSpec


def apply_orientation(pixels: Pixels, orientation: int) -> Pixels:
    """`pixels` as its EXIF orientation (1–8) says that it should be seen.

    The table is that of EXIF 2.32, 4.6.4 "Orientation".
    """
    if orientation in (5, 7):
        pixels = cv2.transpose(pixels)
    if orientation in (6, 8):
        turn = cv2.ROTATE_90_CLOCKWISE if orientation == 6 else cv2.ROTATE_90_COUNTERCLOCKWISE
        return cv2.rotate(pixels, turn)
    flips = {2: 1, 3: -1, 4: 0, 7: -1}  # cv2.flip: 1 left–right, 0 top–bottom, -1 both
    if orientation in flips:
        return cv2.flip(pixels, flips[orientation])
    return pixels


def fit_into(pixels: Pixels, spec: ImageSpec, row: Pixels, size: Size) -> None:
    """Fit upright `pixels` into `row` (H, W, 3 or 1) as `spec` says.

    size: of the image itself, of which `pixels` may be a smaller version.
    """
    target = row.shape[0], row.shape[1]
    fit = fitting((pixels.shape[0], pixels.shape[1]), size, spec, target)
    if fit.place.size != target:
        row[...] = background(spec)
    pixels = fit.part.of(pixels)
    region = fit.place.of(row)
    if fit.window.size == fit.becomes:
        _fill(pixels, region, spec)
        return
    whole = np.empty((*fit.becomes, row.shape[2]), row.dtype)
    _fill(pixels, whole, spec)
    region[...] = fit.window.of(whole)


_GRAY_WEIGHTS = (0.299, 0.587, 0.114)


def background(spec: ImageSpec) -> Pixels:
    """The background in the row's channels."""
    color: Pixels = np.array([[spec.padding]], np.uint8)
    if spec.channels == "gray":
        color = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    return color.reshape(-1)


def convert_into(pixels: Pixels, out: Pixels) -> None:
    """Copy RGB or gray `pixels` into `out` of the same size, RGB (H, W, 3) or gray (H, W)."""
    if pixels.ndim == out.ndim:
        out[...] = pixels
    elif out.ndim == 2 and pixels.dtype == np.float32:
        out[...] = pixels.astype(np.float64) @ _GRAY_WEIGHTS  # OpenCV's bits depend on the CPU
    elif out.ndim == 2:
        cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY, dst=out)
    else:
        cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB, dst=out)


def plane(row: Pixels) -> Pixels:
    """`row` without its last axis if that is one gray channel: OpenCV's shape."""
    return row[:, :, 0] if row.shape[2] == 1 else row


def _fill(pixels: Pixels, region: Pixels, spec: ImageSpec) -> None:
    """Resize `pixels` into `region`, with one channel as long as there is only one."""
    region = plane(region)
    if pixels.ndim > region.ndim:
        gray = np.empty(pixels.shape[:2], pixels.dtype)
        convert_into(pixels, gray)
        pixels = gray
    if pixels.ndim == region.ndim:
        _resize_into(pixels, region, spec)
    else:
        gray = np.empty(region.shape[:2], region.dtype)
        _resize_into(pixels, gray, spec)
        convert_into(gray, region)


def _resize_into(pixels: Pixels, out: Pixels, spec: ImageSpec) -> None:
    """Resize `pixels` to the size of `out`, in the two steps of `geometry.halfway`."""
    size = pixels.shape[0], pixels.shape[1]
    target = out.shape[0], out.shape[1]
    if size == target:
        out[...] = pixels
        return
    if pixels.dtype != np.uint8:
        _resize_values(pixels, out, area=spec.resize == "area")
        return
    if spec.resize == "pillow":
        image = Image.fromarray(pixels).resize(target[::-1], Image.Resampling.BILINEAR)
        out[...] = np.asarray(image)
        return
    area = area_first(size, target, spec)
    first, second = (cv2.INTER_AREA, cv2.INTER_LINEAR)[:: 1 if area else -1]
    middle = halfway(size, target, area=area)
    if middle == target:
        second = first
    elif middle != size:
        pixels = cv2.resize(pixels, middle[::-1], interpolation=first)
    cv2.resize(pixels, target[::-1], dst=out, interpolation=second)


def _resize_values(values: Pixels, out: Pixels, *, area: bool) -> None:
    """Resize uint16 or float32 values to the size of `out`, without losing precision between."""
    target = out.shape[0], out.shape[1]
    middle = halfway((values.shape[0], values.shape[1]), target, area=True)
    if area and middle != values.shape[:2]:
        values = cv2.resize(values, middle[::-1], interpolation=cv2.INTER_AREA)
    if values.shape[:2] == target:
        out[...] = values
        return
    planes = values[:, :, np.newaxis] if values.ndim == 2 else values
    into = out[:, :, np.newaxis] if out.ndim == 2 else out
    for channel in range(planes.shape[2]):
        image = Image.fromarray(planes[:, :, channel].astype(np.float32))
        plane = np.asarray(image.resize(target[::-1], Image.Resampling.BILINEAR))
        into[:, :, channel] = np.rint(plane) if out.dtype == np.uint16 else plane
