"""The samples of a TIFF as they are stored: of any depth, signed, or floating-point."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.ImageFile import ImageFile

from imgmem.core.decode.format import Header
from imgmem.core.decode.libtiff import decoded_parts
from imgmem.core.decode.tiff import ALPHA, EXTRA, check_tiff_page, tag_values
from imgmem.core.decode.values import Stored, Values, parted, turned
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
"""NumPy's kind by the tag SampleFormat (section 19)."""
_COLORS = {0: 1, 1: 1, 2: 3}
"""Samples that are colors, by the photometric interpretation: gray, and RGB."""


@dataclass(frozen=True)
class _Layout:
    """How the samples lie: `planes` of `pixel` samples, in parts of `rows` × `columns`."""

    height: int
    width: int
    planes: int
    pixel: int
    rows: int
    columns: int
    dtype: Any

    @classmethod
    def of(cls, tags: "ImageFileDirectory_v2") -> "_Layout":
        height, width = int(tags[257]), int(tags[256])
        samples = int(tags.get(277, 1))
        apart = tags.get(284, 1) == 2
        return cls(
            height=height,
            width=width,
            planes=samples if apart else 1,
            pixel=1 if apart else samples,
            rows=int(tags.get(323, min(int(tags.get(278, height)), height))),
            columns=int(tags.get(322, width)),
            dtype=_dtype(tags),
        )

    def place(self, number: int) -> tuple[int, int, int]:
        """(plane, top, left) of a strip or tile."""
        across, down = -(-self.width // self.columns), -(-self.height // self.rows)
        plane, index = divmod(number, across * down)
        return plane, index // across * self.rows, index % across * self.columns


def _dtype(tags: "ImageFileDirectory_v2") -> Any:
    """Raises RejectedImage for samples that differ in kind or have no such type."""
    bits, kinds = set(tag_values(tags, 258, 1)), set(tag_values(tags, 339, 1))
    try:
        ((depth,), (kind,)) = bits, kinds
        return np.dtype({8: "{}1", 16: "{}2", 32: "{}4", 64: "{}8"}[depth].format(_KINDS[kind]))
    except (KeyError, TypeError, ValueError):
        detail = f"samples of {sorted(bits)} bits and kind {sorted(kinds)}; convert to 16 bits"
        raise RejectedImage("unsupported", detail) from None


def read_tiff_values(image: ImageFile, header: Header, data: bytes) -> Stored:
    """Gray or RGB samples of the first page, upright.

    Raises RejectedImage: as `check_tiff_page` does, and for other interpretations.
    """
    tags: ImageFileDirectory_v2 = image.tag_v2  # type: ignore[attr-defined]
    check_tiff_page(image, data)
    colors = _COLORS.get(tags.get(262, 0))
    if colors is None:
        detail = f"deep pixels of photometric interpretation {tags.get(262)}; convert to RGB"
        raise RejectedImage("unsupported", detail)
    samples = _samples(_Layout.of(tags), data)
    highest = np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 0
    if tags.get(262, 0) == 0:
        if not highest:
            raise RejectedImage("unsupported", "signed or float pixels whose zero is white")
        samples = highest - samples
    extra = tag_values(tags, EXTRA, 0)
    keep = colors + (samples.shape[2] > colors and extra[0] in ALPHA)
    stated = max(tag_values(tags, 281, 0))
    return parted_gray(turned(samples[:, :, :keep], int(tags.get(274, 1))), highest, stated)


def parted_gray(samples: Values, highest: int, stated: int) -> Stored:
    """As `parted`, for gray with alpha too."""
    if samples.shape[2] != 2:
        return parted(samples, highest, stated)
    gray = parted(samples[:, :, :1], highest, stated)
    return gray._replace(opaque=bool((samples[:, :, 1] == highest).all()))


def _samples(layout: _Layout, data: bytes) -> Values:
    """(H, W, samples), as libtiff decodes them."""
    shape = layout.planes, layout.height, layout.width, layout.pixel
    out = np.empty(shape, layout.dtype)
    done = 0
    try:
        for number, part in enumerate(decoded_parts(data)):
            plane, top, left = layout.place(number)
            if plane >= layout.planes:
                break  # surplus
            rows = min(layout.rows, layout.height - top)
            wanted = rows * layout.columns * layout.pixel * layout.dtype.itemsize
            pixels = part[:wanted].view(layout.dtype).reshape(rows, layout.columns, layout.pixel)
            target = out[plane, top : top + rows, left : left + layout.columns]
            target[...] = pixels[:, : target.shape[1]]
            done += target.size
    except ValueError as error:
        raise RejectedImage("corrupt", f"a strip or tile is damaged ({error})") from None
    if done < out.size:
        raise RejectedImage("truncated", "ends before its last strip")
    return out[0] if layout.planes == 1 else np.moveaxis(out[..., 0], 0, -1)
