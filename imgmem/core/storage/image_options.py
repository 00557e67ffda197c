"""Do two datasets hold images that were made into rows in the same way?"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from imgmem.core.errors import DatasetError
from imgmem.core.messages import option
from imgmem.core.specs import ImageSpec
from imgmem.core.text import differences

_NOT_OF_PIXELS = ("max_pixels", "window")
"""A limit, which rejects images, and what rows look like: neither changes any."""


def of_spec(image: ImageSpec) -> dict[str, Any]:
    """The image options as a dataset that is built with them records them."""
    return asdict(image) | {"native": image.size is None}


def require_same(
    path: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], used_for: str
) -> None:
    """DatasetError, with what differs, where a dataset that is referred to has other options.

    Args:
        path: The dataset that is referred to.
        theirs: The image options that it records.
        ours: Those of the dataset that is being made.
        used_for: The option that refers to it.
    """
    both = [name for name in theirs if name in ours and name not in _NOT_OF_PIXELS]
    if theirs.get("native") and ours.get("native"):
        both.remove("size")  # that of the images
    changed = differences(*({name: _plain(of[name]) for name in both} for of in (theirs, ours)))
    if changed:
        raise DatasetError(
            f"{path} has other image options: {changed}",
            hint=f"Use the same for both, or add {option('allow_mismatch', True)} to use "
            f"{option(used_for)} anyway.",
            path=path,
        )


def _plain(value: Any) -> Any:
    """As JSON has it."""
    return list(value) if isinstance(value, tuple) else value
