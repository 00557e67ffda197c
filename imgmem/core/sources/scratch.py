"""Scratch space: unnamed, so that nothing stays behind however the process ends.

It goes where temporary files go, or next to the result where there is too little space.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from typing import Any, BinaryIO, cast

from imgmem.core.errors import ResourceError

_CACHE_KIB = 8 * 1024
ENOUGH_BYTES = 4 * 2**30
"""Free bytes at which temporary space is not compared with another disk: some 8 million images."""

_SET_TMPDIR = "set TMPDIR to a folder with more (it must exist and be writable)"

_directory: ContextVar[str | None] = ContextVar("directory", default=None)


@contextmanager
def scratch_near(result: str) -> Iterator[None]:
    """Within, scratch data goes to the directory `result`, or what there is above it, where that
    has more room than the usual one, and the usual one has little or cannot be written."""
    chosen = _roomier(_existing(os.path.abspath(result)))
    token = _directory.set(chosen)
    try:
        if chosen:
            _spill_to(chosen)
        yield
    finally:
        _directory.reset(token)
        if chosen:
            _spill_to("")


def _existing(path: str) -> str:
    while not os.path.isdir(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _roomier(near: str) -> str | None:
    """`near`, or None for the usual directory."""
    usual = _free_bytes(_spill_directory())
    return near if usual < min(_free_bytes(near), ENOUGH_BYTES) else None


def _free_bytes(directory: str) -> int:
    """-1 for what is not a directory that can be written."""
    try:
        return shutil.disk_usage(directory).free if _is_usable(directory) else -1
    except OSError:
        return -1


def _is_usable(directory: str) -> bool:
    return os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)


def _spill_to(directory: str) -> None:
    """Let SQLite put what has no name into a directory; "" for the usual one."""
    with closing(sqlite3.connect("")) as database, suppress(sqlite3.Error):  # not in all builds
        quoted = directory.replace("'", "''")
        database.execute(f"PRAGMA temp_store_directory = '{quoted}'")


def scratch_file(directory: str | None) -> BinaryIO:
    """A new file in `directory` (None: where scratch data goes) that has no name."""
    with explained(directory):
        return cast(BinaryIO, tempfile.TemporaryFile(dir=directory or _directory.get()))


class _Cursor(sqlite3.Cursor):
    """A cursor whose failures are explained, also those while it is read."""

    def execute(self, *arguments: Any) -> "_Cursor":
        with explained(None):
            super().execute(*arguments)
        return self

    def executemany(self, *arguments: Any) -> "_Cursor":
        with explained(None):
            super().executemany(*arguments)
        return self

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.OperationalError as error:
            raise _cannot_write(None, error) from error

    def fetchone(self) -> Any:
        with explained(None):
            return super().fetchone()

    def fetchmany(self, *arguments: Any) -> list[Any]:
        with explained(None):
            return super().fetchmany(*arguments)

    def fetchall(self) -> list[Any]:
        with explained(None):
            return super().fetchall()


class _Database(sqlite3.Connection):
    """A connection whose cursors explain their failures."""

    def __del__(self) -> None:
        with suppress(sqlite3.Error):  # another thread may collect it
            self.close()  # Python 3.13 warns of one that was not closed

    def execute(self, *arguments: Any) -> _Cursor:
        return self.cursor(_Cursor).execute(*arguments)

    def executemany(self, *arguments: Any) -> _Cursor:
        return self.cursor(_Cursor).executemany(*arguments)


def scratch_database(schema: str, *, cache_kib: int = _CACHE_KIB) -> sqlite3.Connection:
    """A new database that spills to disk beyond `cache_kib`, with the tables of `schema`.

    Whatever is done with it raises ResourceError where the disk is full or fails.
    """
    database = sqlite3.connect("", check_same_thread=False, factory=_Database)
    database.executescript(
        f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{cache_kib};{schema}"
    )
    return database


@contextmanager
def explained(directory: str | None) -> Iterator[None]:
    """Turn a failure to write scratch data into a ResourceError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise _cannot_write(directory, error) from error
    except OSError as error:
        raise _cannot_write(directory, error) from error


def _spill_directory() -> str:
    """Where SQLite puts databases without a name (https://sqlite.org/tempfiles.html, 5); where
    it can use none, the one that was asked for."""
    variables = (os.environ.get(name, "") for name in ("SQLITE_TMPDIR", "TMPDIR"))
    usual = [*filter(None, variables), "/var/tmp", "/usr/tmp", "/tmp", "."]
    return next(filter(_is_usable, usual), usual[0])


def _cannot_write(directory: str | None, error: Exception) -> ResourceError:
    where = directory or _directory.get() or _spill_directory()
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    elsewhere = "write the result to another disk" if directory else _SET_TMPDIR
    return ResourceError(
        f"scratch data cannot be written in {where}: {said}",
        hint=f"Free some space there, or {elsewhere}.",
        path=where,
    )
