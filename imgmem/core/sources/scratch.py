"""Scratch space: nameless, so that nothing stays behind however the process ends."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from imgmem.core.errors import ResourceError

_CACHE_KIB = 8 * 1024


def scratch_file(directory: str | None) -> BinaryIO:
    """A new file in `directory` (None: where temporary files go) that has no name."""
    with explained(directory):
        return cast(BinaryIO, tempfile.TemporaryFile(dir=directory))


def scratch_database(schema: str) -> sqlite3.Connection:
    """A new database that spills to disk beyond some MiB, with the tables of `schema`."""
    database = sqlite3.connect("", check_same_thread=False)
    database.executescript(
        f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-{_CACHE_KIB};{schema}"
    )
    return database


@contextmanager
def explained(directory: str | None) -> Iterator[None]:
    """Turn a failure to write scratch data into a ResourceError."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        where = directory or tempfile.gettempdir()
        raise ResourceError(
            f"scratch data cannot be written in {where}: {error}",
            hint="Free some space there, or set TMPDIR to another disk.",
            path=where,
        ) from error
