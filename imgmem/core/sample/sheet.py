"""Contact sheets: images in an even grid, with captions that can be read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, log, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

PAPER = (255, 255, 255)
CARD = (241, 243, 245)
INK = (25, 25, 25)
FAINT = (110, 110, 110)
ASPECT = 1.4
"""Width ÷ height that a sheet comes near to."""
_WIDTH = 1800
"""Pixels across that a sheet has room for before images get smaller than their rows."""
_SMALLEST, _LARGEST = 120, 400
"""Width of an image on the sheet: captions stay readable, few images do not get blurred."""
_GAP = 12
_TITLE = 26


@dataclass(frozen=True, slots=True)
class Tile:
    """An image on a sheet: image() returns it, uint8 (H, W, 1 or 3); captions: its lines."""

    image: Callable[[], Pixels]
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Tiles that belong together, under a title that may be empty."""

    title: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """How large everything is, in pixels; columns: of images, over the whole sheet."""

    columns: int
    width: int
    height: int
    text: int
    lines: int

    @property
    def cell(self) -> tuple[int, int]:
        """(height, width) of a tile with its captions and the gap behind it."""
        return self.height + self.lines * (self.text + 4) + _GAP + 4, self.width + _GAP

    def box(self, section: Section) -> tuple[int, int]:
        """(height, width) of a section with a gap around it."""
        across = min(len(section.tiles), self.columns)
        title = _TITLE if section.title else 0
        lines = ceil(len(section.tiles) / across)
        return title + lines * self.cell[0] + _GAP, across * self.cell[1] + _GAP


def plan(sections: Sequence[Section], size: tuple[int, int]) -> Grid:
    """The grid for images of `size` (height, width)."""
    tiles = sum(len(section.tiles) for section in sections)
    ratio = size[0] / size[1]
    columns = _even(tiles, sqrt(tiles * ASPECT * (ratio + 0.2)))
    room = _WIDTH // columns - _GAP
    natural = size[1] * max(1, _LARGEST // 2 // max(size))
    width = max(_SMALLEST, min(room, natural, _LARGEST))
    lines = max(len(tile.captions) for section in sections for tile in section.tiles)
    height = max(1, min(round(width * ratio), 4 * _LARGEST))
    return Grid(columns, width, height, text=11 if width < 180 else 13, lines=lines)


def _even(tiles: int, wanted: float) -> int:
    """A number of columns near to that wanted, whose last line is not too empty."""
    return min(
        range(1, tiles + 1),
        key=lambda columns: abs(log(columns / wanted)) + 2 * (-tiles % columns) / tiles,
    )


def sheet_bytes(sections: Sequence[Section], size: tuple[int, int]) -> int:
    """The memory that a sheet takes while it is drawn."""
    _, (height, width) = _laid_out(sections, plan(sections, size))
    return 2 * 3 * height * width


def draw(sections: Sequence[Section], size: tuple[int, int]) -> Pixels:
    """The contact sheet, RGB uint8."""
    grid = plan(sections, size)
    corners, (height, width) = _laid_out(sections, grid)
    page = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(page)
    for section, (left, top) in zip(sections, corners, strict=True):
        down, across = grid.box(section)
        if len(sections) > 1:
            pen.rounded_rectangle((left, top, left + across, top + down), 8, CARD)
        _draw_section(page, pen, section, grid, (left + _GAP, top + _GAP))
    return np.asarray(page)


def _laid_out(
    sections: Sequence[Section], grid: Grid
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """The (left, top) of each section, side by side like words, and the sheet's (height, width)."""
    margin = _GAP if len(sections) > 1 else 0
    limit = margin + grid.columns * (grid.cell[1] + margin) + _GAP
    left = top = margin
    below = right = 0
    corners = []
    for section in sections:
        height, width = grid.box(section)
        if left > margin and left + width + margin > limit:
            left, top = margin, below + margin
        corners.append((left, top))
        left += width + margin
        below, right = max(below, top + height), max(right, left)
    return corners, (below + margin, right)


def _draw_section(
    page: Any, pen: Any, section: Section, grid: Grid, corner: tuple[int, int]
) -> None:
    left, top = corner
    if section.title:
        pen.text((left, top), _shown(section.title), INK, font=_font(17))
        top += _TITLE
    for number, tile in enumerate(section.tiles):
        line, column = divmod(number, grid.columns)
        place = (left + column * grid.cell[1], top + line * grid.cell[0])
        image = fit(tile.image(), grid.height, grid.width)
        page.paste(Image.fromarray(image), place)
        _write(pen, tile.captions, place, grid)


def _write(pen: Any, captions: tuple[str, ...], corner: tuple[int, int], grid: Grid) -> None:
    """The captions under an image, the first in full ink, each cut to the image's width."""
    font = _font(grid.text)
    for line, caption in enumerate(captions):
        place = (corner[0], corner[1] + grid.height + 3 + line * (grid.text + 4))
        pen.text(place, _cut(_shown(caption), font, grid.width), FAINT if line else INK, font=font)


def fit(image: Pixels, height: int, width: int) -> Pixels:
    """An image at that size, as RGB; small ones keep square pixels that can be told apart."""
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    smaller = height * width < rgb.shape[0] * rgb.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_NEAREST
    resized: NDArray[Any] = cv2.resize(
        np.ascontiguousarray(rgb), (width, height), interpolation=how
    )
    return resized


def _cut(text: str, font: Any, width: int) -> str:
    """As much of a text as fits, with … in its middle: both ends of a file's name tell most."""
    if font.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = (kept + 1) // 2
        short = f"{text[:head]}…{text[len(text) - (kept - head) :]}"
        if font.getlength(short) <= width:
            return short
    return "…"


def _shown(text: str) -> str:
    """Without control characters, which a font has no glyph for."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _font(size: int) -> Any:
    """The font that comes with Pillow: OpenCV draws ASCII letters only."""
    return ImageFont.load_default(size)
