"""What every source of images offers: a listing, and the bytes of each image."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, Protocol

from imgmem.core.progress import ProgressCallback, no_progress
from imgmem.core.sources.labeling import Doubt
from imgmem.core.sources.numbering import ClassNumbers
from imgmem.core.storage.targets import CLASS

Locator = tuple[int | str, ...]

ALL_NAMED = frozenset({"dataset", "parquet"})
"""Rules of sources that name all their classes, in the order of their numbers."""
STORE = "store"
"""The kind of an address in an object store."""
OBJECT = "object"
"""How a locator begins that says which version of an object, or of a shard, holds the bytes: its
ETag or time, and its size. These are not part of a dataset, for a copy has others."""
CLOCK_SKEW_NS = 15 * 60 * 10**9
"""How far the clock of a store may be off: with more, it refuses signed requests."""


class Entry(NamedTuple):
    """One image that a source lists; nothing of it has been read yet.

    name: path relative to the source, "/"-separated; bytes that are not UTF-8 are surrogate
    escapes (`os.fsencode` gives the true bytes). Unique in its source.
    size: bytes that `Source.read` returns. mtime_ns: of the file that holds them.
    In a store, it is the latest time, by the clock of this machine, at which the object may have
    been written.
    label: class name, None if unlabeled. split: the author's own split, else None.
    locator: the source's own way to find the bytes again, for `Source.read`.
    extra: values of `Listing.extra_columns`, in that order.
    """  # a tuple: a frozen dataclass takes 1 µs more, a fifth of the listing

    name: str
    size: int
    mtime_ns: int
    label: str | None = None
    split: str | None = None
    locator: Locator = ()
    extra: tuple[str, ...] = ()


as_entry: Callable[[tuple[Any, ...]], Entry] = partial(tuple.__new__, Entry)
"""An entry of all its fields, in half the time: there is one for each image, several times."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a source holds, complete: nothing changes while it is read.

    entries: every candidate image, in memory that does not grow; they may be iterated as
    often as needed until the source is closed. ordered: whether rows keep their order.
    rule: how labels were found, as the option `labels` says it ("folder:1", "none"), or
    "table", "pairs", "array", "parquet", "dataset", "several". labeled: whether every entry has
    a label; else none has.
    target: what labels are, one of TARGETS; those that are not a class are texts of
    `sources.targets`. target_names: of the numbers.
    class_names: classes that need no entry to exist: class folders that hold no file at all,
    and the classes of a dataset. They keep their number, so that those of other classes do not
    move when files arrive.
    numbers: the author's numbers of all classes, where a label table has them.
    group_column: which of `extra_columns` holds the group of an image, None for none.
    size_of: finds the size of an image by its name, where entries have 0 for it; raises
    RejectedImage. None where entries have their sizes.
    origin: where the source is, on this machine or elsewhere.
    sources: of several sources as one, the prefix that the names of each begin with.
    placed: whether the rules and globs of the user have been applied to its paths.
    selected: whether the globs have been applied, and notes say which of them match nothing.
    memory_bytes: what a listing takes at most, this process included; 0 for no more than a build.
    ignored: what was passed over, counted by reason. notes: what the user should know.
    doubts: what the source may mean instead.
    """

    entries: Iterable[Entry]
    ordered: bool = False
    rule: str = "none"
    labeled: bool = False
    target: str = CLASS
    target_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    numbers: ClassNumbers | None = None
    extra_columns: tuple[str, ...] = ()
    group_column: str | None = None
    size_of: Callable[[str], int] | None = None
    origin: str = ""
    sources: tuple[str, ...] = ()
    placed: bool = False
    selected: bool = False
    memory_bytes: int = 0
    ignored: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()


class Address(NamedTuple):
    """Where another process finds the bytes of a source's images; see `open_address`.

    kind: "folder", "tar", "shards", "zip", "arrays", "dataset", "several", or "store" for a prefix
    of an object store. size, mtime_ns: of a single file, which must not have changed; 0 for what
    is not one. parts: of what is several files or sources, the address of each by its name.
    """

    kind: str
    path: str
    size: int = 0
    mtime_ns: int = 0
    parts: tuple[tuple[str, "Address"], ...] = ()

    @property
    def remote(self) -> bool:
        """Whether each read is a request to a server."""
        return self.kind == STORE or any(part.remote for _, part in self.parts)


class Source(Protocol):
    """A place that images come from; it is only ever read.

    `read` and `read_head` may be called from any thread, and need no listing first.
    """

    @property
    def spool_bytes(self) -> int:
        """Bytes of scratch disk that reading takes; 0 where it takes none."""

    @property
    def address(self) -> Address | None:
        """Where other processes on this machine find it; None where they cannot."""

    @property
    def remote(self) -> bool:
        """Whether reads, or some of them, are requests to a server."""

    def listing(self, progress: ProgressCallback = no_progress) -> Listing:
        """List everything. Raises InputError where the source as a whole cannot be used."""

    def read(self, name: str, locator: Locator) -> bytes:
        """All bytes of one image. Raises RejectedImage if they cannot be had."""

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        """The first `length` bytes of one image, or all if it has fewer. Raises likewise."""

    def changed_ns(self, name: str, locator: Locator, *, folders: bool) -> int:
        """When the file that holds an image was changed, by the clock of its file system; 0 where
        that is not known. folders: also its name and place, by the folders that it is in."""

    def close(self) -> None:
        """Return descriptors and scratch files, those of listings too."""


class Member(NamedTuple):
    """A file in an archive. name: relative to the source; path: relative to its archive."""

    name: str
    path: str
    size: int
    mtime_ns: int
    locator: Locator


class Container(Protocol):
    """What tar and zip archives share."""

    @property
    def spool_bytes(self) -> int:
        """Bytes of scratch disk in use."""

    @property
    def address(self) -> Address | None:
        """As of a source."""

    def members(self) -> Iterator[Member]:
        """The regular files. Raises InputError for a damaged archive or a refused member."""

    def read(self, locator: Locator, length: int | None) -> bytes:
        """A member's bytes, or the first `length`. Raises RejectedImage."""

    def close(self) -> None:
        """Return descriptors and scratch files."""
