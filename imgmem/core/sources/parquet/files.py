"""Parquet files that hold images: which there are, their columns, and their rows one by one."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from imgmem.core.errors import UsageError
from imgmem.core.extras import install_command
from imgmem.core.sources.blob import damaged
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.names import ignored_path
from imgmem.core.sources.words import split_meant

EXTENSION = ".parquet"
_BATCH_BYTES, _MOST_ROWS = 2**20, 1024
_READ_BYTES = 2**20
_DEEPEST, _LOOKED_INTO = 3, 16
_HF_NAME = re.compile(r"(.+?)-[0-9]{5}-of-[0-9]{5}")


def files_in(folder: str) -> list[str]:
    """The paths, below a folder, of its Parquet files, sorted by their bytes."""
    found = []
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(top, name), folder).replace(os.sep, "/")
            if name.lower().endswith(EXTENSION) and (ignored_path(path) or "")[:6] != "hidden":
                found.append(path)
    return sorted(found, key=os.fsencode)


def has_files(folder: str, depth: int = _DEEPEST) -> bool:
    """Whether there are Parquet files in a folder, looking into a few folders below it only."""
    below: list[str] = []
    try:
        with os.scandir(folder) as items:
            for item in items:
                if item.is_dir() and not item.name.startswith("."):
                    below = sorted([*below, item.path])[:_LOOKED_INTO]
                elif item.name.lower().endswith(EXTENSION):
                    return True
    except OSError:
        return False
    return depth > 0 and any(has_files(path, depth - 1) for path in below)


def splits_of(files: Sequence[str]) -> dict[str, str | None]:
    """The split that each file's name, or its folder's, says.

    `train-00000-of-00002.parquet`, `train/0000.parquet`; or else words, where all files have one
    and they differ.
    """
    stems = {file: os.path.basename(file)[: -len(EXTENSION)] for file in files}
    by_pattern: dict[str, str | None] = {
        file: split_name(match[1]) or match[1]
        for file, stem in stems.items()
        if (match := _HF_NAME.fullmatch(stem))
    }
    if len(by_pattern) == len(files):
        return by_pattern
    words = {file: _folder_split(file) or split_meant(stem) for file, stem in stems.items()}
    if None in words.values() or len(set(words.values())) < 2:
        return dict.fromkeys(files)
    return words


def configurations(files: Sequence[str]) -> dict[str, list[str]]:
    """The files by the folder that they are in, less `data` and the folders of splits."""
    found: dict[str, list[str]] = {}
    for file in files:
        *folders, _ = file.split("/")
        kept = [name for name in folders if name != "data" and split_name(name) is None]
        found.setdefault("/".join(kept), []).append(file)
    return found


def _folder_split(file: str) -> str | None:
    return split_name(os.path.basename(os.path.dirname(file)))


def schema_of(path: str) -> Any:
    """The Arrow schema of a file. Raises InputError for one that is damaged."""
    with _opened(path) as file:
        return file.schema_arrow


def row_count(path: str) -> int:
    """How many rows a file has."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def memory_bytes(path: str, column: str) -> int:
    """What reading the images of a file takes at most, about: its largest row group may be one
    page, which is unpacked as a whole and then copied (measured: 2 to 2.4 times its bytes)."""
    with _opened(path) as file:
        facts = file.metadata
        groups = [
            sum(
                chunk.total_uncompressed_size
                for chunk in map(group.column, range(group.num_columns))
                if chunk.path_in_schema.partition(".")[0] == column
            )
            for group in map(facts.row_group, range(facts.num_row_groups))
        ]
    return 5 * max(groups, default=0) // 2


def rows(path: str, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The cells of each row, a few rows in memory at once."""
    with _opened(path) as file:
        at_once = _rows_at_once(file.metadata)
        batches = file.iter_batches(at_once, columns=list(columns), use_threads=False)
        for batch in batches:
            at = [batch.schema.get_field_index(name) for name in columns]
            for row in range(batch.num_rows):
                yield tuple(batch.column(index)[row].as_py() for index in at)


def _rows_at_once(facts: Any) -> int:
    """As many rows as have a few MiB: each batch is copied twice."""
    size = sum(facts.row_group(at).total_byte_size for at in range(facts.num_row_groups))
    return int(min(max(_BATCH_BYTES * facts.num_rows // max(size, 1), 1), _MOST_ROWS))


def require_pyarrow(path: str) -> None:
    """UsageError, with the command that installs it, where pyarrow is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise UsageError(
            f"{path} needs the package pyarrow to be read",
            hint="It comes with the extra `parquet` of imgmem. Install it: "
            f"{install_command('pyarrow>=14')}",
        ) from None


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """An open file; InputError for what goes wrong with it."""
    require_pyarrow(path)
    import pyarrow
    from pyarrow.parquet import ParquetFile

    pool = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # its own keep what they have had
    try:
        with ParquetFile(path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
            yield file
    except (OSError, pyarrow.ArrowException) as error:
        raise damaged(path, str(error)) from None
    finally:
        pyarrow.set_memory_pool(pool)
