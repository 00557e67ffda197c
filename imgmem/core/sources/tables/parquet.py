"""Tables in Parquet files; needs the extra `parquet` (pyarrow)."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from imgmem.core.errors import InputError
from imgmem.core.paths import is_address
from imgmem.core.sources.parquet.files import require_pyarrow
from imgmem.core.sources.remote.fetched import open_fetched
from imgmem.core.sources.tables.jsonl import as_text

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_BATCH = 4096


def names_of(path: str) -> tuple[str, ...]:
    """The names of the columns."""
    with _opened(path) as file:
        return tuple(file.schema_arrow.names)


def records(path: str, names: Sequence[str]) -> Generator[tuple[int, Sequence[str]], None, None]:
    """(row number from 1, cells as text)."""
    number = 0
    with _opened(path) as file:
        for batch in file.iter_batches(_BATCH, columns=list(names)):
            columns = [column.to_pylist() for column in batch.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield number, list(map(as_text, cells))


@contextmanager
def _opened(path: str) -> Iterator["ParquetFile"]:
    """The file; InputError where that, or what is done with it, finds it damaged."""
    require_pyarrow(path)
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(open_fetched(path) if is_address(path) else path) as file:
            yield file
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise InputError(
            f"the label table {path} cannot be read: {error}",
            hint="Check the file and its permissions.",
            path=path,
        ) from None
