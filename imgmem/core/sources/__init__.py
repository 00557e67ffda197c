"""Where images come from: folders, label files, archives, and datasets themselves."""

import os
import stat
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from imgmem.core.errors import InputError, UsageError
from imgmem.core.messages import option
from imgmem.core.sources.archive import ArchiveSource
from imgmem.core.sources.arrays.found import arrays_at, is_array_file
from imgmem.core.sources.arrays.source import ArraySource
from imgmem.core.sources.base import Address, Container, Entry, Listing, Locator, Source
from imgmem.core.sources.blob import open_blob
from imgmem.core.sources.datasets import DatasetSource, is_dataset
from imgmem.core.sources.files import unusable
from imgmem.core.sources.folder import FolderSource
from imgmem.core.sources.grammar import LabelRule, label_rule, meant_rule, roles
from imgmem.core.sources.labeled import LabeledSource, ListSource, TableSpec
from imgmem.core.sources.shards import ShardsContainer, shards_in
from imgmem.core.sources.split_lists import SplitSource
from imgmem.core.sources.spool import OPENERS
from imgmem.core.sources.tables.reader import EXTENSIONS, is_table
from imgmem.core.sources.tables.several import open_tables
from imgmem.core.sources.tars import TarContainer, open_tar
from imgmem.core.sources.walk import holds_candidates
from imgmem.core.sources.zips import ZipContainer
from imgmem.core.specs import LabelSpec

__all__ = [
    "Address",
    "Entry",
    "Listing",
    "Locator",
    "Source",
    "TableSpec",
    "open_address",
    "open_source",
]


def open_source(
    path: str,
    spec: LabelSpec = LabelSpec(),
    *,
    spool: str | None = None,
    sizes: bool = True,
    **options: Any,
) -> Source:
    """The source at `path`: a folder, a label table, a tar or zip archive, a folder of such
    archives, or a dataset.

    spec: which images count, and where labels and splits come from; `options` replace fields of
    it. spool: the directory that a compressed tar is decompressed to (None: where temporary files
    go); nothing stays there. sizes: False where those of files in folders need not be
    listed (`Listing.size_of`).
    Raises InputError if there is nothing usable, UsageError for options that are malformed,
    ResourceError without space for scratch.
    """
    spec = replace(spec, **options)
    _require_effect(path, spec)
    by_table = label_rule(spec.labels).kind == "file"
    source = _open(path, replace(spec, labels="none") if by_table else spec, spool, sizes)
    try:
        if by_table or spec.tables:
            source = _labeled(source, spec)
        return SplitSource(source, spec.split_lists) if spec.split_lists else source
    except BaseException:
        source.close()
        raise


def _labeled(source: Source, spec: LabelSpec) -> LabeledSource:
    """A source under the label tables of `spec`, which stand before its rule."""
    by_table = label_rule(spec.labels).kind == "file"
    given = TableSpec.of(spec)
    paths = (spec.labels, *spec.tables) if by_table else spec.tables
    table = open_tables(paths, columns=given.names)
    behind = None if by_table else spec
    return LabeledSource(source, table, given, behind=behind, auto_split=spec.auto_split)


def _require_effect(path: str, spec: LabelSpec) -> None:
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
    if _has_columns(path) or spec.tables or label_rule(spec.labels).kind == "file":
        return
    for name in ("columns", "target"):
        if getattr(spec, name) and not (name == "target" and _may_be(path, spec.target)):
            raise UsageError(
                f"{option(name)} is for a label table, and {option('labels', spec.labels)} and "
                f"{path} name none",
                hint=f"Give the table: {option('labels', 'FILE')}.",
            )


def _may_be(path: str, target: str | None) -> bool:
    """Whether images without a label table may have such a target: a number, or what the rows of
    a dataset have."""
    return target == "number" or (os.path.isdir(path) and is_dataset(path))


def _has_columns(path: str) -> bool:
    """Whether a source has columns, or arrays, of its own to take labels from."""
    if not stat.S_ISREG(_mode(path)):
        return not is_dataset(path) and arrays_at(path) is not None
    return is_table(path) or is_array_file(path)


def _require_table(rule: LabelRule) -> None:
    """InputError, with the rule that was meant, for a misspelled one: it would be a file."""
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
            hint="Give one rule, before the label tables that go before it.",
        )
    _require_table(label_rule(table))


def open_address(address: Address) -> Source:
    """The source at an address, to read the images that another process has listed.

    Raises InputError if it is not there, or is not as it was.
    """
    for each in (address, *(part for _, part in address.parts)):
        if each.size and _stamp(each.path) != (each.size, each.mtime_ns):
            raise InputError(
                f"{each.path} changed during the build",
                hint="Make sure that nothing writes to the source.",
                path=each.path,
            )
    return _READERS[address.kind](address.path)


def _open(path: str, spec: LabelSpec, spool: str | None, sizes: bool) -> Source:
    mode, lowered = _mode(path), path.lower()
    if stat.S_ISDIR(mode):
        return _open_folder(path, spec, spool, sizes)
    if stat.S_ISREG(mode) and is_table(path):
        return ListSource(
            path, TableSpec.of(spec), labels=spec.labels == "folder", auto_split=spec.auto_split
        )
    if stat.S_ISREG(mode) and is_array_file(path):
        return ArraySource(path, spec, spool=spool)
    container: Container
    if stat.S_ISREG(mode) and lowered.endswith((".tar", *OPENERS)):
        container = open_tar(path, spool=spool)
    elif stat.S_ISREG(mode) and lowered.endswith(".zip"):
        container = ZipContainer(open_blob(path))
    else:
        raise InputError(
            f"{path} is not a folder, a .tar, a .zip, an .npz or a label table "
            f"({', '.join(sorted(EXTENSIONS))})",
            hint="Give the folder that the images are in (unpack an archive of another kind).",
            path=path,
        )
    return ArchiveSource(path, container, spec)


def _open_folder(path: str, spec: LabelSpec, spool: str | None, sizes: bool) -> Source:
    if is_dataset(path):
        return DatasetSource(path, labels=spec.labels == "folder", auto_split=spec.auto_split)
    source = FolderSource(path, spec, sizes=sizes)  # raises where the folder cannot be listed
    arrays, shards = arrays_at(path), shards_in(path)
    if not (arrays or shards) or holds_candidates(path):
        return source
    source.close()
    if arrays:
        return ArraySource(arrays, spec, spool=spool)
    container = ShardsContainer(path, shards, spool=spool)
    return ArchiveSource(path, container, spec, archives=tuple(shards))


_READERS: dict[str, Callable[[str], Source]] = {
    "folder": FolderSource,
    "arrays": ArraySource,
    "dataset": DatasetSource,
    "tar": lambda path: ArchiveSource(path, TarContainer(open_blob(path))),
    "shards": lambda path: ArchiveSource(path, ShardsContainer(path, [])),
    "zip": lambda path: ArchiveSource(path, ZipContainer(open_blob(path))),
}
"""How to open each kind of address."""


def _stamp(path: str) -> tuple[int, int]:
    try:
        facts = os.stat(path)
    except OSError:
        return 0, 0
    return facts.st_size, facts.st_mtime_ns


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except OSError as error:
        raise unusable(error, f"there is no source at {path}", path, "Check the path.") from None
