"""Scratch files: nameless, so that nothing stays behind however the process ends."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from imgmem.core.errors import ResourceError


def scratch_file(directory: str | None) -> BinaryIO:
    """A new file in `directory` (None: where temporary files go) that has no name."""
    with explained(directory):
        return cast(BinaryIO, tempfile.TemporaryFile(dir=directory))


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
