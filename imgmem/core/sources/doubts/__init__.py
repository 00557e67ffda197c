"""Trees that can mean two things, where the automatic rule would be silently wrong.

A detector looks at one reading of a tree and returns the doubt that it has, or None. They are
tried in the order of the table, the most certain first; the first doubt is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from imgmem.core.sources.doubts import (
    copies,
    counterparts,
    file_names,
    first_folders,
    hashed,
    loose,
    masks,
    splits,
    unlabeled,
)
from imgmem.core.sources.doubts.evidence import Evidence
from imgmem.core.sources.labeling import Doubt

__all__ = ["DETECTORS", "Evidence", "first_doubt"]

Detector = Callable[[Evidence], Doubt | None]


def first_doubt(evidence: Evidence) -> tuple[Doubt, ...]:
    """The doubt of the first detector that has one."""
    for name, detector in DETECTORS.items():
        if doubt := detector(evidence):
            return (replace(doubt, name=name),)
    return ()


DETECTORS: dict[str, Detector] = {
    "nested-copy": copies.nested_copy,
    "thumbnails": copies.thumbnails,
    "hidden-splits": splits.hidden_splits,
    "lone-split": splits.lone_split,
    "unlabeled": unlabeled.unlabeled_folder,
    "annotations": masks.annotation_folders,
    "masks": masks.masks,
    "masks-by-name": masks.masks_by_name,
    "loose-images": loose.loose_images,
    "hashed-folders": hashed.hashed_folders,
    "initials": first_folders.initials,
    "parts": first_folders.parts,
    "people": first_folders.people,
    "same-folders": first_folders.same_folders,
    "counterparts": counterparts.counterparts,
    "splits-in-one": first_folders.splits_in_one,
    "name-prefixes": file_names.prefixes,
}
"""What may be wrong with a reading, by name."""
