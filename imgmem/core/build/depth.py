"""What images of more than 8 bits are like: asked before the first row.

A sensor of 12 bits in a file of 16 reaches a sixteenth of the range, and would become 16 nearly
black pixel values. So some sources are decoded whole, chosen by nothing but their paths.
"""

import os
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np

from imgmem.core.build.image_headers import readable_headers
from imgmem.core.build.plan import Plan
from imgmem.core.build.planned import PlannedImage
from imgmem.core.decode.format import Header
from imgmem.core.decode.formats import OTHER_FORMATS
from imgmem.core.decode.headers import open_image
from imgmem.core.decode.images import check_size, read_stored
from imgmem.core.decode.memory_cost import stored_cost
from imgmem.core.decode.values import Stored, is_narrow
from imgmem.core.errors import RejectedImage
from imgmem.core.sources import Source
from imgmem.core.sources.labeling import Doubt, Remedy
from imgmem.core.specs import BuildSpec, ImageSpec, row_dtype

EXAMINED = 64
"""Sources of more than 8 bits that are decoded."""
HEADERS = 1024
"""Sources whose headers are read to find them."""
_NEVER_DEEP = (".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".bmp", ".heic", ".avif")
"""Extensions of files that have 8 bits, or whose decoder scales by the bits that the file says."""


class Depth(NamedTuple):
    """What was found. window: the values that are shown black and white, where rows hold those
    of the files; None where rows hold 0-255."""

    doubts: tuple[Doubt, ...] = ()
    window: tuple[float, float] | None = None


def survey_depth(plan: Plan, source: Source, spec: BuildSpec, budget: int) -> Depth:
    """Find what images of more than 8 bits are like.

    Args:
        plan: Of the build.
        source: To read them from.
        spec: How rows are made of them.
        budget: Bytes of memory; images that take more to decode are not asked.

    Returns:
        The doubt that they do not fill their range, or that there are others of 8 bits.
    """
    keeps = row_dtype(spec.dtype, spec.image) != "uint8"
    if (keeps or spec.image.stretch) and (doubt := _mixed(plan.images(), source, spec)):
        return Depth((doubt,))
    examined = _examined(plan, source, spec.image, budget)
    if keeps:
        return Depth(window=_window(examined))
    return Depth() if spec.image.stretch else Depth(_low(examined))


def _mixed(images: Iterable[PlannedImage], source: Source, spec: BuildSpec) -> Doubt | None:
    """The doubt that values of 8 and of more bits are on different scales."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    first: dict[bool, str] = {}
    for image, header in readable_headers(source, images):
        first.setdefault(header.bits > 8, image.name)
        found[header.bits > 8].add(os.path.splitext(image.name)[1])
    if len(first) < 2:
        return None
    remedies = []
    if not found[True] & found[False] and all(found[True] | found[False]):
        for deep, which in ((True, "more than 8"), (False, "8")):
            globs = tuple(sorted(f"*{extension}" for extension in found[deep]))
            remedies.append(Remedy({"include": globs}, f"only the images of {which} bits"))
    if spec.dtype == "uint16":
        remedies.append(Remedy({"dtype": "uint8"}, "0 to 255 of each format's range"))
    evidence = f"{first[True]} has more than 8 bits and {first[False]} has 8: values of the files "
    return Doubt("mixed-depth", f"{evidence}are on different scales", tuple(remedies))


def _low(examined: Iterable[Stored]) -> tuple[Doubt, ...]:
    """The doubt that no image fills its range."""
    most = count = 0
    for stored in examined:
        if not is_narrow(stored):
            return ()
        most, count = max(most, int(stored.values.max())), count + 1
    return (_narrow(most, count),) if count else ()


def _window(examined: Iterable[Stored]) -> tuple[float, float]:
    """From 0 to the end of the bits that are used; of signed and float values all that are."""
    low, high, ranged = 0.0, 0.0, True
    for number, stored in enumerate(examined):
        ends = float(np.nanmin(stored.values)), float(np.nanmax(stored.values))
        low, high = (min(low, ends[0]), max(high, ends[1])) if number else ends
        ranged = ranged and stored.values.dtype.kind == "u"
    if ranged:
        return 0.0, float(2 ** max(8, int(high).bit_length()) - 1)
    return (low, high) if isfinite(high - low) and low < high else (0.0, 1.0)


def _narrow(most: int, count: int) -> Doubt:
    end = 2 ** max(1, most.bit_length()) - 1
    one = "the image of more than 8 bits does not fill the range of its format"
    several = f"none of {count} images of more than 8 bits fills the range of its format"
    return Doubt(
        "depth",
        f"{one if count == 1 else several}: the highest value is {most}, so 0-255 would be nearly "
        "black",
        (
            Remedy({"levels": f"0,{end}"}, f"0 to {end} become 0 to 255"),
            Remedy({"dtype": "uint16"}, "rows keep the values of the files"),
            Remedy({"levels": "0,65535"}, "the images are that dark"),
        ),
    )


def _examined(plan: Plan, source: Source, spec: ImageSpec, budget: int) -> Iterator[Stored]:
    """The stored pixels of up to EXAMINED sources of more than 8 bits, in hash order."""
    count = 0
    chosen = plan.drawn(HEADERS, without=_NEVER_DEEP)
    for image, header in readable_headers(source, chosen):
        if header.bits == 8 or stored_cost(header, image.size) > budget:
            continue
        try:
            check_size(header, spec, header.size)
            yield _stored(source.read(image.name, image.locator), header)
        except RejectedImage:
            continue
        count += 1
        if count == EXAMINED:
            return


def _stored(data: bytes, header: Header) -> Stored:
    kind = OTHER_FORMATS[header.format]
    return read_stored(open_image(data, kind) if kind.open else None, kind, header, data)
