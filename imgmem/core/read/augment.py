"""Random crops and flips of stored rows, while a batch is made of them.

What is drawn depends on the seed, the epoch and the place in the epoch's order alone: not on
batches, threads, workers or interruptions. The distributions are torchvision's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from imgmem.core.arrays import Images, Indices
from imgmem.core.errors import UsageError
from imgmem.core.messages import command
from imgmem.core.read.orders import hashed

Keys: TypeAlias = npt.NDArray[np.uint64]
Size: TypeAlias = int | tuple[int, int]
Draws: TypeAlias = tuple[Indices, npt.NDArray[np.bool_]]

_TRIES = 10
"""How often a crop is drawn until it fits, as torchvision has it."""
_DRAWS = 2 * _TRIES + 3
"""Random numbers of an image: two for each try, two for the place of the crop, one to flip."""
_ALIASING = 1.5
"""Shrinking by more than this, one bilinear step would skip pixels."""


@dataclass(frozen=True)
class RandomResizedCrop:
    """A random part of the image, resized.

    Attributes:
        size: (height, width) of the result, or one number for both.
        scale: Smallest and largest share of the image's area.
        ratio: Smallest and largest width ÷ height of the part.
    """

    size: Size
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)


@dataclass(frozen=True)
class CenterCrop:
    """The middle of the image.

    Attributes:
        size: (height, width) in pixels, or one number for both.
    """

    size: Size


@dataclass(frozen=True)
class HorizontalFlip:
    """The mirror image, of some images.

    Attributes:
        p: Probability of each image.
    """

    p: float = 0.5


Step: TypeAlias = RandomResizedCrop | CenterCrop | HorizontalFlip


class Augmenter:
    """What some steps make of images of one shape."""

    def __init__(
        self, steps: Sequence[Step], shape: tuple[int, ...], dtype: np.dtype[Any], path: str = ""
    ) -> None:
        """shape: (H, W, C) of a stored row. path: of the dataset.

        Raises UsageError for steps that cannot be taken.
        """
        crops = [step for step in steps if isinstance(step, RandomResizedCrop | CenterCrop)]
        flips = [step for step in steps if isinstance(step, HorizontalFlip)]
        if len(crops) > 1 or len(flips) > 1 or len(crops) + len(flips) < len(steps):
            raise UsageError(
                f"cannot augment by {list(steps)}",
                hint="Pass at most one crop and one flip, of imgmem.augment.",
            )
        if dtype != np.uint8:
            raise UsageError(
                f"augment works on uint8 rows, these are {dtype}",
                hint=f"Run {command('normalize', path, undo=True)}, then normalize on read.",
            )
        self._height, self._width = shape[:2]
        self._crop = crops[0] if crops else None
        self._probability = flips[0].p if flips else 0.0
        self.size = (self._height, self._width) if self._crop is None else _pair(self._crop.size)
        self._check()

    def _check(self) -> None:
        crop = self._crop
        if min(self.size) < 1:
            raise UsageError(f"invalid crop size {self.size}")
        if isinstance(crop, CenterCrop) and not self._fits(*self.size):
            raise UsageError(
                f"a crop of {self.size} does not fit into ({self._height}, {self._width})"
            )
        if isinstance(crop, RandomResizedCrop):
            for name in ("scale", "ratio"):
                low, high = getattr(crop, name)
                if not 0 < low <= high < np.inf:
                    raise UsageError(f"invalid {name} {low, high}: it must be above 0, in order")
        if not 0 <= self._probability <= 1:
            raise UsageError(f"invalid probability {self._probability}")

    def _fits(self, height: int, width: int) -> bool:
        return height <= self._height and width <= self._width

    def draw(self, keys: Keys) -> Draws:
        """The part of each image, (n, 4) as top, left, height, width; and whether to flip, (n,)."""
        random = uniforms(keys, _DRAWS)
        if isinstance(self._crop, RandomResizedCrop):
            boxes = self._random_boxes(self._crop, random)
        else:
            boxes = np.tile(self._middle(*self.size), (len(keys), 1))
        return boxes, random[:, -1] < self._probability

    def _middle(self, height: int, width: int) -> Indices:
        top, left = round((self._height - height) / 2), round((self._width - width) / 2)
        return np.array([top, left, height, width], np.int64)

    def _random_boxes(self, crop: RandomResizedCrop, random: npt.NDArray[np.float64]) -> Indices:
        """The first try that fits, as torchvision's `RandomResizedCrop.get_params`."""
        tries = random[:, : 2 * _TRIES].reshape(-1, _TRIES, 2)
        low, high = crop.scale
        area = self._height * self._width * (low + (high - low) * tries[..., 0])
        first, last = np.log(crop.ratio)
        ratio = np.exp(first + (last - first) * tries[..., 1])
        widths = np.rint(np.sqrt(area * ratio)).astype(np.int64)
        heights = np.rint(np.sqrt(area / ratio)).astype(np.int64)
        fit = (widths > 0) & (heights > 0) & (widths <= self._width) & (heights <= self._height)
        which = np.arange(len(random)), fit.argmax(axis=1)
        height, width = heights[which], widths[which]
        place = random[:, 2 * _TRIES : 2 * _TRIES + 2]
        top = (place[:, 0] * (self._height - height + 1)).astype(np.int64)
        left = (place[:, 1] * (self._width - width + 1)).astype(np.int64)
        boxes = np.stack([top, left, height, width], axis=1)
        boxes[~fit.any(axis=1)] = self._fallback(crop)
        return boxes

    def _fallback(self, crop: RandomResizedCrop) -> Indices:
        """The largest part in the middle whose ratio is allowed."""
        ratio = self._width / self._height
        low, high = crop.ratio
        if ratio < low:
            return self._middle(max(1, round(self._width / low)), self._width)
        if ratio > high:
            return self._middle(self._height, max(1, round(self._height * high)))
        return self._middle(self._height, self._width)

    def apply(self, part: Images, *, flip: bool, out: Images) -> None:
        """Put `part` (h, w, C) of a row into `out` (H, W, C), which is contiguous."""
        target = out if out.shape[2] > 1 else out[:, :, 0]
        if part.shape[:2] == self.size:
            np.copyto(out, part)
        else:
            _resize(part, target)
        if flip:
            cv2.flip(target, 1, dst=target)


def _resize(part: Images, out: Images) -> None:
    """Bilinear; where that would skip pixels, to twice the size first, and the mean of 2 × 2."""
    height, width = out.shape[:2]
    shrunk = max(part.shape[0] / height, part.shape[1] / width)
    if shrunk > 4:
        cv2.resize(part, (width, height), dst=out, interpolation=cv2.INTER_AREA)
        return
    if shrunk > _ALIASING:
        part = cv2.resize(part, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    # of an image of twice the size OpenCV's bilinear step is the mean of 2 × 2 pixels
    cv2.resize(part, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def uniforms(keys: Keys, count: int) -> npt.NDArray[np.float64]:
    """(len(keys), count) numbers from 0 to below 1."""
    bits = hashed(np.arange(count, dtype=np.uint64), keys[:, None])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
