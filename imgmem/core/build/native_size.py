"""`--size native`: the one size that all images of a source have."""

from collections import Counter
from collections.abc import Iterable

from imgmem.core.build.planned import PlannedImage
from imgmem.core.decode.format import Header
from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.messages import option
from imgmem.core.sources import Source
from imgmem.core.sources.source_headers import read_source_header

_SHOWN = 10


def common_size(source: Source, images: Iterable[PlannedImage]) -> tuple[int, int]:
    """(height, width), upright, of every image whose header can be read.

    Raises InputError, with the sizes found, where they differ or there is none.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    for image in images:
        header = _header(source, image)
        if header is not None and (len(sizes) <= _SHOWN or (header.height, header.width) in sizes):
            sizes[header.height, header.width] += 1
    if not sizes:
        raise InputError("no image has a header that can be read", hint="Look at the files.")
    if len(sizes) > 1:
        raise _differing(sizes)
    return next(iter(sizes))


def _differing(sizes: Counter[tuple[int, int]]) -> InputError:
    shown = ", ".join(f"{h}x{w} ({count})" for (h, w), count in sizes.most_common(_SHOWN))
    more = ", …" if len(sizes) > _SHOWN else ""
    return InputError(
        f"{option('size', 'native')}, but the images have different sizes (height x width): "
        f"{shown}{more}",
        hint=f"Give {option('size')}, such as {option('size', 224)}.",
        sizes=[{"height": h, "width": w, "images": n} for (h, w), n in sizes.most_common(_SHOWN)],
    )


def _header(source: Source, image: PlannedImage) -> Header | None:
    try:
        return read_source_header(source, image.name, image.size, image.locator)
    except RejectedImage:
        return None
