"""How an image of one size becomes a row of another: integer arithmetic, no pixels."""

from dataclasses import dataclass

from imgmem.core.specs import ImageSpec

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True, slots=True)
class Box:
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


def _centred(inner: Size, outer: Size) -> Box:
    height, width = inner
    return Box((outer[0] - height) // 2, (outer[1] - width) // 2, height, width)


def crop_box(size: Size, target: Size) -> Box:
    """The largest centred part of an image of `size` that has the shape of `target`.

    One side is kept whole, the other is rounded half up; an odd remainder leaves the
    larger part at the bottom or right.
    """
    height, width = size
    if width * target[0] > height * target[1]:
        width = min(width, _share(height, target[1], target[0]))
    else:
        height = min(height, _share(width, target[0], target[1]))
    return _centred((height, width), size)


def pad_box(size: Size, target: Size) -> Box:
    """Where in a row of `target` an image of `size` lies, whole, undistorted and centred.

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
