"""`--size native`: the one size that all images of a source have."""

from collections import Counter
from collections.abc import Iterable

from imgmem.core.build.image_headers import readable_headers
from imgmem.core.build.planned import PlannedImage
from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.sources import Source

_SHOWN = 10


def common_size(source: Source, images: Iterable[PlannedImage]) -> tuple[int, int]:
    """(height, width), upright, of every image whose header can be read.

    Raises InputError, with the sizes found, where they differ or there is none.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    for _, header in readable_headers(source, images):
        if len(sizes) <= _SHOWN or (header.height, header.width) in sizes:
            sizes[header.height, header.width] += 1
    if not sizes:
        raise InputError("no image has a readable header", hint="Check the files.")
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
