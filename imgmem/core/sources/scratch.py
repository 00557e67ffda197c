"""Scratch space: nameless, so that nothing stays behind however the process ends."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, cast

from imgmem.core.errors import ResourceError

_CACHE_KIB = 8 * 1024


def scratch_file(directory: str | None) -> BinaryIO:
    """A new file in `directory` (None: where temporary files go) that has no name."""
    with explained(directory):
        return cast(BinaryIO, tempfile.TemporaryFile(dir=directory))


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
            raise _cannot_write(_spill_directory(), error) from error

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
        raise _cannot_write(directory or _spill_directory(), error) from error
    except OSError as error:
        raise _cannot_write(directory or tempfile.gettempdir(), error) from error


def _spill_directory() -> str:
    """Where SQLite puts databases without a name (https://sqlite.org/tempfiles.html, 5)."""
    variables = (os.environ.get(name, "") for name in ("SQLITE_TMPDIR", "TMPDIR"))
    usual = (*variables, "/var/tmp", "/usr/tmp", "/tmp")
    usable = (path for path in usual if os.path.isdir(path) and os.access(path, os.W_OK))
    return next(usable, ".")


def _cannot_write(where: str, error: Exception) -> ResourceError:
    return ResourceError(
        f"scratch data cannot be written in {where}: {error}",
        hint="Free some space there, or set TMPDIR to another disk.",
        path=where,
    )
