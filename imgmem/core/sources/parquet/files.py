"""Parquet files that hold images: which there are, their columns, and their rows one by one."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

from imgmem.core.errors import UsageError
from imgmem.core.extras import install_command
from imgmem.core.sources.blob import damaged
from imgmem.core.sources.layout import split_name
from imgmem.core.sources.parquet.columns import ImageColumns
from imgmem.core.sources.parquet.pages import ChunkPlace, measured, row_groups
from imgmem.core.sources.words import split_meant

EXTENSION = ".parquet"
_BATCH_BYTES, _MOST_ROWS = 2**20, 1024
_READ_BYTES = 2**20
_DEEPEST, _LOOKED_INTO = 3, 16
_HF_NAME = re.compile(r"(.+?)-[0-9]{5}-of-[0-9]{5}")


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

    `train-00000-of-00002.parquet`, `train/0000.parquet`; or else words, where they differ and train
    is among them; a file without one is a split of its own then (`extra.parquet`).
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
    found = set(words.values()) - {None}
    if len(found) < 2 or (None in words.values() and "train" not in found):
        return dict.fromkeys(files)
    return {file: word or stems[file] for file, word in words.items()}


def configurations(files: Sequence[str]) -> dict[str, list[str]]:
    """The files by the folder that they are in, less `data` and the folders of splits."""
    found: dict[str, list[str]] = {}
    for file in files:
        *folders, _ = file.split("/")
        kept = [name for name in folders if name != "data" and _split_of(name) is None]
        found.setdefault("/".join(kept), []).append(file)
    return found


def _folder_split(file: str) -> str | None:
    return _split_of(os.path.basename(os.path.dirname(file)))


def _split_of(folder: str) -> str | None:
    """The split of a folder; the Hub has `partial-train` of a set that it did not convert whole."""
    return split_name(folder.removeprefix("partial-"))


@dataclass(frozen=True)
class FileFacts:
    """What is known of a file before its rows are read.

    schema: Arrow's. rows: how many. memory: bytes that reading a column takes at most, by its
    name; values: of one of its cells, on average.
    """

    schema: Any
    rows: int
    memory: Mapping[str, int]
    values: Mapping[str, int]


def facts_of(path: str) -> FileFacts:
    """The facts of a file. Raises InputError for one that is damaged."""
    require_pyarrow(path)
    kept = _keeps_memory()
    with _opened(path) as file, open(path, "rb") as raw:
        names = file.schema_arrow.names
        memory: Counter[str] = Counter()
        values: Counter[str] = Counter()
        for chunks in _row_groups(path, raw):
            of_group: Counter[str] = Counter()
            for chunk in chunks:
                column = _column(chunk.path_in_schema, names)
                found = measured(raw, chunk, kept=kept)
                of_group[column] += found.memory
                values[column] = max(values[column], found.value)
            memory |= of_group
        return FileFacts(file.schema_arrow, int(file.metadata.num_rows), memory, values)


def _row_groups(path: str, raw: BinaryIO) -> list[list[ChunkPlace]]:
    try:
        return row_groups(raw)
    except ValueError as error:
        raise damaged(path, str(error)) from None


def _column(path: str, names: Sequence[str]) -> str:
    """The column that a chunk of values belongs to: `image` for `image.bytes`."""
    return path if path in names else path.partition(".")[0]


def rows(path: str, columns: ImageColumns, facts: FileFacts) -> Iterator[tuple[Any, ...]]:
    """The cells of `columns.read` of each row, of the image its bytes; a few rows in memory at
    once."""
    read = list(columns.read)
    mean = sum(facts.values[column] for column in read)
    at_once = min(max(_BATCH_BYTES // max(mean, 1), 1), _MOST_ROWS)
    leaves = [f"{columns.image}.bytes" if columns.nested else columns.image, *read[1:]]
    with _opened(path) as file:
        for batch in file.iter_batches(at_once, columns=leaves, use_threads=False):
            image, *others = (batch.column(batch.schema.get_field_index(name)) for name in read)
            images = _bytes_of(image.flatten()[0] if columns.nested else image)
            yield from zip(images, *(other.to_pylist() for other in others), strict=True)


def _bytes_of(cells: Any) -> Iterator[memoryview | None]:
    """The bytes in each cell, None where there are none; a scalar of pyarrow would be a copy."""
    wide = str(cells.type).startswith("large")
    _, starts, data = cells.buffers()
    offsets = memoryview(starts or b"").cast("q" if wide else "i")
    values, first = memoryview(data or b""), cells.offset
    for row, there in enumerate(cells.is_valid().to_pylist(), first):
        yield values[offsets[row] : offsets[row + 1]] if there else None


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


def _keeps_memory() -> bool:
    """Whether pyarrow has an allocator of its own: that of the process is `system`."""
    import pyarrow

    return str(pyarrow.default_memory_pool().backend_name) != "system"


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """An open file; InputError for what goes wrong with it."""
    require_pyarrow(path)
    import pyarrow
    from pyarrow.parquet import ParquetFile

    pool = pyarrow.default_memory_pool()
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # its own keeps what it has had
    try:
        with ParquetFile(path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
            yield file
    except (OSError, UnicodeDecodeError, pyarrow.ArrowException) as error:
        raise damaged(path, str(error)) from None
    finally:
        pyarrow.set_memory_pool(pool)
        pool.release_unused()  # pages are in it all the same
