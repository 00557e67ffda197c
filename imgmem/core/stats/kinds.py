"""The kinds of findings, one line each in `FINDINGS`: the only place that names them.

The command line, the report page, the guide and `--fail-on` read the table. A new kind is a line
here; if it has a threshold, also a field of `Thresholds`, and if it needs a new figure of each
row, a field of `rows.npy`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgmem.core.stats.findings import Found, InspectedRows

IMBALANCE = "imbalance"
"""A check, not a finding: rows of the largest class divided by those of the smallest."""
REJECTED = "rejected"
"""A check, not a finding: images that `build` rejected."""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A kind of finding.

    Attributes:
        name: What users call it.
        title: What it is, in a few words.
        rule: Finds the rows of this kind, given the value of the threshold.
        threshold: The field of `Thresholds` that the rule depends on, or None.
        needs: What a dataset must have to be checked for it: "splits", "labels", "groups" (and
            splits), or None.
    """

    name: str
    title: str
    rule: Callable[["InspectedRows", Any], "Found"]
    threshold: str | None = None
    needs: str | None = None


FINDINGS = (
    FindingKind(
        "leaks",
        "same image in more than one split",
        lambda rows, _: rows.groups_across(rows.splits),
        threshold="near",
        needs="splits",
    ),
    FindingKind(
        "conflicts",
        "same image with different labels",
        lambda rows, _: rows.groups_across(rows.labels),
        threshold="near",
        needs="labels",
    ),
    FindingKind(
        "group-leaks",
        "same group in more than one split",
        lambda rows, _: rows.parted_groups(),
        needs="groups",
    ),
    FindingKind("duplicates", "same source bytes", lambda rows, _: rows.equal_groups()),
    FindingKind("near-duplicates", "look the same", lambda rows, _: rows.near_groups(), "near"),
    FindingKind(
        "blank",
        "almost no contrast",
        lambda rows, limit: rows.lowest(rows.contrast, rows.contrast <= limit),
        threshold="blank",
    ),
    FindingKind(
        "dark",
        "low mean pixel value",
        lambda rows, limit: rows.lowest(rows.brightness, rows.brightness <= limit),
        threshold="dark",
    ),
    FindingKind(
        "bright",
        "high mean pixel value",
        lambda rows, limit: rows.highest(rows.brightness, rows.brightness >= limit),
        threshold="bright",
    ),
    FindingKind(
        "blurred",
        "low sharpness",
        lambda rows, limit: rows.lowest(
            rows.sharpness, rows.have_contrast & (rows.sharpness <= limit)
        ),
        threshold="blurred",
    ),
    FindingKind(
        "small",
        "few pixels on the source's shorter side",
        lambda rows, limit: rows.lowest(rows.shorter_side, rows.shorter_side < limit),
        threshold="small",
    ),
    FindingKind(
        "elongated",
        "extreme aspect ratio",
        lambda rows, limit: rows.highest(rows.aspect_ratio, rows.aspect_ratio > limit),
        threshold="elongated",
    ),
    FindingKind(
        "bad-values", "NaN, Inf or out-of-range values", lambda rows, _: rows.with_bad_values()
    ),
)
"""All kinds, in the order of their weight."""

CHECKS = (*(kind.name for kind in FINDINGS), REJECTED, IMBALANCE)
"""All that `stats` can fail on."""
