"""Draw a few hundred images to try imgmem with: `python scripts/draw_images.py FOLDER`.

Four classes of shapes, unequal in number, in five formats and many sizes; among them a gray
one, one with transparency, one that only EXIF turns upright, one that is cut off, a black one,
and a smaller copy of another.
"""

import os
import sys

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

COUNTS = {"circle": 120, "square": 90, "star": 60, "stripes": 30}
ENDINGS = ("jpg", "jpg", "jpg", "png", "webp", "bmp", "tiff")
ORIENTATION = 0x0112  # the EXIF tag
QUARTER_TURN = 6

Picture = npt.NDArray[np.uint8]


def main(folder: str) -> None:
    random = np.random.default_rng(0)
    for label, count in COUNTS.items():
        os.makedirs(os.path.join(folder, label))
        for number in range(count):
            name = f"{label}-{number:03}.{ENDINGS[number % len(ENDINGS)]}"
            draw(label, random).save(os.path.join(folder, label, name))
    add_oddities(folder, random)


def draw(label: str, random: np.random.Generator) -> Image.Image:
    """A shape in its color on a cloudy background, 160 to 480 pixels a side."""
    height, width = (int(side) for side in random.integers(160, 481, 2))
    clouds = random.integers(0, 160, (9, 9, 3)).astype(np.uint8)
    image = cv2.resize(clouds, (width, height), interpolation=cv2.INTER_CUBIC)
    color = random.integers(128, 256, 3)
    for outline in outlines(label, height, width, random):
        cv2.fillPoly(image, [outline], color.tolist(), cv2.LINE_AA)
    return Image.fromarray(image)


def outlines(
    label: str, height: int, width: int, random: np.random.Generator
) -> list[npt.NDArray[np.int32]]:
    """The polygons of a shape, in pixels (x, y)."""
    if label == "stripes":
        step = int(random.integers(8, 33))
        corners = np.array([(0, 0), (step, 0), (step, height), (0, height)])
        return [(corners + np.array([x, 0])).astype(np.int32) for x in range(0, width, 2 * step)]
    points = {"circle": 64, "square": 4, "star": 10}[label]
    angles = np.arange(points) * 2 * np.pi / points + random.uniform(0, 2 * np.pi)
    radius = min(height, width) * random.uniform(0.25, 0.45)
    radii = radius * np.where((label == "star") & (np.arange(points) % 2), 0.4, 1)
    middle = np.array([width, height]) / 2
    return [(middle + np.c_[np.cos(angles), np.sin(angles)] * radii[:, None]).astype(np.int32)]


def add_oddities(folder: str, random: np.random.Generator) -> None:
    """What real folders hold as well."""
    circle, star = (os.path.join(folder, label) for label in ("circle", "star"))
    draw("circle", random).convert("L").save(os.path.join(circle, "gray.png"))
    draw("star", random).convert("RGBA").save(os.path.join(star, "transparent.png"))
    exif = Image.Exif()
    exif[ORIENTATION] = QUARTER_TURN
    draw("star", random).save(os.path.join(star, "turned.jpg"), exif=exif)
    cut_off = os.path.join(star, "cut-off.jpg")
    draw("star", random).save(cut_off)
    os.truncate(cut_off, os.path.getsize(cut_off) // 2)
    Image.new("RGB", (200, 150)).save(os.path.join(star, "black.png"))
    with Image.open(os.path.join(circle, "circle-072.jpg")) as first:
        first.reduce(2).save(os.path.join(circle, "smaller-copy.jpg"))


if __name__ == "__main__":
    main(sys.argv[1])
