#!/usr/bin/env python3
"""The naive conversion, as it is often written: everything in memory, several times over.

    scripts/naive.py SRC [--size 224] [--dtype float64] [--channels rgb] [--out X.npy]

This is the program whose memory `imgmem estimate` forecasts, stage by stage. It takes the
images that `imgmem build SRC` would take, and prints, as one JSON object, the most memory
that it ever held (the kernel's VmHWM), also for each stage, in bytes; "files" of them are pages
of program files, which the kernel maps as its page cache has them, and can take back.
"""

import argparse
import json
import resource
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imgmem.core.options.values import image_size
from imgmem.core.sources import open_source
from imgmem.core.specs import CHANNELS

Size = tuple[int, int] | None


def main() -> None:
    parser = argparse.ArgumentParser(description="The naive conversion of a folder of images.")
    parser.add_argument("source")
    parser.add_argument("--size", default="224", help="224, HxW or native")
    parser.add_argument("--dtype", default="float64", choices=["uint8", "float32", "float64"])
    parser.add_argument("--channels", default=CHANNELS[0], choices=CHANNELS)
    parser.add_argument("--out", help="a .npy file for the result")
    options = parser.parse_args()
    size = image_size(options.size)
    print(json.dumps(convert(options.source, size, options.channels, options.dtype, options.out)))


def convert(source: str, size: Size, channels: str, dtype: str, out: str | None) -> dict[str, int]:
    """The conversion itself; gives the peak of resident memory, in bytes, up to each stage."""
    peaks = {"start": peak_bytes()}

    images = list(read_images(source, size, channels))
    peaks["read"] = peak_bytes()

    X = np.array(images)  # noqa: N806
    peaks["array"] = peak_bytes()

    if dtype != "uint8":
        X = X / 255.0 if dtype == "float64" else X.astype(np.float32)  # noqa: N806
        peaks["float"] = peak_bytes()
        X = (X - X.mean(axis=(0, 1, 2))) / X.std(axis=(0, 1, 2))  # noqa: N806
        peaks["standardize"] = peak_bytes()

    if out:
        np.save(out, X)
    counts = {"images": len(images), "files": status_bytes("RssFile")}
    return peaks | {"peak": peak_bytes()} | counts


def read_images(path: str, size: Size, channels: str) -> Iterator[npt.NDArray[Any]]:
    """The images of a source, decoded, resized and in RGB, one after the other."""
    source = open_source(path)
    for entry in sorted(source.listing().entries, key=lambda entry: entry.name):
        data = np.frombuffer(source.read(entry.name, entry.locator), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if image is None:
            print(f"{entry.name} cannot be read", file=sys.stderr)
            continue
        if size:
            image = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA)
        gray = channels == "gray"
        yield cv2.cvtColor(image, cv2.COLOR_BGR2GRAY if gray else cv2.COLOR_BGR2RGB)


def peak_bytes() -> int:
    """The most resident memory that this process ever had.

    ru_maxrss, where there is no /proc, also knows what the process was forked from.
    """
    return status_bytes("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def status_bytes(name: str) -> int:
    """A figure of /proc/self/status in bytes, or 0 where there is none."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:
            return next(int(line.split()[1]) * 1024 for line in status if name in line)
    except OSError:
        return 0


if __name__ == "__main__":
    main()
