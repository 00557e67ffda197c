"""What every source of images offers: entries while listing, bytes while reading."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple, Protocol

Locator = tuple[int | str, ...]


class Entry(NamedTuple):
    """One image that a source lists; nothing of it has been read yet.

    name: path relative to the source, "/"-separated; bytes that are no UTF-8 are surrogate
    escapes (`os.fsencode` gives the true bytes). Unique in its source.
    size: bytes that `Source.read` returns. mtime_ns: of the file that holds them.
    label: class name, None if unlabeled. split: the author's own split, else None.
    locator: the source's own way to find the bytes again, for `Source.read`.
    extra: values of `Source.extra_columns`, in that order.
    """  # a tuple: a frozen dataclass takes 1 µs more, a fifth of the listing

    name: str
    size: int
    mtime_ns: int
    label: str | None = None
    split: str | None = None
    locator: Locator = ()
    extra: tuple[str, ...] = ()


class Source(Protocol):
    """A place that images come from; it is only ever read.

    ignored and notes fill while `entries` runs. `read` and `read_head` may be called from
    any thread, and need no listing first.
    """

    ignored: Counter[str]
    notes: list[str]

    @property
    def labeled(self) -> bool:
        """True where every entry has a label, False where none has."""

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Names of the further columns that entries carry."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Classes that need no entry to exist: class folders that hold no file at all.

        They keep their name and number, so that those of the other classes do not move when
        files arrive. A folder that holds only other files (`docs/`) is no class.
        """

    @property
    def spool_bytes(self) -> int:
        """Bytes of scratch disk that reading takes; 0 where it takes none."""

    def entries(self) -> Iterator[Entry]:
        """Every candidate image, in any order, in memory that does not grow.

        Raises InputError where the source as a whole cannot be used.
        """

    def read(self, name: str, locator: Locator) -> bytes:
        """All bytes of one image. Raises RejectedImage if they cannot be had."""

    def read_head(self, name: str, locator: Locator, length: int) -> bytes:
        """The first `length` bytes of one image, or all if it has fewer. Raises likewise."""

    def close(self) -> None:
        """Give back descriptors and scratch files."""


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

    def members(self) -> Iterator[Member]:
        """The regular files. Raises InputError for a damaged archive or a refused member."""

    def read(self, locator: Locator, length: int | None) -> bytes:
        """A member's bytes, or the first `length`. Raises RejectedImage."""

    def close(self) -> None:
        """Give back descriptors and scratch files."""
