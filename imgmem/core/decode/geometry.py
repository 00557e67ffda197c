"""How an image of one size becomes a row of another: integer arithmetic, no pixels."""

from typing import NamedTuple

from imgmem.core.decode.format import Header, Pixels
from imgmem.core.specs import ImageSpec

Size = tuple[int, int]
"""(height, width) in pixels."""


BAND_PIXELS = 2**18
"""Converted at a time: the temporaries stay in the cache, and small next to a large image."""

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

    def of(self, pixels: Pixels) -> Pixels:
        """The view of `pixels` (H, W, …) inside the rectangle."""
        return pixels[self.top : self.top + self.height, self.left : self.left + self.width]


def _share(length: int, numerator: int, denominator: int) -> int:
    """length × numerator ÷ denominator, rounded half up, at least 1."""
    return max(1, (2 * length * numerator + denominator) // (2 * denominator))


def _best(size: Size, target: Size) -> Size:
    """The size of the largest part of an image of `size` that has the shape of `target`.

    One side is kept whole, the other is rounded half up.
    """
    height, width = size
    if width * target[0] > height * target[1]:
        return height, min(width, _share(height, target[1], target[0]))
    return min(height, _share(width, target[0], target[1])), width


def crop_box(size: Size, target: Size) -> Box:
    """The largest centered part of an image of `size` that has the shape of `target`."""
    return center_box(size, _best(size, target))


def center_box(size: Size, inner: Size) -> Box:
    """The center of an image of `size`: half of what is cut, rounded to the even neighbor, lies
    above and to the left, as in torchvision's CenterCrop."""
    return Box(round((size[0] - inner[0]) / 2), round((size[1] - inner[1]) / 2), *inner)


def pad_box(size: Size, target: Size) -> Box:
    """Where in a row of `target` an image of `size` lies, whole, undistorted and centered.

    An odd remainder leaves the larger part at the bottom or right.
    """
    height, width = _best(target, size)
    return Box((target[0] - height) // 2, (target[1] - width) // 2, height, width)


class Fitting(NamedTuple):
    """How an image fills a row: its `part` is resized to the size `becomes`, of which `window`
    lies at `place` in the row."""

    part: Box
    becomes: Size
    window: Box
    place: Box


def fitting(pixels: Size, size: Size, spec: ImageSpec, target: Size) -> Fitting:
    """How upright pixels fill a row of `target`.

    Args:
        pixels: Of the image as it was decoded, perhaps at a smaller scale.
        size: Of the image itself.
        spec: How the row is made.
        target: Size of the row.
    """
    row, whole = Box(0, 0, *target), Box(0, 0, *pixels)
    if _resized_whole(spec):
        becomes = _covering(size, spec.shorter, target)
        return Fitting(whole, becomes, center_box(becomes, target), row)
    part = crop_box(pixels, target) if spec.fit == "crop" else whole
    place = pad_box(size, target) if spec.fit == "pad" else row
    return Fitting(part, place.size, Box(0, 0, *place.size), place)


def _resized_whole(spec: ImageSpec) -> bool:
    """Whether an image is resized first and cropped then, as torchvision's transforms do."""
    return spec.fit == "crop" and (spec.shorter is not None or spec.resize == "pillow")


def _covering(size: Size, shorter: int | None, target: Size) -> Size:
    """The size of an image whose shorter side is `shorter` (None: that just covers `target`).

    The other side is rounded down, as torchvision's Resize does.
    """
    height, width = size
    if shorter:
        across_first = width <= height
        target = shorter, shorter
    else:
        across_first = width * target[0] <= height * target[1]
    if across_first:
        return int(target[1] * height / width), target[1]
    return target[0], int(target[0] * width / height)


def resized(size: Size, spec: ImageSpec, target: Size) -> Size:
    """What an upright image of `size` as a whole becomes before it is cropped or padded."""
    fit = fitting(size, size, spec, target)
    return (
        -(-fit.becomes[0] * size[0] // fit.part.height),
        -(-fit.becomes[1] * size[1] // fit.part.width),
    )


def jpeg_eighths(size: Size, spec: ImageSpec, target: Size) -> int:
    """The scale at which an upright JPEG of `size` is decoded: 1, 2, 4 or 8 eighths.

    The smallest that leaves at least twice what the row needs on both sides. The other
    eighths are slower than a full decode or close to it (no SIMD in libjpeg-turbo: 7/8
    takes twice the time of 8/8), and the other filters are promised all pixels.
    """
    if spec.resize != "auto":
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
    if spec.stretch:
        return False
    if header.size != target or header.orientation != 1:
        return False
    return header.mode == ("RGB" if spec.channels == "rgb" else "L")


def is_row(header: Header, spec: ImageSpec, target: Size) -> bool:
    """Whether the pixels of an image that Pillow decodes are those of the row."""
    return header.orientation == 1 and header.size == target and not spec.stretch


def is_resized(size: Size, spec: ImageSpec, target: Size) -> bool:
    """Whether pixels of an upright image of `size` are mixed on the way to a row."""
    fit = fitting(size, size, spec, target)
    return fit.part.size != fit.becomes


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
