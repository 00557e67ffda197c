"""How much of the rows is background: what padding adds around images of another shape."""

from typing import Any

import numpy as np

from imgmem.core.chunks import row_ranges
from imgmem.core.decode.geometry import pad_box
from imgmem.core.rows.facts import Facts

_ROWS_AT_ONCE = 2**16


def background_share(facts: Facts, image: dict[str, Any]) -> float | None:
    """Compute the share of the pixels that padding added.

    Args:
        facts: (n,) rows of `rows.npy`; the sources' sizes count.
        image: The ImageSpec as built, as `dataset.json` records it.

    Returns:
        0 to 1, or None where rows are not padded.
    """
    if image.get("fit") != "pad" or not image.get("size") or not len(facts):
        return None
    target = (int(image["size"][0]), int(image["size"][1]))
    filled = 0
    for start, stop in row_ranges(len(facts), _ROWS_AT_ONCE):
        sizes = np.stack([facts[name][start:stop] for name in ("height", "width")], 1)
        known, counts = np.unique(sizes, axis=0, return_counts=True)
        for (height, width), count in zip(known.tolist(), counts.tolist(), strict=True):
            box = pad_box((max(height, 1), max(width, 1)), target)
            filled += box.height * box.width * count
    return 1 - filled / (target[0] * target[1] * len(facts))


def background_note(share: float | None) -> list[str]:
    """A sentence about the share, where there is something to say."""
    if not share:
        return []
    return [f"{share:.1%} of the pixels are background of fit=pad; they count in mean and std"]
