"""Where images come from: folders, label files, archives, and datasets themselves."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.paths import is_address, source_path
from imgmem.core.sources.base import Address, Entry, Listing, Locator, Source
from imgmem.core.sources.datasets import is_dataset
from imgmem.core.sources.grammar import LabelRule, label_rule, meant_rule, roles
from imgmem.core.sources.kinds import Opening, has_columns, open_address, open_one
from imgmem.core.sources.labeled import LabeledSource, TableSpec
from imgmem.core.sources.prefixes import prefixes
from imgmem.core.sources.several import SeveralSources, inner_spec
from imgmem.core.sources.split_lists import SplitSource
from imgmem.core.sources.tables.several import open_tables
from imgmem.core.specs import LabelSpec
from imgmem.core.storage import durable

__all__ = [
    "Address",
    "Entry",
    "Listing",
    "Locator",
    "Source",
    "TableSpec",
    "open_address",
    "open_several",
    "open_source",
]


def open_source(
    path: str | Sequence[str],
    spec: LabelSpec = LabelSpec(),
    *,
    spool: str | None = None,
    sizes: bool = True,
    budget: int | None = None,
    **options: Any,
) -> Source:
    """The source at `path`: a folder, a label table, a tar or zip archive, a folder of such
    archives, arrays, or a dataset; or several of them as one.

    spec: which images count, and where labels and splits come from; `options` replace fields of
    it. spool: the directory that a compressed archive is decompressed to (None: where temporary
    files go); nothing stays there. sizes: False where those of files in folders need not be
    listed (`Listing.size_of`). budget: bytes of memory that a listing may take; None for any.
    Raises InputError if there is nothing usable, UsageError for options that are malformed,
    ResourceError without space for scratch.
    """
    spec = replace(spec, **options)
    by_table = label_rule(spec.labels).kind == "file"
    paths = [path] if isinstance(path, str) else list(path)
    _require_effect(paths, spec)
    inner = replace(spec, labels="none") if by_table else spec
    source = _open(paths, Opening(inner, spool, sizes, budget))
    try:
        if by_table or spec.tables:
            source = _labeled(source, spec)
        return SplitSource(source, spec.split_lists) if spec.split_lists else source
    except BaseException:
        source.close()
        raise


def _open(paths: list[str], how: Opening) -> Source:
    """One source, or several as one."""
    if len(paths) == 1:
        return open_one(paths[0], how)
    return open_several(
        paths, how.spec, lambda path, spec: open_one(path, how._replace(spec=spec, sizes=True))
    )


def open_several(
    paths: Sequence[str], spec: LabelSpec, opener: Callable[[str, LabelSpec], Source]
) -> SeveralSources:
    """Several sources as one, each opened by `opener` with the spec that it needs."""
    by_prefix = prefixes(paths)
    opened: dict[str, Source] = {}
    try:
        for prefix, path in by_prefix.items():
            opened[prefix] = opener(path, inner_spec(spec))
    except BaseException:
        for source in opened.values():
            source.close()
        raise
    return SeveralSources(opened, spec, by_prefix)


def _labeled(source: Source, spec: LabelSpec) -> LabeledSource:
    """A source under the label tables of `spec`, which stand before its rule."""
    by_table = label_rule(spec.labels).kind == "file"
    given = TableSpec.of(spec)
    paths = (spec.labels, *spec.tables) if by_table else spec.tables
    table = open_tables(paths, columns=given.names)
    behind = None if by_table else spec
    return LabeledSource(source, table, given, behind=behind, auto_split=spec.auto_split)


def _require_effect(paths: Sequence[str], spec: LabelSpec) -> None:
    """UsageError for options that say how to read labels, where there are none to read."""
    roles(spec.columns, "columns")
    if spec.no_label and spec.target != "multilabel":
        raise UsageError(
            f"{option('no_label')} is for images that may have several labels",
            hint=f"Add {option('target', 'multilabel')}.",
        )
    if spec.labels == "none" and (spec.class_map or spec.target):
        lost = "class_map" if spec.class_map else "target"
        raise UsageError(
            f"{option(lost)} has no effect with {option('labels', 'none')}: there are no classes",
            hint="Give one of them.",
        )
    _require_table(label_rule(spec.labels))
    for table in spec.tables:
        _require_file(table)
    if any(map(has_columns, paths)) or spec.tables or label_rule(spec.labels).kind == "file":
        return
    for name in ("columns", "target"):
        if getattr(spec, name) and not (name == "target" and _may_be(paths, spec.target)):
            raise UsageError(
                f"{option(name)} is for a label table, and {option('labels', spec.labels)} and "
                f"{', '.join(paths)} name none",
                hint=f"Give the table: {option('labels', 'FILE')}.",
            )


def _may_be(paths: Sequence[str], target: str | None) -> bool:
    """Whether images without a label table may have such a target: a number, or what the rows of
    a dataset have."""
    return target == "number" or any(
        durable.is_directory(path) and is_dataset(path) for path in paths
    )


def _require_table(rule: LabelRule) -> None:
    """InputError, with the rule that was meant, for a misspelled one, which would be a file;
    UsageError for a login in an address."""
    if rule.kind == "file" and is_address(rule.value):
        source_path(rule.value)
        return
    meant = meant_rule(rule.value)
    if rule.kind == "file" and meant and not os.path.lexists(rule.value):
        raise InputError(
            f"there is no label table {rule.value}, and no such rule",
            hint=f"Did you mean {option('labels', meant)}?",
            path=rule.value,
        )


def _require_file(table: str) -> None:
    """UsageError for a rule after the first value of the option `labels`."""
    if label_rule(table).kind != "file":
        raise UsageError(
            f"{option('labels')}: {table} comes after another value",
            hint="Give the rule first, then the label tables.",
        )
    _require_table(label_rule(table))
