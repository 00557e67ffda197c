"""Sources that a label table rules: the option `labels` over any source, or a list alone."""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from imgmem.core.errors import InputError
from imgmem.core.messages import option
from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources.base import Address, Entry, Listing, Locator, Source
from imgmem.core.sources.catalog import Catalog, Catalogs
from imgmem.core.sources.files import MISSING, UNREADABLE, looked_at, without_label
from imgmem.core.sources.folder import FolderSource
from imgmem.core.sources.grammar import ListValue, roles
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.ruled import ruled
from imgmem.core.sources.tables.addresses import not_there, only_addresses
from imgmem.core.sources.tables.columns import Given, column_name, find_columns
from imgmem.core.sources.tables.labels import Labels, no_labels
from imgmem.core.sources.tables.lines import Facts, Lines
from imgmem.core.sources.tables.reader import Table, doubtful
from imgmem.core.sources.tables.several import open_tables
from imgmem.core.sources.tables.targets import NumberLabels, SetLabels
from imgmem.core.sources.unmatched import lines_of_many, nothing_found
from imgmem.core.sources.unnamed import Unnamed, keys_do_not_fit, undecided
from imgmem.core.sources.walk import explain
from imgmem.core.specs import LabelSpec, Target
from imgmem.core.storage.targets import CLASS, MULTILABEL, NUMBER
from imgmem.core.text import counted

NOT_NAMED = "image without a line in the label table"
REPEATED = "line of the label table that repeats another"
NO_IMAGE = "the source has no such image"


class TableSpec(NamedTuple):
    """How a label table is to be read.

    columns: (role, column) pairs that the user gave. target: as `LabelSpec` has it, None for
    one class per image, if that is clear. no_label: words that mean none. exclude: images that
    are left out already, for remedies that leave out more.
    """

    columns: Given = ()
    target: Target | None = None
    no_label: tuple[str, ...] = ()
    exclude: ListValue = ()

    @property
    def names(self) -> list[str]:
        """The columns that the user named."""
        return [name for _, name in self.columns]

    @classmethod
    def of(cls, spec: LabelSpec) -> "TableSpec":
        """What the options say. Raises UsageError for columns that cannot be parsed."""
        return cls(roles(spec.columns, "columns"), spec.target, spec.no_label, spec.exclude)


AS_FOUND = TableSpec()


class LeftOver(NamedTuple):
    """What the match of lines and images left over."""

    ignored: dict[str, int]
    notes: list[str]
    doubts: list[Doubt]


class _Ruled:
    """What both kinds share: the table, its columns, and the source of the bytes."""

    def __init__(
        self, table: Table, source: Source, spec: TableSpec, *, labels: bool, auto_split: bool
    ) -> None:
        self._source = source
        self._spec = spec
        self._auto_split = auto_split
        self._table = table
        self._target = spec.target if labels else None
        self._columns = find_columns(self._table, spec.columns, labels=labels, target=self._target)
        if self._target and not self._columns.labels:
            raise no_labels(self._table, "numbers" if self._target == NUMBER else "labels")
        self._catalogs = Catalogs()

    @property
    def spool_bytes(self) -> int:
        return self._source.spool_bytes

    @property
    def remote(self) -> bool:
        return self._source.remote

    @property
    def address(self) -> Address | None:
        return self._source.address

    def _read_lines(self) -> tuple[Lines, Labels]:
        labels = self._labels()
        return Lines(self._table, self._columns, labels), labels

    def _labels(self) -> Labels:
        if self._target == NUMBER:
            return NumberLabels(self._table, self._columns, as_class=True)
        if self._target == MULTILABEL:
            return SetLabels(self._table, self._columns, no_label=self._spec.no_label)
        return Labels(self._table, self._columns, as_class=self._target == CLASS)

    def _split(self, entry_split: str | None, facts: Facts) -> str | None:
        if not self._auto_split:
            return None
        return entry_split if self._columns.split is None else facts.split

    def _labeled(self, entry: Entry, facts: Facts) -> Entry:
        """The entry of a line, which is a reject where the line has no label."""
        if facts.label is not None or not self._columns.labels:
            return entry
        folder, file = os.path.split(self._table.line(facts.line))
        why = f"{file or folder}: it has no label"
        return entry._replace(locator=without_label(entry.locator, why))

    def _listing(self, catalog: Catalog, lines: Lines, labels: Labels, found: LeftOver) -> Listing:
        labeled = bool(self._columns.labels)
        return Listing(
            entries=catalog,
            rule="table" if labeled else "none",
            labeled=labeled,
            target=self._target or CLASS,
            target_names=self._target_names(),
            class_names=labels.class_names,
            numbers=labels.numbers(),
            extra_columns=self._columns.extra_names,
            group_column=self._group_column(),
            ignored=found.ignored,
            notes=(*self._notes(lines, labels), *found.notes),
            doubts=(*labels.doubts(lines.label_counts()), *found.doubts),
        )

    def _target_names(self) -> tuple[str, ...]:
        if self._target != NUMBER:
            return ()
        return tuple(column_name(self._table, index) for index in self._columns.labels)

    def _group_column(self) -> str | None:
        columns = self._columns
        if columns.group is None:
            return None
        return columns.extra_names[columns.extra.index(columns.group)]

    def _notes(self, lines: Lines, labels: Labels) -> list[str]:
        """How the table was read, which columns were taken, how files were found."""
        notes = ["; ".join((*self._table.notes, *self._columns.notes))]
        if self._columns.dropped:
            left_out = ", ".join(self._columns.dropped)
            notes.append(f"left out the columns {left_out}: rows.csv has its own")
        if labels.latin1:
            notes.append(
                f"read as Latin-1 because the text is not UTF-8: {counted(labels.latin1, 'cell')} "
                f"of {_base(self._table.path)}; if that is wrong, save the file as UTF-8"
            )
        notes += labels.notes()
        for how, count in lines.how.most_common():
            what = how or "with backslashes, blanks or a leading slash"
            notes.append(f"found the images of {counted(count, 'line')} {what}")
        return notes

    def read(self, name: str, locator: Locator) -> bytes:
        return self._source.read(name, locator)

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        return self._source.read_head(name, locator, length)

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        return self._source.changed_ns(name, locator, folders=folders)

    def close(self) -> None:
        self._catalogs.close()
        self._source.close()


class LabeledSource(_Ruled):
    """Another source's images with the labels of a table; those without a line are left out.

    Where a rule stands behind the table, it labels what the table does not: the images without a
    line, which are kept then, or all if the table has no labels.
    """

    left_out = NOT_NAMED
    """What images without a line are counted as."""

    def __init__(
        self,
        source: Source,
        table: Table,
        spec: TableSpec = AS_FOUND,
        *,
        behind: LabelSpec | None = None,
        labels: bool = True,
        auto_split: bool = True,
    ) -> None:
        """Raises InputError if the table cannot be used.

        behind: the rule that stands behind the table, None for none. labels: whether the table is
        to have labels.
        """
        super().__init__(table, source, spec, labels=labels, auto_split=auto_split)
        self._behind = behind
        if labels and not self._columns.labels and behind is None:
            raise no_labels(table)

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        listed = self._source.listing(progress)
        if self._behind is not None:
            listed = ruled(listed, self._behind)
        lines, labels = self._read_lines()
        try:
            lines.find(entry.name for entry in listed.entries)
            unnamed = Unnamed(self.left_out)
            entries = self._entries(listed, lines, unnamed)
            catalog = self._catalogs.filled(entries, progress)
            found = self._found(listed, lines, unnamed)
            return self._over(listed, self._listing(catalog, lines, labels, found))
        finally:
            lines.close()

    def _over(self, listed: Listing, listing: Listing) -> Listing:
        """The listing by the table, over that of the source."""
        listing = replace(
            listing,
            selected=listed.selected,
            memory_bytes=listed.memory_bytes,
            size_of=listed.size_of,
            extra_columns=(*listed.extra_columns, *listing.extra_columns),
        )
        if self._behind is None:
            return listing
        if not self._columns.labels:
            listing = replace(listing, labeled=listed.labeled, rule=listed.rule)
        names = (*listing.class_names, *listed.class_names)
        return replace(listing, placed=True, class_names=names)

    def _entries(self, listed: Listing, lines: Lines, unnamed: Unnamed) -> Iterator[Entry]:
        keeps = self._behind is not None and bool(self._columns.labels)
        before, blank = ("",) * len(listed.extra_columns), ("",) * len(self._columns.extra)
        named = lines.named()
        file, facts = next(named, _NO_MORE)
        for number, entry in enumerate(listed.entries, 1):
            if number == file:
                unnamed.add_named(entry.name)
                yield self._named(entry, facts)
                file, facts = next(named, _NO_MORE)
            elif keeps:
                unnamed.labeled += 1
                yield entry._replace(extra=(*entry.extra, *blank))
            else:
                unnamed.add(entry.name)
        for path, facts in lines.without_file():
            missing = _missing(path, facts, self._split(None, facts))
            yield missing._replace(extra=(*before, *facts.extra))

    def _named(self, entry: Entry, facts: Facts) -> Entry:
        """The image of a line, with what the line says."""
        label = facts.label if self._columns.labels else entry.label
        split = self._split(entry.split, facts)
        extra = (*entry.extra, *facts.extra)
        return self._labeled(entry._replace(label=label, split=split, extra=extra), facts)

    def _found(self, listed: Listing, lines: Lines, unnamed: Unnamed) -> LeftOver:
        missing = lines.missing()
        few = unnamed.count > unnamed.named
        if missing and few and self._columns.labels and (many := lines_of_many(self._table, lines)):
            raise many
        if missing and not unnamed.named:
            raise self._nothing_found(lines, unnamed)
        ignored = Counter(listed.ignored)
        ignored += Counter({self.left_out: unnamed.count, REPEATED: lines.repeated})
        doubts = list(listed.doubts)
        if missing and unnamed.count and not doubts:
            doubts += self._missing_doubts(lines, unnamed)
        return LeftOver(ignored, [*listed.notes, *unnamed.notes()], doubts)

    def _missing_doubts(self, lines: Lines, unnamed: Unnamed) -> list[Doubt]:
        """Why lines may have no image, where images have no line."""
        path, exclude = self._table.path, self._spec.exclude
        if doubt := undecided(path, lines, exclude):
            return [doubt]
        if unnamed.count > unnamed.named:
            return [keys_do_not_fit(path, lines, unnamed, exclude)]
        return []

    def _nothing_found(self, lines: Lines, unnamed: Unnamed) -> InputError:
        path = self._table.path
        if doubt := undecided(path, lines, self._spec.exclude):
            return doubtful(doubt)
        return nothing_found(path, lines, unnamed, self._naming_hint())

    def _naming_hint(self) -> str:
        return f"Name the column of paths: {option('columns', 'path=NAME')}."


_NO_MORE = (0, Facts(0, None, None, ()))


class ListSource(_Ruled):
    """The images that a table names, in its order, relative to the folder that it is in."""

    def __init__(
        self,
        path: str,
        spec: TableSpec = AS_FOUND,
        *,
        labels: bool = True,
        auto_split: bool = True,
    ) -> None:
        """Raises InputError if the table cannot be used."""
        self._top = os.path.dirname(os.path.abspath(path))
        folder = FolderSource(self._top, LabelSpec(labels="none"))
        table = open_tables([path], columns=spec.names)
        try:
            super().__init__(table, folder, spec, labels=labels, auto_split=auto_split)
        except InputError as error:
            raise only_addresses(table) or error from None

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        lines, labels = self._read_lines()
        try:
            self._find(lines, progress)
            self._require_some(lines)
            catalog = self._catalogs.filled(self._entries(lines), progress)
            ignored = {REPEATED: lines.repeated} if lines.repeated else {}
            found = LeftOver(ignored, [], [])
            return replace(self._listing(catalog, lines, labels, found), ordered=True)
        finally:
            lines.close()

    def _find(self, lines: Lines, progress: ProgressCallback) -> None:
        """Look for files in the whole folder, if there are lines whose path is not one."""
        if not all(exact and self._exists(path) for path, exact, _, _ in lines.in_order()):
            lines.find(entry.name for entry in self._source.listing(progress).entries)

    def _require_some(self, lines: Lines) -> None:
        """InputError where no image of the list is in its folder or below."""
        path = ""
        for path, exact, name, _ in lines.in_order():
            if name is not None or (exact and os.path.lexists(os.path.join(self._top, path))):
                return
        if path:
            raise not_there(self._table, self._top, path)

    def _exists(self, path: str) -> bool:
        whole = os.path.join(self._top, path)
        return os.path.lexists(whole) and not os.path.isdir(whole)

    def _entries(self, lines: Lines) -> Iterator[Entry]:
        for path, exact, name, facts in lines.in_order():
            if name is None and not exact:
                yield _missing(path, facts, self._split(None, facts))
            else:
                yield self._labeled(self._entry(name or path, facts), facts)

    def _entry(self, name: str, facts: Facts) -> Entry:
        split = self._split(None, facts)
        try:
            path = os.path.join(self._top, name)
            found = looked_at(lambda: os.stat(path), self._top)
        except FileNotFoundError as error:
            if self._exists(name):
                return _entry(name, facts, split, (UNREADABLE, explain(error)))
            return _missing(name, facts, split)
        except OSError as error:
            return _entry(name, facts, split, (UNREADABLE, explain(error)))
        if not stat.S_ISREG(found.st_mode):
            return _entry(name, facts, split, (UNREADABLE, "not a regular file"))
        entry = _entry(name, facts, split, ())
        return entry._replace(size=found.st_size, mtime_ns=found.st_mtime_ns)


def _entry(name: str, facts: Facts, split: str | None, locator: Locator) -> Entry:
    return Entry(name, 0, 0, facts.label, split, locator, facts.extra)


def _missing(path: str, facts: Facts, split: str | None) -> Entry:
    return _entry(path, facts, split, (MISSING, NO_IMAGE))


def _base(path: str) -> str:
    return os.path.basename(path)
