"""How the text of an option becomes a value."""

from collections.abc import Callable
from typing import Any

import click

from imgmem.cli.spelling import for_terminal
from imgmem.core import units
from imgmem.core.errors import UsageError


class Text(click.ParamType):  # type: ignore[type-arg] # generic in the newest Click only
    """Text that `parse` turns into a value, or refuses by ValueError or UsageError."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """The name as it is: Click would put it in capitals."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        except UsageError as error:
            self.fail(f"{for_terminal(error.message)}. {for_terminal(error.hint)}", param, ctx)


def _image_size(text: str) -> tuple[int, int] | None:
    if text == "native":
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError(f"{text!r} is not a size: write 224, 180x320 or native")
    return int(sides[0]), int(sides[-1])


def _splits(text: str) -> tuple[tuple[str, float], ...]:
    try:
        pairs = [part.split("=") for part in text.split(",") if part]
        return tuple((name.strip(), float(fraction)) for name, fraction in pairs)
    except ValueError:
        raise ValueError(f"{text!r} is not like train=0.8,val=0.2") from None


def _color(text: str) -> tuple[int, ...]:
    levels = text.split(",")
    if len(levels) != 3 or not all(level.isdecimal() and int(level) < 256 for level in levels):
        raise ValueError(f"{text!r} is not a color: write R,G,B, each from 0 to 255")
    return tuple(map(int, levels))


def _max_rejects(text: str) -> int | float:
    number = text.removesuffix("%")
    try:
        value = float(number) / 100 if text.endswith("%") else int(number)
    except ValueError:
        raise ValueError(f"{text!r} is no limit: write 100 or 1%") from None
    if not 0 <= value < float("inf") or (text.endswith("%") and value > 1):
        raise ValueError(f"{text!r} is no limit: write 100 or 1%")
    return value


class Channels(click.Choice):  # type: ignore[type-arg] # as above
    """The channels of a row; `grey` is taken for `gray`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return super().convert("gray" if value == "grey" else value, param, ctx)


BYTES = Text("SIZE", units.parse_bytes)
"""512MiB as a number of bytes."""

IMAGE_SIZE = Text("224|HxW|native", _image_size)
"""(height, width) in pixels, or None for native."""

COLOR = Text("R,G,B", _color)
"""Red, green and blue, 0 to 255."""

SPLITS = Text("name=fraction,…", _splits)
"""train=0.8,val=0.2 as pairs, in that order."""

MAX_REJECTS = Text("N|N%", _max_rejects)
"""100 as a count, 1% as a fraction."""
