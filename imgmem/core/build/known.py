"""Which images of a source a dataset has as rows already: what an update copies.

An image is known by its path, and by its bytes where the file may have changed since; or, where
splits were carried over and its path is new, by the bytes of an image that is gone.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from imgmem.core.build import freshness
from imgmem.core.build.changes import as_in_rows
from imgmem.core.build.planned import PlannedImage, is_copied
from imgmem.core.build.seen import file_time, seen_at
from imgmem.core.rows.origins import noted_origins
from imgmem.core.sources import changed
from imgmem.core.sources.concurrently import concurrently
from imgmem.core.sources.files import COPIED, REJECTED
from imgmem.core.storage.record import Record
from imgmem.core.storage.targets import row_cells

if TYPE_CHECKING:
    from imgmem.core.build.plan import Plan


@dataclass(kw_only=True)
class UpdateCounts:
    """What an update does, in images.

    added: new ones. changed: with other bytes than before. removed: gone. kept: as they were.
    relabeled, renamed: those of the kept ones that have another label, or another path.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    kept: int = 0
    relabeled: int = 0
    renamed: int = 0

    @property
    def nothing(self) -> bool:
        """Whether everything is as it was."""
        return not any(getattr(self, each.name) for each in fields(self) if each.name != "kept")

    def text(self) -> str:
        """`+120 ~3 −7, 49,870 kept (2 renamed, 5 relabeled)`."""
        also = [
            f"{count:,} {what}"
            for what, count in (("renamed", self.renamed), ("relabeled", self.relabeled))
            if count
        ]
        more = f" ({', '.join(also)})" if also else ""
        return f"+{self.added:,} ~{self.changed:,} −{self.removed:,}, {self.kept:,} kept{more}"


class _Earlier(NamedTuple):
    """An image that was there. row: None of one that was rejected, whose bytes are not known.
    notes: their cell in `rows.csv`."""

    digest: str
    row: int | None
    label: str
    notes: str


class _Asked(NamedTuple):
    """An image, what was there under its path, and the digest of its bytes; None where it has no
    part in it."""

    number: int
    image: PlannedImage
    earlier: list[_Earlier]
    digest: str | None


def find_known(
    database: sqlite3.Connection,
    plan: "Plan",
    images: Iterable[tuple[int, PlannedImage]],
    out: str,
    record: Record,
) -> UpdateCounts:
    """Fill the table `copies` of a plan's database with the rows of the dataset at `out`.

    images: those of the plan with the numbers of their files. record: of the dataset. Raises
    DatasetError where `rows.csv` is damaged.
    """
    changed.forget()
    _read_earlier(database, out, record)
    known = _Known(database, plan, out)
    database.execute("DELETE FROM copies")
    database.executemany("INSERT INTO copies VALUES (?, ?)", known.copies(images))
    query = "SELECT COUNT(DISTINCT path) FROM missing WHERE NOT found"
    known.counts.removed = database.execute(query).fetchone()[0]
    _forget_earlier(database)
    return known.counts


def _forget_earlier(database: sqlite3.Connection) -> None:
    """Drop what is not needed any more, and return the memory that the database holds: the build
    needs it."""
    database.execute("DROP TABLE IF EXISTS temp.earlier")
    database.execute("DROP TABLE IF EXISTS temp.missing")
    database.execute("PRAGMA shrink_memory")


def _read_earlier(database: sqlite3.Connection, out: str, record: Record) -> None:
    """Make the tables `earlier`, of all that was there, and `missing`, of what is gone."""
    database.create_function("in_rows", 1, lambda name: as_in_rows(os.fsdecode(name)))
    database.execute(
        "CREATE TEMP TABLE earlier (path TEXT, digest TEXT, row INTEGER, label TEXT, notes TEXT)"
    )
    rows = (
        (each.path, each.digest, each.row, each.shown_label or "", notes)
        for each, notes in noted_origins(out, record)
    )
    database.executemany("INSERT INTO earlier VALUES (?, ?, ?, ?, ?)", rows)
    rejected = ((path,) for path in freshness.rejected_before(out))
    database.executemany("INSERT INTO earlier VALUES (?, '', NULL, '', '')", rejected)
    database.execute("CREATE INDEX temp.earlier_by_path ON earlier (path)")
    database.execute(
        """
        CREATE TEMP TABLE missing AS SELECT *, FALSE AS found FROM earlier
        WHERE path NOT IN (SELECT in_rows(name) FROM files)"""
    )
    database.execute("CREATE INDEX temp.missing_by_digest ON missing (digest)")


class _Known:
    """The images of a plan, looked up among those that a dataset has."""

    def __init__(self, database: sqlite3.Connection, plan: "Plan", out: str) -> None:
        self.counts = UpdateCounts()
        self._database = database
        self._plan = plan
        self._since = seen_at(out, plan.listing.origin)
        self._rejected_at = file_time(out)

    def copies(self, images: Iterable[tuple[int, PlannedImage]]) -> Iterator[tuple[int, str]]:
        """(number, locator of its copy) of each image that is known; all of them are counted."""
        asked = ((number, image, self._earlier(image)) for number, image in images)
        size = lambda each: each[1].size  # noqa: E731
        known = concurrently(self._plan.source, self._read, asked, size=size)
        for number, image, earlier, digest in known:
            found = _same(earlier, digest) if earlier else self._renamed(number, image)
            if found is None:
                self.counts.added += not earlier
                self.counts.changed += bool(earlier) and self._has_changed(image, earlier)
                continue
            self.counts.kept += 1
            self.counts.renamed += not earlier
            self.counts.relabeled += found.label != self._label(image)
            if not is_copied(image):
                yield number, json.dumps([COPIED, found.row, found.digest, found.notes])

    def _earlier(self, image: PlannedImage) -> list[_Earlier]:
        """What there was under its path: in an archive there may be several."""
        query = "SELECT digest, row, label, notes FROM earlier WHERE path = ?"
        return [_Earlier(*row) for row in self._database.execute(query, (as_in_rows(image.name),))]

    def _read(self, asked: tuple[int, PlannedImage, list[_Earlier]]) -> _Asked:
        """An image with the digest by which it is known, read where nothing else says it."""
        _, image, earlier = asked
        rows = [each for each in earlier if each.row is not None]
        if not rows or _is_rejected(image):
            return _Asked(*asked, None)
        if len(earlier) == 1 and not is_copied(image) and not self._may_differ(image):
            return _Asked(*asked, rows[0].digest)
        return _Asked(*asked, freshness.digest_of(self._plan, image))

    def _renamed(self, number: int, image: PlannedImage) -> _Earlier | None:
        """The row of an image that is gone and had the same bytes, if those were read anyway."""
        query = """
            SELECT missing.rowid, missing.digest, row, label, notes FROM renamed
            JOIN missing USING (digest) WHERE file = ? ORDER BY found, row LIMIT 1"""
        row = self._database.execute(query, (number,)).fetchone()
        if row is None or _is_rejected(image):
            return None
        self._database.execute("UPDATE missing SET found = TRUE WHERE rowid = ?", row[:1])
        return _Earlier(*row[1:])

    def _has_changed(self, image: PlannedImage, earlier: list[_Earlier]) -> bool:
        """Whether an image that is decoded again is another; one that was rejected, and is the
        same, is not."""
        was_row = any(each.row is not None for each in earlier)
        return was_row or (
            not is_copied(image)
            and freshness.reject_may_differ(self._plan, image, self._rejected_at, folders=True)
        )

    def _may_differ(self, image: PlannedImage) -> bool:
        return freshness.may_differ(self._plan, image, self._since, folders=True)

    def _label(self, image: PlannedImage) -> str:
        """The label as people see it, see `RowOrigin.shown_label`."""
        label, name = row_cells(self._plan.target, image.label, self._plan.classes)
        return as_in_rows(name or str(label))


def _same(earlier: list[_Earlier], digest: str | None) -> _Earlier | None:
    """The row that has the bytes of a digest."""
    rows = (each for each in earlier if each.row is not None)
    return next((each for each in rows if digest is not None and each.digest == digest), None)


def _is_rejected(image: PlannedImage) -> bool:
    """Whether the listing has found already that an image becomes no row."""
    return bool(image.locator) and image.locator[0] in REJECTED
