"""The samples of a TIFF as they are stored: of any depth, signed, or floating-point."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from imgmem.core.decode.format import Header
from imgmem.core.decode.libtiff import decoded_parts
from imgmem.core.decode.tiff import (
    ALPHA,
    COLORS,
    EXTRA,
    check_tiff_page,
    is_beyond_pillow,
    tag_values,
)
from imgmem.core.decode.values import Stored, Values, parted, turned
from imgmem.core.errors import RejectedImage

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
"""NumPy's kind by the tag SampleFormat (section 19)."""
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_PREMULTIPLIED = {2: "La", 4: "RGBa"}
"""Pillow's modes by the number of samples."""


@dataclass(frozen=True)
class _Layout:
    """How the samples lie: `planes` of `pixel` samples, in parts of `rows` × `columns`."""

    height: int
    width: int
    planes: int
    pixel: int
    rows: int
    columns: int
    bits: int
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
            bits=max(tag_values(tags, 258, 1)),
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
    if is_beyond_pillow(tags):
        return np.dtype(np.uint16)
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
    tags = _tags(image)
    check_tiff_page(image, data)
    samples, highest = _page(tags, data)
    return parted_gray(samples, highest, max(tag_values(tags, 281, 0)))


def load_tiff(image: ImageFile, _: Header, data: bytes) -> Image.Image:
    """The first page, upright, by Pillow; of samples that it does not read, their upper 8 bits."""
    tags = _tags(image)
    if not is_beyond_pillow(tags):
        image.load()
        return image
    samples = np.ascontiguousarray(_page(tags, data, narrow=True)[0])
    height, width, bands = samples.shape
    associated = bands in _PREMULTIPLIED and tag_values(tags, EXTRA, 0)[0] == 1
    mode = (_PREMULTIPLIED if associated else _MODES)[bands]
    return Image.frombytes(mode, (width, height), samples)


def _tags(image: ImageFile) -> "ImageFileDirectory_v2":
    tags: ImageFileDirectory_v2 = image.tag_v2  # type: ignore[attr-defined]
    return tags


def _page(
    tags: "ImageFileDirectory_v2", data: bytes, *, narrow: bool = False
) -> tuple[Values, int]:
    """The colors of the first page and its transparency, upright, and the end of their range.

    narrow: only their upper 8 bits. Raises RejectedImage for other interpretations.
    """
    colors = COLORS.get(tags.get(262, 0))
    if colors is None:
        detail = f"deep pixels of photometric interpretation {tags.get(262)}; convert to RGB"
        raise RejectedImage("unsupported", detail)
    layout = _Layout.of(tags)
    samples = _samples(layout, data, narrow=narrow)
    highest = 2 ** (8 if narrow else layout.bits) - 1 if layout.dtype.kind == "u" else 0
    transparent = samples.shape[2] > colors and tag_values(tags, EXTRA, 0)[0] in ALPHA
    samples = samples[:, :, : colors + transparent]
    if tags.get(262, 0) == 0:
        if not highest:
            raise RejectedImage("unsupported", "signed or float pixels whose zero is white")
        np.subtract(highest, samples[:, :, :1], out=samples[:, :, :1])
    return turned(samples, int(tags.get(274, 1))), highest


def parted_gray(samples: Values, highest: int, stated: int) -> Stored:
    """As `parted`, for gray with alpha too."""
    if samples.shape[2] != 2:
        return parted(samples, highest, stated)
    gray = parted(samples[:, :, :1], highest, stated)
    return gray._replace(opaque=bool((samples[:, :, 1] == highest).all()))


def _samples(layout: _Layout, data: bytes, *, narrow: bool) -> Values:
    """(H, W, samples), as libtiff decodes them; narrow: the upper 8 bits of them."""
    shape = layout.planes, layout.height, layout.width, layout.pixel
    out = np.empty(shape, np.uint8 if narrow else layout.dtype)
    done = 0
    try:
        for number, part in enumerate(decoded_parts(data)):
            plane, top, left = layout.place(number)
            if plane >= layout.planes:
                break  # surplus
            rows = min(layout.rows, layout.height - top)
            pixels = _unpacked(part, layout, rows)
            if narrow:
                np.right_shift(pixels, layout.bits - 8, out=pixels)
            target = out[plane, top : top + rows, left : left + layout.columns]
            target[...] = pixels[:, : target.shape[1]]
            done += target.size
    except ValueError as error:
        raise RejectedImage("corrupt", f"a strip or tile is damaged ({error})") from None
    if done < out.size:
        raise RejectedImage("truncated", "ends before its last strip")
    return out[0] if layout.planes == 1 else np.moveaxis(out[..., 0], 0, -1)


def _unpacked(part: NDArray[np.uint8], layout: _Layout, rows: int) -> Values:
    """(rows, columns, samples) of a strip or tile. Raises ValueError where it is too short."""
    count, size = layout.columns * layout.pixel, layout.dtype.itemsize
    if layout.bits == 8 * size:
        samples: Values = part[: rows * count * size].view(layout.dtype)
        return samples.reshape(rows, layout.columns, layout.pixel)
    line = -(-count * layout.bits // 8)
    out: Values = np.empty((rows, count), layout.dtype)
    weights = (1 << np.arange(layout.bits)[::-1]).astype(layout.dtype)
    for row, packed in zip(out, part[: rows * line].reshape(rows, line), strict=True):
        row[...] = np.unpackbits(packed, count=count * layout.bits).reshape(count, -1) @ weights
    return out.reshape(rows, layout.columns, layout.pixel)
