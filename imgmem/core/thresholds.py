"""From which value on something is a finding, and how many findings a check allows."""

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """From which value on a row, or two rows, are a finding of `stats`.

    near: differing bits of two 64-bit perceptual hashes up to which images are near
    duplicates (0 to MAX_NEAR), or None to search none. blank: contrast (standard deviation
    of the pixel values 0-255) up to which an image is blank. dark, bright: mean pixel values.
    blurred: sharpness. small: the shorter side of the source in pixels. elongated: the longer
    side of the source ÷ the shorter one.
    """

    near: int | None = 6
    blank: float = 3.0
    dark: float = 20.0
    bright: float = 235.0
    blurred: float = 0.05
    small: int = 32
    elongated: float = 4.0


MAX_NEAR = 16
"""Beyond this, different images are near as often as not, and the search takes minutes."""

MAX_IMBALANCE = 10.0
"""Largest ÷ smallest class from which on `--fail-on imbalance` fails."""

LISTED = 1000
"""Findings of a kind that are listed with their rows; all are counted."""


class Check(NamedTuple):
    """What `stats` fails on: more of something than is allowed.

    kind: a finding, "rejected" or "imbalance". most: allowed; None for the default. percent: most
    is a percentage of the rows (of the images that were tried, for "rejected").
    """

    kind: str
    most: float | None = None
    percent: bool = False
