"""How large the pages of a Parquet file are: what is read of it as a whole.

pyarrow does not report it, and a damaged footer makes it abort the process where it is asked for a
column chunk. So the footer and the headers of pages are read here: structs of Thrift's compact
protocol (https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift).
"""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

_MAGIC = b"PAR1"
_HEAD_BYTES = 2**16
_DEEPEST = 32
_ROW_GROUPS, _COLUMNS, _META = 4, 1, 3
_PATH, _CODEC, _NUM_VALUES, _ALL_UNPACKED, _ALL_PACKED = 3, 4, 5, 6, 7
_DATA_AT, _DICTIONARY_AT = 9, 11
_TYPE, _UNPACKED, _PACKED, _OF_DICTIONARY = 1, 2, 3, 7
_DICTIONARY = 2
_VALUES = 1
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY = 1, 2, 3, 7, 8
_LISTS, _STRUCT = (9, 10), 12

UNCOMPRESSED = "UNCOMPRESSED"

_Fields = dict[int, Any]
"""The fields of a struct by number: whole numbers, bytes, lists and structs; None for all else."""


class ChunkPlace(NamedTuple):
    """Where the values of a column are in a row group, as the footer says; pyarrow's
    ColumnChunkMetaData has the same fields, and more."""

    path_in_schema: str
    compression: str
    num_values: int
    total_uncompressed_size: int
    total_compressed_size: int
    data_page_offset: int
    dictionary_page_offset: int | None


class Page(NamedTuple):
    """One page of a column chunk. head: bytes of its header; packed: of the page in the file;
    unpacked: when decompressed. distinct: values in a dictionary, 0 for other pages."""

    head: int
    packed: int
    unpacked: int
    distinct: int = 0


class ColumnChunk(NamedTuple):
    """What reading a column chunk takes. memory: in bytes, at most. value: bytes of a value, on
    average."""

    memory: int
    value: int


def row_groups(file: BinaryIO) -> list[list[ChunkPlace]]:
    """The column chunks of each row group of a Parquet file. Raises ValueError for a footer that is
    damaged, or encrypted."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 8))
    tail = file.read(8)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or length > size - 8:
        raise ValueError("no footer")
    file.seek(size - 8 - length)
    try:
        fields = _Reader(file.read(length)).struct()
        return [
            [_chunk(column[_META]) for column in group[_COLUMNS]] for group in fields[_ROW_GROUPS]
        ]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError("a damaged footer") from error


def _chunk(fields: _Fields) -> ChunkPlace:
    chunk = ChunkPlace(
        path_in_schema=b".".join(fields[_PATH]).decode(),
        compression="packed" if fields[_CODEC] else UNCOMPRESSED,
        num_values=fields[_NUM_VALUES],
        total_uncompressed_size=fields[_ALL_UNPACKED],
        total_compressed_size=fields[_ALL_PACKED],
        data_page_offset=fields[_DATA_AT],
        dictionary_page_offset=fields.get(_DICTIONARY_AT),
    )
    if any(number < 0 for number in chunk[2:] if number is not None):
        raise ValueError("a damaged footer")
    return chunk


def measured(file: BinaryIO, chunk: Any, *, kept: bool) -> ColumnChunk:
    """What reading a column chunk takes.

    A page is read and decompressed as a whole; values of a dictionary are copied; and all bytes
    of a page may be those of one image, which is copied once more.

    Args:
        file: The Parquet file, which may be read anywhere.
        chunk: Where it is.
        kept: Whether memory that is freed between these steps may not be used for the next.
    """
    packed, unpacked = chunk.total_compressed_size, chunk.total_uncompressed_size
    try:
        found = list(pages(file, chunk))
    except (IndexError, ValueError):  # encrypted, or of a later version of the format
        found = [Page(0, packed, unpacked, distinct=1)]
    packs = chunk.compression != UNCOMPRESSED
    dictionaries = [page for page in found if page.distinct]
    largest = max((_taken(page, packs=packs, kept=kept) for page in found), default=0)
    copied = sum(page.unpacked for page in dictionaries)
    mean = unpacked // max(chunk.num_values, 1)
    distinct = max((page.unpacked // page.distinct for page in dictionaries), default=0)
    return ColumnChunk(copied + largest, max(mean, distinct))


def _taken(page: Page, *, packs: bool, kept: bool) -> int:
    packed = page.packed if packs else 0
    return page.unpacked + (packed + page.unpacked if kept else max(packed, page.unpacked))


def pages(file: BinaryIO, chunk: Any) -> Iterator[Page]:
    """The pages of a column chunk. Raises IndexError or ValueError where they are unknown."""
    starts = (chunk.dictionary_page_offset, chunk.data_page_offset)
    at = min(start for start in starts if start)
    end = at + chunk.total_compressed_size
    while at < end:
        file.seek(at)
        page = _page(file.read(_HEAD_BYTES))
        yield page
        at += page.head + page.packed


def _page(data: bytes) -> Page:
    reader = _Reader(data)
    fields = reader.struct()
    packed, unpacked = fields.get(_PACKED), fields.get(_UNPACKED)
    if not (isinstance(packed, int) and isinstance(unpacked, int) and min(packed, unpacked) >= 0):
        raise ValueError("not the header of a page")
    if fields.get(_TYPE) != _DICTIONARY:
        return Page(reader.at, packed, unpacked)
    facts = fields.get(_OF_DICTIONARY)
    values = facts.get(_VALUES) if isinstance(facts, dict) else None
    return Page(
        reader.at, packed, unpacked, values if isinstance(values, int) and values > 0 else 1
    )


class _Reader:
    """Reads values one after the other; `at` is how far it is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self, depth: int = 0) -> _Fields:
        if depth > _DEEPEST:
            raise ValueError("structs in structs without end")
        found: _Fields = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._number()
            found[number] = self._value(kind, depth + 1)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return None
        if kind == _BYTE:
            return self._byte()
        if kind < _DOUBLE:
            return self._number()
        if kind == _STRUCT:
            return self.struct(depth)
        if kind in _LISTS:
            return self._list(depth)
        if kind not in (_DOUBLE, _BINARY):
            raise ValueError(f"a field of the kind {kind}")
        return self._bytes(8 if kind == _DOUBLE else self._varint())

    def _list(self, depth: int) -> list[Any]:
        if depth > _DEEPEST:
            raise ValueError("lists in lists without end")
        head = self._byte()
        count = self._varint() if head >> 4 == 15 else head >> 4
        kind = max(head & 15, _BYTE)  # a boolean in a list is a byte
        return [self._value(kind, depth + 1) for _ in range(count)]

    def _bytes(self, length: int) -> bytes:
        self.at += length
        return self._data[self.at - length : self.at]

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _varint(self) -> int:
        result = shift = 0
        while True:
            byte = self._byte()
            result |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return result

    def _number(self) -> int:
        """A whole number, in the zigzag code."""
        coded = self._varint()
        return (coded >> 1) ^ -(coded & 1)
