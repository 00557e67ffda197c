"""The result of a build."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from imgmem.core.build.hints import pixel_hints
from imgmem.core.build.known import UpdateCounts
from imgmem.core.build.plan import Plan
from imgmem.core.rows.background import background_note, background_share
from imgmem.core.rows.facts import read_facts
from imgmem.core.sources.resolve import listed
from imgmem.core.storage import store
from imgmem.core.storage.labels import count_labels
from imgmem.core.text import array_text, counts_text, summary


@dataclass(frozen=True, kw_only=True, repr=False)
class BuildResult:
    """The result of a build.

    Attributes:
        path: The dataset.
        shape: (N, H, W, C) of its rows.
        dtype: Of its rows.
        images: Images in the source, including rejected ones.
        rule: How labels were found, as the option `labels` says it, or "table" and the like.
        splits: Rows of each split, including empty ones.
        target: What labels are: "class", "multilabel" or "number"; None without.
        target_names: Of the numbers.
        class_counts: Rows of each class, including empty ones; None without classes.
        rejected: Images that did not become rows, counted by reason.
        converted: Lossy conversions, counted by kind.
        ignored: What was skipped, counted by reason.
        notes: What the user should know.
        already_done: The dataset was up to date, and nothing was written.
        added: New images; None if no dataset was updated, as for the next five.
        changed: Images whose bytes have changed.
        removed: Images that are gone.
        kept: Images that have not changed.
        relabeled: Images among `kept` whose label has changed.
        renamed: Images among `kept` whose path has changed.
        resumed_at: Images done by earlier runs.
        peak_memory: Bytes of anonymous memory that this run reached.
        memory: Its budget, in bytes.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    images: int
    rule: str
    splits: dict[str, int]
    target: str | None
    target_names: list[str]
    class_counts: dict[str, int] | None
    rejected: dict[str, int]
    converted: dict[str, int]
    ignored: dict[str, int]
    notes: list[str]
    already_done: bool = False
    added: int | None = None
    changed: int | None = None
    removed: int | None = None
    kept: int | None = None
    relabeled: int | None = None
    renamed: int | None = None
    resumed_at: int = 0
    peak_memory: int = 0
    memory: int = 0

    @property
    def changes(self) -> str:
        """`+120 ~3 −7, 49,870 kept` of an update, "" of another build."""
        names = [each.name for each in fields(UpdateCounts)]
        counts = {name: getattr(self, name) for name in names}
        return "" if self.kept is None else UpdateCounts(**counts).text()

    def __repr__(self) -> str:
        return summary(
            self,
            array_text(self.shape, self.dtype),
            counts_text(self.splits),
            f"rejected {counts_text(self.rejected)}" if self.rejected else "",
            self.changes,
            "already done" if self.already_done else "",
        )


def _without_rows(splits: Mapping[str, tuple[int, int]]) -> list[str]:
    """A note of the splits that have no rows, if there are any."""
    empty = [name for name, (start, stop) in splits.items() if start == stop]
    if len(empty) > 1:
        return [f"{len(empty)} splits have no rows: {listed(empty)}"]
    return [f"split {name} has no rows" for name in empty]


def result_of(out: str, plan: Plan) -> BuildResult:
    """What the dataset at `out`, which was built by `plan`, records about itself."""
    result = recorded_result(out, notes=plan.notes)
    ignored = dict(sorted(plan.listing.ignored.items()))
    return replace(result, rule=plan.labeling.rule, ignored=ignored)


def recorded_result(out: str, *, notes: Iterable[str]) -> BuildResult:
    """What the dataset at `out` records about itself, with notes before its own."""
    record = store.read_record(out)
    source = record.build.get("source", {})
    counts = count_labels(out, record)
    notes = list(notes)
    empty = [name for name, rows in (counts or {}).items() if not rows]
    if empty:
        what = "class" if len(empty) == 1 else f"{len(empty)} classes"
        notes.append(f"{what} without rows: {listed(empty)}")
    notes += _without_rows(record.splits)
    notes += pixel_hints(record.build)
    if record.image.get("fit") == "pad":
        facts = read_facts(out, record.shape[0])
        notes += background_note(background_share(facts, record.image))
    return BuildResult(
        path=out,
        shape=record.shape,
        dtype=record.dtype,
        images=source.get("images", 0),
        rule=source.get("labels", ""),
        splits={name: stop - start for name, (start, stop) in record.splits.items()},
        target=record.kind,
        target_names=list(record.target_names),
        class_counts=counts,
        rejected=record.build.get("rejected", {}),
        converted=record.build.get("converted", {}),
        ignored={},
        notes=notes,
    )
