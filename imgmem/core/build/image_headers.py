"""The headers of planned images."""

from collections.abc import Iterable, Iterator

from imgmem.core.build.planned import PlannedImage
from imgmem.core.decode.format import Header
from imgmem.core.errors import RejectedImage
from imgmem.core.sources import Source
from imgmem.core.sources.concurrently import concurrently
from imgmem.core.sources.source_headers import read_source_header


def readable_headers(
    source: Source, images: Iterable[PlannedImage]
) -> Iterator[tuple[PlannedImage, Header]]:
    """Each image whose header can be read, with its header, in order."""

    def read(image: PlannedImage) -> tuple[PlannedImage, Header | None]:
        try:
            return image, read_source_header(source, image.name, image.size, image.locator)
        except RejectedImage:
            return image, None

    for image, header in concurrently(source, read, images):
        if header is not None:
            yield image, header
