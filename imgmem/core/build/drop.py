"""Rows that are copied as they are: what a build takes from the dataset that they are in."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.sources.datasets import is_dataset
from imgmem.core.specs import BuildSpec, ImageSpec
from imgmem.core.storage import store

_IMAGE_OPTIONS = tuple(field.name for field in fields(ImageSpec))


def with_options_of(
    sources: tuple[str, ...], spec: BuildSpec, given: Mapping[str, Any]
) -> BuildSpec:
    """`spec` with the image options and classes of the dataset whose rows are copied.

    given: the options that were given. Raises UsageError for a source that is not one dataset,
    and for options that would make other rows.
    """
    if not spec.copies:
        return spec
    asked = "drop" if spec.drop else "group"
    if len(sources) != 1 or not is_dataset(sources[0]):
        raise UsageError(
            f"{option(asked)} is for a dataset as SOURCE, and {', '.join(sources)} is not one",
            hint="Build the dataset first, then leave out rows of it.",
        )
    record = store.read_record(sources[0])
    theirs = {name: _plain(record.image[name]) for name in _IMAGE_OPTIONS if name in record.image}
    _, *theirs["size"], depth = record.shape
    theirs |= {"size": tuple(theirs["size"]), "channels": "rgb" if depth == 3 else "gray"}
    theirs["dtype"] = record.original_dtype
    image = ImageSpec(**{name: theirs[name] for name in _IMAGE_OPTIONS if name in theirs})
    for name, value in theirs.items():
        ours = spec.dtype if name == "dtype" else getattr(spec.image, name)
        if given.get(name) is not None and ours != value:
            raise UsageError(
                f"{option(asked)} copies rows as they are, and {option(name)} is another for them",
                hint=f"Leave out {option(name)}.",
            )
    classes = spec.classes if spec.classes is not None else record.classes
    return replace(spec, image=image, dtype=theirs["dtype"], classes=classes)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
