"""What a build is asked for, and what is being built: what must not change until it is done."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from imgmem.core.specs import BUILD_DTYPES, TARGETS
from imgmem.core.storage.fields import (
    MAX_INT,
    CheckedFields,
    an_object,
    distinct_names,
    object_of,
    one_of,
    optional,
    text,
    tuple_of,
    whole,
)
from imgmem.core.storage.npy import ArrayHeader
from imgmem.core.storage.targets import labels_header


@dataclass(frozen=True, kw_only=True)
class BuildInputs:
    """What is asked for: everything that must not change between two runs of one build.

    listing: digest of what the source holds; listing_now: with the times of its files and the
    splits drawn. split_table: digest of the splits that were taken over, None for none.
    """

    options: dict[str, Any]
    decoders: dict[str, str]
    listing: str
    listing_now: str
    split_table: str | None = None

    @classmethod
    def checked(cls, value: Any) -> "BuildInputs":
        """From JSON; ValueError for anything that `asdict` does not make."""
        found = CheckedFields(an_object(value))
        inputs = cls(
            options=found.take("options", an_object),
            decoders=found.take("decoders", object_of(text)),
            listing=found.take("listing", text),
            listing_now=found.take("listing_now", text),
            split_table=found.take_or("split_table", None, optional(text)),
        )
        found.rest(allowed=False)
        return inputs

    @property
    def identity(self) -> str:
        """sha256 of the options and the listing: what `dataset.json` knows a build by."""
        text = json.dumps([self.options, self.listing], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class BuildManifest:
    """What is being built (`plan.json`). shape: (H, W, C) of a row. sources: how many.

    target: what labels are, one of TARGETS, None where there are none. target_names: of the
    numbers. notes_column: of rows.csv, it stands before `extra_columns`. group_column: which of
    these holds groups. labels: the rule that labels
    came by. download: digest of an archive that was downloaded, see `download_digest`.
    listed_at: when the first run began to list the source, in ns; origin: where that is (see
    `seen`).
    copied_from: digest of the dataset that an update copies rows from, see `update.fingerprint`.
    copied_row_bytes: what copying a row takes.
    """

    inputs: BuildInputs
    image: dict[str, Any]
    sources: int
    shape: tuple[int, int, int]
    dtype: str
    classes: tuple[str, ...] | None
    splits: tuple[str, ...]
    notes_column: str
    extra_columns: tuple[str, ...]
    target: str | None = None
    target_names: tuple[str, ...] = ()
    group_column: str | None = None
    labels: str = "none"
    prefixes: tuple[str, ...] = ()
    download: str | None = None
    listed_at: int = 0
    origin: str = ""
    copied_from: str | None = None
    copied_row_bytes: int = 0

    def labels_header(self, rows: int) -> ArrayHeader:
        """Of y.npy."""
        classes, names = len(self.classes or ()), len(self.target_names)
        return labels_header(self.target, rows, classes=classes, names=names)

    @property
    def window(self) -> tuple[float, float]:
        """The values that look black and white."""
        low, high = self.image.get("window", (0, 255))
        return low, high

    def header(self, rows: int) -> ArrayHeader:
        return ArrayHeader((rows, *self.shape), np.dtype(self.dtype))

    def with_max_pixels(self, limit: int) -> "BuildManifest":
        """The same with another limit on the pixels of an image."""
        inputs = replace(self.inputs, options=self.inputs.options | {"max_pixels": limit})
        return replace(self, inputs=inputs, image=self.image | {"max_pixels": limit})

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> "BuildManifest":
        """What `to_json` wrote; ValueError for anything else."""
        found = CheckedFields(an_object(json.loads(data)))
        height, width, depth = found.take("shape", tuple_of(whole(1, 2**31), 3))
        manifest = cls(
            inputs=found.take("inputs", BuildInputs.checked),
            image=found.take("image", an_object),
            sources=found.take("sources", whole(1, MAX_INT)),
            shape=(height, width, depth),
            dtype=found.take("dtype", one_of(BUILD_DTYPES)),
            classes=found.take("classes", optional(distinct_names)),
            splits=found.take("splits", distinct_names),
            notes_column=found.take("notes_column", text),
            extra_columns=found.take("extra_columns", tuple_of(text)),
            target=found.take("target", optional(one_of(TARGETS))),
            target_names=found.take("target_names", tuple_of(text)),
            group_column=found.take("group_column", optional(text)),
            labels=found.take("labels", text),
            prefixes=found.take("prefixes", tuple_of(text)),
            download=found.take_or("download", None, optional(text)),
            listed_at=found.take_or("listed_at", 0, whole(0, MAX_INT)),
            origin=found.take_or("origin", "", text),
            copied_from=found.take_or("copied_from", None, optional(text)),
            copied_row_bytes=found.take_or("copied_row_bytes", 0, whole(0, MAX_INT)),
        )
        found.rest(allowed=False)
        return manifest
