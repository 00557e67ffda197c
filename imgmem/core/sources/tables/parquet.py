"""Tables in Parquet files; needs the extra `parquet` (pyarrow)."""

from collections.abc import Generator, Sequence
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
    with _open(path) as file:
        return tuple(file.schema_arrow.names)


def records(path: str, names: Sequence[str]) -> Generator[tuple[int, Sequence[str]], None, None]:
    """(row number from 1, cells as text)."""
    number = 0
    with _open(path) as file:
        for batch in file.iter_batches(_BATCH, columns=list(names)):
            columns = [column.to_pylist() for column in batch.columns]
            for cells in zip(*columns, strict=True):
                number += 1
                yield number, list(map(as_text, cells))


def _open(path: str) -> "ParquetFile":
    require_pyarrow(path)
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(open_fetched(path) if is_address(path) else path)
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise InputError(
            f"the label table {path} cannot be read: {error}",
            hint="Check the path and its permissions.",
            path=path,
        ) from None
