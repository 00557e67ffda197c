"""Whether images of more than 8 bits fill their range: asked before the first row.

A sensor of 12 bits in a file of 16 reaches a sixteenth of the range, and would become 16 nearly
black pixel values. So some sources are decoded whole, chosen by nothing but their paths.
"""

import hashlib
import heapq
import os
from collections.abc import Iterable, Iterator

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
from imgmem.core.sources.source_headers import read_source_header
from imgmem.core.specs import BuildSpec, ImageSpec

EXAMINED = 64
"""Sources of more than 8 bits that are decoded."""
HEADERS = 1024
"""Sources whose headers are read to find them."""
_NEVER_DEEP = (".jpg", ".jpeg", ".jpe", ".jfif", ".gif", ".webp", ".bmp", ".heic", ".avif")
"""Extensions of files that have 8 bits, or whose decoder scales by the bits that the file says."""


def depth_doubts(
    images: Iterable[PlannedImage], source: Source, spec: BuildSpec, budget: int
) -> tuple[Doubt, ...]:
    """The doubt that images of more than 8 bits do not fill their range.

    Args:
        images: Of the plan, in any order.
        source: To read them from.
        spec: What is to be made of them.
        budget: Bytes of memory; images that take more to decode are not asked.
    """
    if spec.image.levels is not None:
        return ()
    most = count = 0
    for stored in _examined(images, source, spec.image, budget):
        if not is_narrow(stored):
            return ()
        most, count = max(most, int(stored.values.max())), count + 1
    return (_narrow(most, count),) if count else ()


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
            Remedy({"levels": "0,65535"}, "they are that dark"),
        ),
    )


def _examined(
    images: Iterable[PlannedImage], source: Source, spec: ImageSpec, budget: int
) -> Iterator[Stored]:
    """The stored pixels of up to EXAMINED sources of more than 8 bits, in hash order."""
    count = 0
    for image in heapq.nsmallest(HEADERS, filter(_may_be_deep, images), key=_rank):
        try:
            header = read_source_header(source, image.name, image.size, image.locator)
            if header.bits == 8 or stored_cost(header, image.size) > budget:
                continue
            check_size(header, spec, header.size)
            yield _stored(source.read(image.name, image.locator), header)
        except RejectedImage:
            continue
        count += 1
        if count == EXAMINED:
            return


def _may_be_deep(image: PlannedImage) -> bool:
    return not image.name.lower().endswith(_NEVER_DEEP)


def _rank(image: PlannedImage) -> bytes:
    return hashlib.sha256(os.fsencode(image.name)).digest()


def _stored(data: bytes, header: Header) -> Stored:
    kind = OTHER_FORMATS[header.format]
    return read_stored(open_image(data, kind) if kind.open else None, kind, header, data)
