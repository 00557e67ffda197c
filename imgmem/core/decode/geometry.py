"""How an image of one size becomes a row of another: integer arithmetic, no pixels."""

from typing import NamedTuple

from imgmem.core.decode.format import Header
from imgmem.core.specs import ImageSpec

Size = tuple[int, int]
"""(height, width) in pixels."""


BAND_PIXELS = 2**18
"""Converted at a time: the temporaries stay in the cache, and small beside a large image."""

AREA_FROM = 4
"""Shrinking by more than this, interpolation leaves out pixels; the area mean does not."""


class Box(NamedTuple):
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def size(self) -> Size:
        """(height, width)."""
        return self.height, self.width


def _share(length: int, numerator: int, denominator: int) -> int:
    """length × numerator ÷ denominator, rounded half up, at least 1."""
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


def _centered(inner: Size, outer: Size) -> Box:
    height, width = inner
    return Box((outer[0] - height) // 2, (outer[1] - width) // 2, height, width)


def crop_box(size: Size, target: Size) -> Box:
    """The largest centered part of an image of `size` that has the shape of `target`.

    One side is kept whole, the other is rounded half up; an odd remainder leaves the
    larger part at the bottom or right.
    """
    height, width = size
    if width * target[0] > height * target[1]:
        width = min(width, _share(height, target[1], target[0]))
    else:
        height = min(height, _share(width, target[0], target[1]))
    return _centered((height, width), size)


def pad_box(size: Size, target: Size) -> Box:
    """Where in a row of `target` an image of `size` lies, whole, undistorted and centered.

    The rounding is that of `crop_box`.
    """
    return crop_box(target, size)


def target_box(size: Size, spec: ImageSpec, target: Size) -> Box:
    """The part of a row of `target` that an upright image of `size` fills."""
    return pad_box(size, target) if spec.fit == "pad" else Box(0, 0, *target)


def source_box(size: Size, spec: ImageSpec, target: Size) -> Box:
    """The part of an upright image of `size` that goes into a row of `target`."""
    return crop_box(size, target) if spec.fit == "crop" else Box(0, 0, *size)


def resized(size: Size, spec: ImageSpec, target: Size) -> Size:
    """What an upright image of `size` as a whole becomes before it is cropped or padded."""
    part = source_box(size, spec, target)
    filled = target_box(size, spec, target)
    return (
        -(-filled.height * size[0] // part.height),
        -(-filled.width * size[1] // part.width),
    )


def jpeg_eighths(size: Size, spec: ImageSpec, target: Size) -> int:
    """The scale at which an upright JPEG of `size` is decoded: 1, 2, 4 or 8 eighths.

    The smallest that leaves at least twice what the row needs on both sides. The other
    eighths are slower than a full decode or close to it (no SIMD in libjpeg-turbo: 7/8
    takes twice the time of 8/8), and the area filter is promised all pixels.
    """
    if spec.resize == "area":
        return 8
    height, width = resized(size, spec, target)
    for eighths in (1, 2, 4):
        scaled = jpeg_scaled(size, eighths)
        if scaled[0] >= 2 * height and scaled[1] >= 2 * width:
            return eighths
    return 8


def jpeg_scaled(size: Size, eighths: int) -> Size:
    """What libjpeg makes of `size` at a scale of `eighths`: every side rounded up."""
    return -(-size[0] * eighths // 8), -(-size[1] * eighths // 8)


def jpeg_fills(header: Header, spec: ImageSpec, target: Size) -> bool:
    """Whether what libjpeg decodes is the row itself: nothing to turn, convert or resize."""
    if header.size != target or header.orientation != 1:
        return False
    return header.mode == ("RGB" if spec.channels == "rgb" else "L")


def area_first(size: Size, target: Size, spec: ImageSpec) -> bool:
    """Whether the area mean is used: if wanted, or where a side shrinks by more than AREA_FROM."""
    far = size[0] > AREA_FROM * target[0] or size[1] > AREA_FROM * target[1]
    return far or spec.resize == "area"


def halfway(size: Size, target: Size, *, area: bool) -> Size:
    """The size between the two steps in which `size` is resized to `target`.

    `area`: all that shrinks does so in the first step, by its area mean, and the rest is
    enlarged in the second, by interpolation. Else sides that shrink are interpolated to
    twice the target first and averaged in pairs in the second step: as close to an
    antialiased filter as the area mean, in half its time.
    """
    if area:
        return min(size[0], target[0]), min(size[1], target[1])
    return _doubled(size[0], target[0]), _doubled(size[1], target[1])


def _doubled(length: int, target: int) -> int:
    return 2 * target if length > target else target
