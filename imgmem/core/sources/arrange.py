"""A listing from raw entries and the tree of their folders: the layout is decided and applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imgmem.core.sources import files
from imgmem.core.sources.base import Entry, Listing, as_entry
from imgmem.core.sources.doubts import Evidence, first_doubt
from imgmem.core.sources.grammar import LabelRule, label_rule
from imgmem.core.sources.layout import TEST_LEFT_OUT, Layout, Place
from imgmem.core.sources.names import NO_EXTENSION
from imgmem.core.sources.resolve import choose, class_names, deeper_notes, notes
from imgmem.core.sources.tree import Folder, Tree
from imgmem.core.specs import LabelSpec
from imgmem.core.text import counted

DOUBTFUL = ("no extension, no image",)
"""The `extra` of a raw entry without an extension that is not an image by its first bytes: it only
counts where other files without an extension are images."""


def arranged(
    raw: Iterable[Entry], tree: Tree, spec: LabelSpec, *, ignored: Counter[str], skip: int = 0
) -> Listing:
    """The listing of `raw` entries, in the folders of `tree`, by the rule of `spec`.

    skip: first parts of every name that are not folders (the archive that it lies in).
    """
    tree.root.weigh()
    layout, reading = choose(tree.root, spec)
    automatic = label_rule(spec.labels).kind == "folder"
    evidence = Evidence(reading=reading, entries=raw, spec=spec, skip=skip)
    return Listing(
        entries=Placed(raw, layout, tree.root, skip),
        rule=rule_text(layout.rule),
        labeled=layout.labeled,
        placed=True,
        class_names=class_names(layout, reading),
        ignored=ignored + _passed_over(tree.root, layout),
        notes=(
            *notes(layout),
            *(deeper_notes(layout, reading) if automatic else ()),
            *(_annotation_notes(tree.root, ignored) if not layout.labeled and automatic else ()),
        ),
        doubts=first_doubt(evidence) if automatic else (),
    )


def _annotation_notes(root: Folder, ignored: Counter[str]) -> Iterator[str]:
    """That files which seem to be about an image each are not read."""
    if ignored[".mat file"]:
        many = counted(ignored[".mat file"], ".mat file")
        yield f"{many} next to the images may hold labels: write them to a table"
    for kind in ("txt", "xml", "json"):
        count = ignored[f".{kind} file"]
        if count >= max(2, root.total // 2):
            yield (
                f"{count} .{kind} files next to {root.total} images are not read: boxes or "
                "classes that are in them are not in the dataset"
            )


def rule_text(rule: LabelRule) -> str:
    """A rule as the option `labels` says it."""
    if rule == LabelRule("level", "-1"):
        return "parent"
    prefix = {"level": "folder", "path-pattern": "path"}.get(rule.kind, rule.kind)
    return f"{prefix}:{rule.value}" if rule.value else prefix


def _passed_over(root: Folder, layout: Layout) -> Counter[str]:
    """What the layout leaves out, and files without an extension that are not images."""
    base = root.find(layout.base)
    assert base is not None
    left_out = sum(base.children[name].total for name in layout.left_out)
    return Counter({TEST_LEFT_OUT: left_out, NO_EXTENSION: _doubtful(root)})


def _doubtful(folder: Folder) -> int:
    own = 0 if folder.bare else folder.doubtful
    return own + sum(_doubtful(child) for child in folder.children.values())


@dataclass(frozen=True)
class Placed:
    """Raw entries with label and split, as often as they are iterated."""

    raw: Iterable[Entry]
    layout: Layout
    root: Folder
    skip: int

    def __iter__(self) -> Iterator[Entry]:
        known: tuple[str, Place, bool] | None = None
        for entry in self.raw:
            path = entry.name.split("/", self.skip)[-1] if self.skip else entry.name
            folder = path.rpartition("/")[0]
            if known is None or known[0] != folder or not self.layout.by_folder:
                known = folder, self.layout.place(path, entry.name), self._has_bare(folder)
            _, place, bare = known
            if not place.ignored and (bare or entry.extra != DOUBTFUL):
                yield _placed(entry, place)

    def _has_bare(self, folder: str) -> bool:
        found = self.root.find(folder.split("/") if folder else ())
        return bool(found and found.bare)


def _placed(entry: Entry, place: Place) -> Entry:
    name, size, mtime_ns, label, _, locator, _ = entry
    if place.unlabeled and label is None:
        locator = files.without_label(locator, place.unlabeled)
    return as_entry((name, size, mtime_ns, label or place.label, place.split, locator, ()))
