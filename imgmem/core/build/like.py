"""`like`: options that a build takes from a dataset."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from imgmem.core.errors import UsageError
from imgmem.core.messages import option
from imgmem.core.read.prepare import image_spec_of
from imgmem.core.specs import BuildSpec
from imgmem.core.storage import store
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import MULTILABEL, NUMBER


def with_options_like(spec: BuildSpec, given: Mapping[str, Any]) -> BuildSpec:
    """`spec` with the image options, classes and target of the dataset that it should be like.

    given: the options that were given. Raises UsageError for one that says otherwise, and
    InputError or DatasetError where the dataset cannot be read.
    """
    if spec.like is None:
        return spec
    record = store.read_record(spec.like)
    image = image_spec_of(spec.like, record)
    theirs = asdict(image) | {"dtype": record.original_dtype}
    own: dict[str, Any] = {"dtype": record.original_dtype} | _labels(record, spec)
    for name, value in (theirs | own).items():
        ours = getattr(spec if hasattr(spec, name) else spec.image, name)
        if given.get(name) is not None and ours != value:
            raise UsageError(
                f"{option('like')} uses the options of a dataset, in which {option(name)} is "
                f"{value}",
                hint=f"Leave out {option(name)}.",
            )
    return replace(spec, image=image, **own)


def _labels(record: Record, spec: BuildSpec) -> dict[str, Any]:
    """Classes and target, where the images have labels; known classes keep their indices."""
    if spec.labels == "none" or not record.labeled:
        return {}
    target = record.target if record.target in (MULTILABEL, NUMBER) else None
    classes = spec.classes if spec.more_classes else record.classes
    return {"classes": classes, "target": target}
