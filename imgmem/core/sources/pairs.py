"""WebDataset pairs: the class of `x.jpg` stands in `x.cls` or `x.json` next to it.

A sample's key is its path up to the first dot of the base name, and its files follow one
another (https://github.com/webdataset/webdataset, "The WebDataset Format").
"""

import json
import os
from collections.abc import Sequence
from typing import Any

from imgmem.core.errors import InputError, RejectedImage
from imgmem.core.messages import option
from imgmem.core.sources.base import Container, Member
from imgmem.core.sources.names import may_be_image

CLASS_KEYS = ("class_name", "label_name", "class", "label", "cls")
"""What a sample's JSON object may call its class; the first of these that is there is it."""

MAX_LABEL_BYTES = 2**20


def sample_key(path: str) -> str:
    """What the members of one sample share."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/{name.partition('.')[0]}"


def is_label(path: str) -> bool:
    return path.lower().endswith((".cls", ".json"))


def label_of(sample: Sequence[Member], container: Container, archive: str) -> str | None:
    """The class that a sample's .cls, or else its .json, gives; None if neither does.

    Raises InputError for one that is damaged, or gives several.
    """
    labels = [member for member in sample if is_label(member.path)]
    if not labels or not any(may_be_image(member.path) for member in sample):
        return None
    for member in sorted(labels, key=lambda member: not member.path.lower().endswith(".cls")):
        try:
            label = _parse(member, container)
        except (ValueError, RejectedImage) as error:
            raise InputError(
                f"{archive}: {member.name} gives no class: {error}",
                hint="It must hold one class, a number or a name; or use "
                f"{option('labels', 'none')}.",
                path=archive,
                member=member.name,
            ) from None
        if label is not None:
            return label
    return None


def _parse(member: Member, container: Container) -> str | None:
    if member.size > MAX_LABEL_BYTES:
        raise ValueError(f"it has {member.size} bytes")
    data = container.read(member.locator, None)
    if member.path.lower().endswith(".cls"):
        return _one_class(data.decode("utf-8", "surrogateescape").strip())
    found = json.loads(data)
    if isinstance(found, dict):
        found = next((found[key] for key in CLASS_KEYS if key in found), None)
    return None if found is None else _one_class(found)


def _one_class(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("it gives several classes, or something other than a number or a name")
    label = str(value).strip()
    os.fsencode(label)  # UnicodeEncodeError is a ValueError: lone surrogates are not text
    if not label or "\n" in label:
        raise ValueError("it is empty" if not label else "it has several lines")
    return label
