"""Pictures in the terminal: two pixels a character in color, shades of gray without."""

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imgmem.cli.render import printable
from imgmem.core.sample.exports import caption
from imgmem.core.sample.sheet import fit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from imgmem.core.sample.take import Sample

WIDEST = 28
"""Columns of a picture at most."""
NARROWEST = 12
"""Below this a picture cannot be told from another."""
GAP = 2
_SHADES = " .:-=+*#%@"


def show_pictures(console: "Console", sample: "Sample") -> None:
    """The pictures of a sample side by side, each with its class and row below."""
    across = max(1, min(len(sample.rows), (console.width + GAP) // (NARROWEST + GAP)))
    width = min(WIDEST, (console.width + GAP) // across - GAP)
    while width < WIDEST and across > 4:
        across -= 1
        width = min(WIDEST, (console.width + GAP) // across - GAP)
    places = iter(range(len(sample.rows)))
    while line := list(islice(places, across)):
        _show_line(console, sample, line, max(width, 2))
        console.print()


def _show_line(console: "Console", sample: "Sample", places: list[int], width: int) -> None:
    from rich.text import Text

    drawn = [_drawn(console, sample.pixels[place], width) for place in places]
    for parts in zip(*drawn, strict=True):
        console.print(Text(" " * GAP).join(parts), soft_wrap=True)
    captions = [caption(sample.sources[place])[:2] for place in places]
    for parts_of_line in zip(*captions, strict=True):
        cells = [f"{printable(text)[:width]:<{width}}" for text in parts_of_line]
        console.print((" " * GAP).join(cells).rstrip(), soft_wrap=True)


def _drawn(console: "Console", picture: NDArray[np.uint8], width: int) -> "list[Text]":
    """A picture as lines of text; a character is twice as high as it is wide."""
    lines = max(1, round(width * picture.shape[0] / picture.shape[1] / 2))
    if console.color_system is None:
        return list(_shaded(fit(picture, lines, width)))
    return list(_colored(fit(picture, 2 * lines, width)))


def _colored(picture: NDArray[np.uint8]) -> "Iterator[Text]":
    """Upper half blocks: the upper pixel is the ink, the lower one the paper."""
    from rich.text import Text

    for upper, lower in zip(picture[::2].tolist(), picture[1::2].tolist(), strict=True):
        pixels = zip(upper, lower, strict=True)
        yield Text.assemble(*(("▀", f"{_rgb(ink)} on {_rgb(paper)}") for ink, paper in pixels))


def _rgb(pixel: list[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel)


def _shaded(picture: NDArray[np.uint8]) -> "Iterator[Text]":
    """Characters that grow darker to the eye on a dark terminal."""
    from rich.text import Text

    gray: NDArray[Any] = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    for line in (gray.astype(int) * len(_SHADES) // 256).tolist():
        yield Text("".join(_SHADES[shade] for shade in line))
